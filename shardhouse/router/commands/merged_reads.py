"""find and aggregate over several shards within a transaction, merged on one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bson import Int64

from shardhouse.router.auth.pipelines import stages
from shardhouse.router.catalog.cache import Routing
from shardhouse.router.commands.call import Call, owners
from shardhouse.router.commands.cursors import opened
from shardhouse.router.commands.transactions import retract
from shardhouse.router.errors import CommandError, ShardReplyError
from shardhouse.router.transactions.merging import (
    AT_HOME,
    Division,
    divide,
    divide_find,
    merge_stage,
)
from shardhouse.router.upstream.client import Reply
from shardhouse.router.upstream.encoder import DirectCursorId
from shardhouse.router.wire import raw

Target = tuple[str, dict[str, Any]]

_LARGE = 8 * 1024 * 1024
_SHARED = ("collation", "let", "allowDiskUse", "comment", "maxTimeMS")


async def find(call: Call, routing: Routing, command: Mapping[str, Any]) -> raw.Document:
    """find."""
    numbers = call.command.counts("skip", "limit", "batchSize")
    division = divide_find({**command, **numbers})
    return await _merged(call, routing, division, division.shards)


async def aggregate(call: Call, routing: Routing) -> raw.Document:
    """aggregate."""
    return await _aggregated(call, routing, call.body["pipeline"], _options(call))


async def view(
    call: Call, refusal: ShardReplyError, pipeline: Sequence[Any], hint: Any = None
) -> raw.Document:
    """A pipeline on a view, whose shard said which sharded collection and pipeline it stands for.

    That shard need not hold any of the collection: it leaves the transaction if it just joined.
    """
    assert call.transaction is not None
    resolved = raw.shallow(bytes(refusal.reply["resolvedView"].raw))
    await retract(call, call.transaction)
    routing = await call.router.catalog.routing(resolved["ns"])
    if routing.table is None:
        call.router.catalog.forget_collection(resolved["ns"])
        routing = await call.router.catalog.routing(resolved["ns"])
    options = {"hint": hint} if hint else {}
    if "collation" in resolved:
        options["collation"] = resolved["collation"]
    options |= _options(call)
    whole = raw.shallow(raw.encode({"pipeline": [*resolved["pipeline"], *pipeline]}))["pipeline"]
    return await _aggregated(call, routing, whole, options)


async def _aggregated(
    call: Call, routing: Routing, pipeline: Any, options: dict[str, Any]
) -> raw.Document:
    listed = stages(pipeline)
    division = divide(listed)
    command = {
        "aggregate": _collection(routing),
        "pipeline": division.shards,
        "fromMongos": True,
        "needsMerge": True,
        **options,
    }
    home = routing.database.primary if routing.database is not None else None
    at_home = any(name in AT_HOME for name, _ in listed)
    return await _merged(call, routing, division, command, home if at_home else None)


async def _merged(
    call: Call,
    routing: Routing,
    division: Division,
    command: Mapping[str, Any],
    merger: str | None = None,
) -> raw.Document:
    transaction, database = call.transaction, routing.database
    assert transaction is not None
    assert database is not None
    if routing.table is None or routing.buckets is not None:
        raise CommandError(263, "this collection cannot be read in a transaction over shards")
    targets = owners(routing, database)
    if division.bound is not None and division.sort is None:
        unmerged = {name: value for name, value in command.items() if name != "needsMerge"}
        replies = await _open(call, targets, unmerged, division.bound + 1)
        if sum(len(reply.fields["cursor"].raw) for reply in replies) <= _LARGE:
            return _joined(call, replies, division)
    replies = await _open(call, targets, command, 0)
    namespace = routing.namespace
    remotes = [(reply.shard, reply.address, reply.fields["cursor"]) for reply in replies]
    merge = merge_stage(namespace, remotes, transaction.fields, division.sort)
    final: dict[str, Any] = {
        "aggregate": _collection(routing),
        "pipeline": [merge, *division.rest],
        "cursor": _cursor_options(call),
        "fromMongos": True,
    }
    if routing.table.collection.collation is not None:
        # The merging shard may not hold the collection, and would not know how it compares.
        final["collation"] = routing.table.collection.collation
    final |= {name: command[name] for name in _SHARED if name in command}
    reply = await call.run(merger or replies[0].shard, final)
    return opened(call, reply, call.command.namespace, DirectCursorId)


async def _open(
    call: Call, targets: Sequence[Target], command: Mapping[str, Any], batch: int
) -> list[Reply]:
    """Open a cursor on every shard, with a first batch of this many documents."""
    size = {"batchSize": Int64(batch)}
    opening = {**command, **(size if "find" in command else {"cursor": size})}
    return await asyncio.gather(
        *(call.run(shard, {**opening, **versions}) for shard, versions in targets)
    )


def _joined(call: Call, replies: Sequence[Reply], division: Division) -> raw.Document:
    """All that the shards found, as one batch."""
    batches = [raw.shallow(bytes(reply.fields["cursor"].raw))["firstBatch"] for reply in replies]
    skip = int(division.rest[0].get("$skip", 0))
    found = [document for batch in batches for document in batch][skip : division.bound]
    namespace = call.command.namespace
    return {"cursor": {"firstBatch": found, "id": Int64(0), "ns": namespace}}


def _collection(routing: Routing) -> str:
    return routing.namespace.partition(".")[2]


def _options(call: Call) -> dict[str, Any]:
    return {name: call.body[name] for name in (*_SHARED, "hint") if name in call.body}


def _cursor_options(call: Call) -> Any:
    if call.command.name == "aggregate":
        return call.body.get("cursor", {})
    return {"batchSize": call.body["batchSize"]} if "batchSize" in call.body else {}
