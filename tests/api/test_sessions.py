"""Sessions at nodes: what clients run is told, and ended; nothing else is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from huaweicloudsdkdds import v3
from pymongo import MongoClient, ReadPreference

from tests import slow_operations
from tests.clients.test_huaweicloudsdk import signed
from tests.installation import Installation, until, uri
from tests.slow_operations import find, update, was_ended

Made = dict[str, Any]
Nodes = list[dict[str, Any]]


@pytest.fixture(params=["shared_replica", "shared_cluster"])
def made(request: pytest.FixtureRequest) -> Made:
    return request.getfixturevalue(request.param)


@pytest.fixture
def orders(made: Made) -> Iterator[Any]:
    sharded = made["mode"] == "Sharding"
    with slow_operations.collection(uri(made), "orders", sharded=sharded) as found:
        yield found


def nodes(made: Made) -> Nodes:
    """The nodes that clients connect to."""
    return [
        node
        for group in made["groups"]
        if group["type"] in ("mongos", "replica")
        for node in group["nodes"]
    ]


def sessions(installation: Installation, node: dict[str, Any], **query: Any) -> list[Any]:
    answer = installation.call(
        "GET", f"/nodes/{node['id']}/sessions", params={"limit": 100} | query
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["total_count"] == len(answer.json()["sessions"])
    return answer.json()["sessions"]


def everywhere(installation: Installation, made: Made, **query: Any) -> list[tuple[Any, Any]]:
    """Each session with its node."""
    return [(node, one) for node in nodes(made) for one in sessions(installation, node, **query)]


def kill(installation: Installation, node: dict[str, Any], *ids: str) -> Any:
    return installation.call("POST", f"/nodes/{node['id']}/session", json={"sessions": list(ids)})


def test_what_runs_is_told_and_ended(installation: Installation, made: Made, orders: Any) -> None:
    by_secondaries = orders.with_options(read_preference=ReadPreference.SECONDARY)
    works = (find(orders), update(orders), find(by_secondaries, sort=[("k", 1)]))
    parts = len(works) * (1 if made["mode"] != "Sharding" else 2)
    with slow_operations.running(*works) as (reading, writing, reading_elsewhere):

        def all_of_them() -> Any:
            found = everywhere(installation, made, namespace="shop.orders", plan_summary="COLLSCAN")
            return found if len(found) >= parts else None

        found = until("all to be told", all_of_them)
        assert len({(node["id"], one["id"]) for node, one in found}) == len(found)
        for _, one in found:
            assert one["active"] is True
            assert one["type"] in ("query", "update")
            assert (one["namespace"], one["db"]) == ("shop.orders", "shop")
            assert one["client"].startswith("127.0.0.1:")
            assert "COLLSCAN" in one["plan_summary"]
            assert int(one["cost_time"]) > 0
            assert "sleep(500)" in one["operation"]
            assert not {"lsid", "$audit", "$clusterTime"} & json.loads(one["operation"]).keys()
        assert {one["user"] for _, one in found if one["user"]} == {"rwuser"}
        path = f"/nodes/{found[0][0]['id']}/sessions"
        page = installation.call("GET", path, params={"limit": 1}).json()
        assert page["total_count"] >= len(page["sessions"]) == 1
        assert installation.call("GET", path, params={"offset": 1000}).json()["sessions"] == []
        assert everywhere(installation, made, namespace="shop.orders", cost_time=600_000_000) == []
        updates = everywhere(installation, made, namespace="shop", type="update")
        assert {one["type"] for _, one in updates} == {"update"}
        for node, one in updates:
            assert kill(installation, node, one["id"]).status_code in (200, 400)
        until("the update to end", lambda: was_ended(writing))
        assert not reading.done()
        for node in nodes(made):
            ids = [one["id"] for one in sessions(installation, node, type="query")]
            if ids:
                assert kill(installation, node, *ids).status_code in (200, 400)
        until("the reads to end", lambda: was_ended(reading) and was_ended(reading_elsewhere))
    until(
        "nothing of them to be told",
        lambda: not everywhere(installation, made, namespace="shop.orders"),
    )


def test_the_sdk_ends_a_session(installation: Installation, shared_replica: Made) -> None:
    client = signed(installation)
    (primary,) = [node for node in nodes(shared_replica) if node["role"] == "Primary"]
    with (
        slow_operations.collection(uri(shared_replica), "orders", sharded=False) as orders,
        slow_operations.running(find(orders)) as (reading,),
    ):
        request = v3.ListSessionsRequest(node_id=primary["id"], namespace="shop.orders")
        found = until("it to be told", lambda: client.list_sessions(request).sessions or None)
        body = v3.DeleteSessionRequestBody(sessions=[one.id for one in found])
        answer = client.delete_session(v3.DeleteSessionRequest(node_id=primary["id"], body=body))
        assert answer.status_code == 200
        until("it to end", lambda: was_ended(reading))


def test_idle_sessions_and_what_is_no_client_s(
    installation: Installation, shared_replica: Made
) -> None:
    (primary,) = [node for node in nodes(shared_replica) if node["role"] == "Primary"]
    with MongoClient(uri(shared_replica), appName="shardhouse") as client:
        client["shop"]["orders"].find_one()
        idle = until(
            "an idle session",
            lambda: sessions(installation, primary, type="none") or None,
        )
        for one in idle:
            assert (one["active"], one["cost_time"], one["operation"]) == (False, "0", "")
            assert one["user"] == "rwuser"
        refused = kill(installation, primary, idle[0]["id"])
        assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.301077")
        client["shop"]["orders"].find_one()
    for node in nodes(shared_replica):
        assert all(one["user"] == "rwuser" for one in sessions(installation, node))
    # What the server, the other members and the service itself run.
    with installation.system(shared_replica) as clients:
        running = clients[primary["host"]].admin.aggregate([{"$currentOp": {"allUsers": True}}])
        internal = [str(one["opid"]) for one in running if "opid" in one and one.get("client")]
    assert internal
    refused = kill(installation, primary, *internal)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.301077")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"plan_summary": "collscan; drop"}, "DBS.301072"),
        ({"type": "select"}, "DBS.301073"),
        ({"namespace": "a b"}, "DBS.301074"),
        ({"cost_time": "-1"}, "DBS.301075"),
        ({"cost_time": "soon"}, "DBS.301075"),
        ({"limit": 0}, "DBS.280439"),
        ({"limit": 101}, "DBS.280439"),
        ({"offset": -1}, "DBS.280440"),
    ],
)
def test_filters_that_are_refused(
    installation: Installation, shared_replica: Made, query: Any, code: str
) -> None:
    node = nodes(shared_replica)[0]
    answer = installation.call("GET", f"/nodes/{node['id']}/sessions", params=query)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)


@pytest.mark.parametrize("ids", [["x y"], ["-1"], ["7;8"], [7.5]])
def test_ids_that_are_refused(
    installation: Installation, shared_replica: Made, ids: list[Any]
) -> None:
    answer = kill(installation, nodes(shared_replica)[0], *ids)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.301071")


def test_a_node_that_is_not_there(installation: Installation) -> None:
    for answer in (
        installation.call("GET", f"/nodes/{'0' * 32}no02/sessions"),
        kill(installation, {"id": f"{'0' * 32}no02"}, "7"),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (404, "DBS.200013")
