"""Without a key file nobody has to log in, as on a mongos started without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from bson import Int64, Timestamp
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.router.cluster import TestCluster, until

PASSWORD = "Anna@1234"


@pytest.fixture(scope="module")
def open_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    started = TestCluster(tmp_path_factory.mktemp("open"), access_control=False)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def client(open_cluster: TestCluster) -> Iterator[MongoClient]:
    with open_cluster.router.stranger() as connected:
        yield connected


@pytest.fixture
def db(client: MongoClient, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with the collection `both`, split at 0 over both shards."""
    own = client[request.node.name[:40]]
    namespace = f"{own.name}.both"
    client.admin.command("shardCollection", namespace, key={"k": 1})
    client.admin.command("split", namespace, middle={"k": 0})
    primary = client.config.databases.find_one({"_id": own.name})["primary"]
    other = next(shard["_id"] for shard in client.config.shards.find() if shard["_id"] != primary)
    client.admin.command("moveRange", namespace, min={"k": 0}, toShard=other)
    yield own
    client.drop_database(own.name)


def test_documents_on_both_shards_are_written_and_read(db):
    db.both.insert_many({"k": k} for k in range(-50, 50))
    assert db.both.update_many({}, {"$inc": {"n": 1}}).modified_count == 100
    assert db.both.delete_one({"k": 7}).deleted_count == 1
    assert [found["k"] for found in db.both.find({"n": 1}, sort={"k": 1}, batch_size=10)] == [
        k for k in range(-50, 50) if k != 7
    ]
    (summed,) = db.both.aggregate([{"$group": {"_id": None, "sum": {"$sum": "$n"}}}])
    assert summed["sum"] == 99


def test_databases_and_collections_are_all_listed(client, db):
    db.create_collection("plain")
    assert db.name in client.list_database_names()
    listed = db.command("listCollections", nameOnly=True, authorizedCollections=True)
    assert {found["name"] for found in listed["cursor"]["firstBatch"]} == {"both", "plain"}


def test_administration_needs_no_privilege(client):
    admin = client.admin
    assert admin.command("serverStatus")["process"] == "mongos"
    assert len(admin.command("listShards")["shards"]) == 2
    assert "security" not in admin.command("getCmdLineOpts")["parsed"]
    assert admin.command("connectionStatus")["authInfo"]["authenticatedUsers"] == []
    assert admin.command("killAllSessions", [])["ok"] == 1
    admin.command("fsync")


def test_all_operations_count_as_ones_own(open_cluster, client, db):
    """An operation of another connection can be seen and ended."""
    db.log.insert_one({})
    endless = {"$where": "function() { while (true) {} }"}
    refusals: list[int] = []

    def stay() -> None:
        with open_cluster.router.stranger() as other, pytest.raises(OperationFailure) as ended:
            other[db.name].log.find_one(endless, comment="endless")
        refusals.append(ended.value.code)

    thread = threading.Thread(target=stay)
    thread.start()
    pipeline = [{"$currentOp": {"localOps": True}}, {"$match": {"command.comment": "endless"}}]
    (seen,) = until("the operation", lambda: list(client.admin.aggregate(pipeline)))
    assert seen["effectiveUsers"] == []
    ours = {"command.comment": "endless", "op": "query"}
    until("the shards' part", lambda: client.admin.command("currentOp", ours)["inprog"])
    until(
        "one's own part",
        lambda: client.admin.command({"currentOp": True, "$ownOps": True, **ours})["inprog"],
    )
    client.admin.command("killOp", op=seen["opid"])
    thread.join(30)
    assert refusals == [11601]


def test_a_transaction_spans_both_shards(client, db):
    db.both.insert_many([{"k": -1, "n": 5}, {"k": 1, "n": 5}])
    with client.start_session() as session:
        with session.start_transaction():
            db.both.update_one({"k": -1}, {"$inc": {"n": -3}}, session=session)
            db.both.update_one({"k": 1}, {"$inc": {"n": 3}}, session=session)
        session.start_transaction()
        db.both.delete_many({}, session=session)
        session.abort_transaction()
    assert [found["n"] for found in db.both.find(sort={"k": 1})] == [2, 8]


def test_a_change_stream_follows_both_shards(client, db):
    with client.watch(max_await_time_ms=200) as stream:
        db.both.insert_many([{"k": -1}, {"k": 1}])
        seen = [next(stream)["fullDocument"]["k"] for _ in range(2)]
    assert sorted(seen) == [-1, 1]


def test_users_may_log_in_but_are_not_restricted(open_cluster, client, db):
    client.admin.command("createUser", "anna", pwd=PASSWORD, roles=[])
    try:
        with open_cluster.router.client("anna", PASSWORD) as anna:
            status = anna.admin.command("connectionStatus")["authInfo"]
            assert status["authenticatedUsers"] == [{"user": "anna", "db": "admin"}]
            anna[db.name].both.insert_one({"k": 1})
            assert anna.admin.command("serverStatus")["ok"] == 1
        with (
            open_cluster.router.client("anna", "wrong") as wrong,
            pytest.raises(OperationFailure) as refused,
        ):
            wrong.admin.command("ping")
        assert refused.value.code == 18
    finally:
        client.admin.command("dropUser", "anna")


def test_an_unsigned_time_is_believed(open_cluster):
    """Shards without access control do not sign; a client may bring their time along."""
    with open_cluster.router.stranger() as client, client.start_session() as session:
        now = client.admin.command("ping", session=session)["$clusterTime"]["clusterTime"]
        later = Timestamp(now.time + 5, 1)
        unsigned = {"hash": b"\0" * 20, "keyId": Int64(0)}
        session.advance_cluster_time({"clusterTime": later, "signature": unsigned})
        answer = client.admin.command("ping", session=session)
    assert answer["$clusterTime"]["clusterTime"] >= later


def test_the_start_warns(open_cluster, client):
    (line,) = client.admin.command("getLog", "startupWarnings")["log"]
    warning = json.loads(line)
    assert (warning["s"], warning["id"]) == ("W", 22120)
    assert "Access control is not enabled" in warning["msg"]
    assert line in open_cluster.router.log.read_text().splitlines()
