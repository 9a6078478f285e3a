"""find, aggregate, count, distinct: to the one shard that can answer, else by cluster commands."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.pipelines import (
    OWN_ONLY,
    PLAIN_STAGES,
    WRITING_STAGES,
    is_change_stream,
    stages,
)
from shardhouse.router.catalog.cache import CONFIG, Routing
from shardhouse.router.catalog.targeting import owner_of_filter
from shardhouse.router.catalog.values import sort_key
from shardhouse.router.commands import change_streams, current_op, merged_reads, snapshots
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, at, at_home, owners
from shardhouse.router.commands.cursors import opened
from shardhouse.router.errors import CommandError, ShardReplyError, bad_value
from shardhouse.router.transactions.merging import find_as_pipeline
from shardhouse.router.upstream.client import Reply, StaleRoutingError
from shardhouse.router.upstream.encoder import ClusterCursorId, DirectCursorId, has_change_stream
from shardhouse.router.wire import raw

SHARDED_VIEW = 169
SHARD_NOT_FOUND = 70
"""The collection is a view of a sharded one: its shard cannot resolve it alone."""

_MOST = 2**63 - 1

Target = tuple[str, dict[str, Any]]


async def find(call: Call) -> raw.Document:
    """find."""
    namespace = call.command.namespace
    command = call.build("find", call.command.collection)
    tailable = bool(call.body.get("tailable"))
    query = call.command.document("filter")

    async def attempt(routing: Routing) -> raw.Document:
        target = await _target(call, routing, query)
        if target is not None:
            try:
                reply = await _direct(call, target, command)
            except ShardReplyError as error:
                if error.code != SHARDED_VIEW:
                    raise
                if call.transaction is not None:
                    numbers = call.command.counts("skip", "limit", "batchSize")
                    pipeline, hint = find_as_pipeline({**call.body, **numbers})
                    return await merged_reads.view(call, error, pipeline, hint)
            else:
                return opened(call, reply, namespace, DirectCursorId)
        if tailable or call.body.get("awaitData"):
            raise bad_value("tailable cursor requested on non capped collection")
        if call.transaction is not None:
            return await merged_reads.find(call, routing, command)
        merged = call.build("clusterFind", call.command.collection)
        return await _open_through_cluster(call, routing, merged, namespace)

    return await call.routed(namespace, attempt)


async def _open_through_cluster(
    call: Call, routing: Routing, command: Mapping[str, Any], namespace: str
) -> raw.Document:
    """Open a cluster cursor. If the client goes away meanwhile, the cursor is awaited and ended:
    no shard would ever reap it."""

    async def whole() -> raw.Document:
        reply = await through_cluster(call, routing, command)
        if "cursor" not in reply.fields:
            return reply.fields
        return opened(call, reply, namespace, ClusterCursorId)

    opening = asyncio.create_task(whole())
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        call.router.later(_end_unseen(call, opening))
        raise


async def _end_unseen(call: Call, opening: asyncio.Task[raw.Document]) -> None:
    with contextlib.suppress(CommandError):
        reply = await opening
        if isinstance(reply.get("cursor"), RawBSONDocument):
            number = raw.shallow(bytes(reply["cursor"].raw))["id"]
            cursor = call.router.cursors.get(int(number))
            if cursor is not None:
                await call.router.kill_cursor(cursor)


async def aggregate(call: Call) -> raw.Document:
    """aggregate."""
    pipeline = call.command.get("pipeline", list, [])
    if is_change_stream(pipeline):
        return await change_streams.watch(call)
    if has_change_stream(pipeline):
        raise CommandError(40602, "$changeStream is only valid as the first stage in a pipeline")
    whole = call.command.value in (1, 1.0)
    collection = "$cmd.aggregate" if whole else call.command.collection
    namespace = f"{call.db}.{collection}"
    names = {name for name, _ in stages(pipeline)}
    plain = not whole and names <= PLAIN_STAGES
    merged = call.build("clusterAggregate", call.command.value)
    merged["pipeline"] = current_op.rewritten(call, pipeline)
    if call.command.get("cursor", Mapping) is None and "explain" not in call.body:
        raise CommandError(9, "The 'cursor' option is required, except for aggregate with explain")

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None and not names.isdisjoint(WRITING_STAGES):
            await call.create_database(call.db)
            routing = await call.router.catalog.routing(namespace)
        if routing.database is None and names.isdisjoint(OWN_ONLY):
            target: Target | None = await call.nowhere()
        else:
            target = _aggregate_target(call, routing, plain=plain)
        if target is not None:
            try:
                command = call.build("aggregate", call.command.value)
                if not plain:
                    command |= {"fromMongos": True, "pipeline": merged["pipeline"]}
                reply = await _direct(call, target, command)
            except ShardReplyError as error:
                if error.code != SHARDED_VIEW:
                    raise
                if call.transaction is not None:
                    return await merged_reads.view(call, error, pipeline)
            else:
                return opened(call, reply, namespace, DirectCursorId)
        if call.transaction is not None:
            return await merged_reads.aggregate(call, routing)
        return await _open_through_cluster(call, routing, merged, namespace)

    return await call.routed(namespace, attempt)


def _aggregate_target(call: Call, routing: Routing, *, plain: bool) -> Target | None:
    if call.transaction is None:
        return single(routing, None) if plain else None
    listed = stages(call.body["pipeline"])
    query: bytes | None = None
    if listed and listed[0][0] == "$match" and isinstance(listed[0][1], RawBSONDocument):
        query = bytes(listed[0][1].raw)
    if plain or routing.table is None:
        return single(routing, query, has_collation=_collated(call, routing))
    return None


async def count(call: Call) -> raw.Document:
    """count: each shard's number, summed; skip and limit apply to the sum."""
    namespace = call.command.namespace
    skip = call.command.counts("skip").get("skip", 0)
    limit = abs(call.command.whole("limit"))
    if limit > _MOST:
        raise bad_value("limit value for count cannot be min long")
    command = call.build("count", call.command.collection)

    async def attempt(routing: Routing) -> raw.Document:
        target = await _target(call, routing, call.command.document("query"))
        if target is not None:
            try:
                return (await _direct(call, target, command)).fields
            except ShardReplyError as error:
                if error.code != SHARDED_VIEW:
                    raise
        if routing.table is None:
            return await _count_by_pipeline(call, routing, skip, limit)
        each = {key: value for key, value in command.items() if key != "skip"}
        if limit:
            each["limit"] = Int64(min(skip + limit, _MOST))
        replies = await _on_owners(call, routing, each)
        total = max(sum(int(reply.fields["n"]) for reply in replies) - skip, 0)
        return {"n": min(total, limit) if limit else total}

    return await call.routed(namespace, attempt)


