"""Routing tables, versions, targeting and the hash, on plain data."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import struct

import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from shardhouse.router.catalog import cache
from shardhouse.router.catalog.cache import Catalog
from shardhouse.router.catalog.chunks import Collection, bound, build
from shardhouse.router.catalog.targeting import (
    has_exact_id,
    key_of_filter,
    may_change_key,
    owner_of_document,
)
from shardhouse.router.catalog.values import hashed, sort_key
from shardhouse.router.catalog.versions import UNSHARDED
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

UUID = Binary(b"u" * 16, 4)
EPOCH = ObjectId()
COLLECTION = {
    "_id": "app.c", "uuid": UUID, "lastmodEpoch": EPOCH, "timestamp": Timestamp(7, 1),
    "key": {"k": 1}, "unique": False,
}  # fmt: skip


def element(value):
    kind, _, start, end = next(raw.elements(document := raw.encode({"": value})))
    return kind, document[start:end]


def chunk(low, high, shard, major, minor=0):
    return {
        "uuid": UUID, "min": {"k": low}, "max": {"k": high}, "shard": shard,
        "lastmod": Timestamp(major, minor),
    }  # fmt: skip


def table(*chunks, **more):
    return build(Collection.read({**COLLECTION, **more}), chunks)


TWO = (chunk(MinKey(), 10, "a", 1), chunk(10, MaxKey(), "b", 2, 5))


def test_values_are_ordered_as_the_server_orders_them():
    ordered = [
        MinKey(), None, float("nan"), float("-inf"), -5, 2.5, Int64(3), 3.5, Decimal128("4"), 2**62,
        float("inf"), "", "a", "ab", "b", {}, {"a": 1}, {"a": 2}, {"b": 0}, {"a": "x"}, [],
        b"a", b"b", b"aa", ObjectId("0" * 24), ObjectId("1" * 24), False, True, DatetimeMS(-1),
        DatetimeMS(5), Timestamp(1, 1), Regex("a"), MaxKey(),
    ]  # fmt: skip
    keys = [sort_key(*element(value)) for value in ordered]
    for (left, a), (right, b) in itertools.pairwise(zip(ordered, keys, strict=True)):
        assert a < b, f"{left!r} must come before {right!r}"


def test_equal_numbers_of_different_types_are_one_key():
    keys = {sort_key(*element(value)) for value in (5, Int64(5), 5.0, Decimal128("5.0"))}
    assert len(keys) == 1


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-sNaN"])
def test_all_that_are_no_numbers_are_one_key(text):
    odd = element(Decimal128(text))
    assert sort_key(*odd) == sort_key(*element(float("nan")))
    assert hashed(*odd) == hashed(*element(0))


@pytest.mark.parametrize("value", [5, Int64(5), 5.0, 5.9, Decimal128("5.4")])
def test_the_hash_of_a_number_is_the_published_formula(value):
    digest = hashlib.md5(struct.pack("<iiq", 0, 10, 5)).digest()[:8]
    assert hashed(*element(value)) == (0x12, digest)


def test_the_hash_of_2_to_the_63_is_that_of_the_smallest_integer():
    assert hashed(*element(2.0**63)) == hashed(*element(Int64(-(2**63))))
    assert hashed(*element(2.0**64)) == hashed(*element(Int64(2**63 - 1)))


def test_owner_and_versions():
    routes = table(*TWO)
    assert [routes.owner(bound({"k": k})) for k in (MinKey(), 9, 10, "text", MaxKey())] == [
        "a", "a", "b", "b", "b",
    ]  # fmt: skip
    assert routes.version("a") == {"e": EPOCH, "t": Timestamp(7, 1), "v": Timestamp(1, 0)}
    assert routes.version("b")["v"] == Timestamp(2, 5)
    assert routes.version("elsewhere")["v"] == Timestamp(0, 0)
    assert routes.newest == Timestamp(2, 5)
    assert UNSHARDED["v"] == Timestamp(0, 0)


def test_a_table_with_a_gap_is_not_a_table():
    assert table(TWO[0]) is not None
    assert table(chunk(MinKey(), 5, "a", 1), chunk(6, MaxKey(), "b", 2)) is None
    assert table() is None


def test_newer_chunks_replace_what_they_overlap():
    routes = table(*TWO).updated(
        [
            chunk(10, 20, "a", 3),
            chunk(20, MaxKey(), "b", 3, 1),
            chunk(MinKey(), 5, "a", 3, 2),
            chunk(5, 10, "b", 4),
        ]
    )
    assert [routes.owner(bound({"k": k})) for k in (5, 15, 20)] == ["b", "a", "b"]
    assert routes.newest == Timestamp(4, 0)


@pytest.mark.parametrize(
    ("query", "pinned"),
    [
        ({"k": 5}, True),
        ({"k": {"$eq": 5}}, True),
        ({"a": 1, "k": 5}, True),
        ({"$and": [{"a": 1}, {"k": 5}]}, True),
        ({"k": None}, True),
        ({"k": {"sub": 1}}, True),
        ({}, False),
        ({"k": {"$gt": 5}}, False),
        ({"k": {"$in": [5]}}, False),
        ({"k": Regex("^a")}, False),
        ({"k": [1]}, False),
        ({"$or": [{"k": 5}, {"k": 6}]}, False),
    ],
)
def test_only_equality_pins_the_shard_key(query, pinned):
    key = key_of_filter(table(*TWO), raw.encode(query))
    assert (key is not None) == pinned


def test_a_collation_takes_strings_out_of_targeting():
    routes = table(*TWO)
    assert key_of_filter(routes, raw.encode({"k": "x"}), collated=True) is None
    assert key_of_filter(routes, raw.encode({"k": 5}), collated=True) is not None


def test_nested_and_compound_keys():
    routes = table(
        {**chunk(MinKey(), MaxKey(), "a", 1), "min": {"a.b": MinKey(), "c": MinKey()},
         "max": {"a.b": MaxKey(), "c": MaxKey()}},
        key={"a.b": 1, "c": "hashed"},
    )  # fmt: skip
    assert key_of_filter(routes, raw.encode({"a.b": 1, "c": 2})) is not None
    assert key_of_filter(routes, raw.encode({"a": {"b": 1}, "c": 2})) is not None
    assert key_of_filter(routes, raw.encode({"a.b": 1})) is None
    assert owner_of_document(routes, raw.encode({"a": {"b": 1}})) == "a"
    with pytest.raises(CommandError) as refused:
        owner_of_document(routes, raw.encode({"a": [{"b": 1}]}))
    assert refused.value.code == 61


@pytest.mark.parametrize(
    ("change", "may"),
    [
        ({"$set": {"n": 1}, "$inc": {"kk": 1, "k2.x": 1}}, False),
        ({"$set": {"a": 1, "k.b": 2}}, True),
        ({"$unset": {"k": ""}}, True),
        ({"$set": {"k.b.c": 1}}, True),
        ({"$rename": {"n": "m"}}, False),
        ({"$rename": {"n": "k.b"}}, True),
        ({"$set": 5}, False),  # the shard has its own words for this
        ({"k": {"b": 1}, "n": 1}, False),
        ({"k": {"b": 1.0}}, False),
        ({"k": {"b": 2}}, True),
        ({"k": {"b": [1]}}, True),
        ({}, True),
        ([{"$set": {"n": 1}}], True),
    ],
)
def test_which_updates_may_change_the_key(change, may):
    sharded = table({**TWO[0], "min": {"k.b": MinKey()}, "max": {"k.b": MaxKey()}}, key={"k.b": 1})
    statement = raw.encode({"q": {"k.b": 1}, "u": change})
    assert may_change_key(sharded, statement) is may


def test_exact_id():
    assert has_exact_id(raw.encode({"_id": 5, "x": 1}))
    assert not has_exact_id(raw.encode({"_id": {"$gt": 5}}))


class Config:
    """A `config` database in memory that counts its reads."""

    def __init__(self):
        self.collections, self.chunks, self.reads = [COLLECTION], list(TWO), []

    async def read(self, collection, query, sort=None):
        self.reads.append((collection, query))
        await asyncio.sleep(0)
        if collection == "databases":
            version = {"uuid": UUID, "timestamp": Timestamp(1, 1), "lastMod": 1}
            return [{"_id": "app", "primary": "a", "version": version}][: query["_id"] == "app"]
        if collection == "collections":
            return [c for c in self.collections if c["_id"] in query["_id"]["$in"]]
        newest = query.get("lastmod", {}).get("$gte", Timestamp(0, 0))
        return sorted(
            (c for c in self.chunks if c["lastmod"] >= newest), key=lambda c: c["lastmod"]
        )


def test_tables_are_loaded_once_and_refreshed_incrementally():
    config = Config()

    async def story():
        catalog = Catalog(config.read)
        first, again = await asyncio.gather(catalog.routing("app.c"), catalog.routing("app.c"))
        assert first.table is again.table
        loads = len(config.reads)
        await catalog.routing("app.c")
        assert len(config.reads) == loads
        config.chunks = [chunk(MinKey(), 10, "b", 3), TWO[1]]
        catalog.forget_collection("app.c")
        newer = await catalog.routing("app.c")
        assert newer.table.shards == ["b"]
        assert config.reads[-1][1]["lastmod"] == {"$gte": Timestamp(2, 5)}

    asyncio.run(story())


def test_a_new_incarnation_is_loaded_whole():
    config = Config()

    async def story():
        catalog = Catalog(config.read)
        await catalog.routing("app.c")
        config.collections = [{**COLLECTION, "timestamp": Timestamp(99, 1)}]
        config.chunks = [chunk(MinKey(), MaxKey(), "b", 1)]
        catalog.forget_collection("app.c")
        assert (await catalog.routing("app.c")).table.shards == ["b"]
        assert "lastmod" not in config.reads[-1][1]

    asyncio.run(story())


def test_what_is_forgotten_is_not_kept_without_bound(monkeypatch):
    monkeypatch.setattr(cache, "_REMEMBERED", 2)
    config = Config()

    async def story():
        catalog = Catalog(config.read)
        for name in ("app.c", "app.d", "app.e"):
            config.collections = [{**COLLECTION, "_id": name}]
            await catalog.routing(name)
            catalog.forget_collection(name)
        config.collections = [{**COLLECTION, "_id": "app.c"}]
        full = catalog.full_loads
        await catalog.routing("app.c")
        assert catalog.full_loads == full + 1

    asyncio.run(story())


def test_databases_that_are_not_there_are_asked_for_again():
    config = Config()

    async def story():
        catalog = Catalog(config.read)
        assert (await catalog.routing("other.c")).database is None
        assert (await catalog.routing("other.c")).database is None
        assert (await catalog.routing("admin.c")).database.primary == "config"

    asyncio.run(story())
    assert len(config.reads) == 2
