"""What is measured of nodes and clusters: one table of metrics, and how values come from samples.

Ids, units, objects and levels are those of the namespace `SYS.DDS` of Cloud Eye (OTC and Huawei
DDS, "DDS Metrics"), misspellings included. Those of which a node of ours has no number are not in
the table: disk latencies and queues, network errors, slow queries, and all of RocksDB.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from shardhouse.domain.model import Group, GroupType, Node, Role

NAMESPACE = "SYS.DDS"
MOST_SHARDS = 12
"""Chunks are counted for so many shards of a cluster."""
_MIB = 1024**2
_GIB = 1024**3

Values = Mapping[str, float]
"""Values by the metrics' ids; of what has no value there is no entry."""


class Kind(StrEnum):
    """What a node is, as far as metrics differ by that. Hidden nodes and read replicas are
    secondaries."""

    ROUTER = "router"
    PRIMARY = "primary"
    SECONDARY = "secondary"


def kind_of(group: Group, node: Node) -> Kind:
    """What a node is now; a data node without a known role counts as a secondary."""
    if group.type is GroupType.MONGOS:
        return Kind.ROUTER
    return Kind.PRIMARY if node.role is Role.PRIMARY else Kind.SECONDARY


@dataclass(frozen=True)
class Sample:
    """What was read of one node. `at` is seconds of a clock that never goes back. `numbers` are by
    name: paths of `serverStatus`, and the names below `process.`, `node.`, `repl.`, `oplog.` and
    `cluster.` that are read elsewhere. `histograms` have counts by the lowest microseconds of each
    bucket."""

    at: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    histograms: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """Two samples of the same process, `seconds` apart; `before` is None where there is but one."""

    now: Sample
    before: Sample | None

    @property
    def seconds(self) -> float:
        """The time between them; 0 where there is but one."""
        return self.now.at - self.before.at if self.before else 0.0

    def level(self, names: Iterable[str]) -> float | None:
        """The sum of numbers; None where one is missing."""
        found = [self.now.numbers.get(name) for name in names]
        return None if None in found else sum(one for one in found if one is not None)

    def growth(self, names: Iterable[str]) -> float | None:
        """How much the sum of counters has grown; None where one is missing, or went back."""
        if self.before is None or self.seconds <= 0:
            return None
        names = tuple(names)
        now, before = self.level(names), Span(self.before, None).level(names)
        return None if now is None or before is None or now < before else now - before


class Reading(Protocol):
    """How a metric's value comes from samples."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it needs of a sample."""
        ...

    def read(self, span: Span) -> float | None:
        """The value; None where there is none."""
        ...


class Level:
    """The sum of numbers, as they are now."""

    def __init__(self, *names: str, per: float = 1) -> None:
        self.names = names
        self._per = per

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        level = span.level(self.names)
        return None if level is None else level / self._per


class Growth(Level):
    """By how much the sum of counters has grown since the sample before."""

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        grown = span.growth(self.names)
        return None if grown is None else grown / self._per


class Rate(Level):
    """The same in a second."""

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        grown = span.growth(self.names)
        return None if grown is None else grown / span.seconds / self._per


class Share:
    """Percent that a number is of the sum of others, 100 at most."""

    def __init__(self, part: str, *whole: str) -> None:
        self.names = (part, *whole)

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        return _percent(span.level(self.names[:1]), span.level(self.names[1:]))


class BusyShare(Share):
    """Percent that a counter's growth in a second is of a number, 100 at most."""

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        grown = span.growth(self.names[:1])
        rate = None if grown is None else grown / span.seconds
        return _percent(rate, span.level(self.names[1:]))


class Difference(Level):
    """The first number without the second, 0 at least."""

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        first, second = (span.level((name,)) for name in self.names)
        return None if first is None or second is None else max(0.0, first - second) / self._per


class Latency:
    """Milliseconds per operation, of a section of `opLatencies`; None while there is none."""

    def __init__(self, section: str) -> None:
        self.names = (f"opLatencies.{section}.latency", f"opLatencies.{section}.ops")

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        latency, operations = (span.growth((name,)) for name in self.names)
        return latency / operations / 1000 if latency is not None and operations else None


