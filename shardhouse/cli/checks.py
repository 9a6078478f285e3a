"""What `doctor` looks at: each check is a function of the settings and tells what it found."""

import os
import resource
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from shardhouse.cli import builds
from shardhouse.cli.check import Check, Verdict
from shardhouse.cli.credentials import ADMIN_FILE
from shardhouse.cli.installation import Installation
from shardhouse.errors import NodeError
from shardhouse.nodes.local import addresses, memory
from shardhouse.settings import Settings
from shardhouse.store.vault import KEY_NAME

GIB = 1024**3
MIB = 1024**2
OLDEST_PYTHON = (3, 11)
PRIVATE = 0o077
NODES = 8
PORT = 8635
OPEN_FILES = (1024, 64000)
DISK = (1 * GIB, 5 * GIB)


def everything(settings: Settings) -> Iterator[Check]:
    """All checks, one by one."""
    yield python()
    yield from builds.engines(settings)
    yield node_addresses(settings)
    yield from ports(settings)
    yield writable(settings)
    yield disk(settings)
    yield free_memory(settings)
    yield open_files()
    yield from modes(settings)
    yield from strays(settings)


def python() -> Check:
    """The interpreter is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "fail", found, "Install Python 3.11 or newer.")


def node_addresses(settings: Settings) -> Check:
    """Nodes find addresses on this machine."""
    try:
        network = addresses.network(settings.node_network)
        start = addresses.offset(str(settings.data_dir), network)
        found = addresses.free(network, start, NODES, PORT, frozenset())
    except NodeError as error:
        return Check("Node addresses", "fail", error.message, "Set node_network.")
    return Check("Node addresses", "ok", f"{settings.node_network}, for example {found[0]}:{PORT}")


def ports(settings: Settings) -> Iterator[Check]:
    """Both ports are free, or our own `serve` has them."""
    process = Installation(settings.data_dir).serve()
    for setting, port in (("port", settings.port), ("iam_port", settings.iam_port)):
        yield _port(setting, settings.host, port, process)


def writable(settings: Settings) -> Check:
    """The data directory is there, or can be made, and files can be made in it."""
    name, folder = "Writing data", _existing(settings.data_dir)
    if not folder.is_dir():
        return Check(name, "fail", f"{folder} is no folder", "Choose another with --data-dir.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check(name, "ok", f"{settings.data_dir} can be written")
    except OSError as error:
        mend = "Choose another with --data-dir, or give yourself the right to write there."
        return Check(name, "fail", f"{folder}: {error.strerror}", mend)


def disk(settings: Settings) -> Check:
    """Space where the data directory is or will be."""
    folder = _existing(settings.data_dir)
    free = shutil.disk_usage(folder).free
    verdict = _rate(free, *DISK)
    mend = "" if verdict == "ok" else "Free some space; a small cluster takes about 2 GiB."
    return Check("Disk", verdict, f"{free / GIB:.1f} GiB free at {folder}", mend)


def free_memory(settings: Settings) -> Check:
    """Memory for new instances beyond the reserve."""
    spare = memory.available() - settings.memory_reserve * MIB
    verdict = _rate(spare, GIB // 4, GIB)
    found = f"{max(0, spare) / GIB:.1f} GiB for new nodes (memory_scale {settings.memory_scale:g})"
    mend = "" if verdict == "ok" else "Stop something, or lower memory_scale or memory_reserve."
    return Check("Memory", verdict, found, mend)


def open_files() -> Check:
    """The hard limit: mongod raises its own soft limit up to it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return Check("Open files", "ok", "no limit")
    verdict = _rate(hard, *OPEN_FILES)
    mend = "" if verdict == "ok" else "Raise it: ulimit -Hn 64000, or LimitNOFILE= in a unit."
    return Check("Open files", verdict, f"ulimit -Hn is {hard}", mend)


def modes(settings: Settings) -> Iterator[Check]:
    """The data directory is ours, and its secrets are for us alone."""
    folder = settings.data_dir
    if not folder.exists():
        parent = _existing(folder)
        able = os.access(parent, os.W_OK | os.X_OK)
        mend = "" if able else f"Choose another --data-dir, or let this user write to {parent}."
        yield Check(
            "Data directory", "ok" if able else "fail", f"{folder} does not exist yet", mend
        )
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Check(
            "Data directory", "fail", f"{folder} is not writable", f"chown it to uid {os.getuid()}"
        )
        return
    yield _mode("Data directory", folder, "warn", "700")
    for name in (KEY_NAME, ADMIN_FILE):
        if (folder / name).exists():
            yield _mode(name, folder / name, "fail", "600")


def strays(settings: Settings) -> Iterator[Check]:
    """No process and no folder of a node that no instance owns."""
    owned = _owned_nodes(settings)
    root = settings.data_dir / "instances"
    folders = [path for path in root.glob("*/*") if path.is_dir() and path.name not in owned]
    processes = [
        process
        for process in Installation(settings.data_dir).nodes()
        if not any(node in part for part in _command(process) for node in owned)
    ]
    if processes:
        pids = " ".join(str(process.pid) for process in processes)
        yield Check("Stray processes", "warn", f"pids {pids}", f"End them: kill {pids}")
    else:
        yield Check("Stray processes", "ok", "none")
    if folders:
        names = " ".join(str(path) for path in folders)
        yield Check("Stray folders", "warn", names, "Delete them if you miss nothing in them.")
    else:
        yield Check("Stray folders", "ok", "none")


def _owned_nodes(settings: Settings) -> set[str]:
    """Ids of nodes in the store, those of an instance that is just being deleted too."""
    from sqlalchemy import inspect

    from shardhouse.store import instances
    from shardhouse.store.database import Database

    folders = [path for path in (settings.data_dir / "instances").glob("*") if path.is_dir()]
    if not folders:
        return set()
    database = Database(settings.store_url)
    try:
        if not inspect(database.engine).has_table("instances"):
            return set()
        with database.read() as connection:
            found = [instances.load(connection, folder.name) for folder in folders]
    finally:
        database.close()
    return {node.id for instance in found if instance for node in instance.nodes}


def _port(setting: str, host: str, port: int, process: psutil.Process | None) -> Check:
    name = f"Port {port} ({setting})"
    if port == 0:
        return Check(name, "ok", "chosen by the system")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if process is not None and _listens(process, port):
                return Check(name, "ok", f"our own serve, pid {process.pid}")
            option = setting.replace("_", "-")
            mend = f"End who has it, or choose another: --{option}, SHARDHOUSE_{setting.upper()}."
            return Check(name, "fail", f"{host}:{port}: {error.strerror}", mend)
    return Check(name, "ok", f"free on {host}")


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in process.net_connections("inet")
        )
    except psutil.Error:
        return False


def _mode(name: str, path: Path, verdict: Verdict, wanted: str) -> Check:
    status = path.stat()
    found = f"mode {stat.S_IMODE(status.st_mode):o}, uid {status.st_uid}"
    if status.st_uid != os.getuid():
        return Check(name, verdict, found, f"chown {os.getuid()} {path}")
    if status.st_mode & PRIVATE:
        return Check(name, verdict, found, f"Others can read it: chmod {wanted} {path}")
    return Check(name, "ok", found)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _rate(value: int, least: int, enough: int) -> Verdict:
    if value < least:
        return "fail"
    return "warn" if value < enough else "ok"


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
