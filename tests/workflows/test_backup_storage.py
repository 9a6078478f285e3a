"""Backups end to end where they are kept in a bucket, of instances with TLS, and while things go
wrong: a disk that fills up, a member that does not stay up or does not answer."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient

from tests import requests
from tests.backing_up import backup, backups, reach, recovered, restored
from tests.backups.conftest import Bucket, s3_bucket
from tests.disks import MIB, fill, small_disk
from tests.installation import Installation, until, uri
from tests.load import load
from tests.workflows.test_changes import secured
from tests.workflows.test_crash import check_nothing_is_orphaned

__all__ = ["s3_bucket"]

POLICY = {"start_time": "08:15-09:15", "keep_days": "7"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, s3_bucket: Bucket) -> Iterator[Installation]:
    """A service whose backups are kept in the bucket."""
    s3_bucket.clear()
    made = Installation(tmp_path_factory.mktemp("bucket") / "data", backup=s3_bucket.settings)
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def a_set(own: Installation) -> dict[str, Any]:
    return own.make(requests.replica_set(name="secured-set", ssl_option="1"))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Installation]:
    """A service whose data directory is a disk of 600 MB, where its backups are kept as well."""
    with small_disk(tmp_path / "disk", 600) as disk:
        made = Installation(disk / "data", disk_reserve=0)
        try:
            made.start()
            yield made
        finally:
            made.destroy()


def failed(own: Installation, method: str, path: str, body: Any) -> str:
    """Why the job of a call fails."""
    answer = own.call(method, path, json=body)
    assert answer.is_success, answer.text
    job = own.wait_job(answer.json()["job_id"], 240)
    assert job["status"] == "Failed", job
    return str(job["fail_reason"])


def fails_to_back_up(own: Installation, instance: dict[str, Any], name: str) -> str:
    """Why a manual backup fails; it is listed as failed."""
    body = {"backup": {"instance_id": instance["id"], "name": name}}
    reason = failed(own, "POST", "/backups", body)
    (listed,) = backups(own, backup_name=name)
    assert (listed["status"], listed["size"]) == ("FAILED", 0)
    return reason


def check_serves(own: Installation, instance: dict[str, Any], **options: Any) -> None:
    """An instance is as it was: normal, idle, nothing beside it, no member locked, and writable."""

    def settled() -> bool:
        listed = own.instance(instance["id"])
        assert listed is not None
        nodes = {node["status"] for group in listed["groups"] for node in group["nodes"]}
        return (listed["status"], listed["actions"], nodes) == ("normal", [], {"normal"})

    until("the instance to be normal", settled, 60)
    until("no volume to lie aside", lambda: not glob(f"{own.data_dir}/instances/*/*-*"))
    check_nothing_is_orphaned(own)
    with own.system(instance) as clients:
        for group in instance["groups"]:
            for node in group["nodes"]:
                state = clients[node["host"]].admin.command("currentOp")
                assert not state.get("fsyncLock"), node
    with MongoClient(uri(instance), w="majority", wtimeoutMS=20_000, **options) as client:
        client["shop"]["proof"].insert_one({})


def test_a_bucket_keeps_all_and_nothing_of_what_is_deleted(
    own: Installation, s3_bucket: Bucket
) -> None:
    """Automatic backups and what is captured: restored by time, to new and in place; then all goes,
    the instance's key last."""
    made = own.make(requests.single(name="in-a-bucket", backup_strategy=POLICY))
    ours = {"instance_id": made["id"], "backup_status": "COMPLETED"}
    until("the first backup", lambda: backups(own, **ours) or None, 60)
    folder = f"some/folder/{made['id']}/"
    with MongoClient(uri(made)) as client:
        orders = client["shop"]["orders"]
        orders.insert_many({"_id": n, "blob": os.urandom(1000)} for n in range(1000))
        moment = time.time_ns() // 1_000_000
        time.sleep(0.01)
        orders.delete_many({})
    reach(own, made["id"], moment)
    point = {"type": "timestamp", "instance_id": made["id"], "restore_time": moment}
    again = restored(own, made, "out-of-the-bucket", **point)
    with MongoClient(uri(again)) as client:
        assert client["shop"]["orders"].count_documents({}) == 1000
    own.delete(again["id"])
    assert not [name for name in s3_bucket.objects() if again["id"] in name]
    recovered(own, made, type="timestamp", restore_time=str(moment))
    with MongoClient(uri(made)) as client:
        assert client["shop"]["orders"].count_documents({}) == 1000
    manual = backup(own, made["id"], "by-hand")
    names = s3_bucket.objects()
    assert f"{folder}key.json" in names
    assert f"{folder}backups/{manual['id']}/manifest.json" in names
    assert any(name.startswith(f"{folder}oplog/") for name in names)
    own.delete(made["id"])
    for one in backups(own, instance_id=made["id"]):
        answer = own.call("DELETE", f"/backups/{one['id']}")
        assert own.wait_job(answer.json()["job_id"])["status"] == "Completed"
        assert not [name for name in s3_bucket.objects() if one["id"] in name]
    assert not [name for name in s3_bucket.objects() if name.startswith(folder)]
    assert s3_bucket.uploads() == []


