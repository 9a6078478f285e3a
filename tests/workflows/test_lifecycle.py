"""What becomes of an instance: busy, deleted, failed; read from the API and from the machine."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests import requests
from tests.installation import Installation, addresses, until, uri


def test_an_instance_that_is_being_created_is_busy(installation: Installation) -> None:
    created = installation.create(requests.single())
    busy = installation.call("DELETE", f"/instances/{created['id']}")
    assert (busy.status_code, busy.json()["error_code"]) == (403, "DBS.200019")
    listed = installation.instance(created["id"])
    assert listed is not None
    assert (listed["status"], listed["actions"]) == ("creating", ["CREATE"])
    installation.wait_job(created["job_id"])
    installation.delete(created["id"])


def test_a_deleted_instance_is_gone_at_once_and_leaves_nothing(installation: Installation) -> None:
    made = installation.make(requests.single())
    answer = installation.call("DELETE", f"/instances/{made['id']}")
    assert answer.status_code == 202
    assert installation.instance(made["id"]) is None
    job = installation.wait_job(answer.json()["job_id"])
    assert (job["status"], job["instance"]["id"]) == ("Completed", made["id"])
    assert not (installation.data_dir / "instances" / made["id"]).exists()
    assert not installation.nodes(made["id"])
    again = installation.call("DELETE", f"/instances/{made['id']}")
    assert (again.status_code, again.json()["error_code"]) == (404, "DBS.200002")


def test_jobs_of_a_deleted_instance_are_gone(installation: Installation) -> None:
    created = installation.create(requests.single())
    installation.wait_job(created["job_id"])
    installation.delete(created["id"])
    answer = installation.call("GET", "/jobs", params={"id": created["job_id"]})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.200543")


def test_names_may_repeat(installation: Installation) -> None:
    first = installation.make(requests.single(name="same-name"))
    second = installation.make(requests.single(name="same-name"))
    assert first["id"] != second["id"]
    assert set(addresses(first)).isdisjoint(addresses(second))
    for made in (first, second):
        installation.delete(made["id"])


def test_a_creation_without_memory_fails_with_the_reason(tmp_path: Path) -> None:
    greedy = Installation(tmp_path / "data", memory_reserve=10**9)
    try:
        greedy.start()
        _fails(greedy, "Not enough free memory")
    finally:
        greedy.destroy()


def test_a_mongod_that_does_not_start_fails_with_its_last_words(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    mongod = folder / "mongod"
    mongod.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "db version v6.0.5"; exit 0; fi\n'
        "echo cannot find libexample.so; exit 127\n"
    )
    mongod.chmod(0o755)
    broken = Installation(tmp_path / "data", engines=[str(folder)])
    try:
        broken.start()
        _fails(broken, "cannot find libexample.so")
    finally:
        broken.destroy()


def _fails(installation: Installation, reason: str) -> None:
    """A creation ends as createfail, says why, leaves no process, and can be deleted."""
    created = installation.create(requests.replica_set())
    job = installation.wait_job(created["job_id"], 60)
    assert job["status"] == "Failed"
    assert reason in job["fail_reason"]
    listed = installation.instance(created["id"])
    assert listed is not None
    assert (listed["status"], listed["actions"]) == ("createfail", [])
    assert installation.nodes() == []
    assert installation.delete(created["id"])["status"] == "Completed"
    assert installation.instance(created["id"]) is None


def test_the_quota_is_enforced(tmp_path: Path) -> None:
    small = Installation(tmp_path / "data", quotas={"single": 1})
    try:
        small.start()
        small.create(requests.single())
        refused = small.call("POST", "/instances", json=requests.single())
        assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.280280")
        resources = small.call("GET", "/quotas").json()["quotas"]["resources"]
        assert {"type": "instance", "mode": "Single", "quota": 1, "used": 1} in resources
    finally:
        small.destroy()


@pytest.fixture(scope="module")
def replica(installation: Installation) -> Any:
    made = installation.make(requests.replica_set())
    yield made
    installation.delete(made["id"])


def test_a_replica_set_has_a_primary_a_secondary_and_a_hidden_member(
    installation: Installation, replica: dict[str, Any]
) -> None:
    (group,) = replica["groups"]
    assert sorted(node["role"] for node in group["nodes"]) == ["Hidden", "Primary", "Secondary"]
    with MongoClient(uri(replica)) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
        hello = client.admin.command("hello")
        assert hello["setName"] == "replica"
        assert sorted(hello["hosts"]) == sorted(addresses(replica))


def test_a_crashed_node_is_told_and_restarted(
    installation: Installation, replica: dict[str, Any]
) -> None:
    (group,) = replica["groups"]
    hidden = next(node for node in group["nodes"] if node["role"] == "Hidden")
    process = installation.nodes(hidden["id"])[0]
    process.kill()

    def now() -> dict[str, Any]:
        listed = installation.instance(replica["id"])
        assert listed is not None
        return next(n for n in listed["groups"][0]["nodes"] if n["id"] == hidden["id"])

    until("the node to be told abnormal", lambda: now()["status"] == "abnormal", 10)
    until("the node to be well again", lambda: now()["role"] == "Hidden", 60)
    assert now()["status"] == "normal"
    again = installation.nodes(hidden["id"])[0]
    assert again.pid != process.pid


@pytest.mark.soak
def test_a_frozen_node_hides_no_other_s_death(
    installation: Installation, replica: dict[str, Any]
) -> None:
    """A stopped process accepts connections and never answers."""
    other = installation.make(requests.single(name="other-single"))
    (group,) = replica["groups"]
    primary = next(node for node in group["nodes"] if node["role"] == "Primary")
    frozen = installation.nodes(primary["id"])[0]
    frozen.suspend()
    try:
        dead = installation.nodes(other["id"])[0]
        dead.kill()

        def status(instance: dict[str, Any]) -> str:
            listed = installation.instance(instance["id"])
            assert listed is not None
            return str(listed["status"])

        until("the death to be told", lambda: status(other) == "abnormal", 10)
        until("the single to be back", lambda: status(other) == "normal", 30)

        def roles() -> list[str]:
            listed = installation.instance(replica["id"])
            assert listed is not None
            return sorted(node["role"] for node in listed["groups"][0]["nodes"])

        expected = ["Hidden", "Primary", "unknown"]
        until("the other member to lead", lambda: roles() == expected, 60)
    finally:
        frozen.resume()
    until("all to be well", lambda: roles() == ["Hidden", "Primary", "Secondary"], 60)
    installation.delete(other["id"])


@pytest.mark.soak
def test_a_removal_that_failed_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    own = Installation(tmp_path / "data")
    try:
        own.start()
        made = own.make(requests.single())
        folder = own.data_dir / "instances" / made["id"]
        (node,) = folder.iterdir()
        immutable = subprocess.run(
            ["chattr", "+i", str(node / "conf" / "keyfile")], capture_output=True, check=False
        )
        if immutable.returncode:
            pytest.skip("no file can be made undeletable here: chattr +i is not supported")
        try:
            job = own.delete(made["id"])
            assert job["status"] == "Failed"
            assert "Cannot delete" in job["fail_reason"]
            assert own.instance(made["id"]) is None
        finally:
            subprocess.run(["chattr", "-i", str(node / "conf" / "keyfile")], check=True)
        assert own.stop() == 0
        own.start()
        until("the folder to be gone", lambda: not folder.exists())
    finally:
        own.destroy()


def test_volume_use_is_measured(tmp_path: Path) -> None:
    made_here = Installation(tmp_path / "data")
    try:
        made_here.start()
        made = made_here.make(requests.single())
        with MongoClient(uri(made)) as client:
            blob = "x" * 1_000_000
            client["big"]["data"].insert_many([{"n": n, "b": blob + str(n)} for n in range(40)])
        with made_here.system(made) as clients:
            clients[addresses(made)[0]].admin.command("fsync")

        def used() -> float:
            listed = made_here.instance(made["id"])
            assert listed is not None
            return float(listed["groups"][0]["volume"]["used"])

        until("the use to be measured", lambda: used() > 0, 45)
    finally:
        made_here.destroy()
