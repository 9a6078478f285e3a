"""The versions a shard compares before it serves a request, in the form shards read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId, Timestamp

_NO_CHUNKS = Timestamp(0, 0)

UNSHARDED: Mapping[str, Any] = {
    "e": ObjectId(b"\0" * 12),
    "t": Timestamp(0, 0),
    "v": Timestamp(0, 0),
}
"""The collection has no routing table; goes together with a databaseVersion."""

IGNORED: Mapping[str, Any] = {
    "e": ObjectId("00000000ffffffffffffffff"),
    "t": Timestamp(0xFFFFFFFF, 0xFFFFFFFF),
    "v": Timestamp(0, 0),
}
"""Any version will do: for statements sent to every shard that has chunks."""


def shard_version(
    epoch: ObjectId, timestamp: Timestamp, newest: Timestamp | None
) -> dict[str, Any]:
    """The version one shard must be at: `newest` is its newest chunk's, None if it has none."""
    return {"e": epoch, "t": timestamp, "v": newest or _NO_CHUNKS}
