"""`kill -9` of the service at the boundaries of the steps of backups and restores: the job goes on,
or all is as it was; no lock, copy or object is left."""

from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shardhouse.operations import back_up, restore
from tests import requests
from tests.backing_up import backup, backups
from tests.installation import Installation, until, uri
from tests.workflows.test_crash import (
    DYING,
    boundaries,
    check_nothing_is_orphaned,
    die_through,
)

MODES = {
    "single": requests.single,
    "set": requests.replica_set,
    "cluster": requests.cluster,
}
#: In CI the smallest one: what differs between the modes has tests of its own.
MODE = pytest.mark.parametrize(
    "mode",
    [name if name == "single" else pytest.param(name, marks=pytest.mark.soak) for name in MODES],
)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def filled(own: Installation, mode: str) -> dict[str, Any]:
    made = own.make(MODES[mode](name="crashed"))
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_many({"_id": number} for number in range(100))
    return made


def interrupt(
    own: Installation, mode: str, operation: Any, method: str, path: str, body: Any
) -> None:
    """Make a call, and have the service die on both sides of each step of its operation; in CI only
    on the worse one."""
    own.kill()
    own.start(DYING, {"DIE_AT": "stored"})
    with pytest.raises(httpx.HTTPError):
        own.call(method, path, json=body)
    assert own.wait_end() == -9
    sides = ("after",) if mode == "single" else ("before", "after")
    die_through(own, [one for one in boundaries(operation) if one.startswith(sides)])
    own.start()


def check(own: Installation, instance_id: str, count: int) -> None:
    """The instance serves this many documents to a writer, and nothing lies beside it."""

    def settled() -> bool:
        listed = own.instance(instance_id)
        assert listed is not None
        return (listed["status"], listed["actions"]) == ("normal", [])

    until("the instance to be idle", settled, 120)
    root = own.data_dir / "instances"
    until("nothing to lie aside", lambda: not glob(f"{root}/*/*-*"))
    check_nothing_is_orphaned(own)
    listed = own.instance(instance_id)
    assert listed is not None
    with MongoClient(uri(listed)) as client:
        assert client["shop"]["orders"].count_documents({}) == count
        client["shop"]["orders"].insert_one({"_id": "writable"})


@MODE
def test_a_backup_survives_a_crash_at_every_boundary(own: Installation, mode: str) -> None:
    made = filled(own, mode)
    body = {"backup": {"instance_id": made["id"], "name": "interrupted"}}
    interrupt(own, mode, back_up.BACK_UP, "POST", "/backups", body)
    until("the backup to be complete", lambda: backups(own)[0]["status"] == "COMPLETED", 120)
    check(own, made["id"], 100)
    (folder,) = (own.data_dir / "backups").glob("*/backups/*")
    sets = {"single": 1, "set": 1, "cluster": 3}[mode]
    assert len(list(folder.glob("*.tar"))) == sets
    assert (folder / "manifest.json").exists()


@pytest.mark.soak
@MODE
def test_a_restore_in_place_survives_a_crash_at_every_boundary(
    own: Installation, mode: str
) -> None:
    made = filled(own, mode)
    saved = backup(own, made["id"], "saved")
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].delete_many({"_id": {"$gte": 50}})
    source = {"instance_id": made["id"], "backup_id": saved["id"]}
    body = {"source": source, "target": {"instance_id": made["id"]}}
    interrupt(own, mode, restore.IN_PLACE, "POST", "/instances/recovery", body)
    check(own, made["id"], 100)


@pytest.mark.soak
@MODE
def test_a_restore_to_new_survives_a_crash_at_every_boundary(own: Installation, mode: str) -> None:
    made = filled(own, mode)
    saved = backup(own, made["id"], "saved")
    body = MODES[mode](name="again", restore_point={"backup_id": saved["id"]})
    for inherited in ("datastore", "region", "mode"):
        del body[inherited]
    interrupt(own, mode, restore.TO_NEW, "POST", "/instances", body)
    (again,) = [
        one for one in own.call("GET", "/instances").json()["instances"] if one["name"] == "again"
    ]
    check(own, again["id"], 100)
