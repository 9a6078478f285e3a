"""explain: find and aggregate by the cluster commands, everything else shard by shard."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router import MONGODB_VERSION
from shardhouse.router.auth.pipelines import is_change_stream
from shardhouse.router.auth.requirements import explained
from shardhouse.router.catalog.cache import Routing
from shardhouse.router.catalog.targeting import key_of_filter
from shardhouse.router.command import Command
from shardhouse.router.commands import reads
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, at, owners
from shardhouse.router.commands.reads import SHARDED_VIEW, through_cluster
from shardhouse.router.errors import CommandError, ShardReplyError, bad_value
from shardhouse.router.upstream.encoder import has_change_stream
from shardhouse.router.upstream.rules import EXPLAINABLE
from shardhouse.router.wire import raw

_VERBOSITIES = frozenset({"queryPlanner", "executionStats", "allPlansExecution"})
_CLUSTERED = {"find": "clusterFind", "aggregate": "clusterAggregate"}


async def explain(call: Call) -> raw.Document:
    """explain."""
    inner = explained(call.command)
    if inner.name == "aggregate" and "explain" in inner.body:
        raise CommandError(9, "The 'explain' option is illegal in a command that is explained")
    return await _plan(call, inner, call.command.get("verbosity", str, "allPlansExecution"))


async def aggregate(call: Call) -> raw.Document:
    """aggregate: its results, or with `explain: true` its plan."""
    if "explain" not in call.body:
        return await reads.aggregate(call)
    body = dict(call.body)
    wanted = body.pop("explain")
    if not isinstance(wanted, bool):
        raise CommandError(14, "explain must be a boolean")
    if not wanted:
        return await reads.aggregate(call)
    if call.transaction is not None:
        raise CommandError(263, "explain cannot run within a multi-document transaction")
    if "writeConcern" in body:
        raise CommandError(9, "Aggregation explain does not support the 'writeConcern' option")
    if call.read_concern().get("level") != "local" and "readConcern" in body:
        raise CommandError(72, "Explain for the aggregate command cannot run with a readConcern")
    return await _plan(call, Command("aggregate", call.db, body), "queryPlanner")


async def _plan(call: Call, inner: Command, verbosity: str) -> raw.Document:
    if inner.name not in EXPLAINABLE:
        raise CommandError(20, f"Cannot explain cmd: {inner.name}")
    if verbosity not in _VERBOSITIES:
        raise bad_value(
            f"Enumeration value '{verbosity}' for field 'explain.verbosity' is not valid"
        )

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            return await _nowhere(call, inner, verbosity)
        name = _CLUSTERED.get(inner.name)
        # A cluster find that is explained does not know its `let` variables.
        by_shard = inner.name == "find" and (routing.table is None or "let" in inner.body)
        if name is None or by_shard:
            try:
                return await _by_shard(call, routing, inner, verbosity)
            except ShardReplyError as error:
                if error.code != SHARDED_VIEW:
                    raise
        if name is None:
            piped = _as_pipeline(inner)
            command = {
                "explain": _inner(call, "clusterAggregate", piped), "verbosity": verbosity
            }  # fmt: skip
            return (await through_cluster(call, routing, command)).fields
        if inner.name == "aggregate" and is_change_stream(inner.body.get("pipeline")):
            raise CommandError(
                72, "a change stream runs on every shard as it is: nothing to explain"
            )
        if inner.body.get("tailable") or inner.body.get("awaitData"):
            raise bad_value("tailable cursor requested on non capped collection")
        if has_change_stream(inner.body.get("pipeline")):
            raise CommandError(
                40602, "$changeStream is only valid as the first stage in a pipeline"
            )
        command = {"explain": _inner(call, name, inner), "verbosity": verbosity}
        reply = raw.deep((await through_cluster(call, routing, command)).fields)
        return _as_asked(call, inner, reply, reply)

    namespace = f"{call.db}.{inner.collection if inner.value not in (1, 1.0) else '$cmd'}"
    return await call.routed(namespace, attempt)


def _as_pipeline(inner: Command) -> Command:
    """The aggregation that a count or distinct on a view is."""
    last: dict[str, Any] = {"$count": "n"}
    if inner.name == "distinct":
        path = f"${inner.get('key', str, '')}"
        last = {"$group": {"_id": None, "values": {"$addToSet": path}}}
    body: raw.Document = {
        "aggregate": inner.value,
        "pipeline": [{"$match": inner.body.get("query") or {}}, last],
    }
    body |= {name: inner.body[name] for name in ("collation", "hint") if name in inner.body}
    return Command("aggregate", inner.db, body)


def _inner(call: Call, name: str, inner: Command) -> raw.Document:
    built = call.build(name, inner.value, inner)
    built.pop("writeConcern", None)
    if inner.name == "aggregate":
        built.setdefault("cursor", {})
    return built


async def _by_shard(call: Call, routing: Routing, inner: Command, verbosity: str) -> raw.Document:
    assert routing.database is not None
    targets = owners(routing, routing.database)
    query = _filter(inner)
    if routing.table is not None and query is not None:
        key = key_of_filter(routing.table, query, collated="collation" in inner.body)
        if key is not None:
            shard = routing.table.owner(key)
            targets = [(shard, at(routing.table, shard))]
    command = {"explain": _inner(call, inner.name, inner), "verbosity": verbosity}
    replies = await asyncio.gather(
        *(
            call.run(shard, {**command, **versions}, attempts=READ_ATTEMPTS)
            for shard, versions in targets
        )
    )
    return _combined(call, inner, [(r.shard, raw.deep(r.fields)) for r in replies])


async def _nowhere(call: Call, inner: Command, verbosity: str) -> raw.Document:
    """The plan for a database that does not exist, as any shard tells it."""
    shard, version = await call.nowhere()
    command = {"explain": _inner(call, inner.name, inner), "verbosity": verbosity, **version}
    reply = await call.run(shard, command, attempts=READ_ATTEMPTS)
    plan = raw.deep(reply.fields)
    if inner.name == "aggregate":
        return _as_asked(call, inner, plan, plan)
    return _combined(call, inner, [(shard, plan)])


def _filter(inner: Command) -> bytes | None:
    field = {"count": "query", "distinct": "query", "findAndModify": "query", "find": "filter"}
    if inner.name in field:
        return inner.document(field[inner.name])
    if inner.name in ("update", "delete"):
        statements = inner.documents("updates" if inner.name == "update" else "deletes")
        query = raw.shallow(statements[0]).get("q") if len(statements) == 1 else None
        return bytes(query.raw) if isinstance(query, RawBSONDocument) else None
    return None


def _combined(call: Call, inner: Command, replies: list[tuple[str, raw.Document]]) -> raw.Document:
    """One plan over all shards' plans, in the form a mongos gives it."""
    writes = inner.name in ("update", "delete", "findAndModify")
    stage = "SHARD_WRITE" if writes else "SHARD_MERGE" if len(replies) > 1 else "SINGLE_SHARD"
    plans: list[dict[str, Any]] = []
    stats: list[dict[str, Any]] = []
    for shard, reply in replies:
        where = {
            "shardName": shard,
            "connectionString": call.router.cluster.connection_string(shard),
            "serverInfo": reply.get("serverInfo"),
        }
        plans.append({**where, **reply.get("queryPlanner", {})})
        if "executionStats" in reply:
            stats.append({"shardName": shard, **reply["executionStats"]})
    result: raw.Document = {
        "queryPlanner": {
            "mongosPlannerVersion": 1,
            "winningPlan": {"stage": stage, "shards": plans},
        }
    }
    if stats:
        counted = ("nReturned", "totalKeysExamined", "totalDocsExamined")
        sums = {name: sum(one.get(name, 0) for one in stats) for name in counted}
        times = [one.get("executionTimeMillis", 0) for one in stats]
        totals = {
            "nReturned": sums.pop("nReturned"),
            "executionTimeMillis": max(times),
            **sums,
        }
        result["executionStats"] = {
            **totals,
            "executionStages": {
                "stage": stage, **totals, "totalChildMillis": Int64(sum(times)), "shards": stats,
            },
        }  # fmt: skip
    return _as_asked(call, inner, replies[0][1], result)


def _as_asked(
    call: Call, inner: Command, source: raw.Document, result: raw.Document
) -> raw.Document:
    """The plan under the router's own name, with the command as the client wrote it.

    The build and the parameters are the same on all nodes: `source` tells them.
    """
    build = source.get("serverInfo", {}).get("gitVersion", "")
    result["serverInfo"] = {
        "host": socket.gethostname(),
        "port": call.router.options.port,
        "version": MONGODB_VERSION,
        "gitVersion": build,
    }
    result["serverParameters"] = source.get("serverParameters", {})
    result["command"] = {**inner.body, "$db": inner.db}
    return result
