"""A collection's routing table: which range of shard keys belongs to which shard. Immutable.

Built from documents of `config.collections` and `config.chunks` (6.0 layout).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bson import Binary, ObjectId, Timestamp

from shardhouse.router.catalog.values import SortKey, sort_key
from shardhouse.router.catalog.versions import shard_version
from shardhouse.router.wire import raw


@dataclass(frozen=True, slots=True)
class Chunk:
    """Keys from `low` (inclusive) to `high` (exclusive) live on `shard` since version `lastmod`."""

    low: SortKey
    high: SortKey
    shard: str
    lastmod: Timestamp


@dataclass(frozen=True, slots=True)
class Collection:
    """A sharded collection as `config.collections` has it; `key` maps path to 1 or 'hashed'."""

    namespace: str
    uuid: Binary
    epoch: ObjectId
    timestamp: Timestamp
    key: Mapping[str, Any]
    unique: bool
    collation: Mapping[str, Any] | None
    is_timeseries: bool

    @property
    def has_collation(self) -> bool:
        """Whether its strings compare otherwise than by their bytes unless a command says so."""
        return self.collation is not None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Collection:
        """From a decoded document of `config.collections`."""
        return cls(
            namespace=document["_id"],
            uuid=document["uuid"],
            epoch=document["lastmodEpoch"],
            timestamp=document["timestamp"],
            key=dict(document["key"]),
            unique=bool(document.get("unique")),
            collation=document.get("defaultCollation") or None,
            is_timeseries="timeseriesFields" in document,
        )


class RoutingTable:
    """All chunks of one sharded collection, sorted, without gaps."""

    def __init__(self, collection: Collection, chunks: Sequence[Chunk]) -> None:
        self.collection = collection
        self.chunks = tuple(chunks)
        self._lows = [chunk.low for chunk in chunks]
        newest: dict[str, Timestamp] = {}
        for chunk in chunks:
            if chunk.shard not in newest or chunk.lastmod > newest[chunk.shard]:
                newest[chunk.shard] = chunk.lastmod
        self._versions = {
            shard: shard_version(collection.epoch, collection.timestamp, lastmod)
            for shard, lastmod in newest.items()
        }
        self._encoded: dict[str, Mapping[str, bytes]] = {}
        self.newest = max(newest.values())

    @property
    def shards(self) -> list[str]:
        """Ids of the shards that own chunks."""
        return list(self._versions)

    def version(self, shard: str) -> Mapping[str, Any]:
        """What to attach to a request for this shard."""
        known = self._versions.get(shard)
        return known or shard_version(self.collection.epoch, self.collection.timestamp, None)

    def version_encoded(self, shard: str) -> Mapping[str, bytes]:
        """`version` as an encoded field, made once."""
        known = self._encoded.get(shard)
        if known is None:
            known = {"shardVersion": raw.element("shardVersion", self.version(shard))}
            self._encoded[shard] = known
        return known

    def owner(self, key: SortKey) -> str:
        """The shard that owns a full shard key."""
        return self.chunks[bisect_right(self._lows, key) - 1].shard

    def updated(self, documents: Iterable[Mapping[str, Any]]) -> RoutingTable:
        """The table after newer chunks (oldest first) replaced every range they overlap."""
        chunks = list(self.chunks)
        for document in documents:
            chunks = _replace(chunks, read_chunk(document))
        return RoutingTable(self.collection, chunks)


def build(collection: Collection, documents: Iterable[Mapping[str, Any]]) -> RoutingTable | None:
    """A table from all of a collection's chunk documents; None if they do not cover all keys.

    Gaps are seen when a read meets a commit; the caller reads again.
    """
    chunks = sorted((read_chunk(document) for document in documents), key=lambda c: c.low)
    whole = all(before.high == after.low for before, after in pairwise(chunks))
    return RoutingTable(collection, chunks) if chunks and whole else None


def read_chunk(document: Mapping[str, Any]) -> Chunk:
    """From a shallowly decoded document of `config.chunks` (`min` and `max` still raw)."""
    return Chunk(
        bound(document["min"]), bound(document["max"]), document["shard"], document["lastmod"]
    )


def bound(document: Any) -> SortKey:
    """The sort key of a chunk bound: its values in the order of the shard key."""
    content = bytes(document.raw) if hasattr(document, "raw") else raw.encode(document)
    return tuple(
        sort_key(kind, content[start:end]) for kind, _, start, end in raw.elements(content)
    )


def _replace(chunks: list[Chunk], new: Chunk) -> list[Chunk]:
    kept = [chunk for chunk in chunks if chunk.high <= new.low or chunk.low >= new.high]
    kept.append(new)
    return sorted(kept, key=lambda chunk: chunk.low)