@pytest.mark.soak
def test_a_set_with_tls_is_restored(
    own: Installation, a_set: dict[str, Any], tmp_path: Path
) -> None:
    trusting = secured(own, a_set, tmp_path)
    with MongoClient(uri(a_set), **trusting) as client:
        client["shop"]["goods"].insert_many({"_id": n} for n in range(1000))
    with load(a_set, **trusting):
        made = backup(own, a_set["id"], "of-a-secured-set")
    answer = own.call("POST", f"/backups/{made['id']}/verify")
    job = own.wait_job(answer.json()["job_id"], 120)
    assert job["status"] == "Completed", job
    again = restored(own, a_set, "secured-again", backup_id=made["id"])
    assert again["ssl"] == 1
    other = tmp_path / "again"
    other.mkdir()
    # It has an authority of its own.
    with MongoClient(uri(again), **secured(own, again, other)) as client:
        assert client["shop"]["goods"].count_documents({}) == 1000
        client["shop"]["goods"].insert_one({"_id": 1000})
    check_serves(own, again, **secured(own, again, other))
    own.delete(again["id"])
    with MongoClient(uri(a_set), **trusting) as client:
        client.drop_database("shop")
    recovered(own, a_set, backup_id=made["id"])
    with MongoClient(uri(a_set), **trusting) as client:
        assert client["shop"]["goods"].count_documents({}) == 1000
    check_serves(own, a_set, **trusting)


@contextmanager
def attended(
    own: Installation, node_id: str, deed: Callable[[psutil.Process], None]
) -> Iterator[None]:
    """Something is done to a node's process, and to each one that is started in its place."""
    done = threading.Event()

    def attend() -> None:
        met: set[int] = set()
        while not done.wait(0.1):
            for process in own.nodes(node_id):
                if process.pid not in met:
                    met.add(process.pid)
                    deed(process)

    thread = threading.Thread(target=attend)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def hidden(instance: dict[str, Any]) -> dict[str, Any]:
    (node,) = [n for g in instance["groups"] for n in g["nodes"] if n["role"] == "Hidden"]
    return node


@pytest.mark.soak
def test_a_hidden_member_that_does_not_stay_up_is_named(
    own: Installation, a_set: dict[str, Any], s3_bucket: Bucket, tmp_path: Path
) -> None:
    node = hidden(a_set)
    with attended(own, node["id"], psutil.Process.kill):
        reason = fails_to_back_up(own, a_set, "of-the-dead")
    assert f"Node {node['name']} does not stay up: killed by SIGKILL" in reason
    check_serves(own, a_set, **secured(own, a_set, tmp_path))
    check_stored(s3_bucket)
    backup(own, a_set["id"], "of-the-living")


@pytest.mark.soak
def test_a_hidden_member_that_does_not_answer_is_named(
    own: Installation, a_set: dict[str, Any], s3_bucket: Bucket, tmp_path: Path
) -> None:
    node = hidden(a_set)
    (process,) = own.nodes(node["id"])
    process.send_signal(signal.SIGSTOP)
    try:
        reason = fails_to_back_up(own, a_set, "of-the-frozen")
    finally:
        process.send_signal(signal.SIGCONT)
    assert f"{node['name']} to answer" in reason
    check_serves(own, a_set, **secured(own, a_set, tmp_path))
    check_stored(s3_bucket)
    backup(own, a_set["id"], "of-the-thawed")


