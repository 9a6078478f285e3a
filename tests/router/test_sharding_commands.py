"""shardCollection in all its forms, resharding under load, zones, the balancer, and the rest."""

from __future__ import annotations

import threading

import pytest
from bson import MaxKey, MinKey
from pymongo.collation import Collation
from pymongo.errors import OperationFailure, PyMongoError

from tests.router.cluster import until


def code_of(run) -> int | None:
    with pytest.raises(OperationFailure) as error:
        run()
    return error.value.code


def chunks(root, namespace) -> list[dict]:
    uuid = root.config.collections.find_one({"_id": namespace})["uuid"]
    return list(root.config.chunks.find({"uuid": uuid}).sort("min", 1))


@pytest.mark.parametrize(
    ("key", "options", "count"),
    [
        ({"k": 1}, {}, 1),
        ({"k": 1, "v": 1}, {"unique": True}, 1),
        ({"k": "hashed"}, {}, 4),
        ({"k": "hashed"}, {"numInitialChunks": 6}, 6),
        ({"k": "hashed", "v": 1}, {"numInitialChunks": 4}, 4),
        ({"v": 1, "k": "hashed"}, {}, 1),
        ({"a.k": 1}, {"collation": {"locale": "simple"}}, 1),
    ],
)
def test_forms_of_shard_keys(root, db, key, options, count):
    namespace = f"{db.name}.c"
    for _ in range(2):
        done = root.admin.command("shardCollection", namespace, key=key, **options)
        assert done["collectionsharded"] == namespace
    found = root.config.collections.find_one({"_id": namespace})
    assert (found["key"], found.get("unique", False)) == (key, options.get("unique", False))
    assert len(chunks(root, namespace)) == count
    db.c.insert_many([{"k": n, "v": n, "a": {"k": n}} for n in range(40)])
    assert db.c.count_documents({}) == 40
    assert db.c.find_one({"k": 7, "v": 7, "a.k": 7})["k"] == 7


@pytest.mark.parametrize(
    ("key", "options", "code"),
    [
        ({"k": "hashed"}, {"unique": True}, 72),
        ({"k": 1}, {"numInitialChunks": 4}, 72),
        ({"k": "text"}, {}, 2),
        ({}, {}, 2),
    ],
)
def test_shard_keys_that_cannot_be(root, db, key, options, code):
    namespace = f"{db.name}.c"
    refused = code_of(lambda: root.admin.command("shardCollection", namespace, key=key, **options))
    assert refused == code
    assert root.config.collections.find_one({"_id": namespace}) is None


def test_collations_and_time_series(root, db):
    db.create_collection("c", collation=Collation("en", strength=2))
    namespace = f"{db.name}.c"
    assert code_of(lambda: root.admin.command("shardCollection", namespace, key={"k": 1})) == 2
    simple = {"locale": "simple"}
    root.admin.command("shardCollection", namespace, key={"k": 1}, collation=simple)
    db.c.insert_many([{"k": "a"}, {"k": "A"}])
    assert db.c.count_documents({"k": "a"}) == 2
    series = {"timeField": "t", "metaField": "m"}
    root.admin.command("shardCollection", f"{db.name}.ts", key={"m": 1}, timeseries=series)
    buckets = root.config.collections.find_one({"_id": f"{db.name}.system.buckets.ts"})
    assert buckets["timeseriesFields"]["metaField"] == "m"


def test_resharding_under_load(root, db, cluster, elsewhere):
    with cluster.config.client() as config:
        config.admin.command("setParameter", 1, reshardingMinimumOperationDurationMillis=0)
    namespace = f"{db.name}.c"
    root.admin.command("shardCollection", namespace, key={"k": 1})
    db.c.insert_many([{"_id": n, "k": n, "v": -n} for n in range(50)])
    there, over = elsewhere[db.name].c, threading.Event()
    written, failed = [], []

    def load() -> None:
        number = 50
        while not over.is_set():
            try:
                there.insert_one({"_id": number, "k": number, "v": -number})
                there.update_one({"_id": number, "k": number, "v": -number}, {"$set": {"x": 1}})
                written.append(number)
            except PyMongoError as error:
                failed.append(error)
                return
            number += 1

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    try:
        root.admin.command("reshardCollection", namespace, key={"v": 1}, numInitialChunks=1)
        resharded = len(written)
        until("writes after it", lambda: failed or len(written) > resharded + 5)
    finally:
        over.set()
        thread.join()
    assert not failed
    assert root.config.collections.find_one({"_id": namespace})["key"] == {"v": 1}
    assert there.count_documents({}) == 50 + len(written) == db.c.count_documents({})
    assert there.count_documents({"x": 1}) == len(written)
    plan = there.find({"v": -7}).explain()["queryPlanner"]["winningPlan"]
    assert plan["stage"] == "SINGLE_SHARD"
    for name in ("abortReshardCollection", "commitReshardCollection"):
        assert code_of(lambda name=name: root.admin.command(name, namespace)) == 339
    assert root.admin.command("cleanupReshardCollection", namespace)["ok"] == 1


