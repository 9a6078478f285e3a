"""Backups are made while instances serve, listed, stopped and deleted."""

import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from glob import glob
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests import requests
from tests.backing_up import backup, backups, reach, recovered, restorable, restored
from tests.installation import Installation, until, uri
from tests.load import load
from tests.workflows.test_crash import check_nothing_is_orphaned


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("backups") / "data", dialect="huawei")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def a_set(own: Installation) -> dict[str, Any]:
    return own.make(requests.replica_set(name="saved-set"))


@pytest.fixture(scope="module")
def a_cluster(own: Installation) -> dict[str, Any]:
    return own.make(requests.cluster(name="saved-cluster"))


def objects(own: Installation) -> list[str]:
    """Names of what is stored; some of it may be about to go."""
    root = own.data_dir / "backups"
    walked = os.walk(root)  # which minds no folder that is gone by now
    return sorted(
        str((Path(top) / one).relative_to(root)) for top, _, ones in walked for one in ones
    )


def refused(answer: Any, code: str) -> None:
    assert (answer.status_code, answer.json()["error_code"]) == (400, code), answer.text


def test_a_set_is_backed_up_while_it_serves(own: Installation, a_set: dict[str, Any]) -> None:
    with load(a_set):
        made = backup(own, a_set["id"], "first-backup", description="before anything")
    assert made["instance_name"] == "saved-set"
    assert (made["type"], made["instance_mode"], made["description"]) == (
        "Manual",
        "ReplicaSet",
        "before anything",
    )
    assert made["size"] > 0
    assert made["begin_time"] <= made["end_time"]
    check_nothing_is_orphaned(own)
    (tar,) = [name for name in objects(own) if name.endswith(".tar")]
    assert made["id"] in tar
    body = {"instance_id": a_set["id"], "name": "first-backup"}
    refused(own.call("POST", "/backups", json={"backup": body}), "DBS.201201")


def test_backups_are_found_by_what_is_known_of_them(
    own: Installation, a_set: dict[str, Any]
) -> None:
    made = backup(own, a_set["id"], "to-be-found", description="a needle")
    ours = {"instance_id": a_set["id"]}
    for filters in (
        {"backup_id": made["id"]},
        ours | {"backup_name": "be-f"},
        ours | {"backup_description": "needle"},
        ours | {"begin_time": made["begin_time"], "end_time": "2100-01-01 00:00:00"},
    ):
        assert made["id"] in {one["id"] for one in backups(own, **filters)}, filters
    for filters in (
        {"backup_type": "Auto"},
        {"backup_status": "FAILED"},
        {"mode": "Sharding"},
        {"instance_name": "other"},
        {"begin_time": "2000-01-01 00:00:00", "end_time": "2001-01-01 00:00:00"},
    ):
        assert made["id"] not in {one["id"] for one in backups(own, **filters)}, filters
    ordered = backups(own, order_field="name", order_rule="asc")
    assert [one["name"] for one in ordered] == sorted(one["name"] for one in ordered)
    for filters, code in (
        ({"begin_time": "2000-01-01 00:00:00"}, "DBS.280416"),
        ({"backup_type": "Incremental"}, "DBS.200001"),
        ({"mode": "Heap"}, "DBS.280342"),
    ):
        answer = own.call("GET", "/backups", params=filters)
        assert (answer.status_code, answer.json()["error_code"]) == (400, code), filters


