"""BSON values and documents. The pools are small, so that values meet, match and collide."""

from __future__ import annotations

import datetime
from typing import Any

from bson import (
    Binary,
    Code,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from hypothesis import strategies as st

UTC = datetime.UTC
DAY = datetime.datetime(2024, 2, 29, tzinfo=UTC)

small = st.integers(-3, 9)
numbers = st.one_of(
    small,
    small.map(Int64),
    small.map(float),
    st.sampled_from(
        [0.5, -0.25, 2.5, float("nan"), float("inf"), float("-inf"), -0.0,
         Int64(2**53 + 1), float(2**53), Int64(2**63 - 1), Int64(-(2**63)), 2**31 - 1,
         Decimal128("1"), Decimal128("2.50"), Decimal128("0.1"), Decimal128("NaN"),
         Decimal128("1E+30")]
    ),
)  # fmt: skip
strings = st.sampled_from(["", "a", "A", "b", "é", "m", "n", "z z", "10", "9"])
dates = st.integers(0, 4).map(lambda n: DAY + datetime.timedelta(hours=n))
object_ids = st.integers(0, 3).map(lambda n: ObjectId(f"{n:024x}"))
rare = st.sampled_from(
    [MinKey(), MaxKey(), Regex("^a", "i"), Timestamp(5, 1), Binary(b"\x00\x01"), Binary(b"ab", 5),
     Code("function(){}"), True, False, None]
)  # fmt: skip
scalars = st.one_of(small, small, numbers, strings, dates, object_ids, rare)
nested = st.dictionaries(st.sampled_from(["p", "q", "r"]), scalars, max_size=2)
arrays = st.lists(st.one_of(scalars, nested), max_size=4)
values: st.SearchStrategy[Any] = st.one_of(scalars, scalars, nested, arrays)

FIELDS = ["k", "a", "b", "x", "y", "d", "d.p", "l", "l.p", "_id", "none"]
fields = st.sampled_from(FIELDS)
words = st.sampled_from(["red fox", "blue dog", "fox runs", "the red dogs run", "nothing"])
points = st.tuples(st.integers(-5, 5), st.integers(-5, 5)).map(
    lambda at: {"type": "Point", "coordinates": list(at)}
)

key_scalars = st.one_of(small, small, small, numbers, strings, st.just(None), dates)


def _document(draw: st.DrawFn, ids: st.SearchStrategy[Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"_id": draw(ids)}
    optional = {
        "k": key_scalars, "a": key_scalars, "b": small, "x": values, "y": scalars,
        "d": nested, "l": arrays, "n": small, "t": words, "loc": points,
    }  # fmt: skip
    for name, strategy in optional.items():
        if draw(st.integers(0, 4)):
            document[name] = draw(strategy)
    return document


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document with an `_id` out of few."""
    return _document(draw, st.one_of(st.integers(0, 30), st.integers(0, 30), scalars))


@st.composite
def bad_documents(draw: st.DrawFn) -> Any:
    """What a server does not take for a document to insert, or a sharded collection does not."""
    document = _document(draw, st.integers(0, 30))
    return draw(
        st.sampled_from(
            [
                {**document, "_id": [1]},
                {**document, "_id": Regex("a")},
                {**document, "_id": {"$a": 1}},
                {**document, "k": [1, 2]},
                {**document, "a": [], "b": 1},
                {**document, "$x": 1},
                {**document, "loc": {"type": "Point", "coordinates": [900, 900]}},
                {name: value for name, value in document.items() if name != "k"},
                {**document, "t": 5},
            ]
        )
    )
