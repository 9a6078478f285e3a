"""Instances as JSON text, each rendered once per revision: lists are asked for far more often than
instances change."""

import json
from collections.abc import Iterator, Sequence
from threading import Lock

from sqlalchemy import Connection

from shardhouse.api.dds import wire
from shardhouse.domain.model import Instance
from shardhouse.store import instances
from shardhouse.store.instances import Head

#: Renderings kept; a cluster's takes about 4 kB.
CAPACITY = 5000


class Rendered:
    """Keeps the text of the instances last listed. Handler threads may share it."""

    def __init__(self, memory_scale: float) -> None:
        self._memory_scale = memory_scale
        self._texts: dict[str, tuple[int, bytes]] = {}
        self._lock = Lock()

    def items(self, connection: Connection, heads: Sequence[Head]) -> Iterator[bytes]:
        """The text of each instance, in order; those that changed are read and rendered now."""
        known = {
            head.id: text
            for head in heads
            if (text := self._texts.get(head.id)) and text[0] == head.revision
        }
        stale = [head.id for head in heads if head.id not in known]
        fresh = {
            instance.id: (instance.revision, self._render(instance))
            for instance in instances.load_all(connection, stale)
        }
        if fresh:
            self._keep(fresh)
        texts = known | fresh
        return (texts[head.id][1] for head in heads)

    def _render(self, instance: Instance) -> bytes:
        item = wire.instance_item(instance, self._memory_scale)
        return json.dumps(item, separators=(",", ":")).encode()

    def _keep(self, fresh: dict[str, tuple[int, bytes]]) -> None:
        with self._lock:
            for instance_id, text in fresh.items():
                self._texts.pop(instance_id, None)
                self._texts[instance_id] = text
            while len(self._texts) > CAPACITY:
                del self._texts[next(iter(self._texts))]