class Percentile:
    """Milliseconds that a share of the operations do not exceed, as exact as MongoDB's buckets are
    wide; None while there is no operation."""

    def __init__(self, section: str, share: float) -> None:
        self.names = (f"opLatencies.{section}.histogram",)
        self._share = share

    def read(self, span: Span) -> float | None:
        """See `Reading.read`."""
        (name,) = self.names
        if span.before is None or name not in span.now.histograms:
            return None
        before = span.before.histograms.get(name, {})
        grown = {
            micros: count - before.get(micros, 0)
            for micros, count in sorted(span.now.histograms[name].items())
        }
        left = self._share * sum(grown.values())
        for micros, count in grown.items():
            if count > 0 and left <= count:
                return (micros + micros * left / count) / 1000  # a bucket ends where twice it is
            left -= count
        return None


def _percent(part: float | None, whole: float | None) -> float | None:
    if part is None or not whole or whole < 0:
        return None
    return min(100.0, 100 * part / whole)


@dataclass(frozen=True)
class Metric:
    """One metric. Nodes of the kinds `objects` have it; where there are none, it is about a cluster
    as a whole, and read of its config servers. With `summed` a cluster has it as well: the sum of
    what its routers have under that id."""

    id: str
    name: str
    unit: str
    objects: frozenset[Kind]
    reading: Reading
    summed: str = ""

    @property
    def of_clusters(self) -> bool:
        """Whether clusters have it as a whole."""
        return bool(self.summed) or not self.objects


_NODES = frozenset(Kind)
_DATA = frozenset({Kind.PRIMARY, Kind.SECONDARY})
_PRIMARY = frozenset({Kind.PRIMARY})
_SECONDARY = frozenset({Kind.SECONDARY})
_CLUSTER: frozenset[Kind] = frozenset()
_CACHE = "wiredTiger.cache."
_DISK = "wiredTiger.connection.total "
_QUEUE = "globalLock.currentQueue."


def _statements() -> Iterable[Metric]:
    kinds = ("command", "delete", "insert", "query", "update", "getmore")
    for number, kind in enumerate(kinds, 1):
        id = f"mongo{number:03}_{kind}_ps"
        name = f"{kind.upper()} Statements per Second"
        yield Metric(id, name, "Count/s", _NODES, Rate(f"opcounters.{kind}"), summed=id)


def _chunks() -> Iterable[Metric]:
    for number in range(1, MOST_SHARDS + 1):
        id, reading = f"mongo007_chunk_num{number}", Level(f"cluster.chunks.{number}")
        yield Metric(id, f"Chunks of Shard {number}", "Count", _CLUSTER, reading)


def _replicated() -> Iterable[Metric]:
    for number, kind in enumerate(("command", "update", "delete", "insert"), 27):
        name = f"Replicated {kind.upper()} Statements per Second"
        reading = Rate(f"opcountersRepl.{kind}")
        yield Metric(f"mongo{number:03}_repl_{kind}_ps", name, "Count/s", _SECONDARY, reading)


def _latencies() -> Iterable[Metric]:
    number = 99
    for word, section in (
        ("read", "reads"),
        ("write", "writes"),
        ("command", "commands"),
        ("txn", "transactions"),
    ):
        readings: tuple[tuple[str, Reading], ...] = (
            ("average", Latency(section)),
            ("p99", Percentile(section, 0.99)),
            ("p999", Percentile(section, 0.999)),
        )
        for suffix, reading in readings:
            id = f"mongo{number:03}_{word}_time_{suffix}"
            yield Metric(id, f"{word.capitalize()} Latency, {suffix}", "ms", _DATA, reading)
            number += 1


