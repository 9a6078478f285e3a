"""Records of alarms: one for each state, found again, and bounded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shardhouse.store.database import Database
from shardhouse.store.iam import directory
from shardhouse.store.iam.records import Domain, Project
from shardhouse.store.neighbours import alarm_histories
from shardhouse.store.neighbours.alarm_histories import Order
from shardhouse.store.neighbours.records import Alarm

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
POINTS = [(1_800_000_000, 90.0), (1_800_000_060, 95.5)]


def at(minutes: int) -> datetime:
    return FIRST + timedelta(minutes=minutes)


def rule(id: str, state: str, level: int = 2) -> Alarm:
    dimensions = ({"name": "mongodb_node_id", "value": "n"}, {"name": "x", "value": "i"})
    return Alarm(
        id=id, project_id="p", name=f"rule {id}", created_at=FIRST, updated_at=FIRST,
        state_at=FIRST, namespace="SYS.DDS", metric_name="m", dimensions=dimensions,
        condition={"period": 1}, level=level, state=state,
    )  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    with made.write() as connection:
        directory.add_domain(connection, Domain("d", "home", True, FIRST))
        directory.add_project(connection, Project("p", "d", "d", "p", "", True, FIRST))
        alarm_histories.record(connection, rule("a", "ok"), POINTS[:1], at(0))
        alarm_histories.record(connection, rule("a", "alarm"), POINTS, at(1))
        alarm_histories.record(connection, rule("b", "alarm", level=1), POINTS, at(2))
        alarm_histories.record(connection, rule("a", "ok"), POINTS[:1], at(3))
    return made


def test_a_record_ends_when_the_next_one_of_its_rule_begins(database: Database) -> None:
    with database.read() as connection:
        found, total = alarm_histories.search(connection, "p", alarm_ids=["a"], order=Order.BEGAN)
    told = [(one.state, one.began_at, one.ended_at) for one in found]
    assert told == [("ok", at(3), None), ("alarm", at(1), at(3)), ("ok", at(0), at(1))]
    assert total == 3
    assert (found[1].name, found[1].points) == ("rule a", tuple(POINTS))
    assert found[1].resource_id == "i,n"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [4, 2, 3, 1]),
        ({"order": Order.NUMBER}, [4, 3, 2, 1]),
        ({"order": Order.LEVEL}, [3, 4, 2, 1]),
        ({"states": ["alarm"], "alarm_ids": ["a", "b"]}, [2, 3]),
        ({"number": 2}, [2]),
        ({"name": "rule b"}, [3]),
        ({"namespace": "SYS.ECS"}, []),
        ({"resource_id": "i,n", "level": 1}, [3]),
        ({"changed_from": at(2), "changed_to": at(2)}, [3]),
        ({"began_from": at(1), "began_to": at(2), "order": Order.BEGAN}, [3, 2]),
    ],
    ids=str,
)
def test_records_are_found(
    database: Database, filters: dict[str, Any], expected: list[int]
) -> None:
    with database.read() as connection:
        found, total = alarm_histories.search(connection, "p", **filters)
        page, _ = alarm_histories.search(connection, "p", **filters, offset=1, limit=2)
        others, none = alarm_histories.search(connection, "q", **filters)
    assert [one.number for one in found] == expected
    assert (total, page) == (len(expected), found[1:3])
    assert (others, none) == ([], 0)


def test_ids_tell_numbers(database: Database) -> None:
    with database.read() as connection:
        (one, *_), _ = alarm_histories.search(connection, "p")
    assert len(one.id) == 24
    assert alarm_histories.number_of(one.id) == one.number
    assert alarm_histories.number_of("ah-none") == 0


def test_old_ones_and_too_many_are_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = at(2) + alarm_histories.KEPT
    with database.write() as connection:
        assert alarm_histories.forget_old(connection, late) == 1
        assert alarm_histories.forget_old(connection, late + timedelta(days=365)) == 1
    with database.read() as connection:
        kept, _ = alarm_histories.search(connection, "p")
    assert [(one.number, one.ended_at) for one in kept] == [(4, None), (3, None)]
    monkeypatch.setattr(alarm_histories, "MOST", 1)
    with database.write() as connection:
        assert alarm_histories.forget_old(connection, FIRST) == 1