@pytest.mark.soak
def test_a_hidden_member_that_hangs_while_it_is_locked_is_started_anew(
    own: Installation, a_set: dict[str, Any], tmp_path: Path
) -> None:
    """The lock would stay, and with it a set that lacks a member: it ends with the process."""
    trusting = secured(own, a_set, tmp_path)
    with MongoClient(uri(a_set), **trusting) as client:
        blobs = client["shop"]["blobs"]
        blobs.insert_many({"_id": n, "blob": os.urandom(MIB)} for n in range(100))
    (process,) = own.nodes(hidden(a_set)["id"])
    frozen = threading.Event()

    def freeze() -> None:
        root = own.data_dir / "instances"
        until("files to be copied", lambda: glob(f"{root}/*/*-*/data.part/*") or None)
        process.send_signal(signal.SIGSTOP)
        frozen.set()

    freezing = threading.Thread(target=freeze)
    freezing.start()
    body = {"backup": {"instance_id": a_set["id"], "name": "of-the-hanging"}}
    answer = own.call("POST", "/backups", json=body)
    freezing.join()
    assert own.wait_job(answer.json()["job_id"], 400)["status"] == "Completed"
    assert frozen.is_set()
    assert not process.is_running()
    check_serves(own, a_set, **trusting)


def check_stored(bucket: Bucket) -> None:
    """What is stored of backups belongs to one that has its manifest."""
    folders = {name.rpartition("/")[0] for name in bucket.objects() if "/backups/" in name}
    assert {f"{one}/manifest.json" for one in folders} <= set(bucket.objects())
    assert bucket.uploads() == []


def filled(own: Installation, megabytes: int) -> dict[str, Any]:
    """A single node with data that cannot be compressed, on its disk."""
    made = own.make(requests.single(name="on-a-small-disk"))
    with MongoClient(uri(made)) as client:
        blobs = client["shop"]["blobs"]
        blobs.insert_many({"_id": n, "blob": os.urandom(MIB)} for n in range(megabytes))
    with own.system(made) as clients:
        clients[made["groups"][0]["nodes"][0]["host"]].admin.command("fsync")
    return made


def held(own: Installation, instance: dict[str, Any]) -> int:
    """Bytes of an instance's folder."""
    folder = own.data_dir / "instances" / instance["id"]
    files = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return sum(path.stat().st_size for path in files if path.exists())


def stored(own: Installation) -> list[str]:
    """Files of the backup folder that belong to backups."""
    return sorted(glob(f"{own.data_dir}/backups/*/backups/*/*"))


def test_a_disk_that_fills_up_ends_a_backup_and_no_node(small: Installation) -> None:
    """There is room for the copy, and not for what is made of it."""
    made = filled(small, 40)
    disk = small.data_dir.parent
    fill(disk / "filler", leave=held(small, made) + 80 * MIB)
    with load(made):
        reason = fails_to_back_up(small, made, "too-large")
    assert "Storing the copies was stopped: the disk became too full" in reason
    check_serves(small, made)
    assert stored(small) == []
    (disk / "filler").unlink()
    backup(small, made["id"], "large-enough")


@pytest.mark.soak
def test_a_disk_that_fills_up_ends_a_restore_and_no_node(small: Installation) -> None:
    made = filled(small, 40)
    saved = backup(small, made["id"], "saved")
    kept = stored(small)
    disk = small.data_dir.parent
    with MongoClient(uri(made)) as client:
        client["shop"]["blobs"].delete_many({"_id": {"$gte": 20}})
    source = {"instance_id": made["id"], "backup_id": saved["id"]}
    body = {"source": source, "target": {"instance_id": made["id"]}}

    fill(disk / "filler", leave=40 * MIB)
    reason = failed(small, "POST", "/instances/recovery", body)
    assert "MiB of disk" in reason
    (disk / "filler").unlink()

    def fill_meanwhile() -> None:
        root = small.data_dir / "instances"
        until("files to be unpacked", lambda: glob(f"{root}/*/*-*/data.part/*") or None)
        fill(disk / "filler", leave=40 * MIB)

    filling = threading.Thread(target=fill_meanwhile)
    filling.start()
    with load(made):
        reason = failed(small, "POST", "/instances/recovery", body)
    filling.join()
    assert "Restoring was stopped: the disk became too full" in reason
    check_serves(small, made)
    with MongoClient(uri(made)) as client:
        assert client["shop"]["blobs"].count_documents({}) == 20
    assert stored(small) == kept
    (disk / "filler").unlink()
    recovered(small, made, backup_id=saved["id"])
    with MongoClient(uri(made)) as client:
        assert client["shop"]["blobs"].count_documents({}) == 40