# Stored values are found by their place in this table: new metrics go to its end.
# fmt: off
METRICS: tuple[Metric, ...] = (
    *_statements(),
    Metric("mongo007_connections", "Active Node Connections", "Count", _NODES,
           Level("connections.current")),
    Metric("mongo007_connections_usage", "Percentage of Active Node Connections", "%", _NODES,
           Share("connections.current", "connections.current", "connections.available")),
    *_chunks(),
    Metric("mongo008_connections", "Active Instance Connections", "Count", _CLUSTER,
           Level(), summed="mongo007_connections"),
    Metric("mongo008_mem_resident", "Resident Memory", "MB", _NODES, Level("mem.resident")),
    Metric("mongo009_mem_virtual", "Virtual Memory", "MB", _NODES, Level("mem.virtual")),
    Metric("mongo009_migFail_num", "Chunk Migration Failures in Last 24 hrs", "Count", _CLUSTER,
           Level("cluster.failed_migrations")),
    Metric("mongo010_regular_asserts_ps", "Regular Asserts per Second", "Count/s", _NODES,
           Rate("asserts.regular")),
    Metric("mongo011_warning_asserts_ps", "Warning Asserts per Second", "Count/s", _NODES,
           Rate("asserts.warning")),
    Metric("mongo012_msg_asserts_ps", "Message Asserts per Second", "Count/s", _NODES,
           Rate("asserts.msg")),
    Metric("mongo013_user_asserts_ps", "User Asserts per Second", "Count/s", _NODES,
           Rate("asserts.user")),
    Metric("mongo014_queues_total", "Operations Queued Waiting for a Lock", "Count", _DATA,
           Level(f"{_QUEUE}total")),
    Metric("mongo015_queues_readers", "Operations Queued Waiting for a Read Lock", "Count", _DATA,
           Level(f"{_QUEUE}readers")),
    Metric("mongo016_queues_writers", "Operations Queued Waiting for a Write Lock", "Count", _DATA,
           Level(f"{_QUEUE}writers")),
    Metric("mongo017_page_faults", "Page Faults", "Count", _DATA, Growth("extra_info.page_faults")),
    Metric("mongo019_cursors_open", "Maintained Cursors", "Count", _DATA,
           Level("metrics.cursor.open.total")),
    Metric("mongo020_cursors_timeOut", "Timeout Cursors", "Count", _DATA,
           Level("metrics.cursor.timedOut")),
    Metric("mongo021_wt_cahe_usage", "Bytes in WiredTiger Cache", "MB", _DATA,
           Level(f"{_CACHE}bytes currently in the cache", per=_MIB)),
    Metric("mongo022_wt_cahe_dirty", "Tracked Dirty Bytes in WiredTiger Cache", "MB", _DATA,
           Level(f"{_CACHE}tracked dirty bytes in the cache", per=_MIB)),
    Metric("mongo023_wInto_wtCache", "Bytes Written Into Cache per Second", "byte/s", _DATA,
           Rate(f"{_CACHE}bytes read into cache")),
    Metric("mongo024_wFrom_wtCache", "Bytes Written From Cache per Second", "byte/s", _DATA,
           Rate(f"{_CACHE}bytes written from cache")),
    Metric("mongo025_repl_headroom", "Replication Headroom", "s", _SECONDARY,
           Difference("oplog.window", "repl.lag")),
    Metric("mongo025_repl_oplog_win", "Oplog Window", "h", _PRIMARY,
           Level("oplog.window", per=3600)),
    Metric("mongo026_oplog_size_ph", "Oplog Growth Rate", "MB/h", _PRIMARY,
           Level("oplog.rate", per=_MIB)),
    Metric("mongo026_repl_lag", "Replication Lag", "s", _SECONDARY, Level("repl.lag")),
    *_replicated(),
    Metric("mongo031_cpu_usage", "CPU Usage", "%", _NODES,
           BusyShare("process.cpu", "node.vcpus")),
    Metric("mongo032_mem_usage", "Memory Usage", "%", _NODES,
           Share("process.resident", "node.memory")),
    Metric("mongo033_bytes_out", "Network Output Throughput", "byte/s", _NODES,
           Rate("network.bytesOut")),
    Metric("mongo034_bytes_in", "Network Input Throughput", "byte/s", _NODES,
           Rate("network.bytesIn")),
    Metric("mongo035_disk_usage", "Disk Utilization", "%", _DATA,
           Share("node.used", "node.volume")),
    Metric("mongo036_iops", "IOPS", "Count/s", _DATA,
           Rate(f"{_DISK}read I/Os", f"{_DISK}write I/Os")),
    Metric("mongo037_read_throughput", "Disk Read Throughput", "byte/s", _DATA,
           Rate("process.read")),
    Metric("mongo038_write_throughput", "Disk Write Throughput", "byte/s", _DATA,
           Rate("process.written")),
    Metric("mongo042_disk_total_size", "Total Storage Space", "GB", _DATA,
           Level("node.volume", per=_GIB)),
    Metric("mongo043_disk_used_size", "Used Storage Space", "GB", _DATA,
           Level("node.used", per=_GIB)),
    Metric("mongo044_swap_usage", "SWAP Usage", "%", _NODES,
           Share("process.swapped", "node.swap")),
    Metric("mongo050_top_total_time", "Total Time on Collections", "ms", _DATA,
           Growth("opLatencies.reads.latency", "opLatencies.writes.latency", per=1000)),
    Metric("mongo051_top_read_time", "Total Read Time on Collections", "ms", _DATA,
           Growth("opLatencies.reads.latency", per=1000)),
    Metric("mongo052_top_write_time", "Total Write Time on Collections", "ms", _DATA,
           Growth("opLatencies.writes.latency", per=1000)),
    Metric("mongo053_wt_flushes_status", "Checkpoints in the Period", "times", _DATA,
           Growth("wiredTiger.transaction.transaction checkpoints")),
    Metric("mongo054_wt_cache_used_percent", "WiredTiger Cache Used", "%", _DATA,
           Share(f"{_CACHE}bytes currently in the cache", f"{_CACHE}maximum bytes configured")),
    Metric("mongo055_wt_cache_dirty_percent", "WiredTiger Cache Dirty", "%", _DATA,
           Share(f"{_CACHE}tracked dirty bytes in the cache", f"{_CACHE}maximum bytes configured")),
    Metric("mongo091_active_session_count", "Active Sessions", "Count", _DATA,
           Level("logicalSessionRecordCache.activeSessionsCount")),
    *_latencies(),
)
# fmt: on
BY_ID: Mapping[str, Metric] = {metric.id: metric for metric in METRICS}
_UPTIME = "uptimeMillis"
_NAMES = frozenset({_UPTIME}.union(*(metric.reading.names for metric in METRICS)))


