"""Measures the nodes of serving instances, and writes what it finds to the rings of metrics.

One thread decides whose turn it is, a small pool asks: a node is asked once a minute, or every five
seconds where its instance is monitored by seconds, nodes at different moments of it. One that does
not answer costs one of the pool's threads its patience, and nobody else anything.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from zlib import crc32

import structlog
from pymongo.errors import PyMongoError

from shardhouse.domain import metrics, policy
from shardhouse.domain.flavors import all_flavors
from shardhouse.domain.metrics import Sample, Values
from shardhouse.domain.model import Group, GroupType, Instance, Mode, Node, Status
from shardhouse.errors import DiskFullError, ShardhouseError
from shardhouse.mongo import measuring
from shardhouse.mongo.admin import Client, accepts
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store.metric_ring import MINUTE, SECONDS, MetricRing, Row
from shardhouse.workflows import disk, processes
from shardhouse.workflows.connections import Connections
from shardhouse.workflows.context import Context
from shardhouse.workflows.launch import node_memory
from shardhouse.workflows.periodic import Periodic

TICK = 1.0
"""Seconds between two looks whose turn it is."""
NOTICE = 5.0
"""Seconds after which new instances and switched monitoring are noticed."""
ASKERS = 8
SPREAD = 0.6
"""The part of an interval over which nodes are spread; in the rest those answer that came last."""
GRACE = 5.0
"""Seconds after the end of a step in which nodes asked within it may still answer."""
CLEANING = 3600.0
STALE = 3 * MINUTE
log = structlog.get_logger()


@dataclass(frozen=True)
class Measured:
    """Values of one node that was asked at a moment (seconds since 1970); `whole` are those of its
    cluster that were read of it."""

    instance_id: str
    node_id: str
    moment: float
    values: Values
    whole: Values
    router: bool


class Collector(Periodic):
    """Measures, and writes. `connections` are those of the monitor."""

    def __init__(self, context: Context, connections: Connections, ring: MetricRing) -> None:
        super().__init__("collector", TICK, self._look)
        self._context = context
        self._connections = connections
        self._ring = ring
        self._pool = ThreadPoolExecutor(ASKERS, thread_name_prefix="collector")
        self._serving: list[Instance] = []
        self._noticed = 0.0
        self._cleaned = 0.0
        self._asked: dict[str, int] = {}
        self._asking: dict[str, Future[None]] = {}
        self._samples: dict[str, Sample] = {}
        self._latest: dict[str, Measured] = {}
        self._measured: SimpleQueue[Measured] = SimpleQueue()
        self._steps: dict[tuple[int, int], list[Measured]] = {}

    def close(self) -> None:
        """End the thread; questions under way are not waited for."""
        super().close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def latest(self) -> dict[str, Measured]:
        """What was measured last, by the nodes' ids; nothing that is old."""
        oldest = time.time() - STALE
        return {id: one for id, one in self._latest.copy().items() if one.moment >= oldest}

    def _look(self) -> None:
        now = time.time()
        if abs(now - self._noticed) >= NOTICE:
            self._serving = processes.serving(self._context)
            self._forget({node.id for instance in self._serving for node in instance.nodes})
            self._noticed = now
        for instance in self._serving:
            self._attend(instance, now)
        self._sort(now)
        self._write(now)
        if abs(now - self._cleaned) >= CLEANING:
            self._cleaned = now
            self._ring.forget(now)

    def _attend(self, instance: Instance, now: float) -> None:
        """Have the instance's nodes asked whose turn it is, unless they are being asked already."""
        interval = SECONDS if policy.monitored_by_seconds(instance) else MINUTE
        for group in instance.groups:
            for node in group.nodes:
                asking = self._asking.get(node.id)
                due = turn(node.id, interval, now)
                if self._asked.get(node.id) != due and (asking is None or asking.done()):
                    self._asked[node.id] = due
                    self._asking[node.id] = self._pool.submit(self._ask, instance, group, node, now)

    def _ask(self, instance: Instance, group: Group, node: Node, moment: float) -> None:
        try:
            others = self._own_numbers(instance, group, node)
            status: measuring.Status = {}
            if "process.cpu" in others and node.status is not Status.ABNORMAL:
                status, values = self._read(instance, group, node)
                others |= values
            sample = metrics.sample(time.monotonic(), status, others)
            found = metrics.values(sample, self._samples.get(node.id))
            self._samples[node.id] = sample
            values, whole = metrics.split(found)
            router = group.type is GroupType.MONGOS
            self._measured.put(Measured(instance.id, node.id, moment, values, whole, router=router))
        except Exception:
            log.exception("not measured", instance=instance.id, node=node.id)

    def _own_numbers(self, instance: Instance, group: Group, node: Node) -> dict[str, float]:
        """What is known of a node without asking it."""
        settings = self._context.settings
        found: dict[str, float] = {
            "node.vcpus": all_flavors()[node.spec_code].vcpus,
            "node.memory": node_memory(node, settings.memory_scale),
        }
        if group.type.holds_data:
            found["node.volume"] = disk.volume_limit(settings, group, node)
            found["node.used"] = node.used_bytes
        use = self._context.runtime.process_use(NodeRef(instance.id, node.id))
        if use is not None:
            found |= {
                "process.cpu": use.cpu,
                "process.read": use.read,
                "process.written": use.written,
                "process.resident": use.resident,
                "process.swapped": use.swapped,
                "node.swap": use.swap,
            }
        return found

    def _read(
        self, instance: Instance, group: Group, node: Node
    ) -> tuple[measuring.Status, dict[str, float]]:
        """What the node itself says, as far as it does."""
        status: measuring.Status = {}
        others: dict[str, float] = {}
        try:
            if accepts(node.host):
                client = self._connections.of(instance)[node.host]
                status = measuring.status(client)
                others = _other_values(client, status, instance, group)
        except (PyMongoError, ShardhouseError) as error:
            log.debug("no answer to measuring", node=node.id, reason=str(error))
        return status, others

    def _sort(self, now: float) -> None:
        """Put what was measured to the steps that it belongs to, as far as they are not written."""
        by_seconds = {one.id for one in self._serving if policy.monitored_by_seconds(one)}
        while not self._measured.empty():
            measured = self._measured.get()
            self._latest[measured.node_id] = measured
            steps = (MINUTE, SECONDS) if measured.instance_id in by_seconds else (MINUTE,)
            for step in steps:
                at = int(measured.moment) // step * step
                if now < at + step + GRACE:
                    self._steps.setdefault((step, at), []).append(measured)

    def _write(self, now: float) -> None:
        """Write the steps that are over."""
        over = [key for key in self._steps if not key[1] <= now < key[1] + key[0] + GRACE]
        clusters = {one.id for one in self._serving if one.mode is Mode.SHARDING}
        rows = [
            Row(resource_id, step, at, values)
            for step, at in over
            for resource_id, values in summarised(self._steps.pop((step, at)), clusters)
        ]
        if rows and self._context.reserve.disk_is_full:
            log.warning("metrics are lost: the disk is full")
            return
        try:
            self._ring.write(rows)
        except DiskFullError as error:
            log.warning("metrics are lost", reason=error.message)

    def _forget(self, living: set[str]) -> None:
        """Drop what is known of nodes that are gone."""
        for known in (self._asked, self._samples, self._latest):
            for node_id in set(known) - living:
                known.pop(node_id, None)
        for node_id in set(self._asking) - living:
            if self._asking[node_id].done():
                del self._asking[node_id]


