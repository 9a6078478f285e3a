"""Instances as JSON text, each rendered once per revision: lists are asked for far more often than
instances change."""

import json
from collections.abc import Iterator, Sequence
from threading import Lock

from sqlalchemy import Connection

from shardhouse.api.dds import wire
from shardhouse.domain.model import Instance, Mode
from shardhouse.engines import Builds, Engine, upgrades
from shardhouse.errors import EngineError
from shardhouse.store import instances
from shardhouse.store.instances import Head

#: Renderings kept; a cluster's takes about 4 kB.
CAPACITY = 5000


class InstanceJsonCache:
    """Keeps the text of the instances last listed, as long as the MongoDB builds that are offered
    stay the same. Handler threads may share it."""

    def __init__(self, memory_scale: float, builds: Builds) -> None:
        self._memory_scale = memory_scale
        self._builds = builds
        self._offered: Sequence[Engine] = ()
        self._texts: dict[str, tuple[int, bytes]] = {}
        self._lock = Lock()

    def items(self, connection: Connection, heads: Sequence[Head]) -> Iterator[bytes]:
        """The text of each instance, in order; those that changed are read and rendered now."""
        offered = self._offers()
        known = {
            head.id: text
            for head in heads
            if (text := self._texts.get(head.id)) and text[0] == head.revision
        }
        stale = [head.id for head in heads if head.id not in known]
        fresh = {
            instance.id: (instance.revision, self._render(instance, offered))
            for instance in instances.load_all(connection, stale)
        }
        if fresh:
            self._keep(fresh)
        texts = known | fresh
        return (texts[head.id][1] for head in heads)

    def _offers(self) -> Sequence[Engine]:
        """The builds that instances may be upgraded to now."""
        try:
            offered = self._builds.catalogue().engines
        except EngineError:  # a folder of the settings is gone: `doctor` says so
            offered = ()
        with self._lock:
            if offered != self._offered:
                self._offered = offered
                self._texts.clear()
        return offered

    def _render(self, instance: Instance, offered: Sequence[Engine]) -> bytes:
        sharded = instance.mode is Mode.SHARDING
        newer = upgrades.patch_available(instance.engine_version, offered, sharded=sharded)
        item = wire.instance_item(instance, self._memory_scale, patch_available=newer)
        return json.dumps(item.model_dump(mode="json"), separators=(",", ":")).encode()

    def _keep(self, fresh: dict[str, tuple[int, bytes]]) -> None:
        with self._lock:
            for instance_id, text in fresh.items():
                self._texts.pop(instance_id, None)
                self._texts[instance_id] = text
            while len(self._texts) > CAPACITY:
                del self._texts[next(iter(self._texts))]
