"""Command lines of mongod and of the router: pure functions, no secret in what they return."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

GIB = 1024**3
MIN_CACHE_GB = 0.25
"""The smallest cache that mongod accepts."""
FAREWELL = 2000
"""Milliseconds that a mongod told to end lets its clients turn to others (its default is 15 s)."""


class Member(StrEnum):
    """What a mongod is a member of; decides its cluster role."""

    REPLICA = "replica"
    SHARD = "shard"
    CONFIG = "config"


@dataclass(frozen=True)
class TlsFiles:
    """Where a node finds its own key and certificate (one PEM) and its instance's authority."""

    certificate_key: PurePath
    authority: PurePath


@dataclass(frozen=True)
class MongodPlan:
    """What a mongod needs to know. `memory` is the node's, in bytes; `oplog` is in megabytes."""

    executable: PurePath
    member: Member
    replica_set: str
    address: str
    port: int
    data: PurePath
    log_file: PurePath
    key_file: PurePath
    memory: int
    oplog: int
    max_connections: int
    tls: TlsFiles | None = None


@dataclass(frozen=True)
class RouterPlan:
    """What a router needs to know. `config_hosts` are `address:port` of the config servers.

    `mongos` is the engine's own, or None for our router, which alone serves metrics if asked.
    """

    config_set: str
    config_hosts: tuple[str, ...]
    address: str
    port: int
    log_file: PurePath
    key_file: PurePath
    tls: TlsFiles | None = None
    mongos: PurePath | None = None
    metrics_port: int | None = None


def mongod(plan: MongodPlan) -> tuple[str, ...]:
    """The command line of a data node: authentication always, no socket file (nodes that share a
    port on different addresses would fight over it), small footprint while idle."""
    role = {Member.SHARD: ("--shardsvr",), Member.CONFIG: ("--configsvr",)}.get(plan.member, ())
    return (
        str(plan.executable),
        *("--dbpath", str(plan.data)),
        *("--replSet", plan.replica_set),
        *role,
        *_common(plan.address, plan.port, plan.log_file, plan.key_file, plan.tls),
        *("--maxConns", str(plan.max_connections)),
        *("--oplogSize", str(plan.oplog)),
        *("--wiredTigerCacheSizeGB", f"{cache_gigabytes(plan.memory):.2f}"),
        *_engine_options(plan.memory),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        *("--setParameter", "enableLocalhostAuthBypass=0"),
        *("--setParameter", f"shutdownTimeoutMillisForSignaledShutdown={FAREWELL}"),
    )


def router(plan: RouterPlan) -> tuple[str, ...]:
    """The command line of a mongos node: our router takes mongos's own options."""
    program = [str(plan.mongos)] if plan.mongos else [sys.executable, "-m", "shardhouse.router"]
    return (
        *program,
        *("--configdb", f"{plan.config_set}/{','.join(plan.config_hosts)}"),
        *_common(plan.address, plan.port, plan.log_file, plan.key_file, plan.tls),
        *_metrics_options(plan),
    )


def cache_gigabytes(memory: int) -> float:
    """WiredTiger's cache for a node of `memory` bytes: mongod's own rule for a machine, half of
    what exceeds 1 GiB, at least 0.25."""
    return max(MIN_CACHE_GB, (memory / GIB - 1) / 2)


def oplog_megabytes(volume_gb: int) -> int:
    """Size limit of the oplog for a volume: 5 % of it, as mongod chooses, 128 MB to 50 GB."""
    return min(max(128, volume_gb * 1024 // 20), 50 * 1024)


def _common(
    address: str, port: int, log_file: PurePath, key_file: PurePath, tls: TlsFiles | None
) -> Sequence[str]:
    return (
        *("--bind_ip", address),
        *("--port", str(port)),
        "--nounixsocket",
        *("--keyFile", str(key_file)),
        *("--logpath", str(log_file)),
        "--logappend",
        *_tls_options(tls),
    )


def _tls_options(tls: TlsFiles | None) -> Sequence[str]:
    if tls is None:
        return ()
    return (
        *("--tlsMode", "requireTLS"),
        *("--tlsCertificateKeyFile", str(tls.certificate_key)),
        *("--tlsCAFile", str(tls.authority)),
        "--tlsAllowConnectionsWithoutCertificates",
    )


def _metrics_options(plan: RouterPlan) -> Sequence[str]:
    if plan.mongos is not None or plan.metrics_port is None:
        return ()
    return ("--metricsPort", str(plan.metrics_port), "--metricsBindIp", plan.address)


def _engine_options(memory: int) -> Sequence[str]:
    """Nodes of up to 1 GiB write their journal in files of 8 MB that grow, instead of 300 MB
    allocated in advance."""
    if memory > GIB:
        return ()
    return ("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)")
