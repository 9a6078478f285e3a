"""Limits of volumes: how full they are, and user writes held off where one is.

A volume that holds as much as it may makes its instance `data_disk_full`. Users' writes are refused
from then on, until it is enlarged or holds less. MongoDB before 6.0 offers no such thing: there the
status is all that changes.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from shardhouse.domain import events
from shardhouse.domain.events import InstanceEvent
from shardhouse.domain.model import Group, GroupType, Instance, Mode, Node
from shardhouse.domain.transitions import Event
from shardhouse.errors import MongoError, ShardhouseError
from shardhouse.mongo import write_block
from shardhouse.mongo.admin import Clients
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import events as event_store
from shardhouse.store import instances
from shardhouse.workflows import disk, health
from shardhouse.workflows.context import Context, now, set_plan, user_group

REST = 50
"""An instance is measured at every look, but rests this many times as long as measuring took."""
PRECISION = 5 * 1024**2
"""Bytes, or the part of a volume, by which its use must have changed to be written."""
_PART = 200
log = structlog.get_logger()


class Volumes:
    """Measures volumes. `on_measured` is called with each instance that was measured."""

    def __init__(self, context: Context, on_measured: Callable[[Instance], None]) -> None:
        self._context = context
        self._on_measured = on_measured
        self._due: dict[str, float] = {}

    def measure(self, serving: Sequence[Instance]) -> None:
        """Measure those that are due, and write what has changed."""
        for instance in serving:
            begun = time.monotonic()
            if begun >= self._due.get(instance.id, 0.0):
                changed = self._measure(instance)
                ended = time.monotonic()
                self._due[instance.id] = ended + REST * (ended - begun)
                self._on_measured(self._context.instance(instance.id) if changed else instance)

    def forget(self, living: set[str]) -> None:
        """Drop what is known of instances that are gone."""
        self._due = {key: due for key, due in self._due.items() if key in living}

    def _measure(self, instance: Instance) -> bool:
        used: dict[str, int] = {}
        news: list[InstanceEvent] = []
        moment = now()
        for group in instance.data_groups:
            for node in group.nodes:
                with suppress(ShardhouseError):
                    measured = self._context.runtime.usage(NodeRef(instance.id, node.id)).data
                    if self._differs(group, node, measured):
                        used[node.id] = measured
                        limit = disk.volume_limit(self._context.settings, group, node)
                        news += events.of_volume(instance, node, measured, limit, moment)
        if used:
            with self._context.database.write() as connection:
                for node_id, bytes_ in used.items():
                    instances.set_node(connection, instance.id, node_id, used_bytes=bytes_)
                event_store.record(connection, news)
        return bool(used)

    def _differs(self, group: Group, node: Node, measured: int) -> bool:
        limit = disk.volume_limit(self._context.settings, group, node)
        crossed = (measured >= limit) is not (node.used_bytes >= limit) or events.level(
            measured, limit
        ) != events.level(node.used_bytes, limit)
        return crossed or abs(measured - node.used_bytes) > min(PRECISION, limit // _PART)


class Guard:
    """Holds user writes off where a volume is full. What holds now is read from MongoDB once, when
    an instance is seen first: the service may have ended in between."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._held: dict[str, bool] = {}

    def judge(self, instance: Instance, clients: Clients, seen: health.Health) -> bool:
        """Hold user writes off or let them go on; whether they are, or should be, held off."""
        full = disk.volumes_full(self._context.settings, instance)
        if not full and health.verdict(instance, seen) is not Event.WELL:
            return self._held.get(instance.id, False)  # nobody could be told now
        try:
            held = self._known(instance, clients)
            if held is not full:
                offered = hold(instance, clients, blocked=full)
                log.info("user writes", instance=instance.id, held=full, offered=offered)
            self._held[instance.id] = full
        except (PyMongoError, MongoError) as error:
            log.warning("user writes not switched", instance=instance.id, reason=str(error))
            return full or self._held.get(instance.id, False)
        return full

    def forget(self, living: set[str]) -> None:
        """Drop what is known of instances that are gone."""
        self._held = {key: held for key, held in self._held.items() if key in living}

    def _known(self, instance: Instance, clients: Clients) -> bool:
        if instance.id not in self._held:
            self._held[instance.id] = write_block.is_held(set_plan(_witness(instance)), clients)
        return self._held[instance.id]


def hold(instance: Instance, clients: Clients, *, blocked: bool) -> bool:
    """Hold user writes off, or let them go on; whether the servers offer that. Raises MongoError
    where there is no primary, and PyMongo's errors."""
    return write_block.hold(set_plan(user_group(instance)), clients, blocked=blocked)


def _witness(instance: Instance) -> Group:
    """A group whose primary knows whether user writes are held off."""
    sharded = instance.mode is Mode.SHARDING
    return instance.of_type(GroupType.SHARD)[0] if sharded else instance.groups[0]
