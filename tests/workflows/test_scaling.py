"""Instances grow and shrink while clients go on, and nothing of what left is kept."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests import builds, requests
from tests.installation import Installation, until, uri
from tests.load import load
from tests.workflows.test_crash import check_nothing_is_orphaned

MONGOS = "dds.mongodb.s2.medium.4.mongos"
SHARD = "dds.mongodb.s2.medium.4.shard"
REPLICA = "dds.mongodb.s2.medium.4.rr"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("scaling") / "data", dialect="huawei")
    try:
        made.start()
        yield made
        with sqlite3.connect(made.data_dir / "shardhouse.db") as store:
            repairs = store.execute("select * from jobs where action = 'REPAIR'").fetchall()
        assert not repairs  # what MongoDB has is what the store knows
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def a_set(own: Installation) -> dict[str, Any]:
    return own.make(requests.replica_set(name="scaled-set", availability_zone="z1,z2"))


@pytest.fixture(scope="module")
def a_cluster(own: Installation) -> dict[str, Any]:
    return own.make(requests.cluster(name="scaled-cluster"))


def call(
    own: Installation, instance: dict[str, Any], method: str, path: str, **body: Any
) -> httpx.Response:
    return own.call(method, f"/instances/{instance['id']}/{path}", json=body)


def done(own: Installation, instance: dict[str, Any], answer: httpx.Response) -> dict[str, Any]:
    """Follow the call's job to its end; the instance as listed then."""
    assert answer.status_code == 202, answer.text
    job = own.wait_job(answer.json()["job_id"], 300)
    assert job["status"] == "Completed", job
    return idle(own, instance)


def idle(own: Installation, instance: dict[str, Any]) -> dict[str, Any]:
    listed = own.instance(instance["id"])
    assert listed is not None
    assert (listed["status"], listed["actions"]) == ("normal", [])
    check_nothing_is_orphaned(own)
    return listed


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text


