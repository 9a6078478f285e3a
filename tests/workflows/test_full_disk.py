"""A full disk locks nobody out: the service reads, logs in and deletes on it, and tells of it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from shardhouse.doctor import checks
from shardhouse.router.logs import Log
from shardhouse.server import configure_logs
from shardhouse.settings import load
from shardhouse.store.reserve import NAME, SIZE
from tests import requests
from tests.cli.program import Program
from tests.disks import MIB, fill, small_disk
from tests.installation import Installation, until, uri

#: `serve` whose store finds no space at the end of the first two attempts to end a job.
UNLUCKY = """
import json, sys
from shardhouse.errors import DiskFullError
from shardhouse.server import serve
from shardhouse.settings import load
from shardhouse.store import jobs

end, refused = jobs.end, []

def refusing_twice(*arguments, **options):
    if len(refused) < 2:
        refused.append(arguments)
        raise DiskFullError("No space, for now.")
    end(*arguments, **options)

jobs.end = refusing_twice
serve(load(**json.loads(sys.argv[1])))
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    """A service whose data directory is a disk of 160 MB. Its log lies on it as well."""
    with small_disk(tmp_path / "disk", 160) as disk:
        made = Installation(disk / "data", disk_reserve=0)
        try:
            yield made
        finally:
            made.destroy()


def status(installation: Installation, instance: dict[str, Any]) -> str:
    listed = installation.instance(instance["id"])
    assert listed is not None
    return str(listed["status"])


def write_until_refused(instance: dict[str, Any]) -> None:
    """Documents of 4 MB, until the disk is full."""
    with MongoClient(uri(instance), serverSelectionTimeoutMS=2000) as client:
        blobs = client["shop"]["blobs"]
        with pytest.raises(PyMongoError):
            blobs.insert_many({"_id": n, "blob": os.urandom(4 * MIB)} for n in range(100))


def test_a_full_disk_is_told_and_outlived(own: Installation) -> None:
    own.start()
    disk = own.data_dir.parent
    assert (own.data_dir / NAME).stat().st_size == SIZE
    made, other = own.make(requests.single()), own.make(requests.single(name="other-single"))
    fill(disk / "filler", leave=24 * MIB)
    write_until_refused(made)
    until("the full disk to be told", lambda: status(own, made) == "data_disk_full")
    until("the node to be gone", lambda: not own.nodes(made["id"]))
    fill(disk / "filler")
    until("it to be told of the other", lambda: status(own, other) == "data_disk_full")

    # Whoever logs in, reads and deletes now, may; and so after a restart of the service.
    program = Program(own.data_dir)
    assert {item["status"] for item in program.json("instance", "list")} == {"data_disk_full"}
    own.kill()
    fill(disk / "filler")
    own.start()
    own.issue(own.admin["user_name"], own.admin["password"])
    assert not own.nodes(made["id"])
    assert own.delete(other["id"])["status"] == "Completed"
    assert not (own.data_dir / "instances" / other["id"]).exists()

    (disk / "filler").unlink()
    until("the instance to be back", lambda: status(own, made) == "normal", 60)
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
    until("the reserve to be whole", lambda: (own.data_dir / NAME).stat().st_size == SIZE)

    fill(disk / "filler")
    program.ok("instance", "delete", made["id"], "--yes", "--wait")
    assert own.nodes() == []
    assert own.call("GET", "/instances").json()["total_count"] == 0
    assert "Traceback" not in own.log.read_text()


def test_a_job_waits_for_space_in_the_store(own: Installation) -> None:
    own.start(UNLUCKY)
    created = own.create(requests.single())
    assert own.wait_job(created["job_id"])["status"] == "Completed"
    assert own.delete(created["id"])["status"] == "Completed"


def test_creation_asks_for_disk_and_doctor_agrees(own: Installation) -> None:
    own.start()
    disk = own.data_dir.parent
    settings = load(data_dir=str(own.data_dir), disk_reserve=0)
    assert checks.disk(settings).verdict == "warn"
    refused = own.call("POST", "/instances", json=requests.cluster())
    assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.280445")
    assert "11 nodes need at least 576 MiB" in refused.json()["error_msg"]
    assert "lower disk_reserve" in refused.json()["error_msg"]
    fill(disk / "filler", leave=60 * MIB)
    refused = own.call("POST", "/instances", json=requests.single())
    assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.280445")
    assert checks.disk(settings).verdict == "fail"
    assert own.call("GET", "/instances").json()["total_count"] == 0


def test_a_log_that_takes_no_line_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    router = Log.to("/dev/full", append=True)
    for _ in range(100):
        router.note("NETWORK", "Connection accepted", padding="x" * 1000)
    assert router.written == 100
    router.close()
    with open("/dev/full", "w") as full, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", full)
        try:
            configure_logs("info")
            for _ in range(100):
                structlog.get_logger().info("node removed", padding="x" * 1000)
        finally:
            structlog.reset_defaults()
