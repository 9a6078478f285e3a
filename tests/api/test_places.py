"""Availability zones and networks of clients."""

from typing import Any

import pytest

from shardhouse.domain import rules
from shardhouse.errors import DdsError
from tests.installation import Installation

Made = dict[str, Any]


def zones_of(made: Made) -> list[list[str]]:
    return [[node["availability_zone"] for node in group["nodes"]] for group in made["groups"]]


@pytest.mark.parametrize("which", ["shared_replica", "shared_cluster"])
def test_an_instance_moves_to_zones(
    installation: Installation, request: pytest.FixtureRequest, which: str
) -> None:
    made = request.getfixturevalue(which)
    path = f"/instances/{made['id']}/migrate"
    answer = installation.call("POST", path, json={"target_azs": "east,west"})
    assert answer.status_code == 202, answer.text
    job = installation.wait_job(answer.json()["job_id"])
    assert (job["name"], job["status"]) == ("AzMigrate", "Completed")
    listed = installation.instance(made["id"])
    assert listed is not None
    assert listed["availability_zone"] == "east,west"
    for zones in zones_of(listed):
        assert zones == ["east", "west", "east"][: len(zones)]
    found = installation.call("GET", f"{path}/az").json()["az_list"]
    assert {"code": "east", "description": "east", "status": "ENABLED"} in found


@pytest.mark.parametrize("body", [{}, {"target_azs": ""}, {"target_azs": "a,a"}])
def test_zones_that_are_refused(
    installation: Installation, shared_replica: Made, body: dict[str, str]
) -> None:
    answer = installation.call("POST", f"/instances/{shared_replica['id']}/migrate", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280244")


def test_only_zones_of_the_settings_are_accepted() -> None:
    assert rules.zones("z", "a, b", ["a", "b"]) == ("a", "b")
    with pytest.raises(DdsError):
        rules.zones("z", "a,c", ["a", "b"])


def test_networks_of_clients(installation: Installation, shared_replica: Made) -> None:
    path = f"/instances/{shared_replica['id']}/client-network"
    for ranges in (["192.168.0.0/16", "10.1.2.3/32"], ["172.16.0.0/8"], []):
        answer = installation.call("POST", path, json={"client_network_ranges": ranges})
        assert (answer.status_code, answer.json()) == (200, {})
        assert installation.call("GET", path).json() == {
            "instance_id": shared_replica["id"],
            "client_network_ranges": ranges,
        }


@pytest.mark.parametrize(
    ("ranges", "code"),
    [
        (None, "DBS.200001"),
        ("10.0.0.0/8", "DBS.200001"),
        (["10.0.0.0"], "DBS.200091"),
        (["10.0.0.0/7"], "DBS.200091"),
        (["10.0.0.0/33"], "DBS.200091"),
        (["::/64"], "DBS.200091"),
        ([5], "DBS.200091"),
    ],
)
def test_networks_that_are_refused(
    installation: Installation, shared_replica: Made, ranges: Any, code: str
) -> None:
    path = f"/instances/{shared_replica['id']}/client-network"
    answer = installation.call("POST", path, json={"client_network_ranges": ranges})
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)


def test_only_replica_sets_have_networks(installation: Installation, shared_cluster: Made) -> None:
    answer = installation.call("GET", f"/instances/{shared_cluster['id']}/client-network")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.280343")