def test_a_backup_is_deleted_with_its_files(own: Installation, a_set: dict[str, Any]) -> None:
    kept = backup(own, a_set["id"], "kept-one")
    gone = [backup(own, a_set["id"], f"gone-{number}") for number in range(2)]
    answer = own.call("DELETE", f"/backups/{gone[0]['id']}")
    assert answer.status_code == 200, answer.text
    assert own.wait_job(answer.json()["job_id"])["status"] == "Completed"
    answer = own.call(
        "DELETE", "/instances/backups", json={"backup_ids": [gone[1]["id"], "0" * 32 + "br02"]}
    )
    refused(answer, "DBS.201214")
    assert backups(own, backup_id=gone[1]["id"])
    answer = own.call("DELETE", "/instances/backups", json={"backup_ids": [gone[1]["id"]]})
    assert (answer.status_code, answer.json()) == (200, {})
    until("the backup to be gone", lambda: not backups(own, backup_id=gone[1]["id"]))
    assert not [name for name in objects(own) for one in gone if one["id"] in name]
    assert [name for name in objects(own) if kept["id"] in name]
    refused(own.call("DELETE", f"/backups/{gone[0]['id']}"), "DBS.201214")
    refused(own.call("PUT", f"/backups/{kept['id']}", json={"action": "stop"}), "DBS.201202")


def test_a_backup_outlives_its_instance(own: Installation) -> None:
    single = own.make(requests.single(name="short-lived"))
    with MongoClient(uri(single)) as client:
        client["shop"]["orders"].insert_many({"_id": n} for n in range(1000))
    made = backup(own, single["id"], "of-a-single")
    own.delete(single["id"])
    (listed,) = backups(own, backup_id=made["id"])
    assert listed["instance_status"] == "deleted"
    again = restored(own, single, "second-life", backup_id=made["id"])
    with MongoClient(uri(again)) as client:
        assert client["shop"]["orders"].count_documents({}) == 1000
        client["shop"]["orders"].insert_one({"_id": 1000})
    own.delete(again["id"])


def test_a_set_is_restored_to_a_new_one(own: Installation, a_set: dict[str, Any]) -> None:
    with MongoClient(uri(a_set)) as client:
        shop = client["shop"]
        shop["goods"].insert_many({"_id": n, "k": n % 7} for n in range(5000))
        shop["goods"].create_index("k")
        client["shop"].command("createUser", "clerk", pwd="Clerk@123", roles=["readWrite"])
        made = backup(own, a_set["id"], "with-users")
        shop["goods"].drop()
        shop.command("dropUser", "clerk")
    again = restored(own, a_set, "restored-set", backup_id=made["id"])
    check_nothing_is_orphaned(own)
    (group,) = again["groups"]
    assert sorted(node["role"] for node in group["nodes"]) == ["Hidden", "Primary", "Secondary"]
    with MongoClient(uri(again)) as client:
        assert client["shop"]["goods"].count_documents({"k": 3}) == 714
        assert "k_1" in client["shop"]["goods"].index_information()
    with MongoClient(uri(again, "Clerk@123", "clerk"), authSource="shop") as client:
        client["shop"]["goods"].insert_one({"_id": -1})
    with own.system(again) as clients:
        for node in group["nodes"]:
            count = clients[node["host"]]["shop"]["goods"].count_documents
            until("every member to have it", lambda count=count: count({}) == 5001)
    own.delete(again["id"])


@pytest.mark.soak
def test_a_cluster_is_restored_to_a_new_one(own: Installation, a_cluster: dict[str, Any]) -> None:
    with MongoClient(uri(a_cluster)) as client:
        client.admin.command("enableSharding", "shop", primaryShard="shard_1")
        client.admin.command("shardCollection", "shop.goods", key={"_id": "hashed"})
        client["shop"]["goods"].insert_many({"_id": n} for n in range(2000))
        with load(a_cluster, "shop", "orders"):
            made = backup(own, a_cluster["id"], "of-a-cluster")
    again = restored(own, a_cluster, "restored-cluster", backup_id=made["id"])
    check_nothing_is_orphaned(own)
    with MongoClient(uri(again)) as client:
        goods = client["shop"]["goods"]
        assert goods.count_documents({}) == 2000
        shards = client["shop"].command("collStats", "goods")["shards"]
        assert set(shards) == {"shard_1", "shard_2"}
        numbers = sorted(one["_id"] for one in client["shop"]["orders"].find())
        assert numbers == list(range(len(numbers)))
        goods.insert_many({"_id": n} for n in range(2000, 3000))
        assert goods.count_documents({}) == 3000
        client.admin.command("shardCollection", "shop.more", key={"k": 1})
    own.delete(again["id"])