async def _count_by_pipeline(call: Call, routing: Routing, skip: int, limit: int) -> raw.Document:
    pipeline: list[dict[str, Any]] = [{"$match": call.body.get("query") or {}}]
    pipeline += [{"$skip": Int64(skip)}] if skip else []
    # A server refuses a limit of 0, too, where a count has to be done by a pipeline.
    pipeline += [{"$limit": Int64(limit)}] if "limit" in call.body else []
    found = await _first_result(call, routing, [*pipeline, {"$count": "n"}])
    return {"n": found.get("n", 0)}


async def distinct(call: Call) -> raw.Document:
    """distinct: each shard's values, united (1 and 1.0 are one value), in order."""
    namespace = call.command.namespace
    key = call.command.get("key", str)
    if key is None:
        raise CommandError(40414, "BSON field 'distinct.key' is missing but required")
    command = call.build("distinct", call.command.collection)

    async def attempt(routing: Routing) -> raw.Document:
        target = await _target(call, routing, call.command.document("query"))
        if target is not None:
            try:
                return (await _direct(call, target, command)).fields
            except ShardReplyError as error:
                if error.code != SHARDED_VIEW:
                    raise
                if call.transaction is not None:
                    found = await merged_reads.view(call, error, _distinct_pipeline(call, key))
                    return {"values": _first_document(found).get("values", [])}
        if routing.table is None:
            found = await _first_result(call, routing, _distinct_pipeline(call, key))
            return {"values": found.get("values", [])}
        replies = await _on_owners(call, routing, command)
        united: dict[Any, Any] = {}
        for reply in replies:
            encoded = raw.encode({"": reply.fields["values"]})
            listed = raw.fields(encoded)[""].value
            for (kind, _, start, end), value in zip(
                raw.elements(listed), reply.fields["values"], strict=True
            ):
                united.setdefault(sort_key(kind, listed[start:end]), value)
        values = [united[order] for order in sorted(united)]
        if call.transaction is not None or not _collated(call, routing):
            return {"values": values}
        return await _distinct_under_collation(call, routing, values)

    return await call.routed(namespace, attempt)


def _distinct_pipeline(call: Call, key: str) -> list[dict[str, Any]]:
    return [
        {"$match": call.body.get("query") or {}},
        # The expression is the server's own, for distinct on a view: it knows array indexes.
        {"$project": {"_id": 0, "value": {"$_internalFindAllValuesAtPath": key}}},
        {"$unwind": {"path": "$value", "preserveNullAndEmptyArrays": True}},
        {"$group": {"_id": None, "values": {"$addToSet": "$value"}}},
    ]


