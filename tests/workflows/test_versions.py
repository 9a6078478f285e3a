"""Requested versions are served by builds of that release, and an instance keeps its build."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests import builds, requests
from tests.cli.program import Program
from tests.installation import Installation, until, uri

RELEASES = ("4.4", "5.0", "6.0")
MODES = {
    "ReplicaSet": requests.replica_set,
    "Single": requests.single,
    "Sharding": requests.cluster,
}


def order(mode: str, version: str, **changes: Any) -> dict[str, Any]:
    datastore = {"type": "DDS-Community", "version": version}
    return MODES[mode](datastore=datastore, **changes)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with a build of each release."""
    engines = [builds.known_build(release).name for release in RELEASES]
    made = Installation(tmp_path_factory.mktemp("mixed") / "data", engines=engines)
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.mark.parametrize(
    ("mode", "version", "release"),
    [
        ("Single", "4.4", "4.4"),
        ("ReplicaSet", "4.4", "4.4"),
        ("ReplicaSet", "5.0", "5.0"),
        ("Single", "6.0", "6.0"),
        ("ReplicaSet", "6.0", "6.0"),
        ("Sharding", "4.4", "6.0"),
    ],
)
def test_a_release_is_served_by_itself_where_its_mode_allows(
    mixed: Installation, mode: str, version: str, release: str
) -> None:
    made = mixed.make(order(mode, version))
    served = builds.known_build(release)
    assert (made["engine_version"], made["engine_build"]) == (served.version, served.name)
    table = mixed.call("GET", "/datastores/DDS-Community/versions").json()
    assert table["served_by"][version][mode] == served.version
    assert served.name in table["builds"]
    with MongoClient[dict[str, Any]](uri(made)) as client:
        assert client.admin.command("buildInfo")["version"] == served.version
        client["shop"]["orders"].insert_one({"_id": 1})
        assert client["shop"]["orders"].find_one() == {"_id": 1}
    mixed.delete(made["id"])


def test_single_is_not_offered_with_5_0(mixed: Installation) -> None:
    refused = mixed.call("POST", "/instances", json=order("Single", "5.0"))
    assert (refused.status_code, refused.json()["error_code"]) == (400, "DBS.280342")


OLD, NEW = "4.4.2", "6.0.27"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of builds that the test may take builds from."""
    made = tmp_path / "engines"
    made.mkdir()
    for version in (OLD, NEW):
        build = builds.known_build(version)
        (made / build.name).symlink_to(build.mongod.parent.parent)
    return made


@pytest.mark.soak
def test_an_instance_keeps_its_build(tmp_path: Path, folder: Path) -> None:
    kept = Installation(tmp_path / "data", engines=[OLD], engine_dir=str(folder))
    variables = {"SHARDHOUSE_ENGINE_DIR": str(folder), "SHARDHOUSE_ENGINES": f'["{NEW}"]'}
    program = Program(kept.data_dir)
    try:
        kept.start()
        made = kept.make(order("Single", "4.0"))
        assert made["engine_version"] == OLD

        kept.stop()
        kept.settings["engines"] = [NEW]  # what serves new instances changes nothing for this one
        _forget_build(kept)  # as in a store that is older than names of builds
        kept.start()
        served = kept.call("GET", "/datastores/DDS-Community/versions").json()["served_by"]
        assert served["4.0"]["Single"] == NEW
        _crash(kept)
        until("the node to be back", lambda: _runs(kept, made, OLD), 60)
        _own_libraries(kept)

        _forget_build(kept, made["engine_build"])
        refused = program.refused("engine", "remove", OLD, **variables)
        assert "used by instance test-single" in refused
        (folder / made["engine_build"]).unlink()
        _crash(kept)
        until("the loss to be told", lambda: _is(kept, made, "abnormal"))
        assert "shardhouse engine add 4.4.2" in program.ok("instance", "show", made["id"])
        checks = json.loads(program.run("doctor", "--json", **variables).stdout)
        (lost,) = [check for check in checks if check["name"] == "Build of test-single"]
        assert lost["verdict"] == "fail"
        assert "shardhouse engine add 4.4.2" in lost["found"]

        build = builds.known_build(OLD)
        (folder / build.name).symlink_to(build.mongod.parent.parent)
        until("the node to be back", lambda: _runs(kept, made, OLD), 90)
    finally:
        kept.destroy()


def _forget_build(installation: Installation, name: str = "") -> None:
    with sqlite3.connect(installation.data_dir / "shardhouse.db", timeout=30) as store:
        store.execute("UPDATE instances SET engine_build = ?, revision = revision + 1", (name,))


def _crash(installation: Installation) -> None:
    (node,) = installation.nodes()
    node.kill()
    node.wait(10)


def _is(installation: Installation, instance: dict[str, Any], status: str) -> bool:
    listed = installation.instance(instance["id"])
    return listed is not None and listed["status"] == status


def _runs(installation: Installation, instance: dict[str, Any], version: str) -> bool:
    """The instance is well, says which version it is, and is that one."""
    listed = installation.instance(instance["id"])
    if listed is None or listed["status"] != "normal" or not installation.nodes():
        return False
    assert listed["engine_version"] == version
    with MongoClient[dict[str, Any]](uri(listed), serverSelectionTimeoutMS=2_000) as client:
        try:
            return client.admin.command("buildInfo")["version"] == version
        except PyMongoError:
            return False


def _own_libraries(installation: Installation) -> None:
    """The build's libraries are given to its own process, not to `serve`."""
    (node,) = installation.nodes()
    assert Path(_library_path(node), "libssl.so.1.1").exists()
    assert not _library_path(psutil.Process(installation.pid))


def _library_path(process: psutil.Process) -> str:
    return process.environ().get("LD_LIBRARY_PATH", "")
