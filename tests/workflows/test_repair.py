"""Instances damaged from inside MongoDB are repaired by a job; what cannot be is told once."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from typer.testing import CliRunner

from shardhouse.cli.commands import app
from shardhouse.mongo import administrator
from tests import requests
from tests.installation import Installation, addresses, until, uri


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("repair") / "data", monitor_interval=0.5)
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def repairs(own: Installation, instance: dict[str, Any]) -> list[str]:
    """Ids of the instance's repairs, oldest first."""
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        rows = store.execute(
            "select id from jobs where action = 'REPAIR' and instance_id = ? order by created_at",
            (instance["id"],),
        )
        return [row[0] for row in rows]


def repair(own: Installation, instance: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """The instance's repair, when it has ended."""
    ids = until("a repair", lambda: repairs(own, instance)[number:] or None, 90)
    return own.wait_job(ids[0])


def details(own: Installation, job: dict[str, Any]) -> str:
    """What a job's steps say."""
    with sqlite3.connect(own.data_dir / "shardhouse.db") as store:
        rows = store.execute("select detail from job_steps where job_id = ?", (job["id"],))
        return " | ".join(row[0] or "" for row in rows)


def doctor(own: Installation) -> str:
    return CliRunner().invoke(app, ["doctor", "--data-dir", str(own.data_dir), "--json"]).output


def well(own: Installation, instance: dict[str, Any]) -> bool:
    listed = own.instance(instance["id"])
    return listed is not None and listed["status"] == "normal" and not listed["actions"]


def loosen(system: MongoClient[dict[str, Any]]) -> None:
    """The administrator as earlier versions made it."""
    for name in administrator._COLLECTIONS:
        system.admin.command("dropIndexes", name, index="*")
    system.admin.command("updateUser", "rwuser", roles=["root"])
    system.admin.command("dropRole", administrator.ROLE)


def test_the_administrator_of_an_earlier_version_is_restricted_at_the_next_start(
    own: Installation,
) -> None:
    made = own.make(requests.single())
    host = addresses(made)[0]
    own.stop()
    with own.system(made) as clients:
        loosen(clients[host])
        clients[host].admin.command("createUser", "old", pwd="Test@123", roles=["root"])
    own.start()
    job = repair(own, made)
    assert job["status"] == "Failed"
    assert "user old@admin holds what is reserved" in job["fail_reason"]
    assert "rwuser has root" in details(own, job)
    assert "user old@admin" in doctor(own)
    with MongoClient(uri(made)) as client, pytest.raises(OperationFailure, match="not authorized"):
        client.admin.command("fsync")
    with MongoClient(uri(made, user="old")) as client:
        client.admin.command("fsync")  # what others have stays with them
        client.admin.command("dropUser", "old")
    assert repairs(own, made) == [job["id"]]
    own.delete(made["id"])


@pytest.mark.soak
def test_a_single_without_its_configuration_serves_again_with_its_data(own: Installation) -> None:
    made = own.make(requests.single())
    host = addresses(made)[0]
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
    with own.system(made) as clients:
        clients[host].local["system.replset"].delete_many({})
        clients[host].admin.command("fsync")  # `j: true` does nothing in `local`
        (process,) = own.nodes(made["id"])
        process.kill()
    job = repair(own, made)
    assert job["status"] == "Completed", job
    assert "wrote the configuration to the disk" in details(own, job)
    until("normal", lambda: well(own, made))
    with MongoClient(uri(made)) as client:
        assert client["shop"]["orders"].find_one() == {"_id": 1}
    own.delete(made["id"])


def test_dropped_members_come_back_without_losing_a_write(own: Installation) -> None:
    made = own.make(requests.replica_set())
    with MongoClient(uri(made), w="majority") as client:
        client["shop"]["orders"].insert_one({"_id": 1})
        primary = ":".join(map(str, client.primary or ()))
    with own.system(made) as clients:
        admin = clients[primary].admin
        config = admin.command("replSetGetConfig")["config"]
        config["members"] = [m for m in config["members"] if m["host"] == primary]
        config["version"] += 1
        admin.command("replSetReconfig", config, force=True)
        clients[primary]["shop"]["orders"].insert_one({"_id": 2})
    job = repair(own, made)
    assert job["status"] == "Completed", job
    assert "is not a member" in details(own, job)
    until("normal", lambda: well(own, made))
    assert f"Repair of {made['name']}" in doctor(own)
    with MongoClient(uri(made), w="majority") as client:
        client["shop"]["orders"].insert_one({"_id": 3})
        assert client["shop"]["orders"].distinct("_id") == [1, 2, 3]
    assert repairs(own, made) == [job["id"]]
    own.delete(made["id"])
