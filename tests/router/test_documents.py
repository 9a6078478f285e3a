"""Reading and writing through the router, as an application does."""

from __future__ import annotations

import datetime
import uuid

import bson
import pymongo
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shardhouse.router.catalog.values import hashed
from shardhouse.router.wire import raw
from tests.router.cluster import distribution


@pytest.fixture
def sharded(root, db):
    """A hashed collection over both shards, and a ranged one split at 50."""
    root.admin.command("shardCollection", f"{db.name}.h", key={"k": "hashed"})
    root.admin.command("shardCollection", f"{db.name}.r", key={"k": 1})
    root.admin.command("split", f"{db.name}.r", middle={"k": 50})
    other = {"s0": "s1", "s1": "s0"}[root.config.databases.find_one({"_id": db.name})["primary"]]
    root.admin.command("moveRange", f"{db.name}.r", min={"k": 50}, toShard=other)
    return db


def test_an_ordinary_session(db):
    people = db.people
    people.insert_one({"_id": 1, "name": "Ada", "tags": ["x"]})
    people.insert_many([{"_id": n, "name": f"P{n}"} for n in range(2, 300)])
    assert people.count_documents({}) == 299
    assert people.find_one({"_id": 1}) == {"_id": 1, "name": "Ada", "tags": ["x"]}
    assert people.update_one({"_id": 1}, {"$set": {"name": "Ada L."}}).modified_count == 1
    assert people.update_many({"_id": {"$lt": 5}}, {"$set": {"low": True}}).modified_count == 4
    assert people.replace_one({"_id": 2}, {"name": "Bob"}).modified_count == 1
    assert people.update_one({"_id": 999}, {"$set": {"a": 1}}, upsert=True).upserted_id == 999
    assert people.find_one_and_update({"_id": 2}, {"$inc": {"n": 1}})["name"] == "Bob"
    assert people.find_one_and_delete({"_id": 3})["_id"] == 3
    assert people.delete_one({"_id": 4}).deleted_count == 1
    assert people.delete_many({"_id": {"$gte": 200}}).deleted_count == 101
    assert people.estimated_document_count() == 197
    assert sorted(people.distinct("low")) == [True]


def test_all_types_survive_the_way_there_and_back(db):
    document = {
        "_id": ObjectId(), "double": 1.5, "inf": float("inf"), "text": "ünï\0",
        "sub": {"a": [1, {"b": 2}]},
        "bin": b"\0\1", "uuid": Binary(uuid.uuid4().bytes, 4), "user": Binary(b"x", 128),
        "yes": True, "date": datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), "null": None,
        "re": Regex("^a", "i"), "code": Code("f()"), "scope": Code("f()", {"x": 1}), "int": 5,
        "long": Int64(2**60), "small": Int64(1), "dec": Decimal128("1.10"),
        "ts": Timestamp(5, 6), "min": MinKey(),
        "max": MaxKey(),
    }  # fmt: skip
    db.c.insert_one(document)
    aware = db.c.with_options(CodecOptions(tz_aware=True))
    found = aware.find_one()
    assert found == document
    assert type(found["small"]) is Int64


def test_cursors_run_over_many_batches(db):
    db.c.insert_many([{"_id": n} for n in range(1000)])
    assert [d["_id"] for d in db.c.find(sort=[("_id", 1)], batch_size=7)] == list(range(1000))
    cursor = db.c.find(batch_size=10)
    next(cursor)
    number = cursor.cursor_id
    cursor.close()
    with pytest.raises(OperationFailure) as gone:
        db.command("getMore", Int64(number), collection="c")
    assert gone.value.code == 43


