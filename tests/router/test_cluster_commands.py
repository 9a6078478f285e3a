"""Administration of shards and chunks, mapReduce, operations, fail points: on a live cluster."""

from __future__ import annotations

import datetime

import pytest
from bson import Code, MinKey
from pymongo.errors import AutoReconnect, OperationFailure

COUNT = Code("function() { emit(this.v, 1) }")
COUNT_IN_SCOPE = Code("function() { emit(this.v, one.more) }")
TOTAL = Code("function(k, v) { return Array.sum(v) }")


def code_of(run) -> int | None:
    with pytest.raises(OperationFailure) as error:
        run()
    return error.value.code


@pytest.fixture
def sharded(root, db):
    """A ranged collection, its 90 documents all on the first shard."""
    root.admin.command("enableSharding", db.name, primaryShard="s0")
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": 1})
    db.c.insert_many([{"k": k, "v": k % 3} for k in range(90)])
    return f"{db.name}.c"


def chunks(root, namespace):
    uuid = root.config.collections.find_one({"_id": namespace})["uuid"]
    found = root.config.chunks.find({"uuid": uuid}).sort("min", 1)
    return [(one["min"]["k"], one["shard"]) for one in found]


def test_chunks_are_split_moved_and_merged(root, db, sharded):
    admin = root.admin
    admin.command("split", sharded, middle={"k": 30})
    admin.command("split", sharded, find={"k": 60})
    admin.command("split", sharded, bounds=[{"k": MinKey()}, {"k": 30}])
    lows = [low for low, _ in chunks(root, sharded)]
    assert (lows[0], lows[1] < 30, lows[2], lows[3] > 30) == (MinKey(), True, 30, True)
    admin.command("moveChunk", sharded, find={"k": 89}, to="s1")
    assert [shard for _, shard in chunks(root, sharded)] == ["s0", "s0", "s0", "s1"]
    admin.command("mergeChunks", sharded, bounds=[{"k": MinKey()}, {"k": 30}])
    assert len(chunks(root, sharded)) == 3
    admin.command("moveChunk", sharded, bounds=[{"k": 30}, {"k": lows[3]}], to="s1")
    assert [shard for _, shard in chunks(root, sharded)] == ["s0", "s1", "s1"]
    assert db.c.count_documents({}) == 90
    assert code_of(lambda: admin.command("split", sharded)) == 2
    assert code_of(lambda: admin.command("moveChunk", sharded, find={"k": 1}, to="none")) == 70
    assert code_of(lambda: admin.command("split", f"{db.name}.none", middle={"k": 1})) == 118


def test_the_primary_moves_and_the_key_is_refined(root, db, sharded):
    db.u.insert_one({"_id": 1})
    assert root.admin.command("movePrimary", db.name, to="s1")["primary"] == "s1"
    assert db.u.find_one() == {"_id": 1}
    db.c.create_index([("k", 1), ("v", 1)])
    root.admin.command("refineCollectionShardKey", sharded, key={"k": 1, "v": 1})
    assert root.config.collections.find_one({"_id": sharded})["key"] == {"k": 1, "v": 1}


@pytest.mark.parametrize("name", ["c", "u"])
def test_map_reduce(db, root, sharded, name):
    db.u.insert_many([{"k": k, "v": k % 3} for k in range(90)])
    root.admin.command("split", sharded, middle={"k": 45})
    root.admin.command("moveChunk", sharded, find={"k": 45}, to="s1")

    def run(**options):
        return db.command("mapReduce", name, reduce=TOTAL, **options)

    scope = {"one": {"more": 2}}
    inline = run(map=COUNT_IN_SCOPE, scope=scope, out={"inline": 1})["results"]
    assert sorted((r["_id"], r["value"]) for r in inline) == [(0, 60), (1, 60), (2, 60)]
    for out in ("out", {"merge": "out"}, {"reduce": "out"}):
        run(map=COUNT, out=out)
    assert [r["value"] for r in db.out.find()] == [60, 60, 60]


def test_statistics_of_all_shards(db, root, sharded):
    assert db.command("dataSize", sharded)["numObjects"] == 90
    assert db.command("dbStats", scale=1024)["scaleFactor"] == 1024
    stats = db.command("collStats", "c", scale=2)
    assert (stats["nchunks"], stats["scaleFactor"], stats["sharded"]) == (1, 2, True)
    assert root.admin.command("getShardVersion", sharded)["versionEpoch"]
    for command in ("planCacheClear", "planCacheListFilters", "validate"):
        assert db.command(command, "c")["ok"] == 1
    assert code_of(lambda: db.command("convertToCapped", "c", size=1000)) == 20


