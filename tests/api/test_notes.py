"""What is noted about an instance: written, refused, and read back everywhere."""

from typing import Any

import pytest

from shardhouse.domain import rules
from shardhouse.errors import DdsError
from tests.installation import Installation

Made = dict[str, Any]
GROUP = "0d1b2c3d-1111-4222-8333-444455556666"


def change(installation: Installation, made: Made, method: str, call: str, body: Any) -> Any:
    return installation.call(method, f"/instances/{made['id']}/{call}", json=body)


def listed(installation: Installation, made: Made) -> Made:
    found = installation.instance(made["id"])
    assert found is not None
    return found


def nodes_of(made: Made) -> list[tuple[str, str, str, str]]:
    return [
        (node["id"], node["name"], node["host"], node["status"])
        for group in made["groups"]
        for node in group["nodes"]
    ]


def test_a_name_is_changed_in_lists_and_filters(
    installation: Installation, shared_replica: Made
) -> None:
    before = listed(installation, shared_replica)
    body = {"new_instance_name": "renamed-replica"}
    answer = change(installation, shared_replica, "PUT", "modify-name", body)
    assert (answer.status_code, answer.json()) == (200, {})
    renamed = listed(installation, shared_replica)
    assert (renamed["name"], renamed["status"]) == ("renamed-replica", "normal")
    assert nodes_of(renamed) == nodes_of(before)
    for name, there in (("renamed-replica", True), ("shared-replica", False), ("*enamed", True)):
        found = installation.call("GET", "/instances", params={"name": name}).json()["instances"]
        assert (shared_replica["id"] in [one["id"] for one in found]) is there
    body = {"new_instance_name": shared_replica["name"]}
    assert change(installation, shared_replica, "PUT", "modify-name", body).status_code == 200
    assert listed(installation, shared_replica)["name"] == shared_replica["name"]


@pytest.mark.parametrize("remark", ["of the shop: 50 %", "", "für später"])
def test_a_remark_is_listed(installation: Installation, shared_replica: Made, remark: str) -> None:
    answer = change(installation, shared_replica, "PUT", "remark", {"remark": remark})
    assert (answer.status_code, answer.json()) == (200, {})
    assert listed(installation, shared_replica)["remark"] == remark


def test_a_maintenance_window_is_listed(installation: Installation, shared_replica: Made) -> None:
    window = {"start_time": "22:30", "end_time": "02:30"}
    answer = change(installation, shared_replica, "PUT", "maintenance-window", window)
    assert (answer.status_code, answer.content) == (204, b"")
    assert listed(installation, shared_replica)["maintenance_window"] == "22:30-02:30"


def test_a_security_group_is_a_record_that_takes_a_job(
    installation: Installation, shared_replica: Made
) -> None:
    before = listed(installation, shared_replica)
    body = {"security_group_id": GROUP}
    answer = change(installation, shared_replica, "POST", "modify-security-group", body)
    assert answer.status_code == 202
    assert answer.json()["security_group_id"] == GROUP
    job = installation.wait_job(answer.json()["job_id"])
    assert (job["name"], job["status"]) == ("ModifySecurityGroup", "Completed")
    found = listed(installation, shared_replica)
    assert (found["security_group_id"], found["actions"]) == (GROUP, [])
    assert nodes_of(found) == nodes_of(before)


@pytest.mark.parametrize(
    ("method", "call", "body", "code"),
    [
        ("PUT", "modify-name", {}, "DBS.280234"),
        ("PUT", "modify-name", {"new_instance_name": "1st"}, "DBS.280234"),
        ("PUT", "modify-name", {"new_instance_name": "a" * 65}, "DBS.280234"),
        ("PUT", "remark", {}, "DBS.200001"),
        ("PUT", "remark", {"remark": 5}, "DBS.200001"),
        ("PUT", "remark", {"remark": "a" * 65}, "DBS.280271"),
        ("PUT", "remark", {"remark": "a<b"}, "DBS.200001"),
        ("PUT", "remark", {"remark": "a\rb"}, "DBS.200001"),
        ("PUT", "maintenance-window", {"start_time": "02:00"}, "DBS.200001"),
        ("PUT", "maintenance-window", {"start_time": "24:00", "end_time": "02:00"}, "DBS.200001"),
        ("PUT", "maintenance-window", {"start_time": "02:00", "end_time": "02:59"}, "DBS.200001"),
        ("PUT", "maintenance-window", {"start_time": "02:00", "end_time": "02:00"}, "DBS.200001"),
        ("POST", "modify-security-group", {}, "DBS.280249"),
        ("POST", "modify-security-group", {"security_group_id": "x"}, "DBS.280249"),
    ],
)
def test_what_breaks_a_rule_changes_nothing(
    installation: Installation,
    shared_replica: Made,
    method: str,
    call: str,
    body: dict[str, Any],
    code: str,
) -> None:
    before = listed(installation, shared_replica)
    answer = change(installation, shared_replica, method, call, body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert listed(installation, shared_replica) == before


def test_windows_have_full_hours_on_huawei() -> None:
    assert rules.maintenance_window("02:00", "03:00", full_hours=True) == "02:00-03:00"
    assert rules.maintenance_window("23:15", "00:15", full_hours=False) == "23:15-00:15"
    for start, end in (("02:30", "06:00"), ("02:00", "06:30")):
        with pytest.raises(DdsError):
            rules.maintenance_window(start, end, full_hours=True)
