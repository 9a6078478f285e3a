"""Upgrades between real builds: under load, one release after another, failed, delayed, crashed."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shardhouse.mongo import administrator, replica_set
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.operations.upgrade import UPGRADE
from tests import builds, requests
from tests.cli.program import Program
from tests.installation import Installation, addresses, until, uri
from tests.load import load
from tests.workflows.test_crash import DYING, boundaries, check_nothing_is_orphaned, die_through

OLD, NEW = "6.0.5", "6.0.27"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("upgrade") / "data", engines=names(OLD))
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def names(*versions: str) -> list[str]:
    return [builds.known_build(version).name for version in versions]


def offer(installation: Installation, *engines: str) -> None:
    """Restart the service so that it offers these builds for new instances and upgrades."""
    installation.stop()
    installation.settings["engines"] = list(engines)
    installation.start()


def made_on(installation: Installation, version: str, body: dict[str, Any]) -> dict[str, Any]:
    offer(installation, *names(version))
    made = installation.make(body)
    assert made["engine_version"] == version
    return made


def upgrade(installation: Installation, instance: dict[str, Any], **body: Any) -> httpx.Response:
    return installation.call("POST", f"/instances/{instance['id']}/db-upgrade", json=body)


def upgraded(installation: Installation, instance: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Upgrade to the end, and give the instance as listed."""
    answer = upgrade(installation, instance, **body)
    assert answer.status_code == 202, answer.text
    job = installation.wait_job(answer.json()["job_id"], 400)
    assert job["status"] == "Completed", job["fail_reason"]
    return current(installation, instance)


def current(installation: Installation, instance: dict[str, Any]) -> dict[str, Any]:
    listed = installation.instance(instance["id"])
    assert listed is not None
    return listed


def running(installation: Installation, instance: dict[str, Any]) -> set[str]:
    """Folders of the builds that the instance's mongods run from."""
    return {
        Path(command[0]).parent.parent.name
        for command in installation.commands(instance["id"])
        if "mongod" in command[0]
    }


def served_version(instance: dict[str, Any]) -> str:
    with MongoClient(uri(instance)) as client:
        return str(client.server_info()["version"])


def test_a_replica_set_gets_a_patch_while_it_serves(own: Installation) -> None:
    made = made_on(own, OLD, requests.replica_set(name="patched-set"))
    assert not made["datastore"]["patch_available"]
    offer(own, *names(NEW))
    listed = current(own, made)
    assert listed["datastore"]["patch_available"]
    assert listed["datastore"]["whole_version"] == OLD
    with load(made) as acknowledged:
        before = len(acknowledged)
        listed = upgraded(own, made)
        until("writes to go on", lambda: len(acknowledged) > before + 10)
    assert (listed["engine_version"], listed["status"]) == (NEW, "normal")
    assert not listed["datastore"]["patch_available"]
    assert listed["datastore"]["version"] == made["datastore"]["version"]
    assert running(own, made) == set(names(NEW))
    assert served_version(listed) == NEW
    refused = upgrade(own, made)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "DBS.280042")
    own.delete(made["id"])


@pytest.mark.soak
def test_a_cluster_gets_a_patch_while_it_serves(own: Installation) -> None:
    made = made_on(own, OLD, requests.cluster(name="patched-cluster"))
    with MongoClient(uri(made)) as client:
        client.admin.command("enableSharding", "shop")
        client.admin.command("shardCollection", "shop.orders", key={"_id": "hashed"})
    offer(own, *names(NEW))
    duration = own.call("GET", f"/instances/{made['id']}/db-upgrade-duration").json()
    minutes = {one["strategy"]: one["estimated_upgrade_duration"] for one in duration["strategies"]}
    assert minutes["minimized_interrupt_time"] >= minutes["minimized_upgrade_time"] >= 1
    routers = {n["id"] for g in made["groups"] if g["type"] == "mongos" for n in g["nodes"]}

    def router_pids() -> set[int]:
        return {process.pid for process in own.nodes(*routers)}

    before = router_pids()
    with load(made):
        listed = upgraded(own, made)
    assert (listed["engine_version"], listed["status"]) == (NEW, "normal")
    assert running(own, made) == set(names(NEW))
    assert router_pids() == before  # they are of no build of MongoDB
    own.delete(made["id"])


