"""Queries explained, and their bounds tried on a sample: read-only, and bounded in time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import json_util
from bson.errors import BSONError
from pymongo.errors import OperationFailure

from shardhouse.mongo.admin import Client

MILLISECONDS = 1000
"""How long an explain or a sample may take."""
SAMPLE = 2000
"""Documents of a sample."""


@dataclass(frozen=True)
class Explained:
    """How a member does a query: the plan, as logs summarise it, what it examines and returns."""

    summary: str
    documents: int
    keys: int
    returned: int
    milliseconds: int


@dataclass(frozen=True)
class Sampled:
    """A sample: how many documents it has, how many lie in the bounds, and in how many two of the
    fields are arrays, which no index takes."""

    documents: int
    matching: int
    parallel: int


def decoded(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """A document as BSON from its extended JSON; None of what is not readable."""
    try:
        found: dict[str, Any] = json_util.loads(json.dumps(document))
    except (ValueError, TypeError, BSONError):
        return None
    return found


def explain(
    client: Client,
    database: str,
    collection: str,
    query: Mapping[str, Any],
    sort: Sequence[tuple[str, int]],
    limit: int,
) -> Explained | None:
    """How a member finds what a filter matches, which it does. None where that takes longer than
    `MILLISECONDS`, or the server refuses."""
    find: dict[str, Any] = {"find": collection, "filter": query}
    if sort:
        find["sort"] = dict(sort)
    if limit:
        find["limit"] = limit
    try:
        answer = client[database].command(
            {"explain": find, "verbosity": "executionStats", "maxTimeMS": MILLISECONDS}
        )
    except OperationFailure:
        return None
    stats, winner = answer.get("executionStats", {}), answer["queryPlanner"]["winningPlan"]
    if not stats.get("executionSuccess"):
        return None
    return Explained(
        summary=", ".join(dict.fromkeys(_leaves(winner.get("queryPlan", winner)))),
        documents=int(stats["totalDocsExamined"]),
        keys=int(stats["totalKeysExamined"]),
        returned=int(stats["nReturned"]),
        milliseconds=int(stats["executionTimeMillis"]),
    )


def sample(
    client: Client,
    database: str,
    collection: str,
    bounds: Mapping[str, Any],
    fields: Sequence[str],
) -> Sampled | None:
    """How many documents of a random sample lie in the bounds. None where that takes longer than
    `MILLISECONDS`, or the server refuses."""
    arrays = [{"$cond": [{"$isArray": f"${name}"}, 1, 0]} for name in fields]
    count = {"$count": "n"}
    pipeline: list[dict[str, Any]] = [
        {"$sample": {"size": SAMPLE}},
        {
            "$facet": {
                "documents": [count],
                "matching": [{"$match": bounds}, count],
                "parallel": [{"$match": {"$expr": {"$gt": [{"$add": arrays}, 1]}}}, count],
            }
        },
    ]
    try:
        (answer,) = client[database][collection].aggregate(pipeline, maxTimeMS=MILLISECONDS)
    except OperationFailure:
        return None
    counts = {name: found[0]["n"] if found else 0 for name, found in answer.items()}
    return Sampled(**counts)


def _leaves(stage: Mapping[str, Any]) -> list[str]:
    inner = [stage["inputStage"]] if "inputStage" in stage else stage.get("inputStages", [])
    if inner:
        return [leaf for one in inner for leaf in _leaves(one)]
    key = ", ".join(f"{name}: {kind}" for name, kind in stage.get("keyPattern", {}).items())
    return [f"{stage['stage']} {{ {key} }}" if key else str(stage["stage"])]
