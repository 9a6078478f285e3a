"""Operations and sessions, as stages: what a client may see of them, for the shards.

Shards run cluster commands under internal names; what a client sees bears the names it used. The
parts of an operation carry its session, not its user, hence one's own are told by either.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.pipelines import stages
from shardhouse.router.command import Command
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.sessions import stamped
from shardhouse.router.running import Operation
from shardhouse.router.slow_log import namespace_of, without_secrets
from shardhouse.router.wire import raw

_TRUNCATED, _MOST = 1000, 100_000
"""Bytes of a command that are shown, with and without `truncateOps`."""

_KINDS = {
    "find": "query", "insert": "insert", "update": "update", "delete": "remove",
    "getMore": "getmore",
}  # fmt: skip
_CLUSTER_NAMES = {
    "clusterFind": "find",
    "clusterAggregate": "aggregate",
    "clusterGetMore": "getMore",
    "clusterInsert": "insert",
    "clusterUpdate": "update",
    "clusterDelete": "delete",
}


def _renamed(path: str) -> dict[str, Any]:
    """An expression: the object at `path` with internal command names put back."""
    branches = [
        {"case": {"$eq": ["$$field.k", internal]}, "then": name}
        for internal, name in _CLUSTER_NAMES.items()
    ]
    name = {"$switch": {"branches": branches, "default": "$$field.k"}}
    field = {"k": name, "v": "$$field.v"}
    renamed = {"$map": {"input": {"$objectToArray": path}, "as": "field", "in": field}}
    is_object = {"$eq": [{"$type": path}, "object"]}
    return {"$cond": [is_object, {"$arrayToObject": renamed}, "$$REMOVE"]}


HIDE_INTERNALS: Sequence[dict[str, Any]] = [
    {"$addFields": {"command": _renamed("$command")}},
    {
        "$addFields": {
            "cursor": {
                "$cond": [
                    {"$eq": [{"$type": "$cursor.originatingCommand"}, "object"]},
                    {
                        "$mergeObjects": [
                            "$cursor",
                            {"originatingCommand": _renamed("$cursor.originatingCommand")},
                        ]
                    },
                    {"$ifNull": ["$cursor", "$$REMOVE"]},
                ]
            }
        }
    },
]
"""Stages that put the names a client knows in the place of internal ones."""


def rewritten(call: Call, pipeline: Sequence[Any]) -> Sequence[Any]:
    """A pipeline which, if it begins with such a stage, the shards answer as a mongos would.

    The router's own operations are shown if asked for (`localOps`).
    """
    name, argument = stages(pipeline)[0] if pipeline else ("", None)
    options = raw.shallow(bytes(argument.raw)) if isinstance(argument, RawBSONDocument) else {}
    if name in ("$listSessions", "$listLocalSessions"):
        user = call.user
        if user is None or options.get("allUsers") or options.get("users"):
            return pipeline
        return [{name: {"users": [{"user": user.name, "db": user.database}]}}, *pipeline[1:]]
    if name != "$currentOp":
        return pipeline
    if options.get("localOps"):
        seen = [
            operation
            for operation in call.router.operations.list()
            if options.get("allUsers") or is_own(operation, call)
        ]
        truncate = bool(options.get("truncateOps"))
        listed = [described(operation, call.router.name, truncate=truncate) for operation in seen]
        return [{"$documents": {"$literal": listed}}, *pipeline[1:]]
    first = [{"$currentOp": {**options, "allUsers": True}}]
    if not options.get("allUsers"):
        first.append({"$match": own(call)})
    return [*first, *HIDE_INTERNALS, *pipeline[1:]]


def described(operation: Operation, host: str, *, truncate: bool) -> dict[str, Any]:
    """An operation of the router itself, in the form a mongos lists it."""
    session, command, user = operation.session, operation.command, operation.user
    took = time.monotonic() - operation.began
    found: dict[str, Any] = {
        "type": "op",
        "host": host,
        "desc": session.context,
        "connectionId": session.id,
        "client": session.peer,
    }
    if session.application:
        found["appName"] = session.application
    if session.metadata is not None:
        found["clientMetadata"] = session.metadata
    found |= {
        "active": True,
        "currentOpTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "effectiveUsers": [{"user": user.name, "db": user.database}] if user else [],
        "threaded": True,
        "opid": operation.id,
    }
    if operation.lsid is not None:
        found["lsid"] = operation.lsid
    elif user is not None and "lsid" in command.body:  # of what goes the short way, see `express`
        found["lsid"] = stamped(command.body["lsid"], user)
    return found | {
        "secs_running": Int64(took),
        "microsecs_running": Int64(took * 1_000_000),
        "op": _KINDS.get(command.name, "command"),
        "ns": namespace_of(command),
        "redacted": False,
        "command": _shown(command, _TRUNCATED if truncate else _MOST),
        **({"killPending": True} if operation.killed else {}),
    }


def _shown(command: Command, most: int) -> dict[str, Any]:
    shown = without_secrets(command.name, command.body)
    if len(raw.encode(shown)) <= most:
        return shown
    return {"$truncated": f"{command.name}: {', '.join(shown)}"[:most]}


def is_own(operation: Operation, call: Call) -> bool:
    """Whether the caller may see and end an operation because it is his."""
    mine, user = operation.user, call.user
    if not call.access_control:
        return True
    return mine is not None and user is not None and mine.digest == user.digest


def own(call: Call) -> dict[str, Any]:
    """A filter: the caller's operations."""
    user = call.user
    if not call.access_control:
        return {}
    if user is None:
        return {"$alwaysFalse": 1}
    identity = {"user": user.name, "db": user.database}
    return {"$or": [{"effectiveUsers": {"$elemMatch": identity}}, {"lsid.uid": user.digest}]}
