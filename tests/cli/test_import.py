"""`shardhouse backup import`: a dump of another MongoDB, in an instance."""

import json
import subprocess
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from tests.cli.program import PROGRAM
from tests.dumps import archive, folder
from tests.installation import Installation, uri

CONTENTS: dict[str, Any] = {
    "imported.orders": (
        {
            "options": {"validator": {"n": {"$gte": 0}}},
            # `background` and `ns` are of old releases.
            "indexes": [
                {"v": 2, "key": {"_id": 1}, "name": "_id_", "ns": "imported.orders"},
                {
                    "v": 2,
                    "unique": True,
                    "key": {"n": 1},
                    "name": "n_1",
                    "ns": "imported.orders",
                    "background": True,
                },
            ],
        },
        [{"_id": number, "n": bson.Int64(number)} for number in range(2500)],
    ),
    "imported.late": (
        {
            "type": "view",
            "options": {"viewOn": "orders", "pipeline": [{"$match": {"n": {"$gte": 2400}}}]},
        },
        [],
    ),
    "imported.measured": (
        {
            "type": "timeseries",
            "options": {
                "timeseries": {
                    "timeField": "at",
                    "granularity": "seconds",
                    "bucketMaxSpanSeconds": 3600,
                }
            },
        },
        [],
    ),
    "imported.system.buckets.measured": ({}, []),
    "admin.system.users": ({}, [{"_id": "admin.somebody"}]),
    "config.settings": ({}, [{"_id": "balancer"}]),
}


def imported(
    installation: Installation, instance: dict[str, Any], dump: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    place = ["--password-stdin", "--data-dir", str(installation.data_dir)]
    return subprocess.run(
        [*PROGRAM, "backup", "import", str(dump), instance["name"], *options, *place],
        input="Test@123\n",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["shared_replica", "shared_cluster"])
def test_import(
    installation: Installation, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    instance = request.getfixturevalue(kind)
    listed = installation.instance(instance["id"])
    assert listed
    with MongoClient(uri(listed)) as client:
        shop = client["imported"]
        try:
            done = imported(
                installation, listed, archive(tmp_path / "dump.archive", CONTENTS), "--json"
            )
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == {
                "collections": 3,
                "documents": 2500,
                "left_out": ["admin.system.users", "config.settings"],
            }
            assert shop["orders"].count_documents({}) == 2500
            assert shop["orders"].index_information()["n_1"]["unique"]
            assert shop["orders"].options()["validator"] == {"n": {"$gte": 0}}
            assert shop["late"].count_documents({}) == 100
            kinds = {found["name"]: found["type"] for found in shop.list_collections()}
            assert kinds["measured"] == "timeseries"

            shop["orders"].insert_one({"_id": 9000, "n": 9000})
            again = folder(tmp_path / "dump", CONTENTS)
            refused = imported(installation, listed, again)
            assert refused.returncode == 1
            assert (
                "Already there: imported.late, imported.measured, imported.orders" in refused.stderr
            )
            assert shop["orders"].count_documents({}) == 2501
            done = imported(installation, listed, again, "--drop")
            assert done.returncode == 0, done.stderr
            assert shop["orders"].count_documents({}) == 2500
        finally:
            client.drop_database("imported")