def test_a_set_gets_an_earlier_state_back(own: Installation, a_set: dict[str, Any]) -> None:
    with MongoClient(uri(a_set)) as client:
        client["shop"]["stock"].insert_many({"_id": n, "n": n} for n in range(100))
    made = backup(own, a_set["id"], "before-the-mistake")
    with MongoClient(uri(a_set)) as client:
        client.drop_database("shop")
        client["other"]["things"].insert_one({"_id": 1})
        answer = own.call(
            "PUT", f"/instances/{a_set['id']}/reset-password", json={"user_pwd": "Newer@123"}
        )
        assert answer.status_code == 200, answer.text
    body = {"source": {"instance_id": a_set["id"], "backup_id": made["id"]}}
    for target, status, code in (
        ("0" * 32 + "in02", 404, "DBS.200002"),
        (a_set["id"], 400, "DBS.201214"),
    ):
        wrong = body | {"target": {"instance_id": target}}
        if target == a_set["id"]:
            wrong["source"] = {"instance_id": target, "backup_id": "0" * 32 + "br02"}
        answer = own.call("POST", "/instances/recovery", json=wrong)
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    listed = recovered(own, a_set, backup_id=made["id"])
    with MongoClient(uri(listed, "Newer@123")) as client:
        assert client["shop"]["stock"].count_documents({}) == 100
        assert "other" not in client.list_database_names()
        client["shop"]["stock"].insert_one({"_id": 100})
        answer = own.call(
            "PUT", f"/instances/{a_set['id']}/reset-password", json={"user_pwd": "Test@123"}
        )
        assert answer.status_code == 200, answer.text
    until("nothing to lie aside", lambda: not asides(own))
    check_nothing_is_orphaned(own)
    body = {
        "source": {"instance_id": a_set["id"], "backup_id": made["id"]},
        "target": {"instance_id": a_set["id"]},
    }
    started = own.call("POST", "/instances/recovery", json=body)
    refused(own.call("DELETE", f"/backups/{made['id']}"), "DBS.201319")
    assert own.wait_job(started.json()["job_id"], 120)["status"] == "Completed"


@pytest.mark.soak
def test_a_cluster_gets_an_earlier_state_back(own: Installation, a_cluster: dict[str, Any]) -> None:
    with MongoClient(uri(a_cluster)) as client:
        client.admin.command("shardCollection", "shop.stock", key={"_id": "hashed"})
        client["shop"]["stock"].insert_many({"_id": n} for n in range(500))
        made = backup(own, a_cluster["id"], "cluster-before")
        client["shop"]["stock"].drop()
        client.admin.command("shardCollection", "shop.later", key={"_id": 1})
    listed = recovered(own, a_cluster, backup_id=made["id"])
    with MongoClient(uri(listed)) as client:
        assert client["shop"]["stock"].count_documents({}) == 500
        assert "later" not in client["shop"].list_collection_names()
        client["shop"]["stock"].insert_many({"_id": n} for n in range(500, 600))
        assert len(client["shop"].command("collStats", "stock")["shards"]) == 2
    until("nothing to lie aside", lambda: not asides(own))
    check_nothing_is_orphaned(own)


