"""Queries: filters that mean something, and some that mean nothing."""

from __future__ import annotations

from typing import Any

from bson import Regex
from hypothesis import strategies as st

from tests.router.differential.values import fields, small, strings, values

comparisons = st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"])
simple: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.tuples(fields, values).map(lambda t: {t[0]: t[1]}),
    st.tuples(fields, small).map(lambda t: {t[0]: t[1]}),
    st.tuples(fields, comparisons, values).map(lambda t: {t[0]: {t[1]: t[2]}}),
    st.tuples(fields, comparisons, small).map(lambda t: {t[0]: {t[1]: t[2]}}),
    st.tuples(fields, small, small).map(lambda t: {t[0]: {"$gte": t[1], "$lt": t[2]}}),
    st.tuples(
        fields, st.sampled_from(["$in", "$nin"]), st.lists(st.one_of(values, small), max_size=4)
    ).map(lambda t: {t[0]: {t[1]: t[2]}}),
    st.tuples(fields, st.booleans()).map(lambda t: {t[0]: {"$exists": t[1]}}),
    st.tuples(
        fields, st.sampled_from(["number", "string", "int", "null", "array", 3, ["long", 18]])
    ).map(lambda t: {t[0]: {"$type": t[1]}}),
    st.tuples(st.sampled_from(["k", "y"]), strings).map(lambda t: {t[0]: t[1]}),
    st.sampled_from(
        [
            {"n": {"$mod": [3, 1]}}, {"y": {"$regex": "^a", "$options": "i"}}, {"k": Regex("a|b")},
            {"l": {"$all": [1, 2]}}, {"l": {"$size": 3}}, {"l": {"$elemMatch": {"p": 1}}},
            {"l": {"$elemMatch": {"$gt": 0, "$lt": 3}}}, {"x": {"$not": {"$gt": 2}}},
            {"n": {"$bitsAllSet": 1}}, {"$expr": {"$gt": ["$n", "$a"]}}, {"d": {"p": 1, "q": 1}},
            {"$text": {"$search": "fox"}}, {"$text": {"$search": "dog -blue"}},
            {"loc": {"$geoWithin": {"$centerSphere": [[1, 1], 0.05]}}},
            {"$where": "this.n > 5"}, {"$jsonSchema": {"required": ["k"]}}, {"$comment": "c"},
            {"x": {"$in": [Regex("^a")]}}, {"$alwaysTrue": 1}, {"k": {"$in": []}},
            {"loc": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 1]}}}},
        ]
    ),
)  # fmt: skip
filters: st.SearchStrategy[dict[str, Any]] = st.one_of(
    simple,
    simple,
    st.tuples(
        st.sampled_from(["$and", "$or", "$nor"]), st.lists(simple, min_size=1, max_size=3)
    ).map(lambda t: {t[0]: t[1]}),
    st.tuples(simple, simple).map(lambda t: {**t[0], **t[1]}),
)
let_filters = st.sampled_from(
    [
        ({"$expr": {"$eq": ["$k", "$$v"]}}, {"v": 3}),
        ({"$expr": {"$gt": ["$n", "$$v"]}}, {"v": {"$add": [1, 2]}}),
        ({"$expr": {"$eq": ["$k", "$$v"]}}, {}),
        ({"k": 1, "$expr": {"$lt": ["$n", "$$v"]}}, {"v": 9}),
    ]
)
collations = st.sampled_from(
    [
        {"locale": "simple"}, {"locale": "en", "strength": 2}, {"locale": "en", "strength": 1},
        {"locale": "fr", "numericOrdering": True},
    ]
)  # fmt: skip
wrong_filters: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"$nope": 1}, {"k": {"$nope": 1}}, {"$and": []}, {"$or": 5}, {"k": {"$in": 5}},
        {"k": {"$mod": [1]}}, {"k": {"$mod": [0, 1]}}, {"k": {"$regex": "("}}, {"k": {"$size": -1}},
        {"k": {"$type": "nope"}}, {"k": {"$type": 99}}, {"k": {"$elemMatch": 5}},
        {"$expr": {"$nope": 1}}, {"$expr": {"$add": ["$y", 1]}}, {"$where": 5},
        {"$where": "this.n ("}, {"$text": {"$search": 5}}, {"$text": 5}, {"$jsonSchema": 5},
        {"k": {"$exists": 1, "$nope": 2}}, {"loc": {"$geoWithin": 5}}, {"k": {"$all": 5}},
        {"k": {"$not": 5}}, {"k": {"$gt": Regex("a")}}, {"$jsonSchema": {"type": "nope"}},
        {"$expr": "$$nope"}, {"$nor": [5]}, {"$and": [{"$nope": 1}]}, {"k": {"$in": [{"$gt": 1}]}},
        {"loc": {"$near": 5}}, {"y": {"$near": [1, 1]}}, {"k": {"$bitsAllSet": "x"}},
        {"k": {"$ne": Regex("a")}}, {"$expr": {"$divide": [1, 0]}}, {"k": {"$eq": Regex("a")}},
    ]
)  # fmt: skip
