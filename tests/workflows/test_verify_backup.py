"""Backups are verified: restored aside, validated, and nothing of that stays."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests import requests
from tests.backing_up import backup
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