async def _distinct_under_collation(
    call: Call, routing: Routing, values: list[Any]
) -> raw.Document:
    """Which of the values are one under the command's collation, or the collection's own."""
    listed: list[dict[str, Any]] = [
        {"$match": {"$alwaysFalse": 1}},
        {
            "$unionWith": {
                "pipeline": [{"$documents": [{"value": {"$literal": value}} for value in values]}]
            }
        },
        {"$group": {"_id": None, "values": {"$addToSet": "$value"}}},
    ]
    return {"values": (await _first_result(call, routing, listed)).get("values", [])}


async def _first_result(
    call: Call, routing: Routing, pipeline: list[dict[str, Any]]
) -> raw.Document:
    command: dict[str, Any] = {
        "clusterAggregate": call.command.collection,
        "pipeline": pipeline,
        "cursor": {},
        "readConcern": call.read_concern(),
        "writeConcern": call.router.defaults.write_concern,
    }
    command |= {name: call.body[name] for name in ("collation", "hint") if name in call.body}
    return _first_document((await through_cluster(call, routing, command)).fields)


def _first_document(reply: Mapping[str, Any]) -> raw.Document:
    batch = raw.shallow(bytes(reply["cursor"].raw))["firstBatch"]
    return raw.faithful(bytes(batch[0].raw)) if batch else {}


def _collated(call: Call, routing: Routing) -> bool:
    if "collation" in call.body:
        return True
    return routing.table is not None and routing.table.collection.has_collation


def single(routing: Routing, query: bytes | None, *, has_collation: bool = False) -> Target | None:
    """The one shard that can answer a query (None: any query), with versions; None if several."""
    database, table = routing.database, routing.table
    if database is None or routing.buckets is not None:
        return None
    if table is None:
        return database.primary, at_home(database)
    if table.collection.is_timeseries:
        return None
    if query is None:
        only = table.shards[0] if len(table.shards) == 1 else None
    else:
        only = owner_of_filter(table, query, collated=has_collation)
    return None if only is None else (only, at(table, only))


async def _target(call: Call, routing: Routing, query: bytes) -> Target | None:
    """The one shard that can answer the command with this query, None if several have to."""
    if routing.database is None:
        return await call.nowhere()
    return single(routing, query, has_collation=_collated(call, routing))


async def _direct(call: Call, target: Target, command: Mapping[str, Any]) -> Reply:
    shard, versions = target
    return await call.run(
        shard, {**command, **versions}, attempts=READ_ATTEMPTS, follow_preference=True
    )


async def _on_owners(call: Call, routing: Routing, command: Mapping[str, Any]) -> list[Reply]:
    assert routing.database is not None
    targets = owners(routing, routing.database)
    return list(await asyncio.gather(*(_direct(call, target, command) for target in targets)))


async def through_cluster(
    call: Call,
    routing: Routing,
    command: Mapping[str, Any],
    sequences: Sequence[tuple[str, bytes]] = (),
) -> Reply:
    """Let a shard run the command over all shards; one that holds data of it, if there is one."""
    if call.transaction is not None and "explain" not in command:
        raise CommandError(263, f"this {call.command.name} cannot be part of a transaction")
    if routing.table is not None:
        candidates = routing.table.shards
    elif routing.database is not None and routing.database.primary != CONFIG:
        candidates = [routing.database.primary]
    else:
        candidates = await call.all_shards()
    # Any shard may have a part in a pipeline, or in a view.
    read = candidates if "clusterFind" in command and routing.table else call.router.cluster.shards
    await snapshots.settle(call, command.get("readConcern"), read)
    shard = random.choice(candidates)  # noqa: S311 spreads load
    only_reads = _only_reads(command)
    try:
        reply = await call.run(
            shard, command, sequences=sequences, attempts=READ_ATTEMPTS if only_reads else 1
        )
    except ShardReplyError as error:
        # A shard that acts as a mongos may not have heard yet that another one came or left.
        if error.code == SHARD_NOT_FOUND and only_reads:
            raise StaleRoutingError(error.reply) from None
        raise
    call.shards = tuple(candidates)
    return reply


def _only_reads(command: Mapping[str, Any]) -> bool:
    if "clusterAggregate" not in command:
        return "clusterFind" in command or "explain" in command
    encoded = raw.encode({"": command["pipeline"]})
    return b"$out\0" not in encoded and b"$merge\0" not in encoded
