"""Databases and collections are restored into the instance they were lost from, which serves."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Regex
from pymongo import ASCENDING, MongoClient
from pymongo.errors import WriteError

from tests import requests
from tests.backing_up import POLICY, backed_up, reach
from tests.installation import Installation, until, uri
from tests.load import load
from tests.workflows.test_crash import check_nothing_is_orphaned

Client = MongoClient[dict[str, Any]]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("tables") / "data", dialect="huawei")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def a_set(own: Installation) -> dict[str, Any]:
    return backed_up(own, requests.replica_set(name="tables", backup_strategy=POLICY))


@pytest.fixture(scope="module")
def a_cluster(own: Installation) -> dict[str, Any]:
    return backed_up(own, requests.cluster(name="cluster-tables", backup_strategy=POLICY))


def now() -> int:
    """A moment that holds in a cluster as well: of a whole second, with nothing written in it. What
    is written next makes it restorable."""
    moment = (time.time_ns() // 1_000_000_000 + 1) * 1000
    while time.time_ns() // 1_000_000 <= moment + 1000:
        time.sleep(0.01)
    return moment


def listed(own: Installation, instance: dict[str, Any], kind: str, **query: Any) -> list[str]:
    path = f"/instances/{instance['id']}/restore-{kind}"
    answer = own.call("GET", path, params=query)
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()[f"{kind}s"]
    return found


def ask(own: Installation, instance: dict[str, Any], *wanted: dict[str, Any]) -> Any:
    path = f"/instances/{instance['id']}/restore/collections"
    return own.call("POST", path, json={"restore_collections": list(wanted)})


def restore(own: Installation, instance: dict[str, Any], *wanted: dict[str, Any]) -> dict[str, Any]:
    """The job, when it has ended."""
    answer = ask(own, instance, *wanted)
    assert answer.status_code == 200, answer.text
    job = own.wait_job(answer.json()["job_id"], 240)
    assert job["name"] == "MongodbRestoreTable"
    return job


def restored(own: Installation, instance: dict[str, Any], *wanted: dict[str, Any]) -> None:
    job = restore(own, instance, *wanted)
    assert job["status"] == "Completed", job


def of(database: str, moment: int, **names: str) -> dict[str, Any]:
    """Collections of a moment, by their old names; an empty new one replaces."""
    collections = [
        {"old_name": old, "restore_collection_time": str(moment)}
        | ({"new_name": new} if new else {})
        for old, new in names.items()
    ]
    return {"database": database, "collections": collections}


def is_clean(own: Installation, instance: dict[str, Any], client: Client) -> None:
    """Nothing of a job stays."""
    for database in client.list_database_names():
        if database not in ("admin", "config", "local"):
            names = client[database].list_collection_names()
            assert not [name for name in names if name.startswith("restored.")]
    users = [user["user"] for user in client.admin.command("usersInfo", 1)["users"]]
    assert not [user for user in users if user.startswith("shardhouse-")]
    assert not list((own.data_dir / "instances").glob("*/*-*"))
    check_nothing_is_orphaned(own)


def fill(client: Client) -> None:
    """Collections of all kinds."""
    shop = client["shop"]
    shop.create_collection(
        "goods",
        validator={"name": {"$type": "string", "$not": Regex("^bad")}},
        collation={"locale": "de", "strength": 1},
    )
    shop["goods"].insert_many({"_id": n, "name": f"Ä{n}", "k": n % 7} for n in range(3000))
    shop["goods"].create_index([("k", ASCENDING)], unique=False, sparse=True)
    shop["goods"].create_index("name", unique=True, partialFilterExpression={"k": 3})
    shop["goods"].insert_one({"_id": -1, "name": 5}, bypass_document_validation=True)
    shop.create_collection("cheap", viewOn="goods", pipeline=[{"$match": {"k": 0}}])
    shop.create_collection("log", capped=True, size=100_000, max=5)
    shop["log"].insert_many({"_id": n} for n in range(8, 0, -1))
    shop.create_collection("keyed", clusteredIndex={"key": {"_id": 1}, "unique": True})
    shop["keyed"].insert_one({"_id": 1})
    shop.create_collection("weather", timeseries={"timeField": "at", "metaField": "place"})
    shop["weather"].insert_many(
        {"at": NOON + timedelta(minutes=n), "place": n % 3, "t": n} for n in range(300)
    )


def facts(client: Client, database: str) -> dict[str, Any]:
    """All that can be seen of a database."""
    found = {}
    for item in client[database].list_collections():
        if item["name"].startswith("system."):
            continue
        collection = client[database][item["name"]]
        documents = sorted(str(sorted(one.items())) for one in collection.find())
        indexes = collection.index_information() if item["type"] != "view" else {}
        found[item["name"]] = (item["type"], item["options"], documents, indexes)
    return found


def test_of_a_set(own: Installation, a_set: dict[str, Any]) -> None:
    with Client(uri(a_set)) as client:
        shop = client["shop"]
        fill(client)
        before = facts(client, "shop")
        moment = now()
        shop["goods"].delete_many({"k": 3})
        shop["goods"].insert_one({"_id": 5000, "name": "later"})
        shop.drop_collection("weather")
        shop.drop_collection("log")
        shop["cheap"].drop()
        shop["cheap"].insert_one({"_id": "no view any more"})
        shop["later"].insert_one({"_id": 1})
        second = now()
        client["other"]["things"].insert_one({"_id": 1})
        reach(own, a_set["id"], second)

        at = {"restore_time": str(moment)}
        assert listed(own, a_set, "database", **at) == ["shop"]
        assert listed(own, a_set, "collection", db_name="shop", **at) == sorted(before)
        page = listed(own, a_set, "collection", db_name="shop", offset=1, limit=2, **at)
        assert page == sorted(before)[1:3]
        assert listed(own, a_set, "collection", db_name="other", **at) == []

        with load(a_set, "busy", "orders"):
            first = of("shop", moment, goods="goods_before", weather="")
            restored(own, a_set, first, of("shop", second, goods="goods_then"))
        assert {one["_id"] for one in shop["goods_then"].find({"name": "later"})} == {5000}
        assert shop["goods_then"].count_documents({"k": 3}) == 0
        shop["goods_then"].drop()
        assert shop["goods_before"].count_documents({"k": 3}) == 429
        assert facts(client, "shop")["goods_before"] == before["goods"]
        assert facts(client, "shop")["weather"] == before["weather"]
        assert shop["goods"].count_documents({"k": 3}) == 0, "the other one stays"
        with pytest.raises(WriteError):
            shop["goods_before"].insert_one({"_id": -2, "name": "bad"})
        shop["goods_before"].drop()

        job = restore(own, a_set, of("shop", moment, goods="later"))
        assert (job["status"], "exists" in job["fail_reason"]) == ("Failed", True), job
        is_clean(own, a_set, client)

        everything = {"database": "shop", "restore_database_time": str(moment)}
        restored(own, a_set, everything)
        after = facts(client, "shop")
        assert after.pop("later")
        assert after == before
        assert client["other"]["things"].count_documents({}) == 1
        assert [one["_id"] for one in shop["log"].find()] == [5, 4, 3, 2, 1]
        is_clean(own, a_set, client)


def test_what_is_refused(own: Installation, a_set: dict[str, Any]) -> None:
    with Client(uri(a_set)) as client:
        client["blog"]["posts"].insert_one({"_id": 1})
        moment = now()
        client["blog"]["posts"].insert_one({"_id": 2})
    reach(own, a_set["id"], moment)
    whole = {"database": "blog", "restore_database_time": str(moment)}
    for wanted, code in (
        ([], "DBS.200001"),
        ([{"database": "blog"}], "DBS.200001"),
        ([whole | of("blog", moment, posts="")], "DBS.200001"),
        ([whole, of("blog", moment, posts="")], "DBS.200001"),
        ([of("blog", moment, posts="system.views")], "DBS.200001"),
        ([of("blog", moment, comments="")], "DBS.280016"),
        ([of("admin", moment, **{"system.users": ""})], "DBS.200001"),
        ([whole | {"database": "none"}], "DBS.280016"),
        ([whole | {"restore_database_time": "1000"}], "DBS.280409"),
    ):
        answer = ask(own, a_set, *wanted)
        assert (answer.status_code, answer.json()["error_code"]) == (400, code), answer.text
    answer = own.call(
        "GET", f"/instances/{a_set['id']}/restore-database", params={"restore_time": "1000"}
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280409")


def test_what_fails_leaves_all_as_it_was(own: Installation, a_set: dict[str, Any]) -> None:
    """One collection has been copied when the next one cannot: of databases whose names differ in
    case only, there is one."""
    with Client(uri(a_set)) as client:
        client["first"]["kept"].insert_one({"_id": 1})
        client["second"]["lost"].insert_one({"_id": 1})
        moment = now()
        client.drop_database("second")
        client["SECOND"]["other"].insert_one({"_id": 1})
        client["first"]["kept"].insert_one({"_id": 2})
        reach(own, a_set["id"], moment)
        job = restore(own, a_set, of("first", moment, kept=""), of("second", moment, lost=""))
        assert job["status"] == "Failed"
        assert "second" in job["fail_reason"], job
        assert client["first"]["kept"].count_documents({}) == 2
        is_clean(own, a_set, client)


@pytest.mark.soak
def test_of_a_cluster(own: Installation, a_cluster: dict[str, Any]) -> None:
    with Client(uri(a_cluster)) as client:
        shop = client["shop"]
        client.admin.command("enableSharding", "shop", primaryShard="shard_1")
        client.admin.command("shardCollection", "shop.hashed", key={"_id": "hashed"})
        client.admin.command("shardCollection", "shop.ranged", key={"k": 1})
        shop["hashed"].insert_many({"_id": n} for n in range(2000))
        shop["ranged"].insert_many({"_id": n, "k": n} for n in range(100))
        shop["ranged"].create_index("other")
        client.admin.command("split", "shop.ranged", middle={"k": 50})
        client.admin.command("moveChunk", "shop.ranged", find={"k": 60}, to="shard_2")
        shop["plain"].insert_many({"_id": n} for n in range(500))
        shop.create_collection("weather", timeseries={"timeField": "at"})
        shop["weather"].insert_one({"at": NOON, "t": 1})
        shop.create_collection("few", viewOn="plain", pipeline=[{"$match": {"_id": {"$lt": 3}}}])
        before = facts(client, "shop")
        moment = now()
        shop["hashed"].drop()
        shop["ranged"].delete_many({"k": {"$gt": 30}})
        shop["plain"].drop()
        shop["weather"].drop()
        reach(own, a_cluster["id"], moment)
        names = listed(own, a_cluster, "collection", db_name="shop", restore_time=str(moment))
        assert names == sorted(before)
        with load(a_cluster, "busy", "orders"):
            answer = ask(own, a_cluster, {"database": "shop", "restore_database_time": str(moment)})
            job_id = answer.json()["job_id"]
            # Killed while it copies from the cluster aside, it begins anew.
            until("a copy", lambda: own.job(job_id)["steps"][0]["detail"].startswith("shop."), 120)
            own.kill()
            own.start()
            job = own.wait_job(job_id, 240)
            assert job["status"] == "Completed", job
        assert facts(client, "shop") == before
        for name, key in (("hashed", {"_id": "hashed"}), ("ranged", {"k": 1})):
            sharded = client["config"]["collections"].find_one({"_id": f"shop.{name}"})
            assert sharded is not None
            assert sharded["key"] == key
        is_clean(own, a_cluster, client)
