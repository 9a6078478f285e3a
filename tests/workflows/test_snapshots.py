"""Instances are saved as files, and loaded where they came from and elsewhere."""

import hashlib
import io
import json
import os
import select
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shardhouse.cli import credentials
from shardhouse.client import snapshots
from shardhouse.client.api import Client
from shardhouse.client.errors import RefusalError
from tests.api.test_tenancy import administer
from tests.backing_up import backups
from tests.cli.program import PROGRAM
from tests.installation import Installation, until, uri
from tests.ports.raw import Raw, request
from tests.workflows.test_restore_collections import facts, fill

Mongo = MongoClient[dict[str, Any]]
PASSWORD = "Other@1234"


@dataclass(frozen=True)
class Saved:
    """A snapshot, and what was seen of its instance when it was saved."""

    path: Path
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A second installation, with a master key of its own."""
    made = Installation(tmp_path_factory.mktemp("other") / "data")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def client(own: Installation) -> Client:
    return Client(credentials.find(own.data_dir))


def program(own: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, "snapshot", *words, "--data-dir", str(own.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def loaded(own: Installation, answer: dict[str, Any]) -> dict[str, Any]:
    """The instance that was ordered, when it is there."""
    job = own.wait_job(answer["job_id"])
    assert job["status"] == "Completed", job["fail_reason"]
    found = own.instance(answer["id"])
    assert found is not None
    assert found["status"] == "normal"
    return found


def listed(own: Installation) -> set[str]:
    """Ids of the instances that are here."""
    return {one["id"] for one in own.call("GET", "/instances").json()["instances"]}


def is_clean(own: Installation, *known: str) -> bool:
    """Whether nothing is stored or listed of backups but those of instances that are here, or that
    are known."""
    owners = listed(own) | set(known)
    there = {path.name for path in (own.data_dir / "backups").glob("*")}
    return there <= owners and {one["instance_id"] for one in backups(own)} <= owners


@pytest.fixture(scope="module")
def saved(
    installation: Installation,
    shared_replica: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Saved]:
    """A replica set with data and users, as a file."""
    path = tmp_path_factory.mktemp("saved") / "seed.snapshot"
    instance = installation.instance(shared_replica["id"])
    assert instance is not None
    with Mongo(uri(instance)) as data:
        data.drop_database("shop")
        fill(data)
        data["shop"]["large"].insert_one({"_id": 1, "content": os.urandom(3 << 20)})
        privilege = {"resource": {"db": "shop", "collection": "goods"}, "actions": ["find"]}
        data["shop"].command("createRole", "seller", privileges=[privilege], roles=[])
        data["shop"].command("createUser", "app", pwd="App@12345", roles=["seller"])
        before = facts(data, "shop")
        try:
            done = program(installation, "save", instance["name"], "--to", str(path), "--json")
            assert done.returncode == 0, done.stderr
            yield Saved(path, before)
        finally:
            data["shop"].command("dropUser", "app")
            data["shop"].command("dropRole", "seller")
            data.drop_database("shop")


def check(instance: dict[str, Any], saved: Saved, password: str) -> None:
    """All that was saved is in the instance."""
    with Mongo(uri(instance, password)) as data:
        assert facts(data, "shop") == saved.facts
        data["shop"]["goods"].insert_one({"_id": -2, "name": "Neu"})
    by_role = uri(instance, "App@12345", "app").replace("authSource=admin", "authSource=shop")
    with Mongo(by_role) as data:
        assert data["shop"]["goods"].count_documents({}) == 3002
        assert data["shop"].command("connectionStatus")["authInfo"]["authenticatedUserRoles"] == [
            {"role": "seller", "db": "shop"}
        ]


def test_it_is_a_file_that_says_what_it_holds(
    installation: Installation, saved: Saved, shared_replica: dict[str, Any]
) -> None:
    assert saved.path.stat().st_mode & 0o777 == 0o600
    assert not [one for one in backups(installation) if one["name"].startswith("snapshot-")]
    again = program(installation, "save", shared_replica["id"], "--to", str(saved.path))
    assert "exists. Choose another file" in again.stderr
    command = [*PROGRAM, "snapshot", "show", str(saved.path.with_suffix("")), "--json"]
    shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert shown["file"] == str(saved.path)
    assert shown["size"] == saved.path.stat().st_size > 3 << 20
    instance = shown["instance"]
    assert (instance["name"], instance["mode"]) == ("shared-replica", "ReplicaSet")
    (group,) = instance["groups"]
    assert (group["nodes"], group["spec_code"]) == (3, "dds.mongodb.s2.medium.4.repset")


def test_a_save_that_is_ended_leaves_no_backup(
    installation: Installation, shared_replica: dict[str, Any], tmp_path: Path
) -> None:
    def ended(_client: Client, _job_id: str) -> None:
        raise KeyboardInterrupt

    known = {one["id"] for one in backups(installation)}
    with client(installation) as api, pytest.raises(KeyboardInterrupt):
        snapshots.save(api, shared_replica["id"], tmp_path / "it", finish=ended)
    until("the backup to be gone", lambda: {one["id"] for one in backups(installation)} <= known)
    assert not list(tmp_path.iterdir())


def test_it_becomes_another_instance_where_it_came_from(
    installation: Installation, saved: Saved
) -> None:
    known = {path.name for path in (installation.data_dir / "backups").glob("*")}
    taken = program(installation, "load", str(saved.path))
    assert "There is an instance named shared-replica" in taken.stderr
    done = program(
        installation, "load", str(saved.path), "--name", "loaded-here", "--wait", "--json"
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    try:
        assert made["name"] == "loaded-here"
        check(made, saved, "Test@123")
        until("the upload to be gone", lambda: is_clean(installation, *known), 60)
    finally:
        installation.delete(made["id"])


@pytest.fixture(scope="module")
def elsewhere(other: Installation, saved: Saved) -> dict[str, Any]:
    """The same in another installation, by the functions that other programs call."""
    with client(other) as known:
        return loaded(other, snapshots.load(known, saved.path, password=PASSWORD))


def test_it_becomes_an_instance_elsewhere(
    other: Installation, saved: Saved, elsewhere: dict[str, Any]
) -> None:
    assert elsewhere["name"] == "shared-replica"
    assert [len(group["nodes"]) for group in elsewhere["groups"]] == [3]
    assert elsewhere["groups"][0]["volume"]["size"] == "20"
    assert elsewhere["backup_strategy"]["keep_days"] == 0
    check(elsewhere, saved, PASSWORD)
    until("the upload to be gone", lambda: is_clean(other), 60)


def test_nobody_gets_reserved_rights_by_it(
    other: Installation, elsewhere: dict[str, Any], tmp_path: Path
) -> None:
    """A file can be made to hold any user. A load that fails leaves nothing behind, either."""
    with other.system(elsewhere) as system, client(other) as known:
        nodes = elsewhere["groups"][0]["nodes"]
        admin = system[next(one["host"] for one in nodes if one["role"] == "Primary")].admin
        for index in list(admin["system.users"].list_indexes()):
            if index["name"].startswith("reserved: "):
                admin.command("dropIndexes", "system.users", index=index["name"])
        admin.command("createUser", "mallory", pwd="Mallory@123", roles=["root"])
        snapshots.save(known, elsewhere["id"], tmp_path / "crafted")
        answer = snapshots.load(known, tmp_path / "crafted", name="crafted")
    job = other.wait_job(answer["job_id"])
    assert job["status"] == "Failed"
    assert "user mallory@admin holds what is reserved" in job["fail_reason"]
    failed = [step["name"] for step in job["steps"] if step["status"] == "Failed"]
    assert failed == ["Verify and found the replica sets anew"]  # before a client could log in
    until("the upload to be gone", lambda: is_clean(other), 60)
    assert not other.nodes(answer["id"])
    other.delete(answer["id"])


def sent(
    own: Installation, content: bytes, token: str | None = None, project: str = ""
) -> httpx.Response:
    """The answer to what is uploaded as a snapshot for a project, the first one by default."""
    path = f"/v3/{project or own.project_id}/backups/snapshots"
    link = own.call("POST", path, token=token).json()
    return httpx.put(link["upload_link"], content=content, timeout=60)


def changed(content: bytes, **fields: Any) -> bytes:
    """A snapshot of which the instance has other fields, its checksums right."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = {}
        for entry in archive:
            file = archive.extractfile(entry)
            assert file is not None
            files[entry.name] = file.read()
    head = json.loads(files["snapshot.json"])
    head["instance"] |= fields
    files["snapshot.json"] = json.dumps(head).encode()
    files.pop("SHA256SUMS")
    sums = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:") as archive:
        for name, data in (files | {"SHA256SUMS": "".join(sums).encode()}).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_what_cannot_be_loaded_is_refused_and_leaves_nothing(
    other: Installation, saved: Saved, elsewhere: dict[str, Any]
) -> None:
    content = saved.path.read_bytes()
    middle = len(content) // 2
    refused = {
        "damaged: the checksum of replica.tar.zst": content[:middle]
        + bytes([content[middle] ^ 1])
        + content[middle + 1 :],
        "cut short": content[:middle],
        "no snapshot of Shardhouse": b"hello" * 1_000_000,
        "no build of 3.2 is here": changed(content, engine_version="3.2.1", engine_build="x"),
        "of version 9.9": changed(content, version="9.9"),
    }
    for words, one in refused.items():
        answer = sent(other, one)
        assert answer.status_code == 400, words
        assert words in answer.json()["error_msg"]
    known = listed(other)
    assert is_clean(other)

    link = other.call("POST", "/backups/snapshots").json()["upload_link"]
    url = httpx.URL(link)
    assert url.port is not None
    head = request(url.raw_path.decode(), "PUT", Content_Length=str(len(content)))
    with Raw(url.port) as raw:
        raw.send(head, content[:middle])
        until("it to arrive", lambda: list((other.data_dir / "backups").rglob("*.part")) or None)
        same = httpx.put(link, content=content[:10])
        assert (same.status_code, same.json()["error_code"]) == (403, "DBS.200019")
    until("what has arrived to be gone", lambda: is_clean(other) or None)
    assert httpx.put(link, content=content).status_code == 200  # the link was not used up
    again = httpx.put(link, content=content)
    assert (again.status_code, again.json()["error_code"]) == (400, "DBS.201201")
    (made,) = backups(other)
    assert (made["type"], made["status"]) == ("Manual", "COMPLETED")
    assert made["instance_name"] == "shared-replica"
    body = {"source": {"backup_id": made["id"]}, "target": {"instance_id": elsewhere["id"]}}
    in_place = other.call("POST", "/instances/recovery", json=body)
    assert (in_place.status_code, in_place.json()["error_code"]) == (400, "DBS.200004")
    deleted = other.call("DELETE", f"/backups/{made['id']}")
    other.wait_job(deleted.json()["job_id"], 60)
    assert is_clean(other)
    with client(other) as api, pytest.raises(RefusalError, match="4 to 64 characters"):
        snapshots.load(api, saved.path, name="ab")
    until("what was sent for it to be gone", lambda: is_clean(other))
    assert listed(other) == known


