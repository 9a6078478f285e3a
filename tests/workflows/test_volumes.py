"""Volumes have a limit: reaching it holds users' writes off, a larger one lets them go on."""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests import requests
from tests.disks import MIB
from tests.installation import Installation, until, uri

BLOCKED = 371
"""MongoDB's UserWritesBlocked."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A volume's gigabyte is 4 MiB."""
    made = Installation(
        tmp_path_factory.mktemp("volumes") / "data", volume_scale=1 / 256, monitor_interval=1
    )
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def call(
    own: Installation, instance: dict[str, Any], method: str, path: str, **options: Any
) -> httpx.Response:
    return own.call(method, f"/instances/{instance['id']}/{path}", **options)


def resize(own: Installation, instance: dict[str, Any], **volume: Any) -> httpx.Response:
    return call(own, instance, "POST", "enlarge-volume", json={"volume": volume})


def status(own: Installation, instance: dict[str, Any]) -> str:
    listed = own.instance(instance["id"])
    assert listed is not None
    return str(listed["status"])


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text


def fill(instance: dict[str, Any]) -> None:
    """Documents of 256 KiB until users' writes are refused."""
    with MongoClient(uri(instance)) as client:

        def insert() -> bool:
            try:
                client["shop"]["blobs"].insert_one({"blob": os.urandom(MIB // 4)})
            except OperationFailure as error:
                return error.code == BLOCKED
            return False

        until("writes to be refused", insert, 90)
        assert client["shop"]["blobs"].count_documents({}) > 5  # reads go on


def insert_again(instance: dict[str, Any]) -> None:
    with MongoClient(uri(instance)) as client:
        client["shop"]["orders"].insert_one({})


def size(own: Installation, instance: dict[str, Any], kind: str) -> str:
    listed = own.instance(instance["id"])
    assert listed is not None
    return next(g["volume"]["size"] for g in listed["groups"] if g["type"] == kind)


def test_a_full_volume_holds_users_off_until_it_is_larger(own: Installation) -> None:
    made = own.make(requests.single(name="full-single"))
    fill(made)
    until("the full volume to be told", lambda: status(own, made) == "data_disk_full")
    # Nobody is let in while the service is away, nor when it is back.
    own.kill()
    with MongoClient(uri(made)) as client, pytest.raises(OperationFailure):
        client["shop"]["orders"].insert_one({})
    own.start()
    for volume, code in (
        ({"size": 20}, "DBS.200306"),
        ({"size": 35}, "DBS.200302"),
        ({"size": 1010}, "DBS.280242"),
    ):
        refused(resize(own, made, **volume), 400, code)
    answer = resize(own, made, size="40", group_id=None)
    assert answer.status_code == 202, answer.text
    job = own.wait_job(answer.json()["job_id"])
    assert (job["status"], job["name"]) == ("Completed", "EnlargeMongoDBVolume")
    assert status(own, made) == "normal"
    insert_again(made)
    assert size(own, made, "single") == "40"
    own.delete(made["id"])


@pytest.mark.soak
def test_a_full_shard_holds_users_of_the_cluster_off(own: Installation) -> None:
    made = own.make(requests.cluster(name="full-cluster"))
    shards = {g["name"]: g["id"] for g in made["groups"] if g["type"] == "shard"}
    (config,) = [g["id"] for g in made["groups"] if g["type"] == "config"]
    refused(resize(own, made, size=40), 400, "DBS.200001")
    refused(resize(own, made, size=40, group_id=config), 400, "DBS.280343")
    refused(resize(own, made, size=40, group_id="0" * 32 + "gr02"), 404, "DBS.200013")
    fill(made)
    with MongoClient(uri(made)) as client:
        home = client["config"]["databases"].find_one({"_id": "shop"})["primary"]
    until("the full volume to be told", lambda: status(own, made) == "data_disk_full")
    job = own.wait_job(resize(own, made, size=60, group_id=shards[home]).json()["job_id"])
    assert job["status"] == "Completed", job
    insert_again(made)
    assert status(own, made) == "normal"
    # 5 % of the volumes, of the members of this shard alone.
    listed = own.instance(made["id"])
    sizes = {group["name"]: oplog_sizes(own, listed, group) for group in listed["groups"][1:]}
    other = next(name for name in shards if name != home)
    assert (sizes[home], sizes[other]) == ({60 * 1024 // 20}, {1024})
    own.delete(made["id"])


def oplog_sizes(own: Installation, instance: dict[str, Any], group: dict[str, Any]) -> set[int]:
    """MB that the oplogs of a group's members may hold, as their servers say it."""
    ids = {node["id"] for node in group["nodes"]}
    lines = own.commands(*ids)
    assert len(lines) == len(ids)
    with own.system(instance) as clients:
        found = set()
        for line in lines:
            host = f"{line[line.index('--bind_ip') + 1]}:{line[line.index('--port') + 1]}"
            found.add(clients[host].local.command("collStats", "oplog.rs")["maxSize"] // MIB)
        return found


def test_a_policy_enlarges_volumes_by_itself(own: Installation) -> None:
    made = own.make(requests.replica_set(name="growing-set"))
    assert call(own, made, "GET", "auto-enlarge-volume-policy").json() == {"switch_option": "off"}
    path = "/instances/auto-enlarge-volume-policies"
    policy = {"instance_id": made["id"], "threshold": 80, "step": "20", "size": 30}
    for wrong, code in (
        ({"threshold": 70}, "DBS.200001"),
        ({"size": 6000}, "DBS.280242"),
    ):
        refused(own.call("PUT", path, json={"policies": [policy | wrong]}), 400, code)
    unknown = policy | {"instance_id": "0" * 32 + "in02"}
    refused(own.call("PUT", path, json={"policies": [policy, unknown]}), 404, "DBS.200002")
    assert call(own, made, "GET", "auto-enlarge-volume-policy").json() == {"switch_option": "off"}
    assert own.call("PUT", path, json={"policies": [policy]}).status_code == 200
    shown = call(own, made, "GET", "auto-enlarge-volume-policy").json()
    assert shown == {"switch_option": "on", "policy": policy | {"step": 20}}
    fill(made)
    assert size(own, made, "replica") == "30"  # what the policy allows at most
    off = {"switch_option": "off", "policies": [policy]}
    assert own.call("PUT", path, json=off).status_code == 200
    assert call(own, made, "GET", "auto-enlarge-volume-policy").json()["switch_option"] == "off"
    own.delete(made["id"])
