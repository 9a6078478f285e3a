"""Histories of alarm rules: a record for each state that values gave a rule. They outlive their
rules."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from shardhouse.domain.metric_series import Point
from shardhouse.store.neighbours.records import Alarm, AlarmRecord
from shardhouse.store.neighbours.tables import ALARM_HISTORIES as TABLE

KEPT = timedelta(days=30)
MOST = 50_000
"""Records that an installation keeps, whatever their age."""
_OF_RULE = (
    *("project_id", "name", "description", "namespace", "metric_name", "dimensions", "resource_id"),
    *("condition", "level", "action_enabled", "alarm_actions", "ok_actions"),
)


class Order(Enum):
    """What records are ordered by: the newest first, or the most severe."""

    CHANGED = "update_time"
    BEGAN = "first_alarm_time"
    LEVEL = "alarm_level"
    NUMBER = "record_id"


def record(connection: Connection, rule: Alarm, points: Sequence[Point], moment: datetime) -> None:
    """A rule has had the state that it has now since `moment`, by the values of `points`."""
    end(connection, rule.id, moment)
    row = {name: getattr(rule, name) for name in _OF_RULE}
    row |= {"alarm_id": rule.id, "state": rule.state, "points": points, "began_at": moment}
    connection.execute(insert(TABLE).values(**row))


def end(connection: Connection, alarm_id: str, moment: datetime) -> None:
    """The record of a rule that lasts is over."""
    lasting = update(TABLE).where(TABLE.c.alarm_id == alarm_id, TABLE.c.ended_at.is_(None))
    connection.execute(lasting.values(ended_at=moment))


def search(
    connection: Connection,
    project_id: str,
    *,
    number: int | None = None,
    alarm_ids: Sequence[str] = (),
    states: Sequence[str] = (),
    name: str = "",
    namespace: str = "",
    resource_id: str = "",
    level: int | None = None,
    changed_from: datetime | None = None,
    changed_to: datetime | None = None,
    began_from: datetime | None = None,
    began_to: datetime | None = None,
    order: Order = Order.CHANGED,
    offset: int = 0,
    limit: int = 100,
) -> tuple[list[AlarmRecord], int]:
    """A page of a project's records, and how many there are. They changed last when they ended, or
    else began; empty filters do not narrow."""
    changed: ColumnElement[datetime] = func.coalesce(TABLE.c.ended_at, TABLE.c.began_at)
    conditions: list[Any] = [TABLE.c.project_id == project_id]
    for column, among in ((TABLE.c.alarm_id, alarm_ids), (TABLE.c.state, states)):
        if among:
            conditions.append(column.in_(among))
    for column, wanted in (
        (TABLE.c.number, number),
        (TABLE.c.name, name or None),
        (TABLE.c.namespace, namespace or None),
        (TABLE.c.resource_id, resource_id or None),
        (TABLE.c.level, level),
    ):
        if wanted is not None:
            conditions.append(column == wanted)
    for moment, first, last in (
        (changed, changed_from, changed_to),
        (TABLE.c.began_at, began_from, began_to),
    ):
        if first is not None:
            conditions.append(moment >= first)
        if last is not None:
            conditions.append(moment <= last)
    first_by = {
        Order.CHANGED: changed.desc(),
        Order.BEGAN: TABLE.c.began_at.desc(),
        Order.LEVEL: TABLE.c.level,
        Order.NUMBER: TABLE.c.number.desc(),
    }[order]
    found = select(TABLE).where(*conditions).order_by(first_by, TABLE.c.number.desc())
    rows = connection.execute(found.offset(offset).limit(limit))
    count = select(func.count()).select_from(TABLE).where(*conditions)
    return [_record(row) for row in rows], connection.execute(count).scalar_one()


def number_of(record_id: str) -> int:
    """The number in a record's id; one that no record has if it is none."""
    found = re.fullmatch("ah[0-9]{13}([0-9]{9})", record_id)
    return int(found[1]) if found else 0


def forget_old(connection: Connection, now: datetime) -> int:
    """Remove those that ended longer than `KEPT` ago, and those beyond the newest `MOST`; how
    many."""
    last = connection.execute(select(func.max(TABLE.c.number))).scalar_one() or 0
    old = delete(TABLE).where((TABLE.c.ended_at < now - KEPT) | (TABLE.c.number <= last - MOST))
    return connection.execute(old).rowcount


def _record(row: Row[Any]) -> AlarmRecord:
    values: dict[str, Any] = dict(row._mapping)
    values["points"] = tuple((at, value) for at, value in values["points"])
    frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return AlarmRecord(**frozen)
