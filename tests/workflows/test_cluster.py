"""A sharded cluster that requires TLS, as its users and operators meet it."""

import socket
import sqlite3
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from tests import requests
from tests.installation import Installation, addresses, until, uri

TOTAL = 600


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("cluster") / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def cluster(own: Installation) -> dict[str, Any]:
    made = own.make(requests.cluster(ssl_option="1"))
    with secure(own, made) as client:
        client.admin.command("enableSharding", "shop")
        client.admin.command("shardCollection", "shop.orders", key={"_id": "hashed"})
        client["shop"]["orders"].insert_many([{"_id": number} for number in range(TOTAL)])
    return made


def authority(own: Installation, instance: dict[str, Any]) -> Path:
    first = instance["groups"][0]["nodes"][0]
    return own.data_dir / "instances" / instance["id"] / first["id"] / "conf" / "ca.pem"


def secure(own: Installation, instance: dict[str, Any]) -> MongoClient[dict[str, Any]]:
    ca = str(authority(own, instance))
    return MongoClient(uri(instance), tls=True, tlsCAFile=ca, serverSelectionTimeoutMS=20_000)


def processes(own: Installation, nodes: list[dict[str, Any]]) -> list[Any]:
    return own.nodes(*(node["id"] for node in nodes))


def status(own: Installation, cluster: dict[str, Any]) -> dict[str, Any]:
    listed = own.instance(cluster["id"])
    assert listed is not None
    return listed


def test_documents_are_spread_over_the_shards(own: Installation, cluster: dict[str, Any]) -> None:
    with secure(own, cluster) as client:
        shards = client["shop"].command("collStats", "orders")["shards"]
        assert {name: shard["count"] > 100 for name, shard in shards.items()} == {
            "shard_1": True,
            "shard_2": True,
        }
        assert client["shop"]["orders"].count_documents({}) == TOTAL


def test_without_tls_nobody_connects(cluster: dict[str, Any]) -> None:
    with (
        MongoClient(uri(cluster), serverSelectionTimeoutMS=2000) as client,
        pytest.raises(PyMongoError),
    ):
        client.admin.command("ping")


def test_a_stranger_s_authority_is_not_trusted(cluster: dict[str, Any]) -> None:
    with (
        MongoClient(uri(cluster), tls=True, serverSelectionTimeoutMS=2000) as client,
        pytest.raises(PyMongoError, match="certificate verify failed"),
    ):
        client.admin.command("ping")


def test_each_node_shows_a_certificate_for_its_own_address(
    own: Installation, cluster: dict[str, Any]
) -> None:
    trusted = ssl.create_default_context(cafile=str(authority(own, cluster)))
    for host in addresses(cluster):
        address, port = host.split(":")
        with (
            socket.create_connection((address, int(port)), 5) as raw,
            trusted.wrap_socket(raw, server_hostname=address) as wrapped,
        ):
            assert ("IP Address", address) in wrapped.getpeercert()["subjectAltName"]


def test_a_wrong_password_is_refused(own: Installation, cluster: dict[str, Any]) -> None:
    ca = str(authority(own, cluster))
    with (
        MongoClient(uri(cluster, "Wrong@123"), tls=True, tlsCAFile=ca) as client,
        pytest.raises(OperationFailure) as caught,
    ):
        client.admin.command("dbStats")
    assert caught.value.code == 18


def test_secrets_are_readable_by_their_owner_alone(
    own: Installation, cluster: dict[str, Any]
) -> None:
    secrets = [
        path
        for pattern in ("*/conf/keyfile", "*/conf/node.pem")
        for path in (own.data_dir / "instances" / cluster["id"]).glob(pattern)
    ]
    assert len(secrets) == 2 * len(own.nodes())
    for path in [*secrets, own.data_dir / "master.key", own.data_dir / "admin.json"]:
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_no_command_line_holds_a_secret(own: Installation, cluster: dict[str, Any]) -> None:
    key = next((own.data_dir / "instances" / cluster["id"]).glob("*/conf/keyfile")).read_text()
    for process in own.nodes():
        line = " ".join(process.cmdline()) + " ".join(process.environ().values())
        assert "Test@123" not in line
        assert key.strip()[:40] not in line
    assert "Test@123" not in own.log.read_text()
    for database in ("shardhouse.db", "shardhouse.db-wal", "workflows.db", "workflows.db-wal"):
        path = own.data_dir / database
        if path.exists():
            assert b"Test@123" not in path.read_bytes(), path


