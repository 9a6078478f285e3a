"""Logs that grow are put aside and removed, of mongod and of the router."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests import requests
from tests.installation import Installation, until

Made = dict[str, Any]
MIB = 1024**2


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose logs are put aside early."""
    logs = {"file_size": 1, "total_size": 3}
    made = Installation(tmp_path_factory.mktemp("logs") / "data", logs=logs)
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def cluster(small: Installation) -> Made:
    return small.make(requests.cluster(name="rotated"))


def folder(small: Installation, node_id: str) -> Path:
    (found,) = small.data_dir.glob(f"instances/*/{node_id}/log")
    return found


def aside(small: Installation, node_id: str) -> list[Path]:
    return sorted(folder(small, node_id).glob("mongo.log.*"))


def nodes(made: Made, kind: str) -> list[dict[str, Any]]:
    return [node for group in made["groups"] if group["type"] == kind for node in group["nodes"]]


def node_host(small: Installation, node_id: str) -> str:
    (line,) = small.commands(node_id)
    return f"{line[line.index('--bind_ip') + 1]}:{line[line.index('--port') + 1]}"


def work(client: MongoClient[Any], mebibytes: int) -> None:
    """Operations that are logged with about this much text."""
    text = "x" * 8000
    for _ in range(mebibytes * MIB // len(text)):
        client["shop"]["orders"].find_one({"name": text})


@pytest.mark.soak
def test_logs_stay_small(small: Installation, cluster: Made) -> None:
    (first, *_) = nodes(cluster, "mongos")
    router, host = first["id"], first["host"]
    shards = [node["id"] for node in nodes(cluster, "shard")]
    with small.system(cluster) as clients:
        for shard in shards:
            clients[node_host(small, shard)]["admin"].command("profile", 0, slowms=-1)
    with MongoClient(host, username="rwuser", password="Test@123", directConnection=True) as client:
        client["shop"]["orders"].insert_one({})
        client.admin.command("profile", 0, slowms=-1)
        work(client, 2)
        until("the router's log to be put aside", lambda: aside(small, router) or None, 60)
        written = until(
            "a shard's log to be put aside",
            lambda: [shard for shard in shards if aside(small, shard)] or None,
            60,
        )
        # What was put aside and what is written now follow each other.
        for node_id in (router, written[0]):
            before = times(aside(small, node_id)[0])
            current = folder(small, node_id) / "mongo.log"
            client.admin.command("ping")
            after = until("a line in the new file", lambda path=current: times(path) or None)
            assert before[-1] <= after[0]
        for _ in range(2):
            known = aside(small, router)
            work(client, 2)
            until("another file", lambda known=known: aside(small, router) != known or None, 60)
    until("few to be left", lambda: total(folder(small, router)) <= 4 * MIB or None, 60)
    listed = small.instance(cluster["id"])
    assert listed is not None
    assert listed["status"] == "normal"


def test_old_files_go(small: Installation, cluster: Made) -> None:
    place = folder(small, nodes(cluster, "config")[0]["id"])
    old, kept = place / "mongo.log.old", place / "mongo.log.new"
    for path, days in ((old, 40), (kept, 20)):
        path.write_text("{}\n")
        moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(path, (moment, moment))
    until("the old file to go", lambda: not old.exists() or None, 60)
    assert kept.exists()
    assert (place / "mongo.log").exists()


def times(path: Path) -> list[str]:
    """When the lines of a file were written."""
    lines = path.read_text().splitlines()
    return [json.loads(line)["t"]["$date"][:23] for line in lines if line.endswith("}")]


def total(place: Path) -> int:
    """Bytes of all files of a log."""
    return sum(path.stat().st_size for path in place.glob("mongo.log*"))
