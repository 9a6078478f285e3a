"""Data directories of older versions are served by this one, with all that they hold.

The archives were made by the versions that they are named after; README.md says what is in them.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests import builds
from tests.installation import Installation, until, uri

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """This version's `serve` on the data of 0.1.0, whose instances are normal."""
    builds.known_build("6.0.5")
    folder = tmp_path_factory.mktemp("upgraded") / "data"
    with tarfile.open(HERE / "0.1.0.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    made = Installation(folder)
    try:
        made.start()
        until("both instances to be normal", lambda: _statuses(made) == {"normal"}, 120)
        yield made
    finally:
        made.destroy()


def test_a_cluster_has_its_data_users_and_sharding(upgraded: Installation) -> None:
    cluster = _named(upgraded, "old-cluster")
    with MongoClient[dict[str, Any]](uri(cluster)) as client:
        orders = client["shop"]["orders"]
        assert orders.count_documents({}) == 300
        assert "city_1" in orders.index_information()
        assert client["config"]["collections"].count_documents({"_id": "shop.orders"}) == 1
    address = uri(cluster, "App@1234", "app").replace("authSource=admin", "authSource=shop")
    with MongoClient[dict[str, Any]](address) as app:
        app["shop"]["orders"].insert_one({"_id": "new"})
        assert app["shop"]["orders"].find_one({"_id": "new"})
        app["shop"]["orders"].delete_one({"_id": "new"})


def test_the_administrator_has_the_rights_of_this_version(upgraded: Installation) -> None:
    with MongoClient[dict[str, Any]](uri(_named(upgraded, "old-cluster"))) as client:

        def roles() -> set[str]:
            (user,) = client["admin"].command("usersInfo", "rwuser")["users"]
            return {role["role"] for role in user["roles"]}

        # The inspector finds the difference, and a job mends it.
        until("the present roles of rwuser", lambda: "instanceAdministrator" in roles(), 60)
        until("the job's end", lambda: not _named(upgraded, "old-cluster")["actions"], 60)
        assert "root" not in roles()
        with pytest.raises(OperationFailure) as refused:
            client["config"]["chunks"].insert_one({})
        assert refused.value.code == 13  # Unauthorized


def test_a_single_node_keeps_its_authority(upgraded: Installation) -> None:
    single = _named(upgraded, "old-single")
    with MongoClient[dict[str, Any]](_tls(upgraded, single)) as client:
        assert client["notes"]["entries"].count_documents({}) == 50


def test_an_instance_can_be_changed(upgraded: Installation) -> None:
    single = _named(upgraded, "old-single")
    answer = upgraded.call(
        "POST", f"/instances/{single['id']}/restart", json={"target_id": single["id"]}
    )
    assert answer.status_code == 202, answer.text
    assert upgraded.wait_job(answer.json()["job_id"])["status"] == "Completed"
    with MongoClient[dict[str, Any]](_tls(upgraded, single)) as client:
        assert client["notes"]["entries"].count_documents({}) == 50


def test_its_policy_makes_backups(upgraded: Installation) -> None:
    # A policy was stored by 0.1.0, which had no backups yet.
    def backed_up() -> set[str]:
        answer = upgraded.call("GET", "/backups").json()["backups"]
        return {one["instance_name"] for one in answer if one["status"] == "COMPLETED"}

    both = {"old-cluster", "old-single"}
    until("a backup of each instance", lambda: backed_up() == both, 120)


def _tls(installation: Installation, instance: dict[str, Any]) -> str:
    folder = installation.data_dir / "instances" / instance["id"]
    (authority,) = folder.glob("*/conf/ca.pem")
    return f"{uri(instance)}&tls=true&tlsCAFile={authority}"


def _named(installation: Installation, name: str) -> dict[str, Any]:
    (found,) = installation.call("GET", "/instances", params={"name": name}).json()["instances"]
    return found


def _statuses(installation: Installation) -> set[str]:
    return {one["status"] for one in installation.call("GET", "/instances").json()["instances"]}
