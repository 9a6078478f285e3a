"""What Huawei's Terraform provider calls for an instance, as data: its refresh, and its updates.

The provider itself is not run here. Source: its resource `huaweicloud_dds_instance`; codes are
those that its client accepts for the call.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.installation import Installation, until

Made = dict[str, Any]
ALL = frozenset({"Sharding", "ReplicaSet"})
LIST = ""
"""The path of `GET /instances?id=`; other paths are below the instance."""


@dataclass(frozen=True)
class Read:
    """A call of a refresh, and what the provider takes from its answer."""

    path: str
    fields: tuple[str, ...]
    modes: frozenset[str] = ALL


REFRESH = (
    Read(
        LIST,
        (
            *("id", "name", "remark", "status", "port", "mode", "region", "datastore", "engine"),
            *("created", "updated", "db_user_name", "ssl", "vpc_id", "subnet_id", "pay_mode"),
            *("security_group_id", "backup_strategy", "maintenance_window", "groups", "actions"),
            *("tags", "enterprise_project_id", "availability_zone", "time_zone"),
        ),
    ),
    Read("backups/policy", ("backup_policy",)),
    Read("tags", ("tags",)),
    Read("monitoring-by-seconds/switch", ("enabled",)),
    Read("slowlog-desensitization/status", ("status",)),
    Read("auto-enlarge-volume-policy", ("switch_option",)),
    Read("balancer", ("is_open",), frozenset({"Sharding"})),
    Read("replica-set/name", ("name",), frozenset({"ReplicaSet"})),
    Read("client-network", ("client_network_ranges",), frozenset({"ReplicaSet"})),
)


@dataclass(frozen=True)
class Update:
    """A changed argument: the call, the codes that are a success, and what a refresh reads then.
    `back` is the body that undoes it."""

    method: str
    path: str
    body: Any
    read: str
    expected: dict[str, Any]
    codes: frozenset[int] = frozenset({200, 201, 202})
    modes: frozenset[str] = ALL
    back: Any = None
    back_path: str = ""


OK_OR_ACCEPTED = frozenset({200, 202})
NO_CONTENT = frozenset({204})
NEW_GROUP = "3f0f6d9a-55a4-4d15-9a52-7c7d4f1c0a01"
OLD_GROUP = "7aa51dbf-5b63-40db-9724-dad3c4828b58"
POLICY = {
    "keep_days": 9,
    "start_time": "03:00-04:00",
    "period": "2,4",
    "enable_incremental_backup": True,
}
OLD_POLICY = {"keep_days": 0}
UPDATES = (
    Update(
        "PUT",
        "modify-name",
        {"new_instance_name": "by-terraform"},
        LIST,
        {"name": "by-terraform"},
        OK_OR_ACCEPTED,
        back={"new_instance_name": "<name>"},
    ),
    Update(
        "PUT", "remark", {"remark": "managed"}, LIST, {"remark": "managed"}, back={"remark": ""}
    ),
    Update(
        "PUT",
        "maintenance-window",
        {"start_time": "20:00", "end_time": "22:00"},
        LIST,
        {"maintenance_window": "20:00-22:00"},
        NO_CONTENT,
        back={"start_time": "02:00", "end_time": "06:00"},
    ),
    Update(
        "POST",
        "modify-security-group",
        {"security_group_id": NEW_GROUP},
        LIST,
        {"security_group_id": NEW_GROUP},
        OK_OR_ACCEPTED,
        back={"security_group_id": OLD_GROUP},
    ),
    Update(
        "PUT",
        "backups/policy",
        {"backup_policy": POLICY},
        "backups/policy",
        {"backup_policy": POLICY},
        frozenset({200}),
        back={"backup_policy": OLD_POLICY},
    ),
    Update(
        "PUT",
        "monitoring-by-seconds/switch",
        {"enabled": True},
        "monitoring-by-seconds/switch",
        {"enabled": True},
        NO_CONTENT,
        back={"enabled": False},
    ),
    Update(
        "PUT",
        "slowlog-desensitization/off",
        None,
        "slowlog-desensitization/status",
        {"status": "off"},
        back_path="slowlog-desensitization/on",
    ),
    Update(
        "POST",
        "tags/action",
        {"action": "create", "tags": [{"key": "by", "value": "terraform"}]},
        "tags",
        {"tags": [{"key": "by", "value": "terraform"}]},
        frozenset({200, 204}),
        back={"action": "delete", "tags": [{"key": "by"}]},
    ),
    Update(
        "PUT",
        "balancer/stop",
        None,
        "balancer",
        {"is_open": False},
        modes=frozenset({"Sharding"}),
        back_path="balancer/start",
    ),
    Update(
        "PUT",
        "balancer/active-window",
        {"start_time": "01:00", "stop_time": "02:00"},
        "balancer",
        {"active_window": {"start_time": "01:00", "stop_time": "02:00"}},
        modes=frozenset({"Sharding"}),
    ),
    Update(
        "POST",
        "client-network",
        {"client_network_ranges": ["10.8.0.0/16"]},
        "client-network",
        {"client_network_ranges": ["10.8.0.0/16"]},
        frozenset({200}),
        frozenset({"ReplicaSet"}),
        back={"client_network_ranges": []},
    ),
)


@pytest.fixture(params=["shared_replica", "shared_cluster"])
def made(request: pytest.FixtureRequest, installation: Installation) -> Made:
    """An instance without tags."""
    found = request.getfixturevalue(request.param)
    tags = installation.call("GET", f"/instances/{found['id']}/tags").json()["tags"]
    body = {"action": "delete", "tags": tags}
    installation.call("POST", f"/instances/{found['id']}/tags/action", json=body)
    return found


def read(installation: Installation, made: Made, path: str) -> bytes:
    if path == LIST:
        answer = installation.call("GET", "/instances", params={"id": made["id"]})
    else:
        answer = installation.call("GET", f"/instances/{made['id']}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.content


def content(installation: Installation, made: Made, path: str) -> Any:
    found = json.loads(read(installation, made, path))
    return found["instances"][0] if path == LIST else found


def refresh(installation: Installation, made: Made) -> dict[str, bytes]:
    """All that a refresh reads, by path."""
    calls = [call for call in REFRESH if made["mode"] in call.modes]
    return {call.path: read(installation, made, call.path) for call in calls}


def test_a_refresh_finds_every_field(installation: Installation, made: Made) -> None:
    for call in [call for call in REFRESH if made["mode"] in call.modes]:
        assert set(call.fields) <= set(content(installation, made, call.path)), call.path


def test_nothing_differs_between_two_refreshes(installation: Installation, made: Made) -> None:
    idle(installation, made)
    first, second = refresh(installation, made), refresh(installation, made)
    for path in first:  # lists of words, so that a failure shows the one that differs
        assert second[path].split(b",") == first[path].split(b",")


@pytest.mark.parametrize("update", [pytest.param(one, id=one.path) for one in UPDATES])
def test_an_update_is_seen_by_the_next_refresh(
    installation: Installation, made: Made, update: Update
) -> None:
    if made["mode"] not in update.modes:
        pytest.skip(f"not for {made['mode']}")
    send(installation, made, update, update.path, update.body)
    after = content(installation, made, update.read)
    assert {name: after[name] for name in update.expected} == update.expected
    idle(installation, made)
    if update.back is not None or update.back_path:
        back = {
            name: made["name"] if value == "<name>" else value
            for name, value in (update.back or {}).items()
        }
        send(installation, made, update, update.back_path or update.path, back or None)


def idle(installation: Installation, made: Made) -> None:
    """Wait as the providers do: a new backup policy, for example, has a backup made at once."""

    def settled() -> bool:
        listed = content(installation, made, LIST)
        return (listed["status"], listed["actions"]) == ("normal", [])

    until("the instance to be idle", settled)


def send(installation: Installation, made: Made, update: Update, path: str, body: Any) -> None:
    """Call as the provider does: until its job has ended."""
    answer = installation.call(update.method, f"/instances/{made['id']}/{path}", json=body)
    assert answer.status_code in update.codes, answer.text
    job_id = answer.json().get("job_id") if answer.content else None
    if job_id:
        assert installation.wait_job(job_id)["status"] == "Completed"


def test_a_new_password_is_taken(installation: Installation, made: Made) -> None:
    path = f"/instances/{made['id']}/reset-password"
    answer = installation.call("PUT", path, json={"user_pwd": "Test@123"})
    assert answer.status_code in OK_OR_ACCEPTED