@pytest.mark.soak
def test_releases_are_upgraded_one_at_a_time(own: Installation) -> None:
    body = requests.replica_set(name="released-set")
    body["datastore"] = {"type": "DDS-Community", "version": "4.4", "storage_engine": "rocksDB"}
    made = made_on(own, builds.known_build("4.4").version, body)
    with MongoClient(uri(made)) as client:
        client["shop"]["places"].create_index([("where", "2d"), ("name", 1)])
        client["shop"]["places"].insert_one({"_id": 1, "where": [7, 50], "name": "Bonn"})
    offer(own, *names("5.0", NEW))
    too_far = upgrade(own, made, version="6.0")
    assert (too_far.status_code, too_far.json()["error_code"]) == (403, "DBS.280042")
    assert "5.0" in too_far.json()["error_msg"]
    for release in ("5.0", "6.0"):
        with load(made):
            listed = upgraded(own, made, version=release)
        assert listed["datastore"]["version"] == release
        assert served_version(listed) == listed["engine_version"]
        with MongoClient(uri(made)) as client:
            (user,) = client.admin.command("usersInfo", "rwuser")["users"]
            assert "clusterMonitor" in {role["role"] for role in user["roles"]}  # not on 4.4
            assert client["shop"]["places"].find_one({"where": {"$near": [7, 50]}})["_id"] == 1
            assert client["shop"].validate_collection("places")["valid"]
            client["shop"].drop_collection("orders")
    own.delete(made["id"])


@pytest.mark.soak
def test_a_named_release_has_its_features_after_a_patch_too(
    own: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_on(own, OLD, requests.single(name="lagging-single"))
    own.stop()
    with own.system(made) as clients:
        node = clients[addresses(made)[0]]
        # Our own indexes are those of the lower version then, or the server would not go there.
        monkeypatch.setattr(administrator, "_feature_version", lambda _: (5, 0))
        administrator.restrict(node)
        monkeypatch.undo()
        node.admin.command("setFeatureCompatibilityVersion", "5.0")
    offer(own, *names(NEW))
    listed = upgraded(own, made, version="6.0")
    assert listed["engine_version"] == NEW
    with own.system(made) as clients:
        plan = SetPlan("replica", tuple(addresses(made)))
        assert replica_set.feature_version(plan, clients) == "6.0"
    own.delete(made["id"])


@pytest.mark.soak
def test_a_quick_upgrade_with_tls_survives_a_crash_in_its_middle(own: Installation) -> None:
    made = made_on(own, OLD, requests.replica_set(name="quick-set", ssl_option="1"))
    offer(own, *names(NEW))
    job_id = upgrade(own, made, upgrade_mode="minimized_upgrade_time").json()["job_id"]
    until("the first restart", lambda: names(NEW)[0] in running(own, made), 120)
    own.kill()
    (first, *_) = [one for one in own.nodes() if names(NEW)[0] in one.cmdline()[0]]
    first.kill()
    own.start()
    job = own.wait_job(job_id, 400)
    assert job["status"] == "Completed", job["fail_reason"]
    listed = current(own, made)
    assert (listed["engine_version"], listed["status"]) == (NEW, "normal")
    assert running(own, made) == set(names(NEW))
    own.delete(made["id"])


def broken_build(folder: Path) -> Path:
    """A build that tells a version and does not run."""
    real = builds.known_build(NEW)
    libraries = real.environment.get("LD_LIBRARY_PATH", "")
    folder.mkdir()
    program = folder / "mongod"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--version*) LD_LIBRARY_PATH={libraries} {real.mongod} --version '
        f"| sed s/{NEW}/6.0.99/;; *) exit 1;; esac\n"
    )
    program.chmod(0o755)
    return folder


