"""What `doctor` looks at: each check is a function of the settings and says what it found."""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from shardhouse import endpoints
from shardhouse import open_files as limits
from shardhouse import tls as certificates
from shardhouse.client.credentials import ADMIN_FILE
from shardhouse.doctor import builds, running
from shardhouse.doctor.check import Check, Verdict
from shardhouse.errors import NodeError, SettingsError
from shardhouse.mongo.commandline import least_disk
from shardhouse.nodes.local import addresses, folders, memory
from shardhouse.settings import CONFIG_NAME, VARIABLES_NAME, Settings
from shardhouse.store import offline
from shardhouse.store.reserve import Reserve
from shardhouse.store.vault import KEY_NAME
from shardhouse.workflows import disk as space

if TYPE_CHECKING:
    from shardhouse.domain.model import Job, Node

GIB = 1024**3
MIB = 1024**2
OLDEST_PYTHON = (3, 11)
PRIVATE = 0o077
NODES = 8
PORT = 8635
SMALLEST_NODE = 4 * GIB
"""Memory of the smallest flavor; scaled down, it decides what such a node needs of the disk."""
CLUSTER_NODES = 9
"""Data nodes of the smallest cluster."""


def everything(settings: Settings, *, unpack: bool = True) -> Iterator[Check]:
    """All checks, one by one. Builds that came with this package are unpacked first where `unpack`
    says so; nothing else is changed."""
    yield python()
    yield from builds.engines(settings, unpack=unpack)
    yield node_addresses(settings)
    yield public_addresses(settings)
    yield from node_names(settings)
    yield from ports(settings)
    yield writable(settings)
    yield disk(settings)
    yield free_memory(settings)
    yield open_files(settings)
    yield from tls(settings)
    yield from modes(settings)
    yield from store(settings)
    yield from strays(settings)
    yield from repairs(settings)


