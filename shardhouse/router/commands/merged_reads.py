"""find and aggregate over several shards within a transaction, merged on one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from shardhouse.router.auth.pipelines import stages
from shardhouse.router.catalog.cache import Routing
from shardhouse.router.commands.call import Call, owners
from shardhouse.router.commands.cursors import opened
from shardhouse.router.errors import CommandError
from shardhouse.router.transactions.merging import (
    AT_HOME,
    Division,
    divide,
    divide_find,
    merge_stage,
)
from shardhouse.router.upstream.encoder import DirectCursorId
from shardhouse.router.wire import raw

_SHARED = ("collation", "let", "allowDiskUse", "comment", "maxTimeMS")


async def find(call: Call, routing: Routing, command: Mapping[str, Any]) -> raw.Document:
    """find."""
    division = divide_find(command)
    return await _merged(call, routing, division, {**division.shards, "batchSize": 0})


async def aggregate(call: Call, routing: Routing) -> raw.Document:
    """aggregate."""
    listed = stages(call.body.get("pipeline"))
    division = divide(listed)
    command = {
        **call.build("aggregate", call.command.collection),
        "pipeline": division.shards,
        "cursor": {"batchSize": 0},
        "fromMongos": True,
        "needsMerge": True,
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
    replies = await asyncio.gather(
        *(call.run(shard, {**command, **versions}) for shard, versions in owners(routing, database))
    )
    namespace = call.command.namespace
    remotes = [(reply.shard, reply.address, reply.fields["cursor"]) for reply in replies]
    merge = merge_stage(namespace, remotes, transaction.fields, division.sort)
    final: dict[str, Any] = {
        "aggregate": call.command.collection,
        "pipeline": [merge, *division.rest],
        "cursor": _cursor_options(call),
        "fromMongos": True,
    }
    final |= {name: call.body[name] for name in _SHARED if name in call.body}
    reply = await call.run(merger or replies[0].shard, final)
    return opened(call, reply, namespace, DirectCursorId)


def _cursor_options(call: Call) -> Any:
    if call.command.name == "aggregate":
        return call.body.get("cursor", {})
    return {"batchSize": call.body["batchSize"]} if "batchSize" in call.body else {}
