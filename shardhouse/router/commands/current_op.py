"""Operations and sessions, as stages: what a client may see of them, for the shards. Pure.

Shards run cluster commands under internal names; what a client sees bears the names it used. The
parts of an operation carry its session, not its user, hence one's own are told by either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.pipelines import stages
from shardhouse.router.auth.users import User
from shardhouse.router.wire import raw

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


def rewritten(user: User | None, pipeline: Sequence[Any]) -> Sequence[Any]:
    """A pipeline which, if it begins with such a stage, the shards answer as a mongos would."""
    name, argument = stages(pipeline)[0] if pipeline else ("", None)
    options = raw.shallow(bytes(argument.raw)) if isinstance(argument, RawBSONDocument) else {}
    if name in ("$listSessions", "$listLocalSessions"):
        if user is None or options.get("allUsers") or options.get("users"):
            return pipeline
        return [{name: {"users": [{"user": user.name, "db": user.database}]}}, *pipeline[1:]]
    if name != "$currentOp":
        return pipeline
    if options.get("localOps"):
        # The router's own operations are none a shard knows of.
        return [{"$currentOp": {"localOps": False}}, {"$match": {"$alwaysFalse": 1}}]
    first = [{"$currentOp": {**options, "allUsers": True}}]
    if not options.get("allUsers"):
        first.append({"$match": own(user)})
    return [*first, *HIDE_INTERNALS, *pipeline[1:]]


def own(user: User | None) -> dict[str, Any]:
    """A filter: the operations of this user."""
    if user is None:
        return {"$alwaysFalse": 1}
    identity = {"user": user.name, "db": user.database}
    return {"$or": [{"effectiveUsers": {"$elemMatch": identity}}, {"lsid.uid": user.digest}]}
