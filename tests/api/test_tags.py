"""Tags: added, deleted, listed, and instances found by them."""

from typing import Any

import pytest

from tests.installation import Installation

Made = dict[str, Any]
Tags = dict[str, str]


@pytest.fixture
def tagged(installation: Installation, shared_replica: Made) -> Made:
    """The shared replica set with two tags and no other."""
    clear(installation, shared_replica)
    act(installation, shared_replica, "create", tagged={"stage": "test", "owner": ""})
    return shared_replica


def act(installation: Installation, made: Made, action: str, tagged: Tags) -> Any:
    tags = [{"key": key, "value": value} for key, value in tagged.items()]
    return send(installation, made, {"action": action, "tags": tags})


def send(installation: Installation, made: Made, body: Any) -> Any:
    return installation.call("POST", f"/instances/{made['id']}/tags/action", json=body)


def clear(installation: Installation, made: Made) -> None:
    keys = [{"key": key} for key in of_instance(installation, made)]
    assert send(installation, made, {"action": "delete", "tags": keys}).status_code == 200


def of_instance(installation: Installation, made: Made) -> Tags:
    """The tags of both places, which are the same."""
    own = installation.call("GET", f"/instances/{made['id']}/tags").json()["tags"]
    listed = installation.instance(made["id"])
    assert listed is not None
    assert listed["tags"] == own
    return {tag["key"]: tag["value"] for tag in own}


def test_tags_are_added_and_replaced(installation: Installation, tagged: Made) -> None:
    answer = act(installation, tagged, "create", {"stage": "live", "a@b": "c"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert of_instance(installation, tagged) == {"stage": "live", "owner": "", "a@b": "c"}


@pytest.mark.parametrize(
    ("tag", "stays"),
    [
        ({"key": "stage"}, False),
        ({"key": "stage", "value": None}, False),
        ({"key": "stage", "value": "test"}, False),
        ({"key": "stage", "value": "live"}, True),
        ({"key": "stage", "value": ""}, True),
        ({"key": "unknown"}, True),
    ],
)
def test_tags_are_deleted(
    installation: Installation, tagged: Made, tag: dict[str, Any], stays: bool
) -> None:
    assert send(installation, tagged, {"action": "delete", "tags": [tag]}).status_code == 200
    assert ("stage" in of_instance(installation, tagged)) is stays


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"tags": [{"key": "a"}]}, "DBS.200001"),
        ({"action": "update", "tags": [{"key": "a"}]}, "DBS.200001"),
        ({"action": "create"}, "DBS.200001"),
        ({"action": "create", "tags": "a"}, "DBS.200001"),
        ({"action": "create", "tags": ["a"]}, "DBS.280482"),
        ({"action": "create", "tags": [{"value": "a"}]}, "DBS.280482"),
        ({"action": "create", "tags": [{"key": "a b"}]}, "DBS.280482"),
        ({"action": "create", "tags": [{"key": "a"}, {"key": "a"}]}, "DBS.280482"),
        ({"action": "create", "tags": [{"key": "a", "value": "x" * 44}]}, "DBS.280483"),
        ({"action": "create", "tags": [{"key": f"k{n}"} for n in range(19)]}, "DBS.280484"),
        ({"action": "create", "tags": [{"key": f"k{n}"} for n in range(21)]}, "DBS.280484"),
        ({"action": "delete", "tags": [{"key": ""}]}, "DBS.280482"),
    ],
)
def test_what_breaks_a_rule_changes_nothing(
    installation: Installation, tagged: Made, body: dict[str, Any], code: str
) -> None:
    answer = send(installation, tagged, body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert of_instance(installation, tagged) == {"stage": "test", "owner": ""}


def test_the_tags_of_a_project(
    installation: Installation, tagged: Made, shared_cluster: Made
) -> None:
    clear(installation, shared_cluster)
    act(installation, shared_cluster, "create", {"stage": "live", "zone": "x"})
    answer = installation.call("GET", "/tags").json()
    found = {tag["key"]: tag["values"] for tag in answer["tags"]}
    assert (found["stage"], found["owner"], found["zone"]) == (["live", "test"], [""], ["x"])


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, {"replica", "cluster"}),
        ({"tags": [{"key": "stage", "values": ["test"]}]}, {"replica"}),
        ({"tags": [{"key": "stage", "values": ["test", "live"]}]}, {"replica", "cluster"}),
        ({"tags": [{"key": "stage", "values": []}]}, {"replica", "cluster"}),
        ({"tags": [{"key": "stage"}, {"key": "owner"}]}, {"replica"}),
        ({"tags": [{"key": "stage", "values": ["other"]}]}, set()),
        ({"matches": [{"key": "instance_name", "value": "shared-rep"}]}, {"replica"}),
        ({"matches": [{"key": "instance_id", "value": "<replica>"}]}, {"replica"}),
        ({"matches": [{"key": "instance_id", "value": "x"}]}, set()),
    ],
)
def test_instances_are_found_by_tags(
    installation: Installation,
    tagged: Made,
    shared_cluster: Made,
    conditions: dict[str, Any],
    expected: set[str],
) -> None:
    clear(installation, shared_cluster)
    act(installation, shared_cluster, "create", {"stage": "live"})
    ids = {tagged["id"]: "replica", shared_cluster["id"]: "cluster"}
    matches = [
        match | {"value": match["value"].replace("<replica>", tagged["id"])}
        for match in conditions.get("matches", [])
    ]
    body = conditions | {"matches": matches, "action": "filter", "offset": "0", "limit": "100"}
    answer = installation.call("POST", "/instances/action", json=body).json()
    found = {
        ids[one["instance_id"]]: one for one in answer["instances"] if one["instance_id"] in ids
    }
    assert set(found) == expected
    if "replica" in expected:
        assert found["replica"]["instance_name"] == tagged["name"]
        assert {"key": "stage", "value": "test"} in found["replica"]["tags"]
    counted = installation.call("POST", "/instances/action", json=body | {"action": "count"}).json()
    assert counted == {"total_count": answer["total_count"]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "DBS.200001"),
        ({"action": "list"}, "DBS.200001"),
        ({"action": "filter", "limit": "101"}, "DBS.280439"),
        ({"action": "filter", "offset": "-1"}, "DBS.280440"),
        ({"action": "filter", "tags": [{"values": ["x"]}]}, "DBS.280482"),
        ({"action": "filter", "matches": [{"key": "name", "value": "x"}]}, "DBS.200001"),
        ({"action": "filter", "matches": [{"key": "instance_id", "value": "x"}] * 2}, "DBS.200001"),
    ],
)
def test_bad_searches(installation: Installation, body: dict[str, Any], code: str) -> None:
    answer = installation.call("POST", "/instances/action", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