def test_those_that_arrive_slowly_keep_nobody_from_the_service(other: Installation) -> None:
    links = [
        httpx.URL(other.call("POST", "/backups/snapshots").json()["upload_link"]) for _ in range(16)
    ]
    with ExitStack() as stack:
        waiting = []
        for url in links:
            assert url.port is not None
            raw = stack.enter_context(Raw(url.port))
            path = url.raw_path.decode()
            raw.send(request(path, "PUT", Transfer_Encoding="chunked"), b"1\r\nx\r\n")
            waiting.append(raw)

        def answered() -> set[socket.socket]:
            return set(select.select([raw.socket for raw in waiting], [], [], 0)[0])

        until("those that may not arrive to be refused", lambda: len(answered()) == 12)
        refused = answered()
        answers = [raw.answer() for raw in waiting if raw.socket in refused]
        assert {one.status for one in answers if one} == {429}
        assert other.call("GET", "/instances").status_code == 200


def test_it_belongs_to_the_project_of_who_sends_it(other: Installation, saved: Saved) -> None:
    admin, content = other.admin, saved.path.read_bytes()
    domain = administer(other, "GET", "/v3/auth/domains").json()["domains"][0]["id"]
    body = {"project": {"name": f"{admin['region']}_second", "domain_id": domain}}
    second = administer(other, "POST", "/v3/projects", json=body).json()["project"]["id"]
    token = other.issue(admin["user_name"], admin["password"], second)
    answer = sent(other, content, token, project=second)
    assert answer.status_code == 200, answer.text
    backup_id = answer.json()["backup_id"]
    assert not backups(other)
    unknown = other.call("GET", f"/backups/{backup_id}/snapshot")
    assert (unknown.status_code, unknown.json()["error_code"]) == (400, "DBS.201214")
    path = f"/v3/{second}/backups/{backup_id}"
    link = other.call("GET", f"{path}/snapshot", token=token).json()
    assert httpx.get(link["download_link"]).content[:13] == b"snapshot.json"
    deleted = other.call("DELETE", path, token=token).json()["job_id"]

    ours = other.call("POST", "/backups/snapshots").json()["upload_link"]
    exchanged = httpx.put(ours.replace(other.project_id, second), content=content)
    assert (exchanged.status_code, exchanged.json()["error_code"]) == (401, "APIGW.0301")

    def is_over() -> bool:
        jobs = other.call("GET", f"/v3/{second}/jobs", token=token, params={"id": deleted}).json()
        return jobs["job"]["status"] == "Completed"

    until("the backup to be gone", is_over)