def test_a_killed_router_comes_back_and_the_other_serves_meanwhile(
    own: Installation, cluster: dict[str, Any]
) -> None:
    routers = cluster["groups"][0]["nodes"]
    (victim,) = processes(own, routers[:1])
    victim.kill()

    def seen() -> dict[str, Any]:
        return status(own, cluster)["groups"][0]["nodes"][0]

    until("the router to be told abnormal", lambda: seen()["status"] == "abnormal", 10)
    assert status(own, cluster)["status"] == "normal"
    with secure(own, cluster) as client:
        assert client["shop"]["orders"].count_documents({}) == TOTAL
    until("the router to be back", lambda: seen()["role"] == "master", 30)


def test_a_cluster_without_routers_is_abnormal(own: Installation, cluster: dict[str, Any]) -> None:
    for process in processes(own, cluster["groups"][0]["nodes"]):
        process.kill()
    until("the instance to be abnormal", lambda: status(own, cluster)["status"] == "abnormal", 10)
    until("the instance to be normal", lambda: status(own, cluster)["status"] == "normal", 30)


def test_a_killed_primary_is_replaced_and_nothing_is_lost(
    own: Installation, cluster: dict[str, Any]
) -> None:
    shard = next(group for group in cluster["groups"] if group.get("name") == "shard_1")
    primary = next(node for node in shard["nodes"] if node["role"] == "Primary")
    (victim,) = processes(own, [primary])
    victim.kill()
    with secure(own, cluster) as client:
        acknowledged = []
        for number in range(TOTAL, TOTAL + 50):
            client["shop"]["orders"].insert_one({"_id": number})
            acknowledged.append(number)
        found = client["shop"]["orders"].count_documents({"_id": {"$in": acknowledged}})
        assert found == len(acknowledged) == 50
        client["shop"]["orders"].delete_many({"_id": {"$gte": TOTAL}})

    def roles() -> list[str]:
        group = next(g for g in status(own, cluster)["groups"] if g.get("name") == "shard_1")
        return sorted(node["role"] for node in group["nodes"])

    until("all members to be back", lambda: roles() == ["Hidden", "Primary", "Secondary"], 60)


def test_a_cluster_survives_a_reboot(own: Installation, cluster: dict[str, Any]) -> None:
    own.kill()
    for process in own.nodes():
        process.kill()
    until("all nodes to be gone", lambda: not own.nodes())
    own.start()
    first = status(own, cluster)
    assert first["status"] == "abnormal", "nothing runs yet, and the first answer must say so"
    until("the cluster to be normal", lambda: status(own, cluster)["status"] == "normal", 90)
    assert addresses(status(own, cluster)) == addresses(cluster)
    with secure(own, cluster) as client:
        assert client["shop"]["orders"].count_documents({}) == TOTAL


# The administrator: through a router, and directly at a config server


def config_client(own: Installation, cluster: dict[str, Any]) -> MongoClient[dict[str, Any]]:
    """`rwuser` directly at the primary of the config servers."""
    groups = status(own, cluster)["groups"]  # roles as they are now
    (config,) = (group for group in groups if group["type"] == "config")
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        query = "select address, port from nodes where id = ?"
        hosts = [
            "{}:{}".format(*store.execute(query, (node["id"],)).fetchone())
            for node in config["nodes"]
            if node["role"] == "Primary"
        ]
    options = {"username": "rwuser", "password": "Test@123", "tls": True}
    ca = str(authority(own, cluster))
    return MongoClient(hosts[0], directConnection=True, tlsCAFile=ca, **options)


