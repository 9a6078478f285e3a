"""The program: read options, listen, run until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import uvloop

from shardhouse.router import MONGODB_VERSION, background
from shardhouse.router.commands.transactions import abort_all
from shardhouse.router.logs import Log
from shardhouse.router.options import OptionError, Options, build_info, parse
from shardhouse.router.router import Router
from shardhouse.router.server import Server
from shardhouse.router.tls import Contexts

_GRACE = 5.0
_OPEN = (
    "Access control is not enabled for the database. "
    "Read and write access to data and configuration is unrestricted"
)
_DRAIN = "mongosShutdownTimeoutMillisForSignaledShutdown"


def main(argv: Sequence[str]) -> int:
    """Run a router with mongos's options; the process's exit status."""
    try:
        options = parse(argv)
        key = _key(options.key_file) if options.key_file is not None else None
        work = partial(_serve, options, key)
        return background.run(work) if options.fork else work(lambda: None)
    except (OptionError, OSError, ssl.SSLError) as error:
        print(f"shardhouse router: {error}", file=sys.stderr)
        return 2


def _serve(options: Options, key: bytes | None, ready: Callable[[], None]) -> int:
    _write_pid(options.pid_file)
    with contextlib.closing(Log.to(options.log_path, options.log_append)) as log:
        return uvloop.run(_run(options, key, log, ready))


def _key(path: Path) -> bytes:
    """The cluster's key: the file without its white space."""
    key = "".join(path.read_text("utf-8").split()).encode()
    if not 6 <= len(key) <= 1024:
        raise OptionError("--keyFile must hold 6 to 1024 characters")
    return key


def _write_pid(path: str | None) -> None:
    if path is not None:
        Path(path).write_text(f"{os.getpid()}\n", "utf-8")


def _metrics(router: Router) -> Callable[[], None]:
    """Serve /metrics if asked to; returns what ends it."""
    options = router.options
    if options.metrics_port is None:
        return lambda: None
    from shardhouse.router import metrics  # only who wants it pays for its memory

    return metrics.serve(router, options.metrics_bind_ip, options.metrics_port)


async def _run(options: Options, key: bytes | None, log: Log, ready: Callable[[], None]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        log.note(
            "CONTROL", "Received signal", "SignalHandler", number=23377,
            signal=int(number), error=signal.strsignal(number),
        )  # fmt: skip
        stop.set()

    def rotate() -> None:
        try:
            log.rotate()
        except OSError as error:
            log.fail("CONTROL", "Log rotation failed", "SignalHandler", error=error.strerror)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
    loop.add_signal_handler(signal.SIGUSR1, rotate)
    router = Router(options, key, Contexts(options), log)
    server = Server(router)
    log.note(
        "CONTROL", "Router starting", pid=os.getpid(), port=options.port,
        version=MONGODB_VERSION, configdb=options.config_string,
    )  # fmt: skip
    log.note("CONTROL", "Build Info", number=23403, buildInfo=build_info())
    log.note("CONTROL", "Options set by command line", number=21951, options=options.parsed)
    await server.start()
    end_metrics = _metrics(router)
    if not options.access_control:
        log.warn_at_start("CONTROL", _OPEN, 22120)
    encrypted = "off" if options.tls_mode == "disabled" else "on"
    log.note("NETWORK", "Waiting for connections", number=23016, port=options.port, ssl=encrypted)
    router.start()
    ready()
    # What the imports left behind stays for good; the collector need not look at it again.
    gc.freeze()
    await stop.wait()
    log.note("CONTROL", "Router stopping")
    router.stopping.set()
    server.refuse()
    drain = int(router.parameters[_DRAIN]) / 1000
    end = time.monotonic() + drain
    await router.drained(drain)
    await server.stop(max(_GRACE, end - time.monotonic()))
    await abort_all(router)
    await asyncio.to_thread(end_metrics)
    await router.stop()
    log.note("CONTROL", "Router stopped")
    log.note("CONTROL", "Shutting down", number=23138, exitCode=0)
    return 0
