"""Command lines of mongod and of the router: pure functions, no secret in what they return."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePath

from shardhouse.domain import parameters
from shardhouse.domain.parameters import Release, Way
from shardhouse.mongo.audit import VERBOSE

GIB = 1024**3
MIN_CACHE_GB = 0.25
"""The smallest cache that mongod accepts."""
FAREWELL = 2000
"""Milliseconds that a mongod told to end lets its clients turn to others (its default is 15 s)."""
COMPRESSORS = "snappy,zstd"
"""Message compressors offered to clients. Not zlib: with it, builds before 5.0.32 and 6.0.27 answer
a message of a false length with memory of the server, before any login (CVE-2025-14847)."""

_MIB = 1024**2
_SMALL_JOURNAL = 32 * _MIB
"""Four files of the journal as `_engine_options` has it for small nodes."""
_LARGE_JOURNAL = 300 * _MIB
_FILES = 32 * _MIB
"""What a mongod writes before anybody uses it is about 1 MiB; the rest is for its first data."""


NOOP = 3
"""Seconds after which a primary that writes nothing writes that into its oplog (its default is 10):
so old is the newest moment that is captured."""


PARAMETERS: tuple[tuple[str, str, Release], ...] = (
    ("diagnosticDataCollectionEnabled", "false", (4, 4)),
    ("enableLocalhostAuthBypass", "0", (4, 4)),
    ("periodicNoopIntervalSecs", str(NOOP), (4, 4)),
    ("shutdownTimeoutMillisForSignaledShutdown", str(FAREWELL), (5, 0)),
)
"""Parameters of a data node, their values, and the first release that is given them: a mongod ends
at once when it is given one it does not know. 4.4 is the oldest that is tried."""


LOG_COMMANDS = ("--setParameter", f"logComponentVerbosity={{command: {{verbosity: {VERBOSE}}}}}")


LARGE_ENTRIES: Mapping[Release, int] = {(5, 0): 32, (6, 0): 27}
"""Releases whose mongod, from this patch on at the latest, can be told to take documents of more
than 16 MiB (SERVER-84722): oplog entries are, where a document nearly is."""


CONNECTIONS = "net.maxIncomingConnections"
CACHE = "storage.wiredTiger.engineConfig.cacheSizePct"
PROFILING = ("off", "slowOp", "all")
"""Modes of the profiler, as `operationProfiling.mode` has them, by their levels."""


class Member(StrEnum):
    """What a mongod is a member of; decides its cluster role."""

    REPLICA = "replica"
    SHARD = "shard"
    CONFIG = "config"


class TlsMode(StrEnum):
    """Who a node accepts, and how it connects to others of its instance."""

    ALLOW = "allowTLS"
    """Accepts both, connects without TLS."""
    PREFER = "preferTLS"
    """Accepts both, connects with TLS."""
    REQUIRE = "requireTLS"


@dataclass(frozen=True)
class TlsFiles:
    """Where a node finds its own key and certificate (one PEM) and its instance's authority, and
    whom it serves (`tlsMode`)."""

    certificate_key: PurePath
    authority: PurePath
    mode: TlsMode = TlsMode.REQUIRE


@dataclass(frozen=True)
class MongodPlan:
    """What a mongod needs to know. `memory` is the node's, in bytes; `oplog` is in megabytes. It
    listens at `public_address` as well, where it has one. `chosen` are values of parameters that
    differ from the defaults (`domain.parameters`). With `log_commands` it logs every command from
    its start on (`mongo.audit`)."""

    executable: PurePath
    release: Release
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
    public_address: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    log_commands: bool = False


@dataclass(frozen=True)
class RouterPlan:
    """What a router needs to know. `config_hosts` are `address:port` of the config servers.

    `mongos` is the engine's own, or None for our router, which alone serves metrics if asked, and
    writes what the file `audit_filter` wants to `audit_log`. It listens at `public_address` too,
    where it has one. `chosen` is as a mongod's.
    """

    config_set: str
    config_hosts: tuple[str, ...]
    address: str
    port: int
    log_file: PurePath
    key_file: PurePath
    max_connections: int
    tls: TlsFiles | None = None
    mongos: PurePath | None = None
    metrics_port: int | None = None
    public_address: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    audit_filter: PurePath | None = None
    audit_log: PurePath | None = None


def mongod(plan: MongodPlan) -> tuple[str, ...]:
    """The command line of a data node: authentication always, no socket file (nodes that share a
    port on different addresses would fight over it), small footprint while idle."""
    role = {Member.SHARD: ("--shardsvr",), Member.CONFIG: ("--configsvr",)}.get(plan.member, ())
    return (
        str(plan.executable),
        *("--dbpath", str(plan.data)),
        *("--replSet", plan.replica_set),
        *role,
        *_common(plan),
        *_connections(plan),
        *("--networkMessageCompressors", COMPRESSORS),
        *("--oplogSize", str(plan.oplog)),
        *("--wiredTigerCacheSizeGB", f"{cache_gigabytes(plan.memory, _percent(plan)):.2f}"),
        *_engine_options(plan.memory),
        *_parameters(plan.release),
        *(LOG_COMMANDS if plan.log_commands else ()),
        *_chosen(plan.chosen),
    )


def private_mongod(plan: MongodPlan, version: str, *, replay: bool) -> tuple[str, ...]:
    """The command line of a mongod that looks at the data of a node, or has it changed, alone: it
    is no member of a set, contacts nobody and does nothing by itself. Only who has the key file can
    log in; it listens without TLS, at the plan's own address only, which should be a loopback one.

    With `replay` it first applies what its oplog has beyond its data, and takes no writes then.
    `version` is the build's, such as `6.0.27`.
    """
    parameters = {
        "disableLogicalSessionCacheRefresh": "true",
        "ttlMonitorEnabled": "false",
        "skipShardingConfigurationChecks": "true",
    }
    if replay:
        parameters["recoverFromOplogAsStandalone"] = "true"
        parameters["takeUnstableCheckpointOnShutdown"] = "true"
    if takes_large_entries(version):
        parameters["allowDocumentsGreaterThanMaxUserSize"] = "true"
    return (
        str(plan.executable),
        *("--dbpath", str(plan.data)),
        *_common(replace(plan, public_address="", tls=None)),
        *("--wiredTigerCacheSizeGB", f"{cache_gigabytes(plan.memory):.2f}"),
        *_engine_options(plan.memory),
        *_parameters(plan.release),
        *(w for name, value in parameters.items() for w in ("--setParameter", f"{name}={value}")),
    )


def takes_large_entries(version: str) -> bool:
    """Whether a private mongod of this version takes oplog entries of more than 16 MiB."""
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    first = LARGE_ENTRIES.get((major, minor))
    return first is not None and patch >= first


def router(plan: RouterPlan) -> tuple[str, ...]:
    """The command line of a mongos node: our router takes mongos's own options."""
    ours = (sys.executable, "-P", "-m", "shardhouse.router")
    program = (str(plan.mongos),) if plan.mongos else ours
    return (
        *program,
        *("--configdb", f"{plan.config_set}/{','.join(plan.config_hosts)}"),
        *_common(plan),
        *_connections(plan),
        *_metrics_options(plan),
        *_chosen(plan.chosen),
        *_audit_options(plan),
    )


