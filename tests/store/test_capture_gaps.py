"""Gaps are remembered once, and go with their instance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shardhouse.store import capture_gaps
from shardhouse.store.capture_gaps import Cause, Gap
from shardhouse.store.database import Database

FIRST = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    columns = "id, project_id, name, mode, status, version, storage_engine, engine_version, port"
    rest = "ssl, region, availability_zone, vpc_id, subnet_id, backup_start_time"
    last = "backup_keep_days, maintenance_window, remark, request, revision, created_at, updated_at"
    with made.write() as connection:
        for name in ("a", "b"):
            statement = f"INSERT INTO instances ({columns}, {rest}, {last}) VALUES"
            values = "(:id, '', '', 'Single', '', '', '', '', 0, 0, '', '', '', '', '', 0, '', ''"
            connection.execute(text(f"{statement} {values}, '{{}}', 0, '', '')"), {"id": name})
    return made


def test_gaps(database: Database) -> None:
    late = Gap("a", "g", "6926079f00000002", Cause.LOST, FIRST + timedelta(hours=2))
    early = Gap("a", "h", "6926079f00000001", Cause.JOINED, FIRST)
    with database.write() as connection:
        assert capture_gaps.note(connection, late)
        assert capture_gaps.note(connection, early)
        again = Gap("a", "g", late.position, Cause.LOST, FIRST + timedelta(hours=9))
        assert not capture_gaps.note(connection, again)
    with database.read() as connection:
        assert capture_gaps.of_instance(connection, "a") == [early, late]
        assert capture_gaps.of_instance(connection, "b") == []
        assert capture_gaps.newest(connection, ["a", "b"]) == {"a": late.found_at}
    with database.write() as connection:
        connection.execute(text("DELETE FROM instances WHERE id = 'a'"))
        assert capture_gaps.newest(connection, ["a"]) == {}
