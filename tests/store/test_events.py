"""Events are stored in their order, found by what they are about, and forgotten in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shardhouse.domain.events import InstanceEvent, Kind, Severity
from shardhouse.store import event_deliveries, events
from shardhouse.store.database import Database

FIRST = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    return made


def event(hour: int, kind: Kind = Kind.NODE_NORMAL, **fields: str) -> InstanceEvent:
    values = {"project_id": "p", "instance_id": "i", "instance_name": "name"} | fields
    at = FIRST + timedelta(hours=hour)
    return InstanceEvent(kind=kind, message="text", at=at, **values)


def test_events_are_found(database: Database) -> None:
    with database.write() as connection:
        first = event(1, Kind.NODE_ABNORMAL, node_id="n")
        third = event(3, Kind.JOB_FAILED, job_id="j", instance_id="other")
        made = [first, event(2, Kind.INSTANCE_ABNORMAL), third, event(4, project_id="q")]
        events.record(connection, made)
        events.record(connection, [])

    def found(**filters: Any) -> list[int]:
        with database.read() as connection:
            page, total = events.search(connection, "p", **filters)
        assert total >= len(page)
        return [one.number for one in page]

    assert found() == [3, 2, 1]
    assert found(instance_id="i") == [2, 1]
    assert found(node_id="n") == [1]
    assert found(kind=Kind.JOB_FAILED) == [3]
    assert found(severity=Severity.WARNING) == [3, 1]
    assert found(since=FIRST + timedelta(hours=2)) == [3, 2]
    assert found(until=FIRST + timedelta(hours=2)) == [2, 1]
    assert found(offset=1, limit=1) == [2]
    with database.read() as connection:
        counted = events.counted(connection, "p", FIRST + timedelta(hours=2), None)
        assert [(one.kind, one.count, one.latest) for one in counted] == [
            (Kind.JOB_FAILED, 1, third.at),
            (Kind.INSTANCE_ABNORMAL, 1, FIRST + timedelta(hours=2)),
        ]
        assert [one.number for one in events.after(connection, 1, 10, "p")] == [2, 3]
        assert [one.number for one in events.after(connection, 1, 10)] == [2, 3, 4]
        assert [one.number for one in events.after(connection, 0, 2)] == [1, 2]
        (stored,) = events.after(connection, 2, 1)
    assert (stored.kind, stored.job_id, stored.at) == (third.kind, "j", third.at)


def test_old_ones_and_too_many_are_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as connection:
        events.record(connection, [event(hour) for hour in range(10)])
        limit = FIRST + events.KEPT + timedelta(hours=2)
        assert events.forget_old(connection, limit) == 2
        monkeypatch.setattr(events, "MOST", 3)
        assert events.forget_old(connection, FIRST) == 5
        assert [one.number for one in events.after(connection, 0, 10)] == [8, 9, 10]
        monkeypatch.setattr(events, "MOST", 0)
        events.forget_old(connection, FIRST)
        events.record(connection, [event(1)])
        assert events.last(connection) == 11  # no number is given twice


def test_positions_of_receivers(database: Database) -> None:
    with database.write() as connection:
        assert event_deliveries.position(connection, "a") is None
        event_deliveries.keep(connection, "a", 3)
        event_deliveries.keep(connection, "a", 7)
        assert event_deliveries.position(connection, "a") == 7
        assert event_deliveries.position(connection, "b") is None
