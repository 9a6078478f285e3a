"""mongosh, MongoDB's own shell, runs an administrator's script against the router.

The shell comes from npm, once, into the user's cache directory; offline machines keep what they
have there.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests import npm
from tests.router.cluster import ADMIN, PASSWORD

SCRIPT = Path(__file__).with_name("script.mongosh.js")


@pytest.fixture(scope="session")
def mongosh() -> Path:
    """The pinned shell, installed if it is not there yet."""
    return npm.installed("mongosh", npm.MONGOSH) / ".bin" / "mongosh"


def run(shell: Path, port: int, *arguments: str, home: Path, **environment: str) -> str:
    address = f"mongodb://127.0.0.1:{port}/?authSource=admin"
    done = subprocess.run(
        [str(shell), address, "--quiet", "--username", ADMIN, "--password", PASSWORD, *arguments],
        env={**os.environ, "HOME": str(home), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(400)
def test_an_administrators_script(mongosh, cluster, db, tmp_path):
    with cluster.config.client() as config:
        config.admin.command("setParameter", 1, reshardingMinimumOperationDurationMillis=0)
    output = run(
        mongosh, cluster.router.port, "--file", str(SCRIPT), home=tmp_path, DATABASE=db.name
    )
    line = next(line for line in output.splitlines() if line.startswith("ANSWERS "))
    answers = json.loads(line.removeprefix("ANSWERS "))
    succeeded = {
        "enabled", "ranged", "hashed", "splitAt", "splitFind", "moved", "tagged", "range",
        "rangeGone", "zoned", "zoneGone", "untagged", "stopped", "started",
    }  # fmt: skip
    assert {name: answers[name] for name in succeeded} == dict.fromkeys(succeeded, 1)
    assert (answers["off"], answers["on"]) == (False, True)
    assert (answers["inserted"], answers["updated"], answers["deleted"]) == (100, 10, 1)
    assert answers["sorted"] == [99, 98]
    assert answers["grouped"] == 2
    assert answers["plan"] == "SINGLE_SHARD"
    assert answers["ops"]
    assert answers["objects"] >= 99  # with what a move has not cleaned up yet
    assert answers["stats"]
    assert answers["collections"] == ["hashed", "ranged"]
    assert answers["databases"]
    assert set(answers["helpers"].values()) == {True}, answers["helpers"]
    assert {"shardingVersion", "shards", "active mongoses", "balancer", "databases"} <= {
        *answers["status"]
    }


def test_the_status_it_prints(mongosh, cluster, root, db, tmp_path):
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": 1})
    printed = run(mongosh, cluster.router.port, "--eval", "sh.status()", home=tmp_path)
    for part in ("shardingVersion", "active mongoses", "autosplit", "balancer", f"{db.name}.c"):
        assert part in printed
