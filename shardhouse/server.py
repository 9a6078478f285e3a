"""`serve`: puts an installation together, serves its two APIs, and ends cleanly.

The order of the start is the order of trust: sockets and the lock on the data directory first, so
that a second `serve` changes nothing; then the store, IAM's first account, the workflows (which
resume what a crash interrupted), the monitor, and last the answers to clients.
"""

import asyncio
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio.to_thread
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from shardhouse.api.dds.app import create_dds_app
from shardhouse.api.dds.rendered import Rendered
from shardhouse.api.dds.state import Service
from shardhouse.api.iam.app import create_iam_app
from shardhouse.engines import discover
from shardhouse.errors import SettingsError
from shardhouse.iam.bootstrap import bootstrap
from shardhouse.iam.service import Iam
from shardhouse.mongo import logs
from shardhouse.nodes.local import LocalRuntime
from shardhouse.settings import Settings
from shardhouse.store import instances
from shardhouse.store.database import Database
from shardhouse.store.vault import Vault
from shardhouse.workflows.context import Context
from shardhouse.workflows.engine import Workflows
from shardhouse.workflows.keeper import Keeper
from shardhouse.workflows.monitor import Monitor
from shardhouse.workflows.requests import Requests

LOCK_NAME = "serve.lock"
BACKLOG = 1024
HANDLER_THREADS = 12
log = structlog.get_logger()


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises SettingsError when a port or the data directory is taken.

    Never returns normally: the process ends as soon as the servers have, because threads of running
    workflows must not be made to believe that their work failed.
    """
    os.umask(0o077)
    configure_logs(settings.log_level)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        (settings.data_dir / LOCK_NAME).touch()
    except OSError as error:
        raise SettingsError(
            f"The data directory {settings.data_dir} cannot be made or written: {error.strerror}. "
            "Choose another with --data-dir or SHARDHOUSE_DATA_DIR."
        ) from None
    with _sole_owner(settings.data_dir):
        dds_socket = _listen(settings.host, settings.port, "port")
        iam_socket = _listen(settings.host, settings.iam_port, "iam_port")
        settings = settings.model_copy(
            update={
                "port": dds_socket.getsockname()[1],
                "iam_port": iam_socket.getsockname()[1],
            }
        )
        database = Database(settings.store_url)
        database.migrate()
        vault = Vault.at(settings.data_dir)
        bootstrap(settings, database, vault)
        runtime = LocalRuntime(settings.data_dir, settings.node_network, explain=logs.reason)
        context = Context(settings, database, vault, runtime, discover(settings.engines))
        workflows = Workflows(context)
        monitor = Monitor(context)
        keeper = Keeper(context, monitor.wake)
        iam = Iam.over(database, vault, project_in_use=lambda id: _in_use(database, id))
        rendered = Rendered(settings.memory_scale)
        service = Service(settings, database, Requests(context, workflows), rendered)
        keeper.take_stock()
        workflows.launch()
        keeper.start()
        monitor.start()
        apps = [
            (create_dds_app(service, iam), dds_socket),
            (create_iam_app(iam, settings), iam_socket),
        ]
        uvloop.run(_run(apps, settings))
        keeper.close()
        monitor.close()
        workflows.close()
        log.info("stopped")
    sys.stdout.flush()
    os._exit(0)


def configure_logs(level: str) -> None:
    """One JSON event per line on standard error."""
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(message)s")
    for noisy in ("uvicorn", "pymongo", "alembic", "dbos", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class _Server(uvicorn.Server):
    """One of several servers of this process: signals are not its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `_run`."""
        yield


async def _run(apps: list[tuple[FastAPI, socket.socket]], settings: Settings) -> None:
    servers = []
    tasks = []
    for app, listener in apps:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="off",
            http="httptools",
            server_header=False,
            # Real tokens are several kilobytes; signed headers come beside them.
            h11_max_incomplete_event_size=65536,
            timeout_graceful_shutdown=5,
        )
        server = _Server(config)
        servers.append(server)
        tasks.append(asyncio.create_task(server.serve(sockets=[listener])))

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    # Handlers wait for SQLite, which serves few threads best, and each thread costs memory.
    anyio.to_thread.current_default_thread_limiter().total_tokens = HANDLER_THREADS
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    log.info("serving", dds=settings.dds_url(), iam=settings.iam_url())
    await asyncio.gather(*tasks)


@contextmanager
def _sole_owner(data_dir: Path) -> Iterator[None]:
    """Hold the data directory's lock; it goes with the process, however that ends."""
    with (data_dir / LOCK_NAME).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise SettingsError(
                f"Another `shardhouse serve` (pid {owner}) uses {data_dir}. Stop it, or choose "
                "another --data-dir."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it; without it an answer's body waits for a delayed ACK (40 ms).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with "
            f"--{setting.replace('_', '-')} or SHARDHOUSE_{setting.upper()}."
        ) from None
    listener.listen(BACKLOG)
    return listener


def _in_use(database: Database, project_id: str) -> bool:
    """Whether a project still owns instances."""
    with database.read() as connection:
        return bool(instances.count_by_mode(connection, project_id))