def test_the_administrator_has_the_sharding_helpers(
    own: Installation, cluster: dict[str, Any]
) -> None:
    with secure(own, cluster) as client:
        admin, config = client.admin, client.config
        # A chunk that comes back meets what its first move left, which is kept for 15 minutes.
        admin.command("enableSharding", "helpers", primaryShard="shard_1")
        admin.command("shardCollection", "helpers.c", key={"k": 1})
        client["helpers"]["c"].insert_many([{"k": number, "z": 1} for number in range(10)])
        admin.command("split", "helpers.c", middle={"k": 5})
        until("a chunk on shard_2", lambda: move_chunk(admin, "shard_2"), 60)
        client["helpers"]["c"].create_index([("k", 1), ("z", 1)])
        admin.command("refineCollectionShardKey", "helpers.c", key={"k": 1, "z": 1})
        admin.command("movePrimary", "helpers", to="shard_2")
        admin.command("balancerStop")
        admin.command("balancerStart")
        admin.command("balancerStatus")
        window = {"$set": {"activeWindow": {"start": "23:00", "stop": "6:00"}}}
        config["settings"].update_one({"_id": "balancer"}, window, upsert=True)
        config["settings"].update_one({"_id": "balancer"}, {"$unset": {"activeWindow": ""}})
        admin.command("addShardToZone", "shard_1", zone="near")
        around = {"min": {"k": -20, "z": 0}, "max": {"k": -10, "z": 0}}
        admin.command("updateZoneKeyRange", "helpers.c", zone="near", **around)
        admin.command("updateZoneKeyRange", "helpers.c", zone=None, **around)
        admin.command("removeShardFromZone", "shard_1", zone="near")
        for name in ("shards", "databases", "collections", "chunks", "settings"):
            config[name].find_one()
        for command in ("listShards", "serverStatus", "connPoolStats", "getShardMap"):
            admin.command(command)
        admin.command("usersInfo", {"forAllDBs": True})
        client["new"].command("createUser", "app", pwd="Test@123", roles=["readWrite"])
        client["new"].command("dropUser", "app")
        client.drop_database("helpers")


def move_chunk(admin: Database[dict[str, Any]], shard: str) -> bool:
    """Whether it moved. Config servers that have just elected refuse it (194) for a while."""
    try:
        admin.command("moveChunk", "helpers.c", find={"k": 7}, to=shard)
    except OperationFailure as error:
        if error.code == 194:
            return False
        raise
    return True


def refused(client: MongoClient[dict[str, Any]], command: dict[str, Any]) -> str:
    with pytest.raises(OperationFailure) as caught:
        client.admin.command(command)
    assert caught.value.code in (13, 59, 115, 16766), caught.value
    return str(caught.value)


ESCALATIONS: list[dict[str, Any]] = [
    *(
        {"grantRolesToUser": "rwuser", "roles": [{"role": role, "db": db}]}
        for role, db in (
            ("root", "admin"),
            ("__system", "admin"),
            ("clusterManager", "admin"),
            ("userAdminAnyDatabase", "admin"),
            ("dbAdminAnyDatabase", "admin"),
            ("readWrite", "config"),
            ("dbOwner", "local"),
        )
    ),
    *(
        {
            "grantPrivilegesToRole": "instanceAdministrator",
            "privileges": [{"resource": resource, "actions": ["find"]}],
        }
        for resource in ({"cluster": True}, {"db": "config", "collection": "shards"})
    ),
    {"removeShard": "shard_1"},
    {"addShard": "x/127.0.0.1:1"},
    {"setFeatureCompatibilityVersion": "5.0"},
    {"setUserWriteBlockMode": 1, "global": True},
    {"setDefaultRWConcern": 1, "defaultReadConcern": {"level": "local"}},
    {"setParameter": 1, "logLevel": 1},
    {"shutdown": 1},
    {"replSetReconfig": {}},
    {"applyOps": []},
]


@pytest.mark.parametrize("command", ESCALATIONS, ids=lambda command: str(command)[:70])
def test_the_administrator_gets_no_more_than_that(
    own: Installation, cluster: dict[str, Any], command: dict[str, Any]
) -> None:
    with secure(own, cluster) as client:
        refused(client, command)
    with config_client(own, cluster) as client:
        refused(client, command)


def test_a_router_says_which_rights_are_reserved(
    own: Installation, cluster: dict[str, Any]
) -> None:
    with secure(own, cluster) as client:
        text = refused(client, {"createUser": "x", "pwd": "Test@123", "roles": ["root"]})
    assert "reserved for the service" in text


@pytest.mark.parametrize("name", ["shards", "chunks", "collections", "databases", "version"])
def test_the_cluster_s_own_records_are_not_written(
    own: Installation, cluster: dict[str, Any], name: str
) -> None:
    for client in (secure(own, cluster), config_client(own, cluster)):
        with client, pytest.raises(OperationFailure) as caught:
            client.config[name].delete_many({"_id": "none"})
        assert caught.value.code == 13
    with config_client(own, cluster) as client, pytest.raises(OperationFailure):
        client.config["settings"].insert_one({"_id": "none"})