def test_zones_move_what_they_name(root, db):
    namespace = f"{db.name}.c"
    root.admin.command("enableSharding", db.name, primaryShard="s0")
    zone = f"zone_{db.name}"
    root.admin.command("addShardToZone", "s1", zone=zone)
    root.admin.command("updateZoneKeyRange", namespace, min={"k": 0}, max={"k": 9}, zone=zone)
    assert code_of(lambda: root.admin.command("removeShardFromZone", "s1", zone=zone)) == 163
    assert code_of(lambda: root.admin.command("addShardToZone", "none", zone=zone)) == 70
    root.admin.command("shardCollection", namespace, key={"k": 1})
    assert [(c["min"]["k"], c["shard"]) for c in chunks(root, namespace)][1] == (0, "s1")
    root.admin.command("updateZoneKeyRange", namespace, min={"k": 0}, max={"k": 9}, zone=None)
    root.admin.command("removeShardFromZone", "s1", zone=zone)
    assert root.config.tags.count_documents({"tag": zone}) == 0


def test_the_balancer_of_one_collection(root, db):
    namespace = f"{db.name}.c"
    root.admin.command("shardCollection", namespace, key={"k": 1})
    status = root.admin.command("balancerCollectionStatus", namespace)
    assert (status["balancerCompliant"], status["chunkSize"]) == (True, 128)
    root.admin.command("configureCollectionBalancing", namespace, chunkSize=2)
    assert root.admin.command("balancerCollectionStatus", namespace)["chunkSize"] == 2
    window = {"activeWindow": {"start": "23:00", "stop": "6:00"}}
    root.config.settings.update_one({"_id": "balancer"}, {"$set": window}, upsert=True)
    assert root.admin.command("balancerStatus")["mode"] == "full"
    root.config.settings.update_one({"_id": "balancer"}, {"$unset": {"activeWindow": 1}})
    root.admin.command("setAllowMigrations", namespace, allowMigrations=False)
    primary = root.config.databases.find_one({"_id": db.name})["primary"]
    other = "s1" if primary == "s0" else "s0"
    move = {"min": {"k": MinKey()}, "max": {"k": MaxKey()}, "toShard": other}
    assert code_of(lambda: root.admin.command("moveRange", namespace, **move)) == 117
    root.admin.command("setAllowMigrations", namespace, allowMigrations=True)
    root.admin.command("moveRange", namespace, **move)
    assert chunks(root, namespace)[0]["shard"] == other
    root.admin.command("clearJumboFlag", namespace, find={"k": 1})
    assert root.admin.command("repairShardedCollectionChunksHistory", namespace)["ok"] == 1


def test_what_else_a_mongos_answers(root, db, cluster):
    admin = root.admin
    assert admin.command("netstat")["configserver"] == f"cfg/{cluster.config.address}"
    assert admin.command("isdbgrid")["isdbgrid"] == 1
    sample = admin.command("getDiagnosticData")["data"]
    status = sample["serverStatus"]
    assert sample["start"] <= status["start"] <= status["localTime"] <= status["end"]
    assert status["end"] <= sample["end"]
    assert status["pid"] == admin.command("serverStatus")["pid"]
    assert len(admin.command("appendOplogNote", data={"msg": "x"})["raw"]) == 2
    strict = {"version": "1", "strict": True}
    assert admin.command("validateDBMetadata", apiParameters=strict)["apiVersionErrors"] == []
    db.c.insert_many([{"k": n} for n in range(10)])
    db.c.create_index("k")
    split = db.command("splitVector", f"{db.name}.c", keyPattern={"k": 1}, force=True)
    assert split["splitKeys"] == [{"k": 5}]
    assert set(admin.command("getShardMap")["map"]) >= {"s0", "s1", "config"}
    for name in ("cleanupOrphaned", "top", "replSetReconfig"):
        assert code_of(lambda name=name: admin.command(name, f"{db.name}.c")) == 59
    assert admin.command("flushRouterConfig")["flushed"] is True
