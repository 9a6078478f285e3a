"""`serve`: puts an installation together, serves its two APIs, and ends cleanly.

The order of the start is the order of trust: what the settings need of the machine (limits,
certificates), then sockets and the lock on the data directory, so that a second `serve` changes
nothing; then the store, IAM's first account, the workflows (which resume what a crash interrupted),
the monitor, and last the answers to clients.
"""

import asyncio
import fcntl
import io
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio.to_thread
import structlog
import uvloop

from shardhouse import endpoints, open_files, tls
from shardhouse.api import latency, prometheus
from shardhouse.api.dds.app import create_dds_app
from shardhouse.api.dds.json_cache import InstanceJsonCache
from shardhouse.api.dds.state import Service
from shardhouse.api.iam.app import create_iam_app
from shardhouse.api.latency import Timed
from shardhouse.api.neighbours.app import Beside, create_neighbours_app
from shardhouse.backups.storage import open_storage
from shardhouse.console.app import BesideConsole, Console
from shardhouse.doctor.running import LOCK_NAME
from shardhouse.engines import Builds
from shardhouse.errors import SettingsError
from shardhouse.iam.bootstrap import bootstrap
from shardhouse.iam.service import Iam
from shardhouse.mongo import logs
from shardhouse.nodes.local import LocalRuntime
from shardhouse.nodes.local.addresses import NodeNetwork
from shardhouse.operations.submit import Submit
from shardhouse.operations.table import OPERATIONS
from shardhouse.ports.serving import Server
from shardhouse.settings import Settings
from shardhouse.store import instances
from shardhouse.store.database import METRIC_WRITERS, Database
from shardhouse.store.metric_ring import MetricRing
from shardhouse.store.reserve import Reserve
from shardhouse.store.vault import Vault
from shardhouse.workflows.alarms import Alarms
from shardhouse.workflows.archivist import Archivist
from shardhouse.workflows.auditor import Auditor
from shardhouse.workflows.backup_schedule import BackupSchedule
from shardhouse.workflows.collector import Collector
from shardhouse.workflows.context import Context
from shardhouse.workflows.engine import Workflows
from shardhouse.workflows.expiry import Expiry
from shardhouse.workflows.gateways import Gateways
from shardhouse.workflows.inspector import Inspector
from shardhouse.workflows.kill_op import KillOp
from shardhouse.workflows.log_exports import LogExports
from shardhouse.workflows.log_forwarder import LogForwarder
from shardhouse.workflows.log_rotation import LogRotation
from shardhouse.workflows.log_streams import open_sink
from shardhouse.workflows.monitor import Monitor
from shardhouse.workflows.scheduler import Scheduler
from shardhouse.workflows.supervisor import Supervisor
from shardhouse.workflows.volumes import Volumes
from shardhouse.workflows.webhook import Webhook