@pytest.mark.soak
def test_a_failed_upgrade_puts_the_old_build_back(own: Installation, tmp_path: Path) -> None:
    made = made_on(own, OLD, requests.replica_set(name="unlucky-set"))
    offer(own, str(broken_build(tmp_path / "broken")))
    with load(made):
        answer = upgrade(own, made)
        assert answer.status_code == 202, answer.text
        job = own.wait_job(answer.json()["job_id"], 400)
    assert job["status"] == "Failed"
    assert "does not stay up" in job["fail_reason"]
    listed = current(own, made)
    assert (listed["engine_version"], listed["actions"]) == (OLD, [])
    assert running(own, made) == set(names(OLD))
    until("the set to be normal", lambda: current(own, made)["status"] == "normal", 60)
    own.delete(made["id"])


def half_broken_build(folder: Path) -> Path:
    """A build that runs once, and never again."""
    real = builds.known_build(NEW)
    libraries = real.environment.get("LD_LIBRARY_PATH", "")
    folder.mkdir()
    program = folder / "mongod"
    program.write_text(
        "#!/bin/bash\n"
        f"export LD_LIBRARY_PATH={libraries}\n"
        f'case "$*" in *--version*) {real.mongod} --version | sed s/{NEW}/6.0.99/; exit;; esac\n'
        f"mkdir {folder}/ran 2>/dev/null || exit 1\n"
        f'exec -a "$0" {real.mongod} "$@"\n'
    )
    program.chmod(0o755)
    return folder


@pytest.mark.soak
def test_a_rollback_survives_crashes(own: Installation, tmp_path: Path) -> None:
    made = made_on(own, OLD, requests.replica_set(name="unluckier-set"))
    offer(own, str(half_broken_build(tmp_path / "half")))
    before = own.log.stat().st_size

    def rolls_back() -> bool:
        _, failed, later = own.log.read_text()[before:].partition('"step failed"')
        return bool(failed) and '"node restarts"' in later

    with load(made):
        job_id = upgrade(own, made).json()["job_id"]
        until("the way back to begin", rolls_back, 200)
        own.kill()
        die_through(own, ["after:fail"])
        own.start()
        job = own.wait_job(job_id)
        until("the set to be normal", lambda: current(own, made)["status"] == "normal", 60)
    assert job["status"] == "Failed"
    assert "does not stay up" in job["fail_reason"]
    assert running(own, made) == set(names(OLD))
    assert current(own, made)["actions"] == []
    # After the last crash the job was over: nothing was rolled back once more.
    assert own.log.read_text()[before:].count('"job failed"') == 1
    own.delete(made["id"])


def scheduled(installation: Installation, job_id: str) -> dict[str, Any]:
    answer = installation.call("GET", "/scheduled-jobs").json()
    return next(one for one in answer["schedules"] if one["job_id"] == job_id)


@pytest.mark.soak
def test_a_delayed_upgrade_waits_for_its_window(own: Installation) -> None:
    made = made_on(own, OLD, requests.single(name="patient-single"))
    offer(own, *names(NEW))
    now = datetime.now(UTC)
    closed = f"{now + timedelta(hours=2):%H:00}-{now + timedelta(hours=3):%H:00}"
    set_window(own, made, closed)
    first = upgrade(own, made, is_delayed=True).json()["job_id"]
    assert scheduled(own, first)["job_status"] == "Pending"
    listed = Program(own.data_dir).json("engine", "list")["builds"]
    (build,) = [one for one in listed if one["name"] in names(NEW)]
    assert any(first in user for user in build["used_by"])
    assert current(own, made)["actions"] == []
    again = upgrade(own, made, is_delayed=True)
    assert (again.status_code, again.json()["error_code"]) == (403, "DBS.200019")
    assert own.call("DELETE", f"/scheduled-jobs/{first}").status_code == 200
    assert scheduled(own, first)["job_status"] == "Canceled"
    assert own.call("DELETE", f"/scheduled-jobs/{first}").status_code == 403
    second = upgrade(own, made, is_delayed=True).json()["job_id"]
    set_window(own, made, f"{now - timedelta(hours=1):%H:00}-{now + timedelta(hours=2):%H:00}")
    until("the window's job", lambda: own.job(second)["status"] == "Completed", 120)
    assert current(own, made)["engine_version"] == NEW
    own.delete(made["id"])


