"""Projects' templates in the store: their quota, and how long changes are known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from shardhouse.domain.configuration import QUOTA, Configuration
from shardhouse.domain.parameters import Difference, NodeType
from shardhouse.errors import DdsError
from shardhouse.store import configurations
from shardhouse.store.database import Database

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ONE = Configuration("1", "p", "one", "", "5.0", NodeType.REPLICA, {}, NOW, NOW)
CHANGE = Difference("ttlMonitorSleepSecs", "60", "30")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    with database.write() as opened:
        yield opened


def test_a_project_has_so_many_and_no_more(connection: Connection) -> None:
    for number in range(QUOTA):
        configurations.add(connection, replace(ONE, id=str(number), name=str(number)))
    with pytest.raises(DdsError) as refused:
        configurations.add(connection, replace(ONE, id="x", name="x"))
    assert refused.value.code == "DBS.200004"
    configurations.add(connection, replace(ONE, id="x", project_id="q", name="1"))


def test_a_name_is_one_template_s(connection: Connection) -> None:
    configurations.add(connection, ONE)
    two = replace(ONE, id="2", name="two")
    configurations.add(connection, two)
    configurations.change(connection, two)
    for work in (
        lambda: configurations.add(connection, replace(ONE, id="3")),
        lambda: configurations.change(connection, replace(two, name="one")),
    ):
        with pytest.raises(DdsError) as refused:
            work()
        assert refused.value.code == "DBS.212030"


def test_changes_are_known_for_a_week(connection: Connection) -> None:
    configurations.add(connection, ONE)
    configurations.change(connection, ONE, [CHANGE])
    later = NOW + timedelta(days=6)
    configurations.change(connection, replace(ONE, updated_at=later), [CHANGE])
    assert len(configurations.changes(connection, "1", later)) == 2
    (known,) = configurations.changes(connection, "1", NOW + timedelta(days=8))
    assert (known.old_value, known.new_value, known.changed_at) == ("60", "30", later)
    configurations.remove(connection, "1")
    assert configurations.listed(connection, "p") == []


def test_another_project_s_template_does_not_exist(connection: Connection) -> None:
    configurations.add(connection, ONE)
    assert configurations.find(connection, "p", "1") == ONE
    with pytest.raises(DdsError) as refused:
        configurations.find(connection, "q", "1")
    assert refused.value.code == "DBS.200057"
