"""A read over several shards within a transaction: what each shard does, what remains. Pure.

Cluster commands cannot run in a transaction, so the shards' cursors are merged on one of the shards
by the internal stage `$mergeCursors` (tried against 6.0.5), which the rest of the pipeline follows.
What a shard does is cut at the first stage that needs to see the documents of all shards; asked
for `needsMerge`, shards deliver sort keys and scores along with the documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import Int64

from shardhouse.router.wire import raw

_ALONE = frozenset(
    {
        "$addFields", "$match", "$project", "$redact", "$replaceRoot", "$replaceWith", "$set",
        "$unset", "$unwind",
    }
)  # fmt: skip
"""Stages that look at one document at a time."""

AT_HOME = frozenset({"$lookup", "$graphLookup", "$unionWith"})
"""Stages that read unsharded collections, which the database's primary shard holds."""

Stage = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Division:
    """`shards` is what every shard runs: a pipeline, or the fields of a find. Its results, at most
    `bound` of each shard, arrive in the order of `sort`, if given, and go through `rest`.

    A merge without order that has enough drops what it still waits for, and a shard interrupted in
    a getMore aborts its part of the transaction. An ordered one never waits when it has enough. So
    with a `bound` but no `sort`, `rest` does nothing but skip and count: that needs no merge."""

    shards: Any
    rest: Sequence[Stage]
    sort: Any = None
    bound: int | None = None


def divide(stages: Sequence[tuple[str, Any]]) -> Division:
    """Divide an aggregation pipeline."""
    if stages and stages[0][0] == "$geoNear":
        nearest = {"$sort": {_distance_field(stages[0][1]): 1}}
        return Division([_stage(stages[0])], [nearest, *map(_stage, stages[1:])])
    cut = next((i for i, (name, _) in enumerate(stages) if name not in _ALONE), len(stages))
    before, after = list(map(_stage, stages[:cut])), list(map(_stage, stages[cut:]))
    sort = None
    if cut < len(stages) and stages[cut][0] == "$sort":
        sort = stages[cut][1]
        before.append(after.pop(0))
    bound = _bound(stages[len(stages) - len(after) :])
    if bound is not None:
        if sort is None and len(after) > 1 + ("$skip" in after[0]):
            sort = {"_id": 1}
            before.append({"$sort": sort})
        before.append({"$limit": Int64(bound)})
    return Division(before, after, sort, bound)


def divide_find(command: Mapping[str, Any]) -> Division:
    """Divide a find, whose numbers are integers: skip and limit count what all shards found."""
    fields = dict(command)
    skip, limit = fields.pop("skip", 0), fields.pop("limit", 0)
    batch = fields.pop("batchSize", None)
    if fields.pop("singleBatch", False) and not limit:
        limit = batch or 101
    rest: list[Stage] = [{"$skip": Int64(skip)}] if skip else []
    bound = min(skip + limit, 2**63 - 1) if limit else None
    if bound is not None:
        fields["limit"] = Int64(bound)
        rest.append({"$limit": Int64(limit)})
    sort = fields.get("sort")
    if sort is None or not raw.deep(sort) or "$natural" in raw.deep(sort):
        return Division(fields, rest, bound=bound)
    projection = raw.shallow(raw.encode(fields.get("projection") or {}))
    # The server takes this field for the sort key's place and never shows it.
    fields["projection"] = {**projection, "$sortKey": {"$meta": "sortKey"}}
    return Division(fields, rest, sort, bound)


def find_as_pipeline(command: Mapping[str, Any]) -> tuple[list[Stage], Any]:
    """A find of a view as the pipeline that follows the view's, and the hint, if one is due."""
    sort, hint = command.get("sort"), command.get("hint")
    if sort is not None and "$natural" in raw.deep(sort):
        sort, hint = None, sort
    limit = command.get("limit")
    if command.get("singleBatch") and not limit:
        limit = Int64(command.get("batchSize") or 101)
    given = {
        "$match": command.get("filter"), "$sort": sort, "$skip": command.get("skip"),
        "$limit": limit, "$project": command.get("projection"),
    }  # fmt: skip
    return [{name: value} for name, value in given.items() if value], hint


def merge_stage(
    namespace: str, cursors: Sequence[tuple[str, str, Any]], transaction: Mapping[str, Any],
    sort: Any,
) -> Stage:  # fmt: skip
    """The stage that reads cursors, each given as `(shard, address, cursor document)`."""
    spec: dict[str, Any] = {
        **transaction,
        "compareWholeSortKey": False,
        "remotes": [
            {
                "shardId": shard,
                "hostAndPort": address,
                "cursorResponse": {"cursor": cursor, "ok": 1},
            }
            for shard, address, cursor in cursors
        ],
        "tailableMode": "normal",
        "nss": namespace,
        "allowPartialResults": False,
        "recordRemoteOpWaitTime": False,
    }
    if sort is not None:
        spec["sort"] = sort
    return {"$mergeCursors": spec}


def _bound(rest: Sequence[tuple[str, Any]]) -> int | None:
    """How many documents are enough for stages that begin with `$limit`, or `$skip` before it."""
    skip = 0
    for name, value in rest[:2]:
        if not isinstance(value, int | float) or not 0 <= value < 2**31:
            return None  # whatever is wrong with it, the server says so
        if name == "$limit":
            return skip + int(value) if value else None
        if name != "$skip" or skip:
            return None
        skip = int(value)
    return None


def _stage(stage: tuple[str, Any]) -> Stage:
    return {stage[0]: stage[1]}


def _distance_field(spec: Any) -> str:
    return str(raw.deep(spec).get("distanceField", "$sortKey"))
