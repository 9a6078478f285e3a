"""What runs in the cluster now, and ending it: currentOp, killOp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shardhouse.router.auth.privileges import CLUSTER, Need
from shardhouse.router.catalog.cache import Routing
from shardhouse.router.command import truncated
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.current_op import HIDE_INTERNALS, is_own, own
from shardhouse.router.commands.reads import through_cluster
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.encoder import ClusterCursorId
from shardhouse.router.wire import raw

_BATCH = 10_000


async def current_op(call: Call) -> raw.Document:
    """currentOp: of all users (`inprog`), or with `$ownOps` one's own."""
    everyone = not call.body.get("$ownOps")
    if everyone:
        call.require([Need(CLUSTER, "inprog")])
    options = {
        "allUsers": True,
        "idleConnections": bool(call.body.get("$all")),
    }
    ignored = ("$ownOps", "$all", "$truncateOps", "currentOp", "lsid", "$db", "$clusterTime")
    kept = {
        name: value
        for name, value in call.body.items()
        if name not in ignored
        and name not in ("$readPreference", "comment", "maxTimeMS")
        and not name.startswith("api")
    }
    pipeline: list[Any] = [{"$currentOp": options}]
    pipeline += [] if everyone else [{"$match": own(call)}]
    pipeline += [*HIDE_INTERNALS, {"$match": kept}]
    return {"inprog": await _collect(call, pipeline)}


async def _collect(call: Call, pipeline: Sequence[Any]) -> list[Any]:
    command = {
        "clusterAggregate": 1,
        "pipeline": pipeline,
        "cursor": {"batchSize": _BATCH},
        "readConcern": {"level": "local"},
        "writeConcern": {"w": 1},
    }
    routing = Routing("admin.$cmd.aggregate", None, None, None)
    reply = await through_cluster(call, routing, command)
    cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
    found = list(cursor["firstBatch"])
    while cursor["id"]:
        more: dict[str, Any] = {
            "clusterGetMore": ClusterCursorId(cursor["id"]),
            "collection": "$cmd.aggregate",
            "batchSize": _BATCH,
        }
        if call.lsid is not None:
            more["lsid"] = call.lsid
        reply = await call.router.cluster.run_on(reply.address, reply.shard, more, "admin")
        cursor = raw.shallow(bytes(reply.fields["cursor"].raw))
        found += cursor["nextBatch"]
    return found


async def kill_op(call: Call) -> raw.Document:
    """killOp: `<shard>:<number>` on that shard, a number here; one's own need no privilege."""
    operation = call.body.get("op")
    if isinstance(operation, int | float):
        running = call.router.operations.get(truncated(operation))
        if running is None or not is_own(running, call):
            call.require([Need(CLUSTER, "killop")])
        if running is not None:
            call.router.operations.kill(running)
        return {"info": "attempting to kill op"}
    if not call.privileges.allow(Need(CLUSTER, "killop")) and not await _is_own(call, operation):
        call.require([Need(CLUSTER, "killop")])
    if not isinstance(operation, str):
        raise CommandError(14, "BSON field 'killOp.op' must be a number or '<shard>:<number>'")
    shard, colon, number = operation.rpartition(":")
    if not colon or not number.lstrip("-").isdigit():
        raise CommandError(2, "The op argument to killOp must be of the format shardid:opid")
    reply = await call.run(shard, {"killOp": 1, "op": int(number)}, db="admin")
    return {"info": reply.fields.get("info"), "shard": shard, "shardid": int(number)}


async def _is_own(call: Call, operation: object) -> bool:
    pipeline = [
        {"$currentOp": {"allUsers": True}},
        {"$match": {"opid": operation, **own(call)}},
        {"$limit": 1},
    ]
    return isinstance(operation, str) and bool(await _collect(call, pipeline))