def turn(node_id: str, interval: int, now: float) -> int:
    """Which turn of a node it is: another one in each interval, from a moment on that depends on
    the node, so that they are not asked all at once."""
    delay = crc32(node_id.encode()) % 1000 / 1000 * SPREAD * interval
    return int((now - delay) // interval)


def summarised(
    measured: Sequence[Measured], clusters: Iterable[str]
) -> list[tuple[str, Mapping[str, float]]]:
    """Values by the ids of nodes and clusters: what was measured within one step."""
    by_node: dict[str, list[Measured]] = {}
    for one in measured:
        by_node.setdefault(one.node_id, []).append(one)
    found = [(id, metrics.mean([one.values for one in own])) for id, own in by_node.items()]
    values = dict(found)
    for instance_id in clusters:
        own = [one for one in measured if one.instance_id == instance_id]
        routers = [values[id] for id in dict.fromkeys(one.node_id for one in own if one.router)]
        if whole := metrics.of_cluster(routers, metrics.mean([one.whole for one in own])):
            found.append((instance_id, whole))
    return [(id, values) for id, values in found if values]


def _other_values(
    client: Client, status: measuring.Status, instance: Instance, group: Group
) -> dict[str, float]:
    """What `serverStatus` does not say."""
    if not group.type.holds_data:
        return {}
    found = measuring.replication(client, status)
    if group.type is GroupType.CONFIG:
        shards = [one.replica_set for one in instance.of_type(GroupType.SHARD)]
        found |= measuring.cluster(client, status, shards[: metrics.MOST_SHARDS])
    return found