def test_reads_over_both_shards(sharded):
    h = sharded.h
    h.insert_many([{"k": n, "g": n % 5, "_id": n} for n in range(500)])
    spread = distribution(sharded.client, h.full_name)
    assert sum(spread.values()) == 500
    assert min(spread.values()) > 100
    assert h.count_documents({}) == h.estimated_document_count() == 500
    assert sharded.command("count", "h", skip=10, limit=50)["n"] == 50
    assert sharded.command("count", "h", skip=480)["n"] == 20
    assert h.distinct("g") == [0, 1, 2, 3, 4]
    assert h.find_one({"k": 77})["_id"] == 77
    assert [d["k"] for d in h.find().sort("k", -1).skip(3).limit(4)] == [496, 495, 494, 493]
    assert [d["_id"] for d in h.find(sort=[("_id", 1)], batch_size=11)] == list(range(500))
    grouped = h.aggregate([{"$group": {"_id": "$g", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}])
    assert list(grouped) == [{"_id": g, "n": 100} for g in range(5)]
    assert len(list(h.aggregate([{"$match": {}}], batchSize=13))) == 500
    sharded.other.insert_many([{"_id": g, "name": f"G{g}"} for g in range(5)])
    joined = h.aggregate(
        [
            {"$match": {"k": {"$lt": 3}}},
            {"$lookup": {"from": "other", "localField": "g", "foreignField": "_id", "as": "o"}},
            {"$sort": {"k": 1}},
        ]
    )
    assert [d["o"][0]["name"] for d in joined] == ["G0", "G1", "G2"]
    list(h.aggregate([{"$match": {"g": 1}}, {"$out": "copied"}]))
    assert sharded.copied.count_documents({}) == 100
    list(h.aggregate([{"$match": {"g": 2}}, {"$merge": "copied"}]))
    assert sharded.copied.count_documents({}) == 200


def test_targeted_reads_reach_one_shard(sharded):
    sharded.h.insert_many([{"k": n} for n in range(10)])
    plan = sharded.h.find({"k": 5}).explain()["queryPlanner"]["winningPlan"]
    assert plan["stage"] == "SINGLE_SHARD"
    plan = sharded.h.find({}).explain()["queryPlanner"]["winningPlan"]
    assert plan["stage"] == "SHARD_MERGE"


def test_explain_of_writes_is_answered(sharded):
    sharded.r.insert_many([{"k": 1}, {"k": 99}])
    inner = {"update": "r", "updates": [{"q": {"x": 1}, "u": {"$set": {"a": 1}}, "multi": True}]}
    reply = sharded.command("explain", inner, verbosity="queryPlanner")
    assert len(reply["queryPlanner"]["winningPlan"]["shards"]) == 2
    inner = {"delete": "r", "deletes": [{"q": {"k": 1}, "limit": 1}]}
    reply = sharded.command("explain", inner, verbosity="executionStats")
    assert len(reply["queryPlanner"]["winningPlan"]["shards"]) == 1
    assert sharded.r.count_documents({}) == 2
    assert "queryPlanner" in sharded.command("explain", {"distinct": "h", "key": "k"})


@pytest.mark.parametrize("retry", [True, False])
def test_writes_over_both_shards(sharded, cluster, retry):
    with cluster.router.client(retryWrites=retry) as client:
        r = client[sharded.name].r
        r.insert_many([{"_id": n, "k": n} for n in range(100)])
        assert distribution(client, r.full_name) == {"s0": 50, "s1": 50}
        assert r.update_one({"k": 10}, {"$set": {"a": 1}}).modified_count == 1
        assert r.update_one({"_id": 90}, {"$set": {"a": 1}}).modified_count == 1
        assert r.update_many({}, {"$set": {"b": 1}}).modified_count == 100
        assert r.delete_one({"_id": 60}).deleted_count == 1
        assert r.delete_many({"k": {"$gte": 40, "$lt": 60}}).deleted_count == 20
        assert r.update_one({"k": 500}, {"$set": {"u": 1}}, upsert=True).upserted_id is not None
        assert r.find_one_and_update({"k": 1}, {"$set": {"f": 1}})["_id"] == 1
        assert r.update_one({"k": {"$lt": 5}, "f": 1}, {"$set": {"g": 1}}).modified_count == 1
        assert r.count_documents({"b": 1}) == 79


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (lambda r: r.update_one({"x": 1}, {"$set": {"a": 1}}), 72),
        (lambda r: r.delete_one({"x": 1}), 61),
        (lambda r: r.update_one({"x": 1}, {"$set": {"a": 1}}, upsert=True), 61),
        (lambda r: r.find_one_and_update({"x": 1}, {"$set": {"a": 1}}), 61),
        (lambda r: r.insert_one({"k": [1]}), 61),
    ],
)
def test_what_cannot_be_targeted_is_refused(sharded, operation, code):
    with pytest.raises((WriteError, OperationFailure)) as refused:
        operation(sharded.r)
    assert refused.value.code == code


@pytest.mark.parametrize("ordered", [True, False])
def test_bulk_writes_report_the_clients_indexes(sharded, ordered):
    r = sharded.r
    r.insert_one({"_id": 60, "k": 60})
    with pytest.raises(BulkWriteError) as failed:
        r.bulk_write(
            [
                pymongo.InsertOne({"_id": 1, "k": 1}),
                pymongo.InsertOne({"_id": 99, "k": 99}),
                pymongo.InsertOne({"_id": 60, "k": 60}),
                pymongo.InsertOne({"_id": 2, "k": 2}),
            ],
            ordered=ordered,
        )
    details = failed.value.details
    assert [(e["index"], e["code"]) for e in details["writeErrors"]] == [(2, 11000)]
    assert details["nInserted"] == (2 if ordered else 3)
    assert r.count_documents({}) == (3 if ordered else 4)


