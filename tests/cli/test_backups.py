"""Backups with the program: of the shared instance on a real service, and downloads with fakes."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from shardhouse.cli.commands import app
from tests.cli.conftest import NAME, PASSWORD, Answer
from tests.cli.program import Program
from tests.installation import until

Use = Callable[[Answer], None]
runner = CliRunner()


def address(program: Program, name: str) -> str:
    shown = program.ok(
        *("instance", "uri", name, "--show-password"), SHARDHOUSE_INSTANCE_PASSWORD=PASSWORD
    )
    return shown.strip()


def count(program: Program, name: str) -> int:
    with MongoClient[dict[str, Any]](address(program, name)) as mongo:
        return mongo["saved"]["things"].count_documents({})


@pytest.fixture(scope="module")
def backup(program: Program, instance: dict[str, Any]) -> dict[str, Any]:
    """A backup of the instance, with 100 documents in it."""
    with MongoClient[dict[str, Any]](address(program, NAME)) as mongo:
        mongo["saved"]["things"].drop()
        mongo["saved"]["things"].insert_many({"_id": n} for n in range(100))
    made: dict[str, Any] = program.json(
        *("backup", "create", instance["id"], "first-one"),
        *("--description", "before anything", "--wait"),
    )
    return made


def test_a_backup_is_made_and_found(program: Program, backup: dict[str, Any]) -> None:
    assert (backup["status"], backup["name"]) == ("COMPLETED", "first-one")
    listed = program.json("backup", "list", "--instance", NAME)
    assert backup["id"] in [one["id"] for one in listed]
    assert program.json("backup", "list", "--instance", "another") == []
    assert backup["id"] in program.ok("backup", "list", "--type", "Manual")
    for words in ("first-one", backup["id"]):
        shown = program.ok("backup", "show", words)
        assert "before anything" in shown
        assert f"{NAME} ({backup['instance_id']})" in shown
    assert "backup list" in program.refused("backup", "show", "first")


def test_a_backup_is_verified(program: Program, backup: dict[str, Any]) -> None:
    shown = program.ok("backup", "verify", backup["name"])
    assert "all checksums right" in shown
    assert "documents" in shown
    assert program.json("backup", "verify", backup["id"])["status"] == "Completed"


def test_a_backup_is_exported_whole(
    program: Program, backup: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "made" / "here"
    (file,) = program.json("backup", "export", "first-one", str(folder))
    assert [path.name for path in folder.iterdir()] == ["first-one_single.tar"]
    assert os.stat(file["file"]).st_mode & 0o777 == 0o600
    with tarfile.open(file["file"]) as archive:
        names = archive.getnames()
        assert all(archive.extractfile(member) for member in archive.getmembers())
    assert "WiredTiger.wt" in names
    assert file["file"] in program.refused("backup", "export", backup["id"], str(folder))

    whole = tmp_path / "piped.tar"
    with whole.open("wb") as output:
        assert program.piped(output, "backup", "export", backup["id"], "-") == 0
    assert whole.read_bytes() == Path(file["file"]).read_bytes()


def test_a_restore_asks_first(program: Program, backup: dict[str, Any]) -> None:
    words = ("restore", NAME, "--backup", backup["id"])
    assert program.run(*words, stdin="n\n").returncode == 1
    assert count(program, NAME) == 100
    assert program.run("restore", NAME, "--yes").returncode == 2
    assert program.run(*words, "--at", "now").returncode == 2


@pytest.mark.soak
def test_an_instance_is_cloned_as_it_is_now_and_restored(
    program: Program, backup: dict[str, Any]
) -> None:
    program.ok("backup", "policy", NAME, "--keep-days", "0")
    refused = program.refused("backup", "policy", NAME, "--window", "01:00-02:00")
    assert "--keep-days" in refused
    program.ok("backup", "policy", NAME, "--keep-days", "2", "--window", "01:00-02:00")
    changed = program.json("backup", "policy", NAME, "--window", "03:00-04:00")
    assert changed == {
        "keep_days": 2,
        "start_time": "03:00-04:00",
        "period": "1,2,3,4,5,6,7",
        "enable_incremental_backup": True,
    }
    assert "2 days" in program.ok("backup", "policy", NAME)
    assert "in the future" in program.refused("restore", NAME, "--at", "2100-01-01", "--yes")
    until("times to restore to", lambda: program.json("backup", "times", NAME) or None)
    assert "Times to which it can" in program.refused("restore", NAME, "--at", "-7d", "--yes")

    with MongoClient[dict[str, Any]](address(program, NAME)) as mongo:
        mongo["saved"]["things"].insert_one({"_id": 100})
    cloned = program.json(
        *("instance", "clone", NAME, "its-clone", "--at", "now", "--port", "8702", "--wait"),
        *("--password-stdin",),
        stdin=PASSWORD,
    )
    assert (cloned["status"], cloned["port"]) == ("normal", "8702")
    assert count(program, "its-clone") == 101
    made = program.json("backup", "create", "its-clone", "of-the-clone", "--wait")
    deleted = program.run("instance", "delete", "its-clone", "--yes", "--wait")
    assert deleted.returncode == 0, deleted.stderr
    again = program.json(
        *("instance", "clone", "its-clone", "its-clone", "--backup", made["id"]),
        *("--port", "8703", "--wait"),
    )
    assert again["id"] != cloned["id"]
    assert count(program, "its-clone") == 101
    program.json("instance", "delete", "its-clone", "--yes", "--wait")
    told = program.refused("instance", "clone", cloned["id"], "its-clone", "--at", "-1d")
    assert "restore_time" in told
    (first, *_) = program.json("backup", "times", NAME)
    assert first["start_time"] < first["end_time"]
    assert first["start"] in program.ok("backup", "times", NAME)

    done = program.run("restore", NAME, "--backup", "first-one", "--yes", "--wait")
    assert done.returncode == 0, done.stderr
    assert "✓ Replace the data" in done.stderr
    assert count(program, NAME) == 100
    program.ok("backup", "policy", NAME, "--keep-days", "0")
    assert program.json("backup", "policy", NAME) == {"keep_days": 0}


def test_a_backup_of_another_instance_is_no_clone(program: Program, backup: dict[str, Any]) -> None:
    told = program.refused("instance", "clone", "other", "new-one", "--backup", backup["id"])
    assert f"is of instance {NAME}" in told


def test_a_backup_is_deleted(program: Program, backup: dict[str, Any]) -> None:
    extra = program.json("backup", "create", NAME, "--name", "to-be-deleted", "--wait")
    assert program.run("backup", "delete", extra["id"], stdin="n\n").returncode == 1
    assert program.refused("backup", "stop", extra["id"])
    job = program.json("backup", "delete", "to-be-deleted", "--yes", "--wait")
    assert job["status"] == "Completed"
    assert "There is no backup" in program.refused("backup", "show", extra["id"])
    assert backup["id"] in program.ok("backup", "list")


def _downloading(content: bytes, announced: int, files: int = 1) -> Answer:
    """A backup whose files have `content`, and are announced with another length."""
    backup = {"id": "b1", "name": "one", "instance_id": "i1"}
    links = [
        {
            "name": f"one_{number}.tar",
            "download_link": f"http://dds.test/v3/backup-files/b1/{number}",
        }
        for number in range(files)
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.startswith("/v3/backup-files/"):
            return httpx.Response(200, content=content, headers={"Content-Length": str(announced)})
        if path.endswith("/download-file"):
            return httpx.Response(200, json={"files": links, "bucket": "here"})
        return httpx.Response(200, json={"backups": [backup], "total_count": 1})

    return answer


def test_half_a_file_is_not_left(fake_apis: Use, tmp_path: Path) -> None:
    fake_apis(_downloading(b"half", 8))
    done = runner.invoke(app, ["backup", "export", "one", str(tmp_path)])
    assert done.exit_code == 1
    assert "should have 8 bytes, and 4 came" in done.stderr.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_all_files_go_into_a_folder_and_only_one_to_a_pipe(fake_apis: Use, tmp_path: Path) -> None:
    fake_apis(_downloading(b"whole", 5, files=2))
    done = runner.invoke(app, ["backup", "export", "one", str(tmp_path), "--json"])
    assert [one["size"] for one in json.loads(done.stdout)] == [5, 5]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"] * 2
    done = runner.invoke(app, ["backup", "export", "one", "-"])
    assert done.exit_code == 1
    assert "name a folder" in done.stderr
