"""Snapshot reads outside transactions: their further batches need what no shard gives by itself.

A read at a point in time must wait for transactions prepared by then, for they may commit as of
then. A shard of 6.0.5 waits in the first batch only: a getMore follows the conflict rules of a read
concern of its own, overlooks what is prepared, and tells the documents as they were before. A
getMore the router sends brings the snapshot's read concern along. Those that shards send each other
for a cluster command cannot, so before one starts, nothing prepared by its time may be left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from bson import Int64, Timestamp

from shardhouse.router.commands.call import READ_ATTEMPTS, Call
from shardhouse.router.errors import CommandError, NodeUnreachableError
from shardhouse.router.router import Router
from shardhouse.router.topology.description import SECONDARY
from shardhouse.router.upstream.client import Reply
from shardhouse.router.wire import raw

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
"""Seconds between two looks at what is prepared."""


def concern_of(cursor: bytes) -> dict[str, Any] | None:
    """The read concern each getMore must bring along, by the reply that opened the cursor."""
    element = raw.find(cursor, "atClusterTime")
    if element is None:
        return None
    time = int.from_bytes(element.value, "little")
    return _at(Timestamp(time >> 32, time & 0xFFFFFFFF))


def _at(time: Timestamp) -> dict[str, Any]:
    return {"level": "snapshot", "atClusterTime": time}


async def settle(call: Call, concern: Any, shards: Iterable[str]) -> None:
    """Wait, for a snapshot read over these shards, until no transaction prepared by its time is
    open there; MaxTimeMSExpired (50) after the client's time limit.

    A time to come, or none at all, is for the shards to refuse.
    """
    if not isinstance(concern, Mapping) or concern.get("level") != "snapshot":
        return
    time = concern.get("atClusterTime")
    if not isinstance(time, Timestamp) or time > call.router.clock.now:
        return
    try:
        async with asyncio.timeout(call.command.time_limit()):
            await asyncio.gather(*(_settle_on(call, shard, time) for shard in shards))
    except TimeoutError:
        raise CommandError(50, "operation exceeded time limit") from None


async def _settle_on(call: Call, shard: str, time: Timestamp) -> None:
    # The first sees all that was prepared by then; the second, that its end cannot be rolled back.
    for concern in ({"level": "local", "afterClusterTime": time}, {"level": "linearizable"}):
        pause = _FIRST_PAUSE
        query = _prepared(time, concern)
        while True:
            reply = await call.router.cluster.run(shard, query, "config", attempts=READ_ATTEMPTS)
            if not raw.shallow(bytes(reply.fields["cursor"].raw))["firstBatch"]:
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    if call.preference.get("mode") != "primary":
        await _replicated(call.router, shard, reply)


async def _replicated(router: Router, shard: str, reply: Reply) -> None:
    """Wait until the secondaries know what the primary replied."""
    query = _prepared(reply.time, {"level": "local", "afterClusterTime": reply.time})
    query["$readPreference"] = {"mode": "secondary"}
    for member in router.cluster.replica_set(shard).members.values():
        if member.state == SECONDARY:
            with contextlib.suppress(NodeUnreachableError):  # then it serves no read either
                await router.cluster.run_on(member.address, shard, query, "config")


def _prepared(time: Timestamp | None, concern: Mapping[str, Any]) -> dict[str, Any]:
    """The query for a transaction that is prepared, and was by this time."""
    prepared = {"state": "prepared", "lastWriteOpTime.ts": {"$lte": time}}
    limits = {"batchSize": Int64(1), "singleBatch": True}
    return {"find": "transactions", "filter": prepared, "readConcern": concern, **limits}
