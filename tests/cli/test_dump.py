"""`shardhouse backup export --format mongodump`: a backup's data as a dump, imported elsewhere."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.backing_up import backup
from tests.cli.program import PROGRAM
from tests.cli.test_import import imported
from tests.installation import Installation, uri
from tests.workflows.test_restore_collections import facts, fill

Client = MongoClient[dict[str, Any]]
_OTHER = {"shared_replica": "shared_cluster", "shared_cluster": "shared_replica"}


def exported(
    installation: Installation, name: str, *options: str
) -> subprocess.CompletedProcess[str]:
    words = ["backup", "export", name, "--data-dir", str(installation.data_dir), *options]
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "kind", ["shared_replica", pytest.param("shared_cluster", marks=pytest.mark.soak)]
)
def test_a_dump_is_imported_elsewhere(
    installation: Installation, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    here, there = (
        installation.instance(request.getfixturevalue(name)["id"]) for name in (kind, _OTHER[kind])
    )
    assert here
    assert there
    folder = tmp_path / "dump"
    with Client(uri(here)) as source, Client(uri(there)) as target:
        for client in (source, target):
            client.drop_database("shop")
        try:
            fill(source)
            if kind == "shared_cluster":
                source.admin.command("enableSharding", "sharded")
                source.admin.command("shardCollection", "sharded.items", key={"_id": "hashed"})
                source["sharded"]["items"].insert_many({"_id": n} for n in range(500))
            before = facts(source, "shop")
            made = backup(installation, here["id"], f"dumped-{kind.replace('_', '-')}")
            source["shop"]["goods"].delete_many({})
            options = ("--format", "mongodump", "--to", str(folder), "--gzip", "--json")
            done = exported(installation, made["name"], *options)
            assert done.returncode == 0, done.stderr
            files = {entry["file"] for entry in json.loads(done.stdout)}
            assert str(folder / "shop" / "goods.bson.gz") in files
            assert "exists" in exported(installation, made["name"], *options).stderr
            assert not [path.name for path in folder.iterdir() if path.name in ("admin", "config")]

            for other in folder.iterdir():  # of other tests
                if other.name not in ("shop", "sharded"):
                    shutil.rmtree(other)
            done = imported(installation, there, folder, "--json")
            assert done.returncode == 0, done.stderr
            assert facts(target, "shop") == before
            if kind == "shared_cluster":
                assert json.loads(done.stdout)["left_out"] == []
                assert sorted(one["_id"] for one in target["sharded"]["items"].find()) == list(
                    range(500)
                )
        finally:
            for client in (source, target):
                client.drop_database("shop")
                client.drop_database("sharded")
            deleted = installation.call("DELETE", f"/backups/{made['id']}")
            installation.wait_job(deleted.json()["job_id"], 60)
    assert not list((installation.data_dir / "instances").glob("*/*-*"))
    assert not list((installation.data_dir / "backups").rglob("*.dump*"))
