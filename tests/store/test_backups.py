"""Backups of an instance are made one at a time."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.model import Mode
from shardhouse.errors import DdsError
from shardhouse.store import backups
from shardhouse.store.database import Database

FIRST = Backup(
    id="b1",
    project_id="p1",
    instance_id="i1",
    instance_name="orders",
    name="first",
    description="",
    type=BackupType.AUTO,
    status=BackupStatus.BUILDING,
    begin_time=datetime(2026, 1, 31, tzinfo=UTC),
    mode=Mode.SINGLE,
    version="6.0",
    storage_engine="wiredTiger",
    engine_version="6.0.27",
    shape=(),
)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    return made


def test_one_is_made_at_a_time(database: Database) -> None:
    """Their copies would lie in the same place."""
    second = replace(FIRST, id="b2", name="second", type=BackupType.MANUAL)
    with database.write() as connection:
        backups.add(connection, FIRST)
        backups.add(connection, replace(second, id="b3", name="of-another", instance_id="i2"))
        with pytest.raises(DdsError, match="first of instance i1 is being made") as refused:
            backups.add(connection, second)
        assert (refused.value.code, refused.value.status) == ("DBS.200019", 403)
        backups.change(connection, "b1", status=BackupStatus.COMPLETED)
        backups.add(connection, second)
        assert [one.id for one in backups.of_instance(connection, "i1")] == ["b1", "b2"]