def test_what_cannot_be_recovered_leaves_the_instance_as_it_was(
    own: Installation, a_set: dict[str, Any]
) -> None:
    """A backup's file was changed: that is found before anything is replaced."""
    with MongoClient(uri(a_set)) as client:
        client["shop"]["kept"].insert_one({"_id": 1})
    made = backup(own, a_set["id"], "to-be-damaged")
    (path,) = (own.data_dir / "backups").rglob(f"{made['id']}/*.tar")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    body = {
        "source": {"instance_id": a_set["id"], "backup_id": made["id"]},
        "target": {"instance_id": a_set["id"]},
    }
    with load(a_set):
        answer = own.call("POST", "/instances/recovery", json=body)
        job = own.wait_job(answer.json()["job_id"], 120)
    assert job["status"] == "Failed"
    assert "damaged" in job["fail_reason"]
    listed = own.instance(a_set["id"])
    assert listed is not None
    assert (listed["status"], listed["actions"]) == ("normal", [])
    with MongoClient(uri(listed)) as client:
        assert client["shop"]["kept"].count_documents({}) == 1
    check_nothing_is_orphaned(own)


def asides(own: Installation) -> list[str]:
    """Volumes beside those of nodes."""
    return glob(f"{own.data_dir}/instances/*/*-*")


def test_a_deleted_instance_is_in_the_recycle_bin(own: Installation) -> None:
    path = "/instances/recycle-policy"
    default = {"enabled": True, "retention_period_in_days": 7}
    assert own.call("GET", path).json() == {"recycle_policy": default}
    for wrong in ({"enabled": False}, {"enabled": True, "retention_period_in_days": 8}):
        answer = own.call("PUT", path, json={"recycle_policy": wrong})
        assert answer.status_code == 400, answer.text
    shorter = {"enabled": True, "retention_period_in_days": 1}
    assert own.call("PUT", path, json={"recycle_policy": shorter}).status_code == 200
    assert own.call("GET", path).json() == {"recycle_policy": shorter}

    policy = {"start_time": "08:15-09:15", "keep_days": "7"}
    made = own.make(requests.single(name="recycled", backup_strategy=policy))
    ours = {"instance_id": made["id"], "backup_status": "COMPLETED"}
    (automatic,) = until("the first backup", lambda: backups(own, **ours) or None, 60)
    assert automatic["type"] == "Auto"
    assert automatic["deletable"] is False
    refused(own.call("DELETE", f"/backups/{automatic['id']}"), "DBS.201202")
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_one({"_id": "last"})
    moment = time.time_ns() // 1_000_000
    reach(own, made["id"], moment)
    own.delete(made["id"])
    answer = own.call("GET", "/recycle-instances").json()
    (entry,) = [one for one in answer["instances"] if one["id"] == made["id"]]
    assert (entry["name"], entry["backup_id"]) == ("recycled", automatic["id"])
    kept = datetime.fromisoformat(entry["retained_until"])
    assert timedelta(hours=23) < kept - datetime.now(UTC) < timedelta(days=1, seconds=1)
    point = {"type": "timestamp", "instance_id": made["id"], "restore_time": moment}
    again = restored(own, made, "out-of-the-bin", **point)
    with MongoClient(uri(again)) as client:
        assert client["shop"]["orders"].find_one() == {"_id": "last"}
    own.delete(again["id"])