def set_window(installation: Installation, instance: dict[str, Any], window: str) -> None:
    start, _, end = window.partition("-")
    path = f"/instances/{instance['id']}/maintenance-window"
    answer = installation.call("PUT", path, json={"start_time": start, "end_time": end})
    assert answer.status_code == 204, answer.text


@pytest.mark.soak
def test_several_are_upgraded_in_one_call(own: Installation) -> None:
    made = made_on(own, OLD, requests.single(name="batch-single"))
    offer(own, *names(NEW))
    unknown = "0" * 32 + "in02"
    answer = own.call("POST", "/instances/db-upgrade", json={"instance_ids": [made["id"], unknown]})
    assert answer.status_code == 202, answer.text
    good, bad = answer.json()["upgrade_results"]
    assert own.wait_job(good["job_id"], 200)["status"] == "Completed"
    assert (bad["instance_id"], bad["error_code"]) == (unknown, "DBS.200002")
    own.delete(made["id"])


@pytest.mark.soak
def test_an_upgrade_survives_a_crash_at_every_boundary(tmp_path: Path) -> None:
    own = Installation(tmp_path / "data", engines=names(OLD))
    try:
        own.start()
        made = own.make(requests.single())
        with MongoClient(uri(made)) as client:
            client["shop"]["orders"].insert_one({"_id": 1})
        own.kill()
        own.settings["engines"] = names(NEW)
        own.start(DYING, {"DIE_AT": "stored"})
        with pytest.raises(httpx.HTTPError):
            upgrade(own, made)
        assert own.wait_end() == -9
        taken = {"Check that the upgrade is possible", "Upgrade the data nodes"}
        taken |= {"Verify a majority write", "Record the new build", "finish", "afterwards"}
        die_through(own, [one for one in boundaries(UPGRADE) if one.partition(":")[2] in taken])
        own.start()
        until("the job's end", lambda: not current(own, made)["actions"], 120)
        listed = current(own, made)
        assert listed["engine_version"] == NEW
        until("the instance to be normal", lambda: current(own, made)["status"] == "normal", 60)
        with MongoClient(uri(listed)) as client:
            assert client["shop"]["orders"].count_documents({}) == 1
        check_nothing_is_orphaned(own)
    finally:
        own.destroy()


@pytest.mark.soak
def test_a_node_started_with_the_old_build_meanwhile_is_upgraded(own: Installation) -> None:
    made = made_on(own, OLD, requests.single(name="raced-single"))
    (old,) = own.commands(made["id"])
    own.stop()
    own.settings["engines"] = names(NEW)
    own.start(DYING, {"DIE_AT": "before:Verify a majority write"})
    job_id = upgrade(own, made).json()["job_id"]
    assert own.wait_end() == -9
    assert running(own, made) == set(names(NEW))
    (upgraded_node,) = own.nodes(made["id"])
    upgraded_node.terminate()
    upgraded_node.wait()
    started = subprocess.Popen(
        old,
        env=os.environ | builds.known_build(OLD).environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    own.start()
    job = own.wait_job(job_id)
    assert started.wait(30) == 0
    assert job["status"] == "Completed", job["fail_reason"]
    assert running(own, made) == set(names(NEW))
    assert served_version(made) == NEW
    own.delete(made["id"])


@pytest.mark.soak
def test_an_upgrade_survives_a_reboot_in_its_middle(own: Installation) -> None:
    made = made_on(own, OLD, requests.cluster(name="rebooted-cluster"))
    offer(own, *names(NEW))
    job_id = upgrade(own, made).json()["job_id"]
    shards = [n["id"] for g in made["groups"] if g["type"] == "shard" for n in g["nodes"]]

    def shards_are_on_their_way() -> bool:
        return any(names(NEW)[0] in command[0] for command in own.commands(*shards))

    until("the first shard's upgrade", shards_are_on_their_way, 120)
    own.kill()
    for process in own.nodes():
        process.kill()
    own.start()
    job = own.wait_job(job_id, 400)
    assert job["status"] == "Completed", job["fail_reason"]
    assert running(own, made) == set(names(NEW))
    own.delete(made["id"])