BACKLOG = 1024
HANDLER_THREADS = 12
log = structlog.get_logger()


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises SettingsError when a port or the data directory is
    taken, a certificate cannot be used, or too few files may be opened.

    Never returns normally: the process ends as soon as the servers have, because threads of running
    workflows must not be made to believe that their work failed.
    """
    os.umask(0o077)
    configure_logs(settings.log_level)
    hard_limit = open_files.raise_limit(settings)
    certificate = tls.server_context(settings)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        (settings.data_dir / LOCK_NAME).touch()
    except OSError as error:
        raise SettingsError(
            f"The data directory {settings.data_dir} cannot be made or written: {error.strerror}. "
            "Choose another with --data-dir or SHARDHOUSE_DATA_DIR."
        ) from None
    reserve = Reserve(settings.data_dir)
    if reserve.disk_is_full:
        reserve.give_back()
    with _sole_owner(settings.data_dir):
        reserve.refill()
        dds_socket = _listen(settings.host, settings.port, "port")
        iam_socket = _listen(settings.host, settings.iam_port, "iam_port")
        settings = settings.model_copy(
            update={
                "port": dds_socket.getsockname()[1],
                "iam_port": iam_socket.getsockname()[1],
            }
        )
        _warn(settings, hard_limit)
        database = Database(settings.store_url, reserve)
        database.migrate()
        vault = Vault.at(settings.data_dir)
        bootstrap(settings, database, vault)
        runtime = LocalRuntime(settings.data_dir, settings.node_network, explain=logs.reason)
        pool = _public_addresses(settings)
        with database.read() as connection:
            leased = [address for address, _ in instances.leases(connection)]
        if missing := runtime.missing_addresses(leased):
            log.warning("node addresses missing", found=missing.found, mend=missing.mend)
        builds = Builds.of(settings)
        builds.store.add_installed(lambda line: log.info("MongoDB builds", detail=line))
        builds.catalogue()
        storage = open_storage(settings)
        context = Context(settings, database, vault, runtime, builds, reserve, storage)
        workflows = Workflows(context, OPERATIONS)
        submit = Submit(context, workflows)
        volumes = Volumes(context, submit.enlarge_volumes)
        gateways = Gateways(context)
        monitor = Monitor(context, Inspector(submit.repair), volumes, gateways)
        ring = MetricRing(Database(settings.metrics_url, writers=METRIC_WRITERS))
        collector = Collector(context, monitor.connections, ring)
        alarms = Alarms(database, ring, settings.alarm_url)
        supervisor = Supervisor(context, monitor.wake)
        scheduler = Scheduler(context, workflows)
        backups = BackupSchedule(context, submit.back_up)
        archivist = Archivist(context)
        expiry = Expiry(context)
        webhook = Webhook(settings.events, database)
        log_exports = LogExports(context)
        log_rotation = LogRotation(context)
        kill_op = KillOp(context)
        auditor = Auditor(context)
        forwarder = LogForwarder(context, open_sink(settings))
        iam = Iam.over(database, vault, project_in_use=lambda id: _in_use(database, id))
        json_cache = InstanceJsonCache(settings.memory_scale, builds)
        service = Service(context, submit, json_cache, gateways, log_exports, auditor, forwarder)
        latencies = latency.histogram()
        stop_metrics = prometheus.serve(settings, database, collector, latencies)
        supervisor.note_stopped_nodes()
        gateways.refresh()
        workflows.launch()
        submit.remove_deleted()
        services = (
            *(supervisor, monitor, scheduler, backups, archivist, expiry, webhook),
            *(log_exports, log_rotation, kill_op, collector, alarms, auditor, forwarder),
        )
        for one in services:
            one.start()
        neighbours = create_neighbours_app(iam, settings, database, pool, ring)
        beside = Beside(
            Timed(create_iam_app(iam, settings), "iam", latencies),
            Timed(neighbours, "neighbours", latencies),
        )
        dds_app = Timed(create_dds_app(service, iam), "dds", latencies)
        console = Console(settings, vault, beside, dds_app)
        dds = Server(BesideConsole(dds_app, console.app), "dds", settings, certificate)
        identity = Server(beside, "iam", settings, certificate)
        servers = [(dds, dds_socket), (identity, iam_socket)]
        uvloop.run(_run(servers, settings))
        stop_metrics()
        for one in reversed(services):
            one.close()
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
        logger_factory=structlog.PrintLoggerFactory(_Log(sys.stderr.buffer)),
    )


class _Log(io.TextIOWrapper):
    """A stream whose failures stay its own: an event that finds no space on the log's disk is lost,
    and what it tells of goes on."""

    def write(self, text: str) -> int:
        """Write, if possible."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if possible."""
        with suppress(OSError):
            super().flush()


async def _run(servers: list[tuple[Server, socket.socket]], settings: Settings) -> None:
    tasks = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in servers]

    def stop() -> None:
        for server, _ in servers:
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
        try:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        except OSError as error:
            raise SettingsError(
                f"{data_dir} cannot be written: {error.strerror}. Free some space on its disk."
            ) from None
        yield


def _warn(settings: Settings, hard_limit: int | None) -> None:
    """Warn of what works and is not what an operator may think."""
    if hard_limit is not None and hard_limit < open_files.ENOUGH:
        log.warning(
            f"Only {hard_limit} files may be opened; MongoDB wants {open_files.ENOUGH} for each "
            f"mongod. Raise the limit: {open_files.MEND}."
        )
    for warning in tls.warnings(settings):
        log.warning(warning)
    if settings.tls_certificate is None and not endpoints.is_loopback(settings.host):
        log.warning(
            f"NO TLS: host is {settings.host}, so passwords, tokens and all requests cross the "
            "network in clear, and anyone who reads them can use them. Set tls_certificate and "
            "tls_key, or listen on 127.0.0.1 behind a proxy with TLS."
        )
    if settings.host in endpoints.WILDCARDS and not (
        settings.dds_endpoint and settings.iam_endpoint
    ):
        log.warning(
            f"host is {settings.host}: clients get {settings.dds_url()} and "
            f"{settings.iam_url()}, an address of this machine. If they reach it by another, set "
            "dds_endpoint and iam_endpoint, for example "
            "SHARDHOUSE_DDS_ENDPOINT=https://dds.example.org:9800."
        )


def _public_addresses(settings: Settings) -> NodeNetwork:
    """Where public IPs come from. Raises NodeError for a setting that names no addresses."""
    name = str(settings.data_dir)
    pool = NodeNetwork(settings.public_network, name, "public_network")
    if pool.overlaps(NodeNetwork(settings.node_network, name)):
        log.warning(
            "public_network overlaps with node_network: a node may take an address that a public "
            "IP gets later, or the other way round. Give them addresses of their own."
        )
    return pool


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it; without it an answer's body waits for a delayed ACK (40 ms).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if host == "::":  # all addresses, whatever the system's default is
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {endpoints.authority(host, port)}: {error.strerror}. Choose another "
            f"with --{setting.replace('_', '-')} or SHARDHOUSE_{setting.upper()}."
        ) from None
    listener.listen(BACKLOG)
    return listener


def _in_use(database: Database, project_id: str) -> bool:
    """Whether a project still owns instances."""
    with database.read() as connection:
        return bool(instances.count_by_mode(connection, project_id))