def cache_gigabytes(memory: int, percent: int | None = None) -> float:
    """WiredTiger's cache for a node of `memory` bytes: so many percent of it, or by mongod's own
    rule for a machine half of what exceeds 1 GiB; at least 0.25."""
    wanted = (memory / GIB - 1) / 2 if percent is None else memory / GIB * percent / 100
    return max(MIN_CACHE_GB, wanted)


def oplog_megabytes(volume_gb: int) -> int:
    """Size limit of the oplog for a volume: 5 % of it, as mongod chooses, 128 MB to 50 GB."""
    return min(max(128, volume_gb * 1024 // 20), 50 * 1024)


def least_disk(memory: int) -> int:
    """Bytes of disk without which a mongod of a node of `memory` bytes should not be started: its
    journal as `_engine_options` has it, its files, and what it writes between two checkpoints. The
    oplog is not among them: none of it is allocated in advance, it grows up to its limit."""
    return _FILES + (_LARGE_JOURNAL if memory > GIB else _SMALL_JOURNAL)


def _common(plan: MongodPlan | RouterPlan) -> Sequence[str]:
    return (
        *("--bind_ip", ",".join(filter(None, (plan.address, plan.public_address)))),
        *("--port", str(plan.port)),
        "--nounixsocket",
        *("--keyFile", str(plan.key_file)),
        *("--logpath", str(plan.log_file)),
        "--logappend",
        *_tls_options(plan.tls),
    )


def _tls_options(tls: TlsFiles | None) -> Sequence[str]:
    if tls is None:
        return ()
    return (
        *("--tlsMode", tls.mode),
        *("--tlsCertificateKeyFile", str(tls.certificate_key)),
        *("--tlsCAFile", str(tls.authority)),
        "--tlsAllowConnectionsWithoutCertificates",
    )


def _metrics_options(plan: RouterPlan) -> Sequence[str]:
    if plan.mongos is not None or plan.metrics_port is None:
        return ()
    return ("--metricsPort", str(plan.metrics_port), "--metricsBindIp", plan.address)


def _audit_options(plan: RouterPlan) -> Sequence[str]:
    if plan.mongos is not None or plan.audit_filter is None:
        return ()
    return (
        *("--auditFilterFile", str(plan.audit_filter)),
        *("--auditPath", str(plan.audit_log)),
    )


def _parameters(release: Release) -> Sequence[str]:
    return [
        word
        for name, value, first in PARAMETERS
        if release >= first
        for word in ("--setParameter", f"{name}={value}")
    ]


def _connections(plan: MongodPlan | RouterPlan) -> Sequence[str]:
    return ("--maxConns", plan.chosen.get(CONNECTIONS, str(plan.max_connections)))


def _percent(plan: MongodPlan) -> int | None:
    return int(plan.chosen[CACHE]) if CACHE in plan.chosen else None


def _chosen(values: Mapping[str, str]) -> Sequence[str]:
    """The options of those parameters that have one of their own."""
    return [
        word
        for name, value in sorted(values.items())
        for word in _option(parameters.BY_NAME[name].way, name, value)
    ]


def _option(way: Way, name: str, value: str) -> Sequence[str]:
    match way:
        case Way.PARAMETER | Way.START_PARAMETER:
            return ("--setParameter", f"{name}={value}")
        case Way.PROFILING:
            return (way, str(PROFILING.index(value)))
        case Way.SLOW_THRESHOLD | Way.SLOW_SAMPLE_RATE:
            return (way, value)
        case Way.SCRIPTING:
            return () if value == "true" else (way,)
        case Way.CONNECTIONS | Way.CACHE:  # these options are there anyway
            return ()


def _engine_options(memory: int) -> Sequence[str]:
    """Nodes of up to 1 GiB write their journal in files of 8 MB that grow, instead of 300 MB
    allocated in advance."""
    if memory > GIB:
        return ()
    return ("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)")