@pytest.mark.soak
def test_a_cluster_becomes_one_elsewhere(
    installation: Installation,
    shared_cluster: dict[str, Any],
    other: Installation,
    tmp_path: Path,
) -> None:
    source = installation.instance(shared_cluster["id"])
    assert source is not None
    path = tmp_path / "cluster.snapshot"

    def sharding(data: Mongo) -> tuple[Any, ...]:
        config = data["config"]
        (known,) = config["collections"].find({"_id": "sharded.items"})
        chunks = config["chunks"].find({"uuid": known["uuid"]})
        zones = config["tags"].find({"ns": "sharded.items"})
        return (
            known["key"],
            sorted((str(one["min"]), str(one["max"]), one["shard"]) for one in chunks),
            [(one["tag"], one["min"], one["max"]) for one in zones],
            sorted((one["_id"], one.get("tags")) for one in config["shards"].find()),
        )

    with Mongo(uri(source)) as data, client(installation) as known:
        data.drop_database("shop")
        try:
            fill(data)
            data.admin.command("enableSharding", "sharded")
            data.admin.command("shardCollection", "sharded.items", key={"_id": 1})
            data["sharded"]["items"].insert_many({"_id": n} for n in range(500))
            data.admin.command("addShardToZone", "shard_2", zone="late")
            edges = {"min": {"_id": 250}, "max": {"_id": 1000}}
            data.admin.command("updateZoneKeyRange", "sharded.items", **edges, zone="late")
            data.admin.command("split", "sharded.items", middle={"_id": 250})
            before = facts(data, "shop"), facts(data, "sharded"), sharding(data)
            snapshots.save(known, source["id"], path)
        finally:
            data.admin.command("updateZoneKeyRange", "sharded.items", **edges, zone=None)
            data.admin.command("removeShardFromZone", "shard_2", zone="late")
            data.drop_database("sharded")
            data.drop_database("shop")
    with client(other) as known:
        made = loaded(other, snapshots.load(known, path, name="a-cluster", password=PASSWORD))
    with Mongo(uri(made, PASSWORD)) as data:
        assert (facts(data, "shop"), facts(data, "sharded")) == before[:2]
        key, chunks, zones, shards = sharding(data)
        assert (key, zones, shards) == (before[2][0], before[2][2], before[2][3])
        assert {edge for one in before[2][1] for edge in one[:2]} <= {
            edge for one in chunks for edge in one[:2]
        }
    other.delete(made["id"])
    until("the upload to be gone", lambda: is_clean(other), 60)