def test_a_repeated_retryable_write_is_done_once(db, cluster):
    db.c.insert_one({"_id": 1, "n": 0})
    statement = {"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}
    command = {"update": "c", "updates": [statement], "txnNumber": Int64(77)}
    with cluster.router.client() as client, client.start_session() as session:
        first, second = (client[db.name].command(command, session=session) for _ in range(2))
    assert (first["n"], second["n"]) == (1, 1)
    assert second["retriedStmtIds"] == [0]
    assert db.c.find_one()["n"] == 1


def test_hashes_equal_the_servers(db):
    values = [
        5, 5.9, -5.9, Int64(2**62), 2.0**63, -(2.0**63), 2.0**70, float("nan"), Decimal128("2.5"),
        Decimal128("NaN"), "text", "", {"a": 1, "b": {"c": "x"}}, [1, "x", {"y": 2}], None, True,
        False, ObjectId(), Binary(b"ab", 0), Binary(b"a" * 16, 4), Timestamp(5, 6), Regex("a", "i"),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), MinKey(), MaxKey(), Code("f()"),
    ]  # fmt: skip
    db.c.insert_many([{"_id": n, "v": value} for n, value in enumerate(values)])
    found = db.c.aggregate(
        [{"$sort": {"_id": 1}}, {"$project": {"h": {"$toHashedIndexKey": "$v"}}}]
    )
    for value, document in zip(values, found, strict=True):
        kind, _, start, end = next(raw.elements(content := raw.encode({"": value})))
        _, digest = hashed(kind, content[start:end])
        assert int.from_bytes(digest, "little", signed=True) == document["h"], repr(value)


def test_views_and_tailable_cursors(sharded):
    sharded.h.insert_many([{"k": n, "g": n % 2} for n in range(20)])
    sharded.create_collection("v", viewOn="h", pipeline=[{"$match": {"g": 1}}])
    assert sharded.v.count_documents({}) == 10
    assert sharded.command("count", "v")["n"] == 10
    assert sharded.v.distinct("g") == [1]
    assert len(list(sharded.v.find().batch_size(3))) == 10
    sharded.create_collection("capped", capped=True, size=4096)
    sharded.capped.insert_one({"n": 1})
    cursor = sharded.capped.find(cursor_type=pymongo.CursorType.TAILABLE_AWAIT)
    cursor.max_await_time_ms(20)
    assert next(cursor)["n"] == 1
    with pytest.raises(StopIteration):
        next(cursor)
    sharded.capped.insert_one({"n": 2})
    assert next(cursor)["n"] == 2
    with pytest.raises(OperationFailure):
        next(sharded.h.find(cursor_type=pymongo.CursorType.TAILABLE_AWAIT))


def test_concerns_and_causal_reads(root, sharded):
    strict = sharded.h.with_options(
        write_concern=WriteConcern("majority"), read_concern=ReadConcern("majority")
    )
    with root.start_session(causal_consistency=True) as session:
        for number in range(10):
            strict.insert_one({"k": number}, session=session)
            assert strict.count_documents({"k": number}, session=session) == 1
    sharded.h.with_options(write_concern=WriteConcern(0)).insert_one({"k": 1000})
    sharded.c.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        sharded.c.insert_one({"_id": 1})


@pytest.mark.parametrize("compressor", ["snappy", "zstd", "zlib"])
def test_compression(cluster, db, compressor):
    with cluster.router.client(compressors=compressor) as client:
        client[db.name].c.insert_many([{"_id": n, "text": "x" * 1000} for n in range(100)])
        assert len(list(client[db.name].c.find().batch_size(10))) == 100


def test_a_moved_chunk_is_followed(sharded, cluster, root):
    """A second router with an old table finds the data after a chunk moved."""
    second = cluster.start_router()
    try:
        with second.client() as client:
            r = client[sharded.name].r
            r.insert_many([{"_id": n, "k": n} for n in range(100)])
            assert r.find_one({"k": 1})["_id"] == 1
            to = {d["_id"] for d in root.config.shards.find()} - {
                root.config.databases.find_one({"_id": sharded.name})["primary"]
            }
            root.admin.command("moveRange", r.full_name, min={"k": MinKey()}, toShard=to.pop())
            assert r.update_one({"k": 2}, {"$set": {"a": 1}}).modified_count == 1
            assert r.find_one({"k": 1})["_id"] == 1
            assert r.count_documents({}) == 100
            assert r.insert_many([{"k": -n} for n in range(1, 5)]).acknowledged
    finally:
        assert second.stop() == 0


def test_a_dropped_and_sharded_collection_is_followed(cluster, root, db):
    second = cluster.start_router()
    try:
        with second.client() as client:
            c = client[db.name].c
            c.insert_one({"k": 1})
            db.c.drop()
            root.admin.command("shardCollection", f"{db.name}.c", key={"k": "hashed"})
            c.insert_many([{"k": n} for n in range(50)])
            assert sum(distribution(root, f"{db.name}.c").values()) == 50
            assert len(distribution(root, f"{db.name}.c")) == 2
            root.drop_database(db.name)
            assert c.count_documents({}) == 0
            c.insert_one({"k": 5})
            assert db.c.count_documents({}) == 1
    finally:
        assert second.stop() == 0


@pytest.mark.parametrize("code", [Code("f()"), Code("f()", {}), Code("f()", {"a": [1]})])
def test_code_is_no_text(code):
    encoded = bson.encode({"a": code, "b": [code], "c": {"d": code}})
    for read in (raw.shallow, raw.faithful):
        found = read(encoded)
        inner = raw.shallow(bytes(found["c"].raw))["d"]
        assert not any(isinstance(one, str) for one in (found["a"], found["b"][0], inner))
        assert raw.encode(found) == encoded
    assert raw.deep(encoded)["a"] == code
