"""Databases, collections, indexes, shards, diagnostics: what mongosh and tools ask for."""

from __future__ import annotations

import pytest
from pymongo.errors import CollectionInvalid, OperationFailure

from tests.router.cluster import ENGINE, until


def test_collections_and_indexes(db):
    db.create_collection("c", validator={"a": {"$exists": True}})
    with pytest.raises(CollectionInvalid):
        db.create_collection("c")
    with pytest.raises(OperationFailure) as invalid:
        db.c.insert_one({"b": 1})
    assert invalid.value.code == 121
    db.command("collMod", "c", validationLevel="off")
    db.c.insert_one({"b": 1})
    assert db.c.create_index([("a", 1), ("b", -1)], name="ab", unique=True) == "ab"
    assert set(db.c.index_information()) == {"_id_", "ab"}
    db.c.drop_index("ab")
    with pytest.raises(OperationFailure) as missing:
        db.c.drop_index("ab")
    assert missing.value.code == 27
    db.c.rename("d")
    assert db.list_collection_names() == ["d"]
    assert db.command("validate", "d")["valid"]
    db.d.drop()
    db.d.drop()
    assert db.list_collection_names() == []


def test_databases(root, db):
    assert db.name not in root.list_database_names()
    root.drop_database(db.name)
    db.c.insert_one({"x": "y" * 1000})
    listed = {entry["name"]: entry for entry in root.list_databases()}
    assert {"admin", "config", db.name} <= set(listed)
    assert "local" not in listed
    assert listed[db.name]["sizeOnDisk"] > 0
    assert db.command("dbStats")["objects"] == 1
    root.drop_database(db.name)
    assert db.name not in root.list_database_names()


def test_sharded_collections(root, db):
    shard = root.admin.command("listShards")["shards"][1]["_id"]
    root.admin.command("enableSharding", db.name, primaryShard=shard)
    assert root.config.databases.find_one({"_id": db.name})["primary"] == shard
    sharded = root.admin.command("shardCollection", f"{db.name}.c", key={"k": "hashed"})
    assert sharded["collectionsharded"] == f"{db.name}.c"
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": "hashed"})
    with pytest.raises(OperationFailure) as other_key:
        root.admin.command("shardCollection", f"{db.name}.c", key={"z": 1})
    assert other_key.value.code == 23
    db.c.insert_many([{"k": n} for n in range(100)])
    db.c.create_index("x")
    assert set(db.c.index_information()) == {"_id_", "k_hashed", "x_1"}
    stats = db.command("collStats", "c")
    assert (stats["sharded"], stats["count"], len(stats["shards"])) == (True, 100, 2)
    assert stats["nindexes"] == 3
    db.c.drop()
    assert root.config.collections.find_one({"_id": f"{db.name}.c"}) is None


def test_what_sh_status_reads(root, db):
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": 1})
    assert root.config.version.find_one()["clusterId"]
    assert root.config.shards.count_documents({}) == 2
    assert root.config.databases.find_one({"_id": db.name})
    uuid = root.config.collections.find_one({"_id": f"{db.name}.c"})["uuid"]
    grouped = root.config.chunks.aggregate(
        [{"$match": {"uuid": uuid}}, {"$group": {"_id": "$shard", "n": {"$sum": 1}}}]
    )
    assert sum(group["n"] for group in grouped) == 1
    assert root.admin.command("balancerStatus")["mode"] in ("full", "off")
    root.admin.command("balancerStop")
    assert root.admin.command("balancerStatus")["mode"] == "off"
    root.admin.command("balancerStart")
    assert root.admin.command("getShardMap")["map"]


def test_the_router_lists_itself(cluster, root):
    def listed():
        return [
            m for m in root.config.mongos.find() if m["_id"].endswith(f":{cluster.router.port}")
        ]

    entry = until("the router to be listed", listed)[0]
    assert entry["mongoVersion"] == "6.0.5"


def test_diagnostics(root):
    admin = root.admin
    assert admin.command("buildInfo")["version"] == ENGINE.version
    status = admin.command("serverStatus")
    assert status["process"] == "mongos"
    assert status["connections"]["current"] > 0
    assert status["opcounters"]["command"] > 0
    assert 10 < status["mem"]["resident"] < 60
    assert admin.command("isdbgrid")["isdbgrid"] == 1
    assert admin.command("whatsmyuri")["you"].startswith("127.0.0.1:")
    assert "find" in admin.command("listCommands")["commands"]
    assert admin.command("getCmdLineOpts")["parsed"]["sharding"]["configDB"].startswith("cfg/")
    assert "authenticationMechanisms" in admin.command("getParameter", "*")
    assert admin.command("hostInfo")["system"]["numCores"] >= 1
    assert admin.command("getLog", "startupWarnings")["log"] == []
    assert "defaultWriteConcern" in admin.command("getDefaultRWConcern")
    with pytest.raises(OperationFailure) as elsewhere:
        root.test.command("listShards")
    assert elsewhere.value.code == 13


def test_sessions(root, db):
    started = root.admin.command("startSession")
    assert started["timeoutMinutes"] == 30
    lsid = started["id"]
    db.command("insert", "c", documents=[{}], lsid=lsid)
    assert root.admin.command("refreshSessions", [lsid])["ok"] == 1
    assert root.admin.command("killSessions", [lsid])["ok"] == 1
    assert root.admin.command("endSessions", [lsid])["ok"] == 1
    assert root.admin.command("killAllSessions", [])["ok"] == 1
