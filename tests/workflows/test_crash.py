"""`kill -9` of the service at any moment: the job goes on under its id, and nothing is orphaned."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shardhouse.operations.create import CREATE
from shardhouse.operations.delete import DELETE
from shardhouse.workflows.operation import Operation
from tests import requests
from tests.installation import Installation, until, uri

PROGRAM = Path(__file__).with_name("dying_serve.py")
DYING = f"import runpy; runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    try:
        yield made
    finally:
        made.destroy()


def boundaries(operation: Operation) -> list[str]:
    names = [*(step.name for step in operation.steps), "finish", "afterwards"]
    return [f"{side}:{name}" for name in names for side in ("before", "after")]


def check_nothing_is_orphaned(installation: Installation) -> None:
    """Processes, folders and store rows are exactly those of the listed instances."""
    listed = installation.call("GET", "/instances").json()["instances"]
    nodes = {n["id"]: i["id"] for i in listed for g in i["groups"] for n in g["nodes"]}
    for node in nodes:
        assert len(installation.nodes(node)) == 1, f"processes of node {node}"
    assert len(installation.nodes()) == len(nodes)
    root = installation.data_dir / "instances"
    folders = {node.name: node.parent.name for node in root.glob("*/*")}
    assert folders == nodes
    assert {path.name for path in root.glob("*")} == set(nodes.values())
    with sqlite3.connect(installation.data_dir / "shardhouse.db") as store:
        leased = dict(store.execute("select id, address from nodes"))
        owners = {row[0] for row in store.execute("select distinct instance_id from groups")}
        keys = {
            row[0] for row in store.execute("select distinct instance_id from instance_secrets")
        }
    assert set(leased) == set(nodes)
    assert len(set(leased.values())) == len(leased)
    assert owners == keys == set(nodes.values())


def die_through(installation: Installation, moments: list[str]) -> None:
    """Start the service once per moment; each time it dies there."""
    for moment in moments:
        installation.launch(DYING, {"DIE_AT": moment})
        assert installation.wait_end() == -9, f"it should have died at {moment}"


@pytest.mark.soak
def test_creation_survives_a_crash_at_every_boundary(own: Installation) -> None:
    own.start(DYING, {"DIE_AT": "stored"})
    with pytest.raises(httpx.HTTPError):
        own.create(requests.single())
    assert own.wait_end() == -9
    die_through(own, boundaries(CREATE))
    own.start()
    (listed,) = own.call("GET", "/instances").json()["instances"]
    until("the instance to be idle", lambda: not own.instance(listed["id"])["actions"], 60)
    instance = own.instance(listed["id"])
    assert instance is not None
    assert instance["status"] == "normal"
    with MongoClient(uri(instance)) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
    check_nothing_is_orphaned(own)


@pytest.mark.soak
def test_deletion_survives_a_crash_at_every_boundary(own: Installation) -> None:
    own.start()
    made = own.make(requests.single())
    kept = own.make(requests.single(name="kept-one"))
    own.kill()
    own.start(DYING, {"DIE_AT": "stored"})
    with pytest.raises(httpx.HTTPError):
        own.call("DELETE", f"/instances/{made['id']}")
    assert own.wait_end() == -9
    die_through(own, boundaries(DELETE))
    own.start()
    assert own.instance(made["id"]) is None
    until("the removal", lambda: not (own.data_dir / "instances" / made["id"]).exists())
    until("kept-one to be normal", lambda: own.instance(kept["id"])["status"] == "normal")
    check_nothing_is_orphaned(own)


def test_a_job_this_version_does_not_know_ends_and_frees_its_instance(own: Installation) -> None:
    own.start()
    made = own.make(requests.single())
    own.kill()
    known = {"job": "1" * 36, "action": "RESIZE_FLAVOR", "step": "Do what nobody knows"}
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        store.execute(
            "insert into jobs (id, project_id, instance_id, instance_name, name, action, arguments,"
            " status, created_at) select :job, project_id, id, name, 'ResizeMongoDBInstance',"
            " :action, '{}', 'Running', created_at from instances",
            known,
        )
        store.execute(
            "insert into job_steps (job_id, position, name, status, detail)"
            " values (:job, 0, :step, 'Pending', '')",
            known,
        )
    own.start()
    job = own.wait_job(known["job"])
    assert job["status"] == "Failed"
    assert "Do what nobody knows" in job["fail_reason"]
    instance = own.instance(made["id"])
    assert instance is not None
    assert instance["actions"] == []
    assert own.delete(made["id"])["status"] == "Completed"


def _crash_while_creating(own: Installation, seed: int) -> None:
    moments = random.Random(seed)
    own.start()
    created = own.create(requests.CLUSTER)
    until("its first step", lambda: own.job(created["job_id"])["steps"][0]["status"] != "Pending")
    for _ in range(2):
        # Not a wait for something: the crash itself comes at a random moment.
        end = moments.uniform(0.0, 3.0)
        try:
            until("a random moment", lambda: None, end)
        except AssertionError:
            own.kill()
        own.start()
    job = own.wait_job(created["job_id"])
    assert job["status"] == "Completed", job["fail_reason"]
    assert job["id"] == created["job_id"]
    instance = own.instance(created["id"])
    assert instance is not None
    assert instance["status"] == "normal"
    with MongoClient(uri(instance)) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
        assert client["shop"]["orders"].count_documents({}) == 1
    check_nothing_is_orphaned(own)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_cluster_creation_survives_random_crashes(own: Installation, seed: int) -> None:
    _crash_while_creating(own, seed)


def test_databases_outlive_the_service_and_are_adopted(own: Installation) -> None:
    own.start()
    made = own.make(requests.replica_set())
    before = {process.pid for process in own.nodes()}
    assert own.stop() == 0
    assert {process.pid for process in own.nodes()} == before
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
    own.start()
    assert own.instance(made["id"])["status"] == "normal"
    assert {process.pid for process in own.nodes()} == before


def test_everything_comes_back_after_a_reboot(own: Installation) -> None:
    own.start()
    made = own.make(requests.replica_set())
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
    own.kill()
    for process in own.nodes():
        process.kill()
    until("all nodes to be gone", lambda: not own.nodes())
    own.start()
    until("processes to be back", lambda: len(own.nodes()) == 3)

    def status() -> Any:
        listed = own.instance(made["id"])
        assert listed is not None
        return listed

    until("the instance to be normal", lambda: status()["status"] == "normal", 60)
    assert (
        status()["groups"][0]["nodes"][0]["private_ip"]
        == (made["groups"][0]["nodes"][0]["private_ip"])
    )
    with MongoClient(uri(made)) as client:
        assert client["shop"]["orders"].count_documents({}) == 1
