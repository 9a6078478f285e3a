"""Backing instances up and restoring them, as tests ask for it."""

from datetime import UTC, datetime
from typing import Any

import httpx

from tests import requests
from tests.installation import Installation, until

#: A strategy with which instances are backed up by themselves.
POLICY = {"start_time": "08:15-09:15", "keep_days": "7"}


def backup(own: Installation, instance_id: str, name: str, **fields: Any) -> dict[str, Any]:
    """A manual backup, made to its end; as it is listed."""
    body = {"backup": {"instance_id": instance_id, "name": name, **fields}}
    answer = own.call("POST", "/backups", json=body)
    assert answer.status_code == 200, answer.text
    job = own.wait_job(answer.json()["job_id"], 120)
    assert job["status"] == "Completed", job
    (listed,) = backups(own, backup_id=answer.json()["backup_id"])
    assert listed["status"] == "COMPLETED"
    return listed


def backups(own: Installation, **filters: Any) -> list[dict[str, Any]]:
    """The backups that match."""
    answer = own.call("GET", "/backups", params=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["backups"]
    return found


def restored(
    own: Installation, instance: dict[str, Any], name: str, **point: Any
) -> dict[str, Any]:
    """A new instance with the data of a restore point of `instance`, as it is listed when it is
    normal."""
    mode = {"Sharding": requests.cluster, "ReplicaSet": requests.replica_set}
    body = mode.get(instance["mode"], requests.single)(name=name, restore_point=point)
    for inherited in ("datastore", "region", "mode"):
        del body[inherited]
    answer = own.call("POST", "/instances", json=body)
    assert answer.status_code == 202, answer.text
    return finished(own, answer, answer.json()["id"])


def recovered(own: Installation, instance: dict[str, Any], **source: Any) -> dict[str, Any]:
    """The instance, when its data is that of a restore point of its own."""
    instance_id = instance["id"]
    body = {
        "source": {"instance_id": instance_id, **source},
        "target": {"instance_id": instance_id},
    }
    answer = own.call("POST", "/instances/recovery", json=body)
    assert answer.status_code == 200, answer.text
    return finished(own, answer, instance_id)


def finished(own: Installation, answer: httpx.Response, instance_id: str) -> dict[str, Any]:
    """The instance after the job that was answered."""
    job = own.wait_job(answer.json()["job_id"], 240)
    assert job["status"] == "Completed", job

    def idle() -> dict[str, Any] | None:
        listed = own.instance(instance_id)
        assert listed is not None
        assert listed["status"] == "normal"
        return None if listed["actions"] else listed  # a restored one is backed up by its policy

    return until("the instance to be idle", idle, 120)


def restorable(own: Installation, instance_id: str) -> list[tuple[int, int]]:
    """The moments that an instance can be restored to today, as ranges in milliseconds."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    answer = own.call("GET", f"/instances/{instance_id}/restore-time", params={"date": today})
    assert answer.status_code == 200, answer.text
    return [(one["start_time"], one["end_time"]) for one in answer.json()["restore_time"]]


def reach(own: Installation, instance_id: str, moment: int) -> None:
    """Wait until an instance can be restored to a moment."""

    def covered() -> bool:
        return any(start <= moment <= end for start, end in restorable(own, instance_id))

    try:
        until("the moment to be restorable", covered, 60)
    except AssertionError:
        raise AssertionError(f"{moment} is not in {restorable(own, instance_id)}") from None


def backed_up(own: Installation, body: dict[str, Any]) -> dict[str, Any]:
    """A new instance, when its first automatic backup is there."""
    made = own.make(body)
    complete = {"instance_id": made["id"], "backup_status": "COMPLETED"}
    until("the first automatic backup", lambda: backups(own, **complete) or None, 120)
    return made