def test_fields_that_tools_send_are_taken_or_overlooked_as_by_a_server(db, sharded):
    """mongorestore asks for indexes so; older tools ask for statistics with more than we know."""
    index = {"key": {"v": 1}, "name": "v_1", "unknown": True}
    answer = db.command("createIndexes", "c", indexes=[index], ignoreUnknownIndexOptions=True)
    assert all(one["numIndexesAfter"] > one["numIndexesBefore"] for one in answer["raw"].values())
    for name in ("collStats", "validate", "planCacheClear", "planCacheListFilters"):
        assert db.command(name, "c", unknown=1)["ok"] == 1
    assert db.command("dbStats", unknown=1)["ok"] == 1
    assert db.command("dataSize", sharded, unknown=1)["ok"] == 1
    change = {"query": {"k": 1}, "update": {"$set": {"z": 1}}}
    assert db.command("findAndModify", "c", **change, batchSize=1, singleBatch=True)["value"]
    deletes = [{"q": {"k": 1}, "limit": 1}]
    assert db.command("delete", "c", deletes=deletes, bypassDocumentValidation=True)["n"] == 1
    assert code_of(lambda: db.command("find", "c", unknown=1)) == 40415


@pytest.mark.parametrize("key", [None, {"m": "hashed"}])
def test_statistics_of_a_time_series(db, root, key):
    options = {"timeField": "t", "metaField": "m"}
    db.drop_collection("series")
    db.create_collection("series", timeseries=options)
    empty = db.command("collStats", "series")
    assert empty["timeseries"]["bucketCount"] == 0
    assert "count" not in empty
    if key is not None:
        db.drop_collection("series")
        root.admin.command("shardCollection", f"{db.name}.series", key=key, timeseries=options)
    when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    db.series.insert_many([{"t": when, "m": number, "x": 1} for number in range(10)])
    stats = db.command("collStats", "series")
    assert stats["sharded"] is (key is not None)
    assert len(stats["shards"]) == (1 if key is None else 2)
    counted = stats["timeseries"]
    assert counted["bucketsNs"] == f"{db.name}.system.buckets.series"
    assert counted["bucketCount"] == counted["numMeasurementsCommitted"] == 10
    assert counted["avgBucketSize"] == stats["size"] // 10
    assert counted["avgNumMeasurementsPerCommit"] == 10 // counted["numCommits"]


@pytest.mark.parametrize("before", [{"$match": {}}, {"$sort": {"a": 1}}, {"$group": {"_id": "$a"}}])
@pytest.mark.parametrize("source", [{"$indexStats": {}}, {"$collStats": {"count": {}}}])
def test_sources_stand_first_as_shards_say(db, sharded, before, source):
    assert code_of(lambda: list(db.c.aggregate([before, source]))) == 40602
    assert code_of(lambda: list(db.elsewhere.aggregate([before, source]))) == 40602
    assert code_of(lambda: list(db.c.aggregate([{"$match": {}}, {"$indexStats": 5}]))) == 28803


def test_what_a_mongos_refuses_is_refused(root):
    for command in ("top", "replSetReconfig", "applyOps", "compact", "reIndex", "dbHash"):
        assert code_of(lambda command=command: root.admin.command(command, "c")) == 59
    assert code_of(lambda: root.admin.command("profile", 2)) == 2
    assert (
        code_of(lambda: root.admin.command("configureFailPoint", "failCommand", mode="off")) == 59
    )
    assert code_of(lambda: root.admin.command("setParameter", 1, enableTestCommands=True)) == 20


def test_operations_bear_the_names_and_users_of_their_clients(cluster, root, db):
    mine = root.admin.command("currentOp", **{"$ownOps": True})["inprog"]
    assert mine
    assert "clusterAggregate" not in {name for op in mine for name in op.get("command", ())}
    assert any(op["clientMetadata"]["mongos"]["version"] == "6.0.5" for op in mine)
    db.command("createUser", "nobody", pwd="x", roles=[])
    with cluster.router.client("nobody", "x", authSource=db.name) as client:
        seen = list(client.admin.aggregate([{"$currentOp": {}}]))
        users = {user["user"] for op in seen for user in op.get("effectiveUsers", ())}
        assert users <= {"nobody", "__system"}
        assert seen
        assert code_of(lambda: client.admin.command("killOp", op="s0:1")) == 13
    assert root.admin.command("killOp", op="s0:999999999")["shard"] == "s0"


def test_fail_points_when_test_commands_are_enabled(cluster, db):
    router = cluster.start_router("--setParameter", "enableTestCommands=1")
    try:
        with router.client(retryReads=False) as client:
            mine = client[db.name].c

            def fail(mode, **data):
                data["failCommands"] = ["find", "insert"]
                client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

            fail({"times": 1}, errorCode=5)
            assert code_of(mine.find_one) == 5
            assert mine.find_one() is None
            fail({"times": 1}, closeConnection=True)
            with pytest.raises(AutoReconnect):
                mine.find_one()
            fail({"times": 1}, errorCode=91)
            mine.insert_one({"_id": 1})  # the driver repeats it
            assert mine.find_one() == {"_id": 1}
    finally:
        assert router.stop() == 0
