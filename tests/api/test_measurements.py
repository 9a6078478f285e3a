"""What is measured of an instance, compared with what the databases and the kernel say."""

from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from tests.installation import Installation, addresses, until, uri

Made = dict[str, Any]
PATIENCE = 90.0
BYTES = 12 * 1024 * 1024


@pytest.fixture(params=["shared_replica", "shared_cluster"])
def made(request: pytest.FixtureRequest) -> Made:
    return request.getfixturevalue(request.param)


def get(installation: Installation, made: Made, call: str, **query: Any) -> Any:
    answer = installation.call("GET", f"/instances/{made['id']}/{call}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def filled(made: Made) -> Iterator[Made]:
    """With two databases, the collections of one on all shards."""
    with MongoClient(uri(made)) as client:
        if made["mode"] == "Sharding":
            client.admin.command("enableSharding", "measured")
            client.admin.command("shardCollection", "measured.big", key={"_id": "hashed"})
        text = "x" * 1024 * 1024
        client["measured"]["big"].insert_many({"text": text} for _ in range(BYTES // len(text)))
        client["measured"]["small"].insert_one({})
        client["measured"].create_collection("shown", viewOn="big", pipeline=[])
        client["another"]["one"].insert_one({})
        yield made
        client.drop_database("measured")
        client.drop_database("another")


def test_databases(installation: Installation, filled: Made) -> None:
    answer = get(installation, filled, "databases")
    assert answer["total_count"] == 2
    another, measured = answer["databases"]
    assert (another["name"], another["data_size"], another["collection_num"]) == (
        "another",
        "0.00",
        1,
    )
    assert (measured["name"], measured["data_size"], measured["collection_num"]) == (
        "measured",
        "0.01",
        2,
    )
    page = get(installation, filled, "databases", offset=1, limit=1)
    assert page == {"databases": [measured], "total_count": 2}


def test_disk_usage(installation: Installation, made: Made) -> None:
    volumes = get(installation, made, "disk-usage")["volumes"]
    groups = [group for group in made["groups"] if "volume" in group]
    expected = {
        (group.get("id", made["id"]), group.get("name", made["name"]), group["type"], "20")
        for group in groups
    }
    keys = ("entity_id", "entity_name", "group_type", "size")
    assert {tuple(volume[key] for key in keys) for volume in volumes} == expected
    for volume in volumes:
        assert 0 < float(volume["used"]) < 20


def established(hosts: list[str]) -> int:
    """Connections of this process to any of the nodes."""
    ends = {tuple(host.rsplit(":", 1)) for host in hosts}
    return sum(
        bool(one.raddr)
        and (one.raddr.ip, str(one.raddr.port)) in ends
        and one.status == psutil.CONN_ESTABLISHED
        for one in psutil.Process().net_connections("tcp")
    )


def outer(installation: Installation, made: Made, **query: str) -> int:
    answer = get(installation, made, "conn-statistics", **query)
    assert answer["total_connections"] == (
        answer["total_inner_connections"] + answer["total_outer_connections"]
    )
    for kind in ("inner", "outer"):
        total = sum(client["count"] for client in answer[f"{kind}_connections"])
        assert total == answer[f"total_{kind}_connections"]
    return answer["total_outer_connections"]


def test_connections_of_clients_are_counted(installation: Installation, made: Made) -> None:
    hosts = addresses(made)
    until("no client", lambda: outer(installation, made) == 0, PATIENCE)
    with MongoClient(uri(made), minPoolSize=7) as client:
        client["shop"]["orders"].find_one()
        until("a full pool", lambda: established(hosts) >= 7, PATIENCE)
        until(
            "the client to be counted",
            lambda: outer(installation, made) == established(hosts),
            PATIENCE,
        )
        (found,) = get(installation, made, "conn-statistics")["outer_connections"]
        assert found["client_ip"] == "127.0.0.1"
    until("no client", lambda: outer(installation, made) == 0, PATIENCE)


def test_connections_of_one_node(installation: Installation, shared_replica: Made) -> None:
    nodes = [node for group in shared_replica["groups"] for node in group["nodes"]]
    whole = get(installation, shared_replica, "conn-statistics")
    assert whole["total_inner_connections"] > 0
    with MongoClient(nodes[0]["host"], directConnection=True) as client:
        client.admin.command("ping")
        until(
            "the client to be counted there",
            lambda: outer(installation, shared_replica, node_id=nodes[0]["id"]) > 0,
        )
        assert outer(installation, shared_replica, node_id=nodes[1]["id"]) == 0


def test_an_unknown_node(installation: Installation, shared_replica: Made) -> None:
    path = f"/instances/{shared_replica['id']}/conn-statistics"
    answer = installation.call("GET", path, params={"node_id": "x"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "DBS.200013")


def test_the_name_of_a_set(
    installation: Installation, shared_replica: Made, shared_cluster: Made
) -> None:
    assert get(installation, shared_replica, "replica-set/name") == {"name": "replica"}
    answer = installation.call("GET", f"/instances/{shared_cluster['id']}/replica-set/name")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280343")