@pytest.mark.soak
def test_incremental_backups(own: Installation) -> None:
    policy = {"start_time": "08:15-09:15", "keep_days": "7"}
    made = own.make(requests.single(name="incremental", backup_strategy=policy))
    path = f"/instances/{made['id']}/backups/policy"
    assert own.call("GET", path).json()["backup_policy"]["enable_incremental_backup"] is True
    full = {"instance_id": made["id"], "backup_type": "Auto", "backup_status": "COMPLETED"}
    until("the first backup", lambda: backups(own, **full) or None, 60)
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_one({"_id": "after the backup"})
        reach(own, made["id"], time.time_ns() // 1_000_000)
        kind = {"backup_type": "Incremental", "instance_id": made["id"]}
        (listed, *_) = backups(own, **kind)
        assert (listed["type"], listed["backup_method"]) == ("Incremental", "Incremental")
        assert listed["size"] > 0
        assert backups(own, **kind, backup_id=listed["id"]) == [listed]
        assert listed["id"] not in {one["id"] for one in backups(own, instance_id=made["id"])}
        refused(own.call("DELETE", f"/backups/{listed['id']}"), "DBS.201214")
        client["shop"]["orders"].drop()
        client["shop"]["orders"].insert_one({"_id": "before it is restored"})
        reach(own, made["id"], time.time_ns() // 1_000_000)
    recovered(own, made, backup_id=listed["id"])
    with MongoClient(uri(made)) as client:
        assert client["shop"]["orders"].distinct("_id") == ["before it is restored"]

    def switch(**changed: Any) -> None:
        answer = own.call("PUT", path, json={"backup_policy": changed})
        assert (answer.status_code, answer.json()) == (200, {})

    switch(enable_incremental_backup=False)
    assert own.call("GET", path).json()["backup_policy"] == {
        "keep_days": 7,
        "start_time": "08:15-09:15",
        "period": "1,2,3,4,5,6,7",
        "enable_incremental_backup": False,
    }
    assert backups(own, **kind) == []
    assert restorable(own, made["id"]) == []
    own.stop()
    own.start()  # it looks at once what may go
    until("no slice", lambda: not [n for n in objects(own) if f"{made['id']}/oplog/" in n])
    known = len(backups(own, **full))
    switch(enable_incremental_backup=True)
    until("another full backup", lambda: len(backups(own, **full)) > known, 60)
    until("its first increment", lambda: backups(own, **kind) or None, 60)
    own.delete(made["id"])


def test_what_is_too_old_goes(own: Installation, a_set: dict[str, Any]) -> None:
    """The time in the bin is over: files of automatic backups are gone, manual ones stay."""
    kept = backup(own, a_set["id"], "kept-for-ever")
    recycled = own.call("GET", "/recycle-instances").json()["instances"]
    (gone,) = [one["id"] for one in recycled if one["name"] == "recycled"]
    own.stop()
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        store.execute("UPDATE recycle_bin SET retained_until = '2020-01-01 00:00:00.000000'")
    own.start()
    until("files to be gone", lambda: not [n for n in objects(own) if n.startswith(gone)])
    assert own.call("GET", "/recycle-instances").json() == {"instances": [], "total_count": 0}
    assert not backups(own, instance_id=gone)
    manual = [kept, *backups(own, instance_name="short-lived")]
    for one in manual:
        assert backups(own, backup_id=one["id"])
        assert [name for name in objects(own) if one["id"] in name]


def test_a_backup_is_stopped(own: Installation, a_set: dict[str, Any]) -> None:
    """While it waits for a frozen member, for example, which it would copy."""
    hidden = next(n["id"] for n in a_set["groups"][0]["nodes"] if n["role"] == "Hidden")
    (process,) = own.nodes(hidden)
    process.suspend()
    try:
        body = {"instance_id": a_set["id"], "name": "to-be-stopped"}
        started = own.call("POST", "/backups", json={"backup": body}).json()
        (listed,) = backups(own, backup_id=started["backup_id"])
        assert (listed["status"], listed["deletable"]) == ("BUILDING", False)
        answer = own.call("PUT", f"/backups/{started['backup_id']}", json={"action": "stop"})
        assert (answer.status_code, answer.json()["job_id"]) == (200, started["job_id"])
        job = own.wait_job(started["job_id"], 60)
    finally:
        process.resume()
    assert job["status"] == "Failed"
    assert "stopped" in job["fail_reason"]
    (listed,) = backups(own, backup_id=started["backup_id"])
    assert (listed["status"], listed["size"]) == ("FAILED", 0)
    assert not [name for name in objects(own) if started["backup_id"] in name]
    until("nothing to lie aside", lambda: not asides(own))
    answer = own.call("DELETE", f"/backups/{started['backup_id']}")
    assert own.wait_job(answer.json()["job_id"])["status"] == "Completed"
    assert not backups(own, backup_id=started["backup_id"])
