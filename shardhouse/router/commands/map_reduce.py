"""mapReduce: by a shard itself if the collection is not sharded, else as an aggregation.

The aggregation is the one a mongos uses: emit, unwind, group, finalize, write.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bson import Code, Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.privileges import Resource
from shardhouse.router.auth.requirements import map_reduce_target
from shardhouse.router.catalog.cache import Routing
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, at_home
from shardhouse.router.commands.reads import through_cluster
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw


async def map_reduce(call: Call) -> raw.Document:
    """mapReduce."""
    command = call.build("mapReduce", call.command.collection)
    mode, target = map_reduce_target(call.command)
    if target is not None:
        command["writeConcern"] = call.write_concern()

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            raise CommandError(26, "ns doesn't exist")
        there = None
        if target is not None:
            there = (await call.router.catalog.routing(".".join(map(str, target)))).table
        if routing.table is None and there is None:
            sent = {**command, **at_home(routing.database)}
            attempts = READ_ATTEMPTS if target is None else 1
            return (await call.run(routing.database.primary, sent, attempts=attempts)).fields
        return await _as_aggregation(call, routing, mode, target)

    return await call.routed(call.command.namespace, attempt)


async def _as_aggregation(
    call: Call, routing: Routing, mode: str, target: Resource | None
) -> raw.Document:
    began = time.monotonic()
    command: dict[str, Any] = {
        "clusterAggregate": call.command.collection,
        "pipeline": [*_pipeline(call), *_output(call, mode, target)],
        "cursor": {"batchSize": 2**31 - 1},
        "readConcern": call.read_concern(),
        "writeConcern": call.write_concern(),
        "allowDiskUse": True,
        **{name: call.body[name] for name in ("collation", "maxTimeMS") if name in call.body},
    }
    scope = call.command.get("scope", RawBSONDocument)
    if scope is not None:
        command["let"] = {}
        command["runtimeConstants"] = {"jsScope": scope, "isMapReduce": True}
    reply = await through_cluster(call, routing, command)
    cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
    if target is None:
        if cursor["id"]:
            raise CommandError(10334, "mapReduce's result is larger than one reply can hold")
        return {"results": cursor["firstBatch"]}
    named = call.command.get("out", (str, RawBSONDocument))
    elsewhere = isinstance(named, RawBSONDocument) and "db" in raw.shallow(bytes(named.raw))
    result = {"db": target.database, "collection": target.collection}
    return {
        "result": result if elsewhere else target.collection,
        "timeMillis": Int64((time.monotonic() - began) * 1000),
    }


def _pipeline(call: Call) -> list[dict[str, Any]]:
    body = call.body
    stages: list[dict[str, Any]] = []
    if body.get("query"):
        stages.append({"$match": body["query"]})
    if body.get("sort"):
        stages.append({"$sort": body["sort"]})
    if body.get("limit"):
        stages.append({"$limit": Int64(body["limit"])})
    emit = {"this": "$$ROOT", "eval": _code(call, "map")}
    stages += [
        {"$project": {"emits": {"$_internalJsEmit": emit}, "_id": False}},
        {"$unwind": "$emits"},
        {
            "$group": {
                "_id": "$emits.k",
                "value": {"$_internalJsReduce": {"data": "$emits", "eval": _code(call, "reduce")}},
            }
        },
    ]
    if body.get("finalize") is not None:
        function = {"body": _code(call, "finalize"), "args": ["$_id", "$value"], "lang": "js"}
        stages.append({"$addFields": {"value": {"$function": function}}})
    return stages


def _code(call: Call, name: str) -> Any:
    code = call.body.get(name)
    if not isinstance(code, str):  # Code is a text too
        raise CommandError(14, f"'{name}' must be of string or code type")
    if isinstance(code, Code) and code.scope:
        raise CommandError(4722200, f"'{name}' must not have a scope")
    return str(code)


def _output(call: Call, mode: str, target: Resource | None) -> list[dict[str, Any]]:
    if target is None:
        return []
    into: Mapping[str, Any] = {"db": target.database, "coll": target.collection}
    if mode == "replace":
        return [{"$out": into}]
    if mode == "merge":
        return [{"$merge": {"into": into, "whenMatched": "replace", "whenNotMatched": "insert"}}]
    both = {"$_internalJsReduce": {"data": _pairs(), "eval": _code(call, "reduce")}}
    update: list[dict[str, Any]] = [{"$project": {"value": both}}]
    if call.body.get("finalize") is not None:
        function = {"body": _code(call, "finalize"), "args": ["$_id", "$value"], "lang": "js"}
        update.append({"$addFields": {"value": {"$function": function}}})
    merge = {"into": into, "whenMatched": update, "whenNotMatched": "insert"}
    return [{"$merge": merge}]


def _pairs() -> list[dict[str, str]]:
    """A document that is there and the new one, as emitted pairs."""
    return [{"k": "$_id", "v": "$value"}, {"k": "$_id", "v": "$$new.value"}]
