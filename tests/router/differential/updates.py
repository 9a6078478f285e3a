"""Updates: operators, replacements and pipelines, and some that are none."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.router.differential.values import key_scalars, small, values

_set = st.tuples(st.sampled_from(["x", "y", "w", "d.p", "n", "l.1"]), values)
updates: st.SearchStrategy[Any] = st.one_of(
    _set.map(lambda t: {"$set": {t[0]: t[1]}}),
    st.tuples(st.sampled_from(["k", "a", "b", "_id"]), key_scalars).map(
        lambda t: {"$set": {t[0]: t[1]}}
    ),
    st.tuples(st.integers(0, 18), key_scalars, key_scalars, values).map(
        lambda t: {"_id": t[0], "k": t[1], "a": t[2], "x": t[3]}
    ),
    st.tuples(key_scalars, values).map(lambda t: {"k": t[0], "x": t[1]}),
    small.map(lambda n: {"$inc": {"n": n}}),
    st.sampled_from(
        [
            {"$mul": {"n": 2}}, {"$unset": {"x": 1}}, {"$unset": {"k": 1}}, {"$rename": {"x": "w"}},
            {"$min": {"n": 4}}, {"$max": {"n": 4}}, {"$push": {"l": 5}}, {"$pop": {"l": 1}},
            {"$push": {"l": {"$each": [3, 1], "$sort": 1, "$slice": 4}}}, {"$pull": {"l": 1}},
            {"$addToSet": {"l": {"$each": [1, 9]}}}, {"$pullAll": {"l": [0, 1]}},
            {"$bit": {"n": {"or": 8}}}, {"$setOnInsert": {"w": 1}, "$inc": {"n": 1}},
            {"$inc": {"y": 1}}, {"$push": {"n": 1}}, {"$set": {"l.$[]": 7}},
            {"$set": {"l.$[e]": 7}}, {"$inc": {"l.$[e]": 1}}, {"$set": {"x.deep.er": 1}},
            {"$set": {"n": 3, "w": 4}}, {"$inc": {"k": 1}}, {},
            [{"$set": {"w": {"$add": ["$n", 1]}}}], [{"$unset": "x"}], [{"$set": {"w": "$$v"}}],
            [{"$replaceWith": {"$mergeObjects": ["$$ROOT", {"w": "$k"}]}}],
            [{"$set": {"k": "$n"}}], [{"$project": {"k": 1, "a": 1, "b": 1}}],
            [{"$replaceWith": {"x": 1}}], [{"$set": {"w": {"$divide": [1, "$n"]}}}],
        ]
    ),
)  # fmt: skip
array_filters = st.sampled_from(
    [[{"e": 1}], [{"e": {"$gt": 1}}], [{"e.p": 1}], [], [{"f": 1}], [{"e": 1}, {"e": 2}], [5]]
)
wrong_updates: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"$nope": {"a": 1}}, {"$set": 5}, {"$set": {"a": 1}, "b": 1}, {"b": 1, "$set": {"a": 1}},
        {"$set": {"$a": 1}}, {"$set": {"a": 1, "a.b": 2}}, {"$inc": {"n": "x"}},
        {"$rename": {"a": "a"}}, {"$rename": {"n": 5}}, {"$push": {"l": {"$each": 5}}},
        {"$set": {"": 1}}, {"$pop": {"l": 3}}, {"$unset": 5}, {"$set": {"_id": 99}},
        {"$set": {"l.$": 1}}, {"$bit": {"n": {"nope": 1}}}, [{"$match": {}}], [{"$nope": 1}], [5],
        [{"$set": {"$a": 1}}], [{"$set": {"w": {"$nope": 1}}}], [{"$set": {"w": "$$nope"}}],
        {"$currentDate": {"w": 5}}, {"$inc": {}}, {"_id": [1]}, 5, "x", {"$set": {"_id": [1]}},
        [{"$set": {"_id": 5}}], {"$min": 5}, {"$set": {"k": [1]}}, {"k": [1, 2]}, [],
    ]
)  # fmt: skip
