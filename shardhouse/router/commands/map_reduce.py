"""mapReduce: by a shard itself if the collection is not sharded, else as an aggregation.

The aggregation is the one a mongos uses: emit, unwind, group, finalize, write.
"""

from __future__ import annotations

import json
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
from shardhouse.router.errors import CommandError, bad_value
from shardhouse.router.wire import raw


async def map_reduce(call: Call) -> raw.Document:
    """mapReduce."""
    command = call.build("mapReduce", call.command.collection)
    mode, target = map_reduce_target(call.command)
    if target is not None:
        if target.database and await call.router.catalog.database(target.database) is None:
            await call.create_database(target.database)
        command["writeConcern"] = call.write_concern()

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            shard, version = await call.nowhere()
            return (await call.run(shard, {**command, **version})).fields
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
        stages.append({"$addFields": {"value": _function(call, "finalize", "$_id", "$value")}})
    return stages


def _function(call: Call, name: str, *arguments: Any) -> dict[str, Any]:
    return {"$function": {"body": _code(call, name), "args": list(arguments), "lang": "js"}}


def _code(call: Call, name: str) -> Any:
    code = call.body.get(name)
    if isinstance(code, raw.Verbatim):
        code = raw.deep(raw.encode({"": code}))[""]
    if not isinstance(code, str):  # Code is a text too
        raise bad_value(f"'{name}' must be of string or code type")
    if isinstance(code, Code) and code.scope:
        raise CommandError(4722200, f"'{name}' must not have a scope")
    scope = call.command.get("scope", RawBSONDocument)
    return str(code) if scope is None else _with_scope(str(code), raw.deep(scope))


def _with_scope(code: str, scope: Mapping[str, Any]) -> str:
    """A function that sees the scope's values: shards take none from a router by other means."""
    values = ""
    for name, value in scope.items():
        try:
            text = str(value) if isinstance(value, Code) else json.dumps(value)
        except TypeError:
            raise CommandError(
                115, f"mapReduce on a sharded collection: scope.{name} must be JSON or code"
            ) from None
        if not name.isidentifier():
            raise CommandError(2, f"scope.{name} is no name for a variable")
        values += f"var {name} = {text};"
    return f"function() {{ {values} return ({code}).apply(this, arguments); }}"


def _output(call: Call, mode: str, target: Resource | None) -> list[dict[str, Any]]:
    if target is None:
        return []
    into: Mapping[str, Any] = {"db": target.database, "coll": target.collection}
    if mode == "replace":
        return [{"$out": into}]
    if mode == "merge":
        return [{"$merge": {"into": into, "whenMatched": "replace", "whenNotMatched": "insert"}}]
    # What is there and what is new are reduced once more, as if both had been emitted.
    update: list[dict[str, Any]] = [
        {"$project": {"value": _function(call, "reduce", "$_id", ["$value", "$$new.value"])}}
    ]
    if call.body.get("finalize") is not None:
        update.append({"$addFields": {"value": _function(call, "finalize", "$_id", "$value")}})
    merge = {"into": into, "whenMatched": update, "whenNotMatched": "insert"}
    return [{"$merge": merge}]
