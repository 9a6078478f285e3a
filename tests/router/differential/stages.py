"""Aggregation pipelines, and what is known of the order of their results."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.router.differential.filters import filters
from tests.router.differential.values import fields

DAY = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)
Stage = dict[str, Any]


@dataclass(frozen=True)
class Pipeline:
    """`ordered`: results come in a total order; `counted`: only their number is certain."""

    stages: Sequence[Stage]
    ordered: bool = False
    counted: bool = False


paths = fields.map(lambda name: f"${name}")
FOREIGN = ["plain", "ranged", "hashed", "compound", "caseless", "view", "sharded_view", "missing"]
foreign = st.sampled_from(FOREIGN)

accumulators: st.SearchStrategy[dict[str, Any]] = st.one_of(
    *(
        st.sampled_from(["$n", "$a", "$d.q", "$x"]).map(lambda path, op=op: {op: path})
        for op in ("$sum", "$avg", "$min", "$max", "$stdDevPop", "$stdDevSamp")
    ),
    st.sampled_from(
        [
            {"$sum": 1}, {"$count": {}}, {"$max": {"$add": ["$n", 0.5]}},
            {"$top": {"output": "$n", "sortBy": {"n": 1, "_id": 1}}},
            {"$bottomN": {"output": "$n", "sortBy": {"n": 1, "_id": 1}, "n": 2}},
            {"$maxN": {"input": "$n", "n": 2}}, {"$minN": {"input": "$n", "n": 3}},
            {"$topN": {"output": ["$n", "$_id"], "sortBy": {"a": -1, "_id": 1}, "n": 2}},
        ]
    ),
    paths.map(lambda path: {"set": {"$addToSet": path}}),
    st.just({"set": {"$push": "$n"}}),
)  # fmt: skip


@st.composite
def groups(draw: st.DrawFn) -> Stage:
    """$group. Results whose order means nothing are named `set`."""
    by = draw(
        st.one_of(
            paths,
            st.sampled_from(
                [None, {"a": "$a", "b": "$b"}, {"$mod": ["$n", 3]}, {"$type": "$x"}, "$k", "$a"]
            ),
        )
    )
    stage: dict[str, Any] = {"_id": by}
    for number in range(draw(st.integers(0, 3))):
        accumulator = draw(accumulators)
        if "set" in accumulator:
            stage[f"set{number}"] = accumulator["set"]
        else:
            stage[f"v{number}"] = accumulator
    return {"$group": stage}


def _lookup(name: str) -> st.SearchStrategy[Stage]:
    return st.sampled_from(
        [
            {"$lookup": {"from": name, "localField": "a", "foreignField": "b", "as": "set"}},
            {"$lookup": {"from": name, "localField": "_id", "foreignField": "n", "as": "set"}},
            {"$lookup": {"from": name, "let": {"n": "$n"}, "as": "set",
                         "pipeline": [{"$match": {"$expr": {"$eq": ["$n", "$$n"]}}}]}},
            {"$lookup": {"from": name, "as": "set",
                         "pipeline": [{"$group": {"_id": "$b", "c": {"$sum": 1}}}]}},
            {"$graphLookup": {"from": name, "startWith": "$a", "connectFromField": "b",
                              "connectToField": "n", "as": "set", "maxDepth": 2}},
            {"$unionWith": name},
            {"$unionWith": {"coll": name, "pipeline": [{"$match": {"a": 2}}]}},
        ]
    )  # fmt: skip


streaming: st.SearchStrategy[Stage] = st.one_of(
    filters.filter(lambda q: not any(name in str(q) for name in ("$text", "$near", "$where"))).map(
        lambda q: {"$match": q}
    ),
    paths.map(lambda path: {"$unwind": path}),
    st.sampled_from(
        [
            {"$project": {"k": 1, "a": 1, "n": 1}}, {"$project": {"t": 0, "loc": 0}},
            {"$addFields": {"w": {"$ifNull": ["$k", "none"]}}}, {"$unset": ["t", "loc"]},
            {"$set": {"w": {"$size": {"$ifNull": ["$l", []]}}}},
            {"$set": {"w": {"$map": {"input": [1, 2], "in": {"$add": ["$$this", 1]}}}}},
            {"$unwind": {"path": "$l", "includeArrayIndex": "at",
                         "preserveNullAndEmptyArrays": True}},
            {"$redact": {"$cond": [{"$gt": ["$n", 3]}, "$$KEEP", "$$PRUNE"]}},
            {"$replaceRoot": {"newRoot": {"n": "$n", "k": "$k", "_id": "$_id"}}},
            {"$replaceWith": {"$mergeObjects": ["$d", {"_id": "$_id", "n": "$n"}]}},
            {"$match": {"n": {"$gte": 4}}}, {"$match": {"k": 1}}, {"$match": {"_id": 5}},
        ]
    ),
)  # fmt: skip
blocking: st.SearchStrategy[Stage] = st.one_of(
    groups(),
    groups(),
    foreign.flatmap(_lookup),
    paths.map(lambda path: {"$sortByCount": path}),
    st.sampled_from(
        [
            {"$count": "c"},
            {"$facet": {"one": [{"$count": "c"}],
                        "two": [{"$match": {"a": 1}}, {"$sort": {"_id": 1}}, {"$limit": 2},
                                {"$project": {"n": 1}}],
                        "set": [{"$group": {"_id": "$b", "s": {"$sum": "$n"}}}]}},
            {"$bucket": {"groupBy": "$n", "boundaries": [0, 3, 7, 100], "default": "other",
                         "output": {"c": {"$sum": 1}, "set": {"$push": "$_id"}}}},
            {"$bucketAuto": {"groupBy": "$n", "buckets": 3}},
            {"$setWindowFields": {"partitionBy": "$b", "sortBy": {"n": 1, "_id": 1}, "output": {
                "s": {"$sum": "$n", "window": {"documents": ["unbounded", "current"]}},
                "r": {"$documentNumber": {}}}}},
            {"$setWindowFields": {"sortBy": {"n": 1, "_id": 1}, "output": {
                "p": {"$shift": {"output": "$n", "by": -1, "default": 0}}}}},
            {"$densify": {"field": "n", "range": {"step": 3, "bounds": [0, 20]}}},
            {"$fill": {"sortBy": {"n": 1, "_id": 1}, "output": {"w": {"method": "linear"},
                                                               "y": {"value": "none"}}}},
        ]
    ),
)  # fmt: skip
_sort = st.tuples(fields, st.sampled_from([1, -1])).map(lambda t: {"$sort": {t[0]: t[1], "_id": 1}})
_numeric = {"$match": {"n": {"$type": "number"}}}
_GEO = {
    "$geoNear": {
        "near": {"type": "Point", "coordinates": [1, 1]},
        "distanceField": "dist",
        "maxDistance": 400_000,
        "key": "loc",
    }
}


@st.composite
def _pipelines(draw: st.DrawFn) -> Pipeline:
    kind = draw(st.integers(0, 11))
    if kind == 0:
        size = draw(st.integers(1, 20))
        return Pipeline([*draw(_few), {"$sample": {"size": size}}], counted=True)
    if kind == 1:
        return Pipeline([_GEO, *draw(_few)])
    if kind == 2:
        text = {"$match": {"$text": {"$search": draw(st.sampled_from(["fox", "dog red"]))}}}
        score = {"$project": {"n": 1, "score": {"$meta": "textScore"}}}
        return Pipeline(draw(st.sampled_from([[text], [text, {"$count": "c"}], [text, score]])))
    first = list(draw(_few))
    if kind in (3, 4, 5):
        after = draw(_sort)
        tail = draw(
            st.sampled_from(
                [[], [{"$skip": 2}], [{"$limit": 5}], [{"$skip": 1}, {"$limit": 4}],
                 [{"$limit": 6}, {"$match": {"a": {"$gt": 0}}}],
                 [{"$limit": 6}, {"$sort": {"_id": -1}}],
                 [{"$group": {"_id": None, "all": {"$push": "$_id"}, "f": {"$first": "$n"}}}],
                 [{"$group": {"_id": None, "f": {"$first": "$n"}, "l": {"$last": "$n"}}}]]
            )
        )  # fmt: skip
        return Pipeline([*_whole(first), after, *tail], ordered=True)
    if kind in (6, 7, 8):
        return Pipeline([*first, _numeric, draw(blocking)])
    if kind == 9:
        again = draw(st.one_of(streaming, groups(), st.just({"$count": "c"})))
        return Pipeline([*first, _numeric, draw(blocking), again])
    if kind == 10:
        sort = draw(_sort)
        return Pipeline(
            [draw(blocking), sort, {"$limit": 50}] if draw(st.booleans()) else first,
        )
    return Pipeline(first)


def _whole(first: list[Stage]) -> list[Stage]:
    """Without the stages after which `_id` is no longer unique."""
    return [stage for stage in first if "$unwind" not in stage]


_few = st.lists(streaming, max_size=2)
pipelines = _pipelines()


def writes_into(target: str) -> st.SearchStrategy[Stage]:
    """$out and $merge."""
    return st.sampled_from(
        [
            {"$out": target}, {"$out": {"db": "differential", "coll": target}}, {"$merge": target},
            {"$merge": {"into": target, "whenMatched": "replace"}},
            {"$merge": {"into": target, "whenMatched": "keepExisting"}},
            {"$merge": {"into": target, "whenMatched": "merge", "whenNotMatched": "discard"}},
            {"$merge": {"into": target, "whenMatched": [{"$set": {"w": "$$new.n"}}]}},
            {"$merge": {"into": target, "on": "nope"}}, {"$merge": {"into": 5}},
            {"$merge": {"into": target, "whenMatched": "nope"}},
            {"$merge": {"into": target, "whenMatched": "fail", "whenNotMatched": "fail"}},
        ]
    )  # fmt: skip


wrong_stages: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"$nope": 1}, {"$match": 5}, {"$project": {}}, {"$project": 5}, {"$group": {}},
        {"$group": {"_id": 1, "a": {"$nope": 1}}}, {"$group": {"_id": 1, "a": 5}},
        {"$sort": {}}, {"$sort": {"a": 5}}, {"$limit": 0}, {"$limit": -1}, {"$limit": "x"},
        {"$skip": -1}, {"$unwind": 5}, {"$unwind": "l"}, {"$lookup": 5}, {"$lookup": {"from": "x"}},
        {"$lookup": {"from": "plain", "localField": "a", "foreignField": "b"}},
        {"$graphLookup": {"from": "plain"}}, {"$unionWith": 5}, {"$unionWith": {"pipeline": []}},
        {"$facet": {}}, {"$facet": {"a": [{"$facet": {"b": []}}]}},
        {"$facet": {"a": [{"$out": "x"}]}},
        {"$bucket": {"groupBy": "$n", "boundaries": [3, 1]}}, {"$bucket": {}}, {"$bucketAuto": {}},
        {"$bucket": {"groupBy": "$y", "boundaries": [0, 1]}}, {"$sortByCount": 5}, {"$count": ""},
        {"$count": "$a"}, {"$count": 5}, {"$sample": {}}, {"$sample": {"size": -1}}, {"$sample": 5},
        {"$addFields": 5}, {"$addFields": {"a": {"$nope": 1}}}, {"$replaceRoot": {}},
        {"$replaceRoot": {"newRoot": "$n"}}, {"$redact": "$n"}, {"$redact": {"$nope": 1}},
        {"$setWindowFields": {}}, {"$densify": {}}, {"$fill": {}}, {"$geoNear": {}},
        {"$setWindowFields": {"output": {"a": {"$rank": {}}}}}, {"$merge": {}}, {"$out": 5},
        {"$project": {"a": {"$divide": ["$n", 0]}}}, {"$project": {"a": {"$add": ["$y", 1]}}},
        {"$project": {"a": {"$toInt": "$y"}}}, {"$project": {"a": 1, "b": 0}}, {"$out": ""},
        {"$match": {"$text": {"$search": "fox"}}}, {"$match": {"$where": "1"}}, {"$indexStats": 5},
        {"$collStats": {"nope": 1}}, {"$planCacheStats": 5}, {"$currentOp": {}},
        {"$listSessions": 5},
        {"$changeStream": 5}, {"$project": {"a": "$$nope"}}, {"$set": {}}, {"$unset": ""},
        {"$match": {"loc": {"$near": [1, 1]}}}, {"$listLocalSessions": {}}, {"$documents": []},
        {"$mergeCursors": {}}, {"$queue": []},
        {"$limit": 2.5}, {"$out": {"db": "differential"}}, {"$searchMeta": {}}, {"$search": {}},
        {"$project": {"a": {"$meta": "textScore"}}}, {"$sort": {"a": {"$meta": "textScore"}}},
        {"$group": {"_id": "$$ROOT.n", "a": {"$sum": {"$divide": [1, 0]}}}}, {"$densify": 5},
    ]
)  # fmt: skip
