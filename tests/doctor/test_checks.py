"""What `doctor` says of a data directory, on stores and folders of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from shardhouse.doctor import checks, running
from shardhouse.domain.model import Instance
from shardhouse.nodes.runtime import Aside, NodeRef
from shardhouse.settings import Settings
from shardhouse.store import instances, jobs
from shardhouse.store.database import Database
from tests import requests
from tests.domain.test_topology import plan
from tests.store.test_instances import job_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    made = Database(settings.store_url)
    made.migrate()
    yield made
    made.close()


def strays(settings: Settings) -> dict[str, str]:
    return {check.name: check.found for check in checks.strays(settings)}


def stored(database: Database) -> Instance:
    made = plan(requests.single())
    with database.write() as connection:
        instances.add(connection, made)
    return made


def test_volumes_aside_are_no_strays(settings: Settings, database: Database) -> None:
    instance = stored(database)
    job = job_of(instance)
    with database.write() as connection:
        jobs.add(connection, job)
    ref = NodeRef(instance.id, instance.nodes[0].id)
    verified = NodeRef(instance.id, f"{job.id}-0")
    for node in (ref, *map(ref.aside, Aside), verified, verified.aside(Aside.RESTORED)):
        (settings.data_dir / "instances" / node.instance_id / node.node_id).mkdir(parents=True)
    assert strays(settings)["Stray folders"] == "none"
    left = settings.data_dir / "instances" / instance.id / "another"
    left.mkdir()
    assert strays(settings)["Stray folders"] == str(left)


def test_what_begins_or_ends_during_the_look_is_no_stray(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = psutil.Popen(["true"])
    begun, ended = psutil.Process(), psutil.Process(child.pid)
    child.wait()

    def nodes(_: Path) -> list[psutil.Process]:
        instance = stored(database)
        node = settings.data_dir / "instances" / instance.id / instance.nodes[0].id
        monkeypatch.setattr(running, "command", lambda one: [str(node)] if one is begun else [])
        return [begun, ended]

    monkeypatch.setattr(running, "nodes", nodes)
    assert strays(settings)["Stray processes"] == "none"


def test_files_of_secrets_are_for_the_directory_s_owner(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where root looks, whom they do not belong to."""
    names = ("master.key", "admin.json", "shardhouse.env", "shardhouse.toml", "shardhouse.toml.old")
    owner = os.getuid() or 1234
    monkeypatch.setattr("os.getuid", lambda: 0)
    tmp_path.chmod(0o700)
    for path in (tmp_path, *map(tmp_path.joinpath, names)):
        path.touch(0o600)
        os.chown(path, owner, -1)
    assert {check.name: check.verdict for check in checks.modes(settings)} == {
        "Data directory": "ok",
        **dict.fromkeys(names, "ok"),
    }
    for name in names:
        (tmp_path / name).chmod(0o644)
    found = {check.name: check for check in checks.modes(settings)}
    assert [found[name].verdict for name in names] == ["fail", "fail", "warn", "warn", "warn"]
    assert found["shardhouse.env"].mend.endswith(f"chmod 600 {tmp_path / 'shardhouse.env'}")


def test_nothing_is_a_stray_of_a_store_that_cannot_be_read(
    settings: Settings, database: Database
) -> None:
    """As between an update of the package and the first start of the new version."""
    instance = stored(database)
    (settings.data_dir / "instances" / instance.id / instance.nodes[0].id).mkdir(parents=True)
    assert not list(checks.store(settings))
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    (unread,) = checks.store(settings)
    assert unread.verdict == "warn"
    assert strays(settings) == {}