def nodes(instance: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [
        node for group in instance["groups"] if group["type"] == kind for node in group["nodes"]
    ]


def groups(instance: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [group for group in instance["groups"] if group["type"] == kind]


def configuration(own: Installation, instance: dict[str, Any], host: str) -> dict[str, Any]:
    with own.system(instance) as clients:
        found = clients[host].admin.command("replSetGetConfig")["config"]["members"]
        return {member["host"]: member for member in found}


def test_a_replica_set_grows_and_shrinks_while_it_serves(
    own: Installation, a_set: dict[str, Any]
) -> None:
    with load(a_set):
        grown = done(own, a_set, call(own, a_set, "POST", "replicaset-node", num=2))
    members = nodes(grown, "replica")
    assert sorted(node["role"] for node in members) == [
        *("Hidden", "Primary", "Secondary", "Secondary", "Secondary")
    ]
    config = configuration(own, grown, members[0]["host"])
    assert set(config) == {node["host"] for node in members}
    assert [member["votes"] for member in config.values()] == [1] * 5
    with MongoClient(uri(grown)) as client:
        written = client["shop"]["orders"].count_documents({})
    for node in members[3:]:
        with own.system(grown) as clients:
            assert clients[node["host"]]["shop"]["orders"].count_documents({}) == written

    primary = next(node["id"] for node in members if node["role"] == "Primary")
    hidden = next(node["id"] for node in members if node["role"] == "Hidden")
    refused(
        call(own, a_set, "DELETE", "nodes", node_list=[primary, members[-1]["id"]]),
        400,
        "DBS.200075",
    )
    refused(call(own, a_set, "DELETE", "nodes", num=1), 400, "DBS.280123")
    refused(call(own, a_set, "DELETE", "nodes", node_list=["0" * 32 + "no02"]), 400, "DBS.280407")
    refused(call(own, a_set, "POST", "replicaset-node", num=4), 400, "DBS.280123")
    with MongoClient(uri(grown)) as client:
        client["shop"].drop_collection("orders")
    secondary = next(n["id"] for n in reversed(members) if n["role"] == "Secondary")
    with load(grown):
        answer = call(own, a_set, "DELETE", "nodes", num=1, node_list=[hidden, secondary])
        shrunk = done(own, a_set, answer)
    left = nodes(shrunk, "replica")
    assert {node["id"] for node in left} == {n["id"] for n in members} - {hidden, secondary}
    assert sorted(node["role"] for node in left) == ["Hidden", "Primary", "Secondary"]
    assert set(configuration(own, shrunk, left[0]["host"])) == {node["host"] for node in left}
    with MongoClient(uri(shrunk)) as client:
        client["shop"].drop_collection("orders")


def test_calls_are_refused_for_other_modes_and_while_one_runs(
    own: Installation, a_set: dict[str, Any], a_cluster: dict[str, Any]
) -> None:
    shard = {"type": "shard", "spec_code": SHARD, "num": 1, "volume": {"size": 20}}
    listed = {"node_list": ["0" * 32 + "no02"]}
    for instance, method, path, body in (
        (a_set, "POST", "enlarge", shard),
        (a_set, "DELETE", "mongos-node", listed),
        (a_set, "POST", "shards/batch-delete", {"ids": ["0" * 32 + "gr02"]}),
        (a_cluster, "POST", "replicaset-node", {"num": 2}),
        (a_cluster, "DELETE", "nodes", {"num": 2}),
    ):
        refused(call(own, instance, method, path, **body), 400, "DBS.280343")
    router = {"type": "mongos", "spec_code": MONGOS, "num": 1}
    first = call(own, a_cluster, "POST", "enlarge", **router)
    listing = own.instance(a_cluster["id"])
    assert (listing["status"], listing["actions"]) == ("normal", ["GROWING"])
    refused(call(own, a_cluster, "POST", "enlarge", **router), 403, "DBS.200019")
    refused(call(own, a_cluster, "DELETE", "mongos-node", **listed), 403, "DBS.200019")
    grown = done(own, a_cluster, first)
    last = nodes(grown, "mongos")[-1]["id"]
    done(own, a_cluster, call(own, a_cluster, "DELETE", "mongos-node", node_list=[last]))


def test_read_replicas_come_and_go(own: Installation, a_set: dict[str, Any]) -> None:
    wrong = {"spec_code": "dds.mongodb.s2.medium.4.repset", "num": 1}
    refused(call(own, a_set, "POST", "readonly-node", **wrong), 400, "DBS.280239")
    answer = call(own, a_set, "POST", "readonly-node", spec_code=REPLICA, num=2, delay=3)
    # Terraform looks for the new node before the job has done anything.
    listed = own.instance(a_set["id"])
    assert [node["status"] for node in nodes(listed, "readonly")] == ["creating"] * 2
    with load(a_set):
        grown = done(own, a_set, answer)
    replicas = nodes(grown, "readonly")
    assert [(node["role"], node["status"]) for node in replicas] == [("Secondary", "normal")] * 2
    config = configuration(own, grown, replicas[0]["host"])
    for node in replicas:
        member = config[node["host"]]
        delay = member.get("secondaryDelaySecs", member.get("slaveDelay"))
        assert (member["priority"], member["votes"], member["hidden"], delay) == (0, 0, False, 3)
    with MongoClient(uri(grown)) as client:
        client["shop"]["delayed"].insert_one({"_id": 1})
    with own.system(grown) as clients:
        collection = clients[replicas[0]["host"]]["shop"]["delayed"]
        assert collection.count_documents({}) == 0
        until("the write to arrive", lambda: collection.count_documents({}) == 1)
    refused(call(own, a_set, "POST", "readonly-node", spec_code=REPLICA, num=4), 400, "DBS.280123")
    voters = [node["id"] for node in nodes(grown, "replica")]
    refused(call(own, a_set, "DELETE", "readonly-node", node_list=voters[:1]), 400, "DBS.200075")
    gone = [node["id"] for node in replicas]
    refused(call(own, a_set, "DELETE", "nodes", node_list=gone), 400, "DBS.200075")
    listed = done(own, a_set, call(own, a_set, "DELETE", "readonly-node", node_list=gone))
    assert not groups(listed, "readonly")
    with MongoClient(uri(listed)) as client:
        client.drop_database("shop")


def test_a_cluster_gets_routers_and_gives_them_back(
    own: Installation, a_cluster: dict[str, Any]
) -> None:
    before = nodes(a_cluster, "mongos")
    body = {"type": "mongos", "spec_code": MONGOS, "num": "2"}
    refused(call(own, a_cluster, "POST", "enlarge", **body | {"num": 30}), 400, "DBS.280123")
    refused(call(own, a_cluster, "POST", "enlarge", **body | {"type": "config"}), 400, "DBS.280414")
    other = {"spec_code": "dds.mongodb.s2.large.4.mongos"}
    refused(call(own, a_cluster, "POST", "enlarge", **body | other), 400, "DBS.280267")
    with load(a_cluster):
        grown = done(own, a_cluster, call(own, a_cluster, "POST", "enlarge", **body))
    routers = nodes(grown, "mongos")
    assert [node["role"] for node in routers] == ["master"] * 4
    for node in routers[2:]:
        with MongoClient(node["host"], username="rwuser", password="Test@123") as client:
            assert client["shop"]["orders"].find_one() is not None
    three = [node["id"] for node in routers[:3]]
    refused(call(own, a_cluster, "DELETE", "mongos-node", node_list=three), 400, "DBS.280123")
    shard = nodes(grown, "shard")[0]["id"]
    refused(call(own, a_cluster, "DELETE", "mongos-node", node_list=[shard]), 400, "DBS.200075")
    answer = call(own, a_cluster, "DELETE", "mongos-node", node_list=three[:2])
    listed = done(own, a_cluster, answer)
    assert [node["id"] for node in nodes(listed, "mongos")] == [n["id"] for n in routers[2:]]
    assert {node["id"] for node in before}.isdisjoint(n["id"] for n in nodes(listed, "mongos"))
    with MongoClient(uri(listed)) as client:
        client["shop"].drop_collection("orders")


def test_a_cluster_gets_a_shard_and_gives_it_back(
    own: Installation, a_cluster: dict[str, Any]
) -> None:
    listed = own.instance(a_cluster["id"])
    body = {"type": "shard", "spec_code": SHARD, "num": 1, "volume": {"size": "20"}}
    refused(call(own, a_cluster, "POST", "enlarge", **body | {"volume": None}), 400, "DBS.280242")
    odd = {"volume": {"size": 25}}
    refused(call(own, a_cluster, "POST", "enlarge", **body | odd), 400, "DBS.200302")
    with MongoClient(uri(listed)) as client:
        client.admin.command("enableSharding", "shop")
        client.admin.command("shardCollection", "shop.orders", key={"_id": 1})
    with load(listed) as acknowledged:
        grown = done(own, a_cluster, call(own, a_cluster, "POST", "enlarge", **body))
        assert [group["name"] for group in groups(grown, "shard")] == [
            "shard_1",
            "shard_2",
            "shard_3",
        ]
        with MongoClient(uri(listed)) as client:
            client.admin.command("split", "shop.orders", middle={"_id": 5})
            client.admin.command("moveChunk", "shop.orders", find={"_id": 0}, to="shard_3")
            client.admin.command("enableSharding", "unsharded", primaryShard="shard_3")
            # Copying them takes a while, in which the writer goes on.
            client["unsharded"]["things"].insert_many({"_id": n} for n in range(50_000))
            homes = {d["_id"]: d["primary"] for d in client["config"]["databases"].find()}
            assert homes["unsharded"] == "shard_3"
        until("writes to go on", lambda: len(acknowledged) > 100)
    with own.system(grown) as clients:
        members = _hosts(clients, grown, "shard_3")
        assert clients[members[0]]["shop"]["orders"].count_documents({}) == 5
    new = groups(grown, "shard")[2]["id"]
    refused(
        call(own, a_cluster, "POST", "shards/batch-delete", ids=["0" * 32 + "gr02"]),
        404,
        "DBS.200013",
    )
    two = [group["id"] for group in groups(grown, "shard")[:2]]
    refused(call(own, a_cluster, "POST", "shards/batch-delete", ids=two), 400, "DBS.280123")
    with load(listed, "unsharded", "things", 50_000):
        answer = call(own, a_cluster, "POST", "shards/batch-delete", ids=[new])
        listed = done(own, a_cluster, answer)
    assert [group["name"] for group in groups(listed, "shard")] == ["shard_1", "shard_2"]
    with MongoClient(uri(listed)) as client:
        assert {document["_id"] for document in client["config"]["shards"].find()} == {
            "shard_1",
            "shard_2",
        }
        assert {n["_id"] for n in client["shop"]["orders"].find()} >= set(acknowledged)


def _hosts(clients: Any, instance: dict[str, Any], shard: str) -> list[str]:
    with MongoClient(uri(instance)) as client:
        document = client["config"]["shards"].find_one({"_id": shard})
    return document["host"].partition("/")[2].split(",")


@pytest.mark.soak
def test_a_set_with_tls_and_names_changes_its_first_node(tmp_path: Path) -> None:
    own = Installation(tmp_path / "data", dialect="huawei", node_domain="db.example.com")
    try:
        own.start()
        made = own.make(requests.replica_set(name="named-set", ssl_option="1"))
        grown = done(own, made, call(own, made, "POST", "replicaset-node", num=2))
        members = nodes(grown, "replica")
        config = _names(own, grown)
        assert config == {node["host"] for node in members}
        first, primary = members[0]["id"], members[-1]
        with own.system(grown) as clients:
            until("the last member to lead", lambda: _lead(clients, own, primary["id"]))
        until("the role to be told", lambda: _role(own, made, primary["id"]) == "Primary")
        listed = [first, members[1]["id"]]
        left = done(own, made, call(own, made, "DELETE", "nodes", node_list=listed))
        assert _names(own, left) == {node["host"] for node in nodes(left, "replica")}
        grown = done(own, made, call(own, made, "POST", "replicaset-node", num=2))
        until("all to be normal", lambda: own.instance(made["id"])["status"] == "normal")
        assert _names(own, grown) == {node["host"] for node in nodes(grown, "replica")}
    finally:
        own.destroy()


def _address(own: Installation, node_id: str) -> str:
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        query = "select address || ':' || port from nodes where id = ?"
        return str(store.execute(query, (node_id,)).fetchone()[0])


def _lead(clients: Any, own: Installation, node_id: str) -> bool:
    admin = clients[_address(own, node_id)].admin
    if not admin.command("hello")["isWritablePrimary"]:
        admin.command("replSetStepUp", 1)
    return True


def _role(own: Installation, instance: dict[str, Any], node_id: str) -> str:
    listed = own.instance(instance["id"])
    assert listed is not None
    return next(node["role"] for node in nodes(listed, "replica") if node["id"] == node_id)


def _names(own: Installation, instance: dict[str, Any]) -> set[str]:
    """The names that the set tells clients which come by name."""
    host = _address(own, nodes(instance, "replica")[0]["id"])
    with own.system(instance) as clients:
        config = clients[host].admin.command("replSetGetConfig")["config"]
        return {member["horizons"]["dns"] for member in config["members"]}


@pytest.mark.soak
@pytest.mark.parametrize("release", ["4.4", "5.0"])
def test_older_releases_grow_and_fill_up_too(tmp_path: Path, release: str) -> None:
    engine = builds.known_build(release)
    own = Installation(
        tmp_path / "data",
        dialect="huawei",
        engines=[engine.name],
        volume_scale=1 / 256,
        monitor_interval=1,
    )
    try:
        own.start()
        body = requests.replica_set(name="older-set")
        body["datastore"] = {"type": "DDS-Community", "version": release}
        made = own.make(body)
        replica = {"spec_code": REPLICA, "num": 1, "delay": 3}
        done(own, made, call(own, made, "POST", "readonly-node", **replica))
        grown = done(own, made, call(own, made, "POST", "replicaset-node", num=2))
        (node,) = nodes(grown, "readonly")
        member = configuration(own, grown, node["host"])[node["host"]]
        assert member.get("secondaryDelaySecs", member.get("slaveDelay")) == 3
        with MongoClient(uri(grown)) as client:
            blobs = client["shop"]["blobs"]

            def full() -> bool:
                blobs.insert_one({"blob": os.urandom(1 << 18)})
                listed = own.instance(made["id"])
                return listed is not None and listed["status"] == "data_disk_full"

            # Here the status is all that tells of it: writes go on.
            until("the full volume to be told", full, 90)
            blobs.insert_one({})
        answer = call(own, made, "POST", "enlarge-volume", volume={"size": 100})
        done(own, made, answer)
    finally:
        own.destroy()