def sample(at: float, status: Mapping[str, Any], others: Mapping[str, float]) -> Sample:
    """What the metrics need of a `serverStatus` (with `opLatencies: {histograms: true}`; empty
    where the node did not answer) and of other numbers, by their names."""
    numbers, histograms = {}, {}
    for name in _NAMES:
        found = others.get(name, _at(status, name))
        if isinstance(found, list):
            histograms[name] = {int(one["micros"]): int(one["count"]) for one in found}
        elif found is not None:
            numbers[name] = float(found)
    return Sample(at, numbers, histograms)


def _at(status: Mapping[str, Any], name: str) -> Any:
    found: Any = status
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def values(now: Sample, before: Sample | None) -> dict[str, float]:
    """A node's values, from its newest sample and the one before. Where the process was started
    anew in between, there are no values that need two."""
    if before and before.numbers.get(_UPTIME, 0) > now.numbers.get(_UPTIME, math.inf):
        before = None
    span = Span(now, before)
    found = {metric.id: metric.reading.read(span) for metric in METRICS if metric.reading.names}
    return {id: value for id, value in found.items() if value is not None}


def of_kind(kind: Kind) -> list[Metric]:
    """The metrics that a node has."""
    return [metric for metric in METRICS if kind in metric.objects]


def split(found: Values) -> tuple[dict[str, float], dict[str, float]]:
    """Values that were read of one node: those of the node, and those of its cluster."""
    own = {id: value for id, value in found.items() if BY_ID[id].objects}
    return own, {id: value for id, value in found.items() if id not in own}


def of_cluster(routers: Sequence[Values], whole: Values) -> dict[str, float]:
    """The values of a cluster: sums over its routers, and what was read of the cluster itself."""
    found = dict(whole)
    for metric in METRICS:
        parts = [router[metric.summed] for router in routers if metric.summed in router]
        if parts:
            found[metric.id] = sum(parts)
    return found


def mean(parts: Sequence[Values]) -> dict[str, float]:
    """Several values of the same metrics, averaged."""
    ids = dict.fromkeys(id for part in parts for id in part)
    found = {id: [part[id] for part in parts if id in part] for id in ids}
    return {id: sum(numbers) / len(numbers) for id, numbers in found.items()}
