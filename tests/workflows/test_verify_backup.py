"""Backups are verified: restored aside, validated, and nothing of that stays."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests import requests
from tests.backing_up import POLICY, backed_up, backup, backups, reach
from tests.installation import Installation, uri
from tests.load import load


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("verified") / "data", dialect="huawei")
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def verified(own: Installation, backup_id: str) -> dict[str, Any]:
    """The job that verified a backup."""
    answer = own.call("POST", f"/backups/{backup_id}/verify")
    assert answer.status_code == 200, answer.text
    return own.wait_job(answer.json()["job_id"], 120)


def leftovers(own: Installation) -> list[str]:
    return [path.name for path in (own.data_dir / "instances").glob("*/*-*")]


@pytest.mark.soak
def test_a_backup_is_verified_beside_its_instance_and_without_it(own: Installation) -> None:
    cluster = own.make(requests.cluster(name="verified"))
    with MongoClient[dict[str, Any]](uri(cluster)) as client:
        client["shop"]["goods"].insert_many({"_id": n} for n in range(500))
    with load(cluster, "shop", "orders"):
        made = backup(own, cluster["id"], "to-verify")
        job = verified(own, made["id"])
        assert job["status"] == "Completed", job["fail_reason"]
        for name in ("config", "shard_1", "shard_2"):
            assert f"{name}: " in job["steps"][1]["detail"]
    assert not leftovers(own)
    own.delete(cluster["id"])
    assert verified(own, made["id"])["status"] == "Completed"
    assert not leftovers(own)
    assert not own.nodes()

    (path, *_) = (own.data_dir / "backups").rglob(f"{made['id']}/*.oplog")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    job = verified(own, made["id"])
    assert job["status"] == "Failed"
    assert "damaged" in job["fail_reason"]
    assert not leftovers(own)
    assert not own.nodes()


def test_only_a_complete_backup_is_verified(own: Installation) -> None:
    answer = own.call("POST", f"/backups/{'0' * 32}br02/verify")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.201214")


@pytest.fixture(scope="module")
def captured(own: Installation) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """An instance whose oplog is captured, and its first backup."""
    made = backed_up(own, requests.single(name="captured", backup_strategy=POLICY))
    with MongoClient[dict[str, Any]](uri(made)) as client:
        for number in range(3):
            client["shop"]["goods"].insert_one({"_id": number})
            reach(own, made["id"], time.time_ns() // 1_000_000)
    # What was captured stays, and nothing is captured or merged any more.
    path = f"/instances/{made['id']}/backups/policy"
    answer = own.call("PUT", path, json={"backup_policy": {"keep_days": "0"}})
    assert answer.status_code == 200, answer.text
    (first,) = backups(own, instance_id=made["id"])
    yield made, first
    own.delete(made["id"])


def pieces(own: Installation, instance: dict[str, Any]) -> list[Path]:
    """The captured pieces behind the backup, the first one first."""
    return sorted((own.data_dir / "backups" / instance["id"] / "oplog").glob("*/*-*"))


@pytest.mark.soak
def test_what_was_captured_is_verified(
    own: Installation, captured: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    made, first = captured
    job = verified(own, first["id"])
    assert job["status"] == "Completed", job["fail_reason"]
    detail = job["steps"][3]["detail"]
    assert re.fullmatch(r"single: [1-9]\d* captured entries, complete until .* UTC", detail), detail

    (piece, *_) = pieces(own, made)
    whole = piece.read_bytes()
    piece.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    job = verified(own, first["id"])
    assert (job["status"], "damaged" in job["fail_reason"]) == ("Failed", True), job
    piece.write_bytes(whole)

    lost = pieces(own, made)[1]
    content = lost.read_bytes()
    lost.unlink()
    job = verified(own, first["id"])
    assert (job["status"], "is missing" in job["fail_reason"]) == ("Failed", True), job
    lost.write_bytes(content)
    assert not leftovers(own)


def test_a_storage_that_fails_has_its_code(
    own: Installation, captured: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    made, first = captured
    params = {"instance_id": made["id"], "backup_id": first["id"]}
    (path,) = (own.data_dir / "backups").rglob(f"{first['id']}/manifest.json")
    content = path.read_text()
    path.write_text(content.replace("captured", "exchanged"))
    answers = [own.call("GET", "/backups/download-file", params=params)]
    path.unlink()
    answers.append(own.call("GET", "/backups/download-file", params=params))
    path.write_text(content)
    for answer, words in zip(answers, ("not as it was written", "has no"), strict=True):
        assert (answer.status_code, answer.json()["error_code"]) == (500, "DBS.201509")
        assert words in answer.json()["error_msg"]
    assert own.call("GET", "/backups/download-file", params=params).status_code == 200
