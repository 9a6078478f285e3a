"""Events of instances, in the order in which they were recorded. They outlive their instances."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from shardhouse.domain.events import SEVERITIES, InstanceEvent, Kind, Severity
from shardhouse.store.tables import EVENTS

KEPT = timedelta(days=30)
MOST = 50_000
"""Events that an installation keeps, whatever their age."""
TEXT = 1000
"""Characters of a message."""


@dataclass(frozen=True)
class Count:
    """How often a kind of event happened, and when it did last."""

    kind: Kind
    count: int
    latest: datetime


def record(connection: Connection, events: Iterable[InstanceEvent]) -> None:
    """Append events."""
    rows = [
        {
            "project_id": event.project_id,
            "instance_id": event.instance_id,
            "instance_name": event.instance_name,
            "node_id": event.node_id,
            "job_id": event.job_id,
            "kind": event.kind,
            "message": event.message[:TEXT],
            "at": event.at,
        }
        for event in events
    ]
    if rows:
        connection.execute(insert(EVENTS), rows)


def search(
    connection: Connection,
    project_id: str,
    *,
    instance_id: str = "",
    node_id: str = "",
    kind: Kind | None = None,
    severity: Severity | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    offset: int = 0,
    limit: int = 100,
) -> tuple[list[InstanceEvent], int]:
    """One page of a project's events, newest first, and how many there are."""
    conditions: list[Any] = [EVENTS.c.project_id == project_id]
    if instance_id:
        conditions.append(EVENTS.c.instance_id == instance_id)
    if node_id:
        conditions.append(EVENTS.c.node_id == node_id)
    if kind is not None:
        conditions.append(EVENTS.c.kind == kind)
    if severity is not None:
        kinds = [one for one, its in SEVERITIES.items() if its is severity]
        conditions.append(EVENTS.c.kind.in_(kinds))
    if since is not None:
        conditions.append(EVENTS.c.at >= since)
    if until is not None:
        conditions.append(EVENTS.c.at <= until)
    rows = connection.execute(
        select(EVENTS)
        .where(*conditions)
        .order_by(EVENTS.c.number.desc())
        .offset(offset)
        .limit(limit)
    )
    count = select(func.count()).select_from(EVENTS).where(*conditions)
    return [_event(row) for row in rows], connection.execute(count).scalar_one()


def counted(
    connection: Connection, project_id: str, since: datetime | None, until: datetime | None
) -> list[Count]:
    """Which kinds of events a project had, the one that happened last first."""
    latest = func.max(EVENTS.c.at)
    counts = select(EVENTS.c.kind, func.count(), latest).where(EVENTS.c.project_id == project_id)
    if since is not None:
        counts = counts.where(EVENTS.c.at >= since)
    if until is not None:
        counts = counts.where(EVENTS.c.at <= until)
    rows = connection.execute(counts.group_by(EVENTS.c.kind).order_by(latest.desc()))
    return [Count(Kind(kind), count, moment) for kind, count, moment in rows]


def after(
    connection: Connection, number: int, limit: int, project_id: str | None = None
) -> list[InstanceEvent]:
    """The events that follow that of a number, oldest first; of one project, or of all."""
    query = select(EVENTS).where(EVENTS.c.number > number)
    if project_id is not None:
        query = query.where(EVENTS.c.project_id == project_id)
    return [_event(row) for row in connection.execute(query.order_by(EVENTS.c.number).limit(limit))]


def last(connection: Connection) -> int:
    """The number of the newest event; 0 if there is none."""
    return connection.execute(select(func.max(EVENTS.c.number))).scalar_one() or 0


def forget_old(connection: Connection, now: datetime) -> int:
    """Remove those that are older than `KEPT` or more than `MOST`; how many."""
    bound = last(connection) - MOST
    old = delete(EVENTS).where((EVENTS.c.at < now - KEPT) | (EVENTS.c.number <= bound))
    return connection.execute(old).rowcount


def _event(row: Row[Any]) -> InstanceEvent:
    values = dict(row._mapping)
    number = values.pop("number")
    return replace(InstanceEvent(**values | {"kind": Kind(values["kind"])}), number=number)
