"""What an aggregation pipeline reads and writes: the privileges it needs. Pure.

Stages are those documented for 6.0; any other name is refused, since a shard would run its internal
stages for the router without asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.privileges import ANY_NORMAL, CLUSTER, Need, Requirement, Resource
from shardhouse.router.errors import CommandError, missing_field
from shardhouse.router.wire import raw

PLAIN_STAGES = frozenset(
    {
        "$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$fill", "$geoNear", "$group",
        "$limit", "$match", "$project", "$redact", "$replaceRoot", "$replaceWith", "$sample",
        "$set", "$setWindowFields", "$skip", "$sort", "$sortByCount", "$unset", "$unwind",
    }
)  # fmt: skip
"""Stages that touch nothing but the documents that flow through them."""

WRITING_STAGES = frozenset({"$out", "$merge"})
"""Stages that write what they are given."""

_SOURCES = {
    "$collStats": "collStats",
    "$indexStats": "indexStats",
    "$planCacheStats": "planCacheRead",
}
_CLUSTER_SOURCES = {
    "$currentOp": "inprog",
    "$listSessions": "listSessions",
    "$listLocalSessions": "listSessions",
    "$shardedDataDistribution": "shardedDataDistribution",
}
OWN_ONLY = frozenset({"$currentOp", "$listSessions", "$listLocalSessions"})
"""Sources that need no privilege for what is one's own: the router cuts them down to that."""

_REFERRING = WRITING_STAGES | {"$lookup", "$graphLookup", "$unionWith", "$facet"}
_KNOWN = PLAIN_STAGES | _SOURCES.keys() | _CLUSTER_SOURCES.keys() | _REFERRING
_DEEPEST = 20


def stages(pipeline: object) -> list[tuple[str, Any]]:
    """`(name, argument)` of each stage; an error if it is no pipeline or has an unknown stage."""
    if pipeline is None:
        raise missing_field("aggregate.pipeline")
    if not isinstance(pipeline, list):
        raise CommandError(14, "'pipeline' option must be specified as an array")
    found = []
    for stage in pipeline:
        if not isinstance(stage, RawBSONDocument):
            raise CommandError(14, "Each element of the 'pipeline' array must be an object")
        content = bytes(stage.raw)
        if len(raw.fields(content)) != 1:
            raise CommandError(
                40323, "A pipeline stage specification object must contain exactly one field."
            )
        name, argument = next(iter(raw.shallow(content).items()))
        if name not in _KNOWN and name not in ("$changeStream", "$documents"):
            raise CommandError(40324, f"Unrecognized pipeline stage name: '{name}'")
        found.append((name, argument))
    return found


def is_change_stream(pipeline: object) -> bool:
    """Whether a pipeline starts a change stream."""
    listed = stages(pipeline)
    return bool(listed) and listed[0][0] == "$changeStream"


def needs(
    db: str, collection: str, pipeline: object, *, bypass: bool = False, depth: int = 0
) -> Iterator[Requirement]:
    """All a pipeline on `db.collection` needs, pipelines inside it included."""
    if depth > _DEEPEST:
        raise CommandError(40602, "Maximum number of nested sub-pipelines exceeded")
    listed = stages(pipeline)
    source = Resource(db, collection)
    first = listed[0][0] if listed else ""
    if first == "$changeStream":
        everywhere = _options(listed[0][1]).get("allChangesForCluster")
        watched = ANY_NORMAL if everywhere else source
        yield Need(watched, "find")
        yield Need(watched, "changeStream")
    elif first not in _SOURCES and first not in _CLUSTER_SOURCES and first != "$documents":
        yield Need(source, "find")
    for index, (name, argument) in enumerate(listed):
        if index and name == "$changeStream":
            raise CommandError(40602, f"{name} is only valid as the first stage in a pipeline")
        if name in _SOURCES:  # that they may only stand first is said by who reads their options
            yield Need(source, _SOURCES[name])
        elif name in _CLUSTER_SOURCES and (name not in OWN_ONLY or _reaches_others(argument)):
            yield Need(CLUSTER, _CLUSTER_SOURCES[name])
        elif name in _REFERRING:
            yield from _referred(db, name, argument, bypass, depth)


def _reaches_others(argument: Any) -> bool:
    options = _options(argument)
    return bool(options.get("allUsers") or options.get("users"))


def _referred(db: str, name: str, argument: Any, bypass: bool, depth: int) -> Iterator[Requirement]:
    options = _options(argument)
    if name == "$facet":
        for inner in options.values():
            # The facet's source is the pipeline's own, which was asked for already.
            for index, (stage, spec) in enumerate(stages(inner)):
                if stage in _REFERRING:
                    yield from _referred(db, stage, spec, bypass, depth + 1)
                elif index == 0 and stage not in PLAIN_STAGES:
                    raise CommandError(
                        40600, f"{stage} is not allowed to be used within a $facet stage"
                    )
    elif name in ("$lookup", "$graphLookup", "$unionWith"):
        field = "coll" if name == "$unionWith" else "from"
        foreign = argument if isinstance(argument, str) else options.get(field)
        inner = options.get("pipeline", [])
        if foreign is None:  # the documents come from the inner pipeline's $documents
            if not inner or stages(inner)[0][0] != "$documents":
                raise CommandError(9, f"{name} needs a collection or a pipeline of documents")
            foreign = ""
        if not isinstance(foreign, str):
            raise CommandError(9, f"{name}: '{field}' must be a collection of the same database")
        yield from needs(db, foreign, inner, bypass=bypass, depth=depth + 1)
        if foreign:
            yield Need(Resource(db, foreign), "find")
    else:
        yield from _written(db, name, argument, options, bypass)


def _written(
    db: str, name: str, argument: Any, options: dict[str, Any], bypass: bool
) -> Iterator[Requirement]:
    target = argument if isinstance(argument, str) else None
    if name == "$out":
        actions = ["insert", "remove"]
        spec = options
    else:
        into = options.get("into")
        if into is None and not isinstance(argument, str):
            raise missing_field("$merge.into")
        target = into if isinstance(into, str) else target
        spec = _options(into)
        actions = []
        if options.get("whenNotMatched", "insert") == "insert":
            actions.append("insert")
        if options.get("whenMatched", "merge") not in ("fail", "keepExisting"):
            actions.append("update")
        actions = actions or ["insert", "update"]
    resource = (
        Resource(db, target) if target else Resource(spec.get("db", db), spec.get("coll", ""))
    )
    if name == "$merge" and not isinstance(options.get("into", ""), str | RawBSONDocument):
        raise CommandError(51178, "$merge 'into' field must be either a string or an object")
    named = all(isinstance(name, str) for name in resource)
    if not named or not resource.collection:
        raise CommandError(9, f"{name} needs the name of a collection")
    for action in [*actions, *(["bypassDocumentValidation"] if bypass else [])]:
        yield Need(resource, action)


def _options(argument: Any) -> dict[str, Any]:
    if not isinstance(argument, RawBSONDocument):
        return {}
    content = bytes(argument.raw)
    raw.fields(content)  # refuses a field given twice: shard and router might read different ones
    return raw.shallow(content)