def python() -> Check:
    """The interpreter is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "fail", found, "Install Python 3.11 or newer.")


def node_addresses(settings: Settings) -> Check:
    """Nodes find addresses on this machine, and those that have one find it again."""
    name = "Node addresses"
    try:
        network = addresses.NodeNetwork(settings.node_network, str(settings.data_dir))
    except NodeError as error:
        return Check(name, "fail", error.message, "Set node_network.")
    missing = network.missing(node.address for node in _nodes(settings) if node.address)
    try:
        found = network.free(NODES, PORT, ())
    except NodeError as error:
        mend = missing.mend if missing else "Set node_network."
        return Check(name, "fail", missing.found if missing else error.message, mend)
    if missing:
        return Check(name, "warn", *missing)
    words = f"{', '.join(settings.node_network)}, for example {found[0].address}:{found[0].port}"
    used = len({endpoint.address for endpoint in found})
    if used < NODES:
        words += f"; nodes share addresses, each at a port of its own ({used} for {NODES} nodes)"
    return Check(name, "ok", words)


def public_addresses(settings: Settings) -> Check:
    """Public IPs have addresses of this machine."""
    name = "Public addresses"
    try:
        network = addresses.NodeNetwork(
            settings.public_network, str(settings.data_dir), "public_network"
        )
    except NodeError as error:
        return Check(name, "fail", error.message, "Set public_network.")
    if missing := network.missing():
        return Check(name, "warn", *missing)
    return Check(name, "ok", ", ".join(settings.public_network))


def node_names(settings: Settings) -> Iterator[Check]:
    """Where there are names, they resolve here; clients elsewhere may ask another DNS."""
    nodes = [node for node in _nodes(settings) if node.dns_name]
    if not nodes:
        return
    unknown = [node for node in nodes if not _resolves(node.dns_name)]
    if unknown:
        records = "; ".join(f"{node.dns_name} {node.address}" for node in unknown)
        mend = f"Clients that connect by name need these in their DNS or hosts file: {records}"
        found = f"{len(unknown)} of {len(nodes)} are not known to this machine"
        yield Check("Node names", "warn", found, mend)
    else:
        yield Check("Node names", "ok", f"all {len(nodes)} are known to this machine")


def ports(settings: Settings) -> Iterator[Check]:
    """Both ports are free, or our own `serve` has them."""
    process = running.serve(settings.data_dir)
    for setting, port in (("port", settings.port), ("iam_port", settings.iam_port)):
        yield _port(setting, settings.host, port, process)


def writable(settings: Settings) -> Check:
    """The data directory is there, or can be made, and files can be made in it."""
    name, folder = "Writing data", folders.existing(settings.data_dir)
    if not folder.is_dir():
        return Check(name, "fail", f"{folder} is not a folder", "Choose another with --data-dir.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Check(name, "ok", f"{settings.data_dir} can be written")
    except OSError as error:
        mend = "Choose another with --data-dir, or give yourself the right to write there."
        return Check(name, "fail", f"{folder}: {error.strerror}", mend)


def disk(settings: Settings) -> Check:
    """Space for new nodes where the data directory is or will be, as a creation counts it."""
    spare = space.spare(settings, folders.free(settings.data_dir), Reserve(settings.data_dir))
    node = least_disk(int(SMALLEST_NODE * settings.memory_scale))
    verdict = _rate(spare, node, node * CLUSTER_NODES)
    found = f"{max(0, spare) / GIB:.1f} GiB for new nodes at {settings.data_dir}"
    mend = (
        f"Free some space, or lower disk_reserve ({settings.disk_reserve} MiB): a small cluster "
        f"needs at least {node * CLUSTER_NODES // MIB} MiB to be created."
    )
    return Check("Disk", verdict, found, "" if verdict == "ok" else mend)


def free_memory(settings: Settings) -> Check:
    """Memory for new instances beyond the reserve."""
    spare = memory.available() - settings.memory_reserve * MIB
    verdict = _rate(spare, GIB // 4, GIB)
    found = f"{max(0, spare) / GIB:.1f} GiB for new nodes (memory_scale {settings.memory_scale:g})"
    mend = "" if verdict == "ok" else "Stop something, or lower memory_scale or memory_reserve."
    return Check("Memory", verdict, found, mend)


def open_files(settings: Settings) -> Check:
    """The hard limit: serve and mongod raise their own soft limits up to it."""
    hard = limits.hard_limit()
    if hard is None:
        return Check("Open files", "ok", "no limit")
    least = limits.needed(settings)
    verdict = _rate(hard, least, limits.ENOUGH)
    found = f"ulimit -Hn is {hard}; serve needs {least}, each mongod wants {limits.ENOUGH}"
    return Check("Open files", verdict, found, "" if verdict == "ok" else limits.MEND)


def tls(settings: Settings) -> Iterator[Check]:
    """The certificate of our own ports, or what it means that there is none."""
    name = "TLS of the ports"
    try:
        warnings = certificates.warnings(settings)
    except SettingsError as error:
        yield Check(name, "fail", error.message, "Correct the settings tls_...")
        return
    if warnings:
        yield Check(name, "warn", " ".join(warnings), "Set another certificate, and restart serve.")
    elif settings.tls_certificate is not None:
        yield Check(name, "ok", str(settings.tls_certificate))
    elif endpoints.is_loopback(settings.host):
        yield Check(name, "ok", f"none; {settings.host} is this machine's own")
    else:
        mend = "Set tls_certificate and tls_key, or put a proxy with TLS in front."
        yield Check(name, "warn", f"none, and host is {settings.host}", mend)


def modes(settings: Settings) -> Iterator[Check]:
    """The data directory is ours, and its secrets are for us alone; settings may hold some."""
    folder = settings.data_dir
    if not folder.exists():
        parent = folders.existing(folder)
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
    # All of it belongs to who serves, whom root may look after.
    owner = os.getuid() or folder.stat().st_uid
    yield _mode("Data directory", folder, "warn", "700", owner)
    secrets = {folder / name for name in (KEY_NAME, ADMIN_FILE)}
    settings_files = (*folder.glob(f"{CONFIG_NAME}*"), folder / VARIABLES_NAME)
    for path in (*sorted(secrets), *sorted(settings_files)):
        if path.exists():
            yield _mode(path.name, path, "fail" if path in secrets else "warn", "600", owner)


def store(settings: Settings) -> Iterator[Check]:
    """The store can be read: no check of instances has a meaning without it."""
    if offline.is_unread(settings):
        found = "not of this version; instances, their builds and what they own are not looked at"
        mend = "Start serve, which brings an older one to its own version, and look again."
        yield Check("Store", "warn", found, mend)


def strays(settings: Settings) -> Iterator[Check]:
    """No process and no folder that belongs neither to a node of an instance nor to a job."""
    if offline.is_unread(settings):  # everything would be a stray
        return
    found = list((settings.data_dir / "instances").glob("*/*"))
    started = running.nodes(settings.data_dir)
    # Read after those: whoever has begun meanwhile is known, and what has ended meanwhile is gone.
    # Volumes aside (`NodeRef.aside`), and nodes that a job alone has, begin with the owner's id.
    owners = (
        *(node.id for node in _nodes(settings)),
        *(job.id for job in offline.unended_jobs(settings)),
    )
    left = [path for path in found if path.is_dir() and not path.name.startswith(owners)]
    processes = [
        process
        for process in started
        if running.alive(process)
        and not any(owner in part for part in running.command(process) for owner in owners)
    ]
    if processes:
        pids = " ".join(str(process.pid) for process in processes)
        yield Check("Stray processes", "warn", f"pids {pids}", f"End them: kill {pids}")
    else:
        yield Check("Stray processes", "ok", "none")
    if left:
        names = " ".join(str(path) for path in left)
        yield Check("Stray folders", "warn", names, "Delete them if you miss nothing in them.")
    else:
        yield Check("Stray folders", "ok", "none")


def repairs(settings: Settings) -> Iterator[Check]:
    """Instances that were found damaged: whether that could be mended."""
    for job in _last_repairs(settings):
        name = f"Repair of {job.instance_name}"
        found = next((step.detail for step in job.steps if step.detail), "under way")
        if job.status == "Failed":
            yield Check(name, "fail", job.fail_reason or found, f"shardhouse job show {job.id}")
        else:
            yield Check(name, "ok", f"{job.status} at {job.created_at:%Y-%m-%d %H:%M}Z: {found}")


def _last_repairs(settings: Settings) -> list[Job]:
    from shardhouse.operations.repair import ACTION
    from shardhouse.store import jobs

    with offline.opened(settings) as database:
        if database is None:
            return []
        with database.read() as connection:
            return jobs.latest(connection, ACTION)


def _nodes(settings: Settings) -> list[Node]:
    """Nodes in the store, those of an instance that is just being deleted too."""
    return [node for instance in offline.instances_of(settings) for node in instance.nodes]


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True


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
            found = f"{endpoints.authority(host, port)}: {error.strerror}"
            return Check(name, "fail", found, mend)
    return Check(name, "ok", f"free on {host}")


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in process.net_connections("inet")
        )
    except psutil.Error:
        return False


def _mode(name: str, path: Path, verdict: Verdict, wanted: str, owner: int) -> Check:
    status = path.stat()
    found = f"mode {stat.S_IMODE(status.st_mode):o}, uid {status.st_uid}"
    if status.st_uid != owner:
        return Check(name, verdict, found, f"chown {owner} {path}")
    if status.st_mode & PRIVATE:
        return Check(name, verdict, found, f"Others can read it: chmod {wanted} {path}")
    return Check(name, "ok", found)


def _rate(value: int, least: int, enough: int) -> Verdict:
    if value < least:
        return "fail"
    return "warn" if value < enough else "ok"
