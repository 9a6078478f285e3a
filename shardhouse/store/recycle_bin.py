"""The recycle bin: which backup of a deleted instance is kept, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from shardhouse.store.tables import INSTANCES, RECYCLE_BIN


@dataclass(frozen=True)
class Recycled:
    """A deleted instance in the bin."""

    instance_id: str
    project_id: str
    backup_id: str
    retained_until: datetime


def add(connection: Connection, entry: Recycled) -> None:
    """An instance goes into the bin; once only."""
    known = select(RECYCLE_BIN.c.instance_id).where(RECYCLE_BIN.c.instance_id == entry.instance_id)
    if connection.execute(known).first() is None:
        connection.execute(insert(RECYCLE_BIN).values(vars(entry)))


def listed(
    connection: Connection, project_id: str, now: datetime, *, offset: int, limit: int
) -> tuple[list[Recycled], int]:
    """One page of a project's bin, the last that was deleted first, and how many there are."""
    conditions = (RECYCLE_BIN.c.project_id == project_id, RECYCLE_BIN.c.retained_until > now)
    rows = connection.execute(
        select(RECYCLE_BIN)
        .join(INSTANCES, INSTANCES.c.id == RECYCLE_BIN.c.instance_id)
        .where(*conditions)
        .order_by(INSTANCES.c.deleted_at.desc(), INSTANCES.c.id)
        .offset(offset)
        .limit(limit)
    )
    count = select(func.count()).select_from(RECYCLE_BIN).where(*conditions)
    return [_entry(row) for row in rows], connection.execute(count).scalar_one()


def kept(connection: Connection, now: datetime) -> Sequence[str]:
    """Ids of all instances that are in the bin."""
    query = select(RECYCLE_BIN.c.instance_id).where(RECYCLE_BIN.c.retained_until > now)
    return connection.scalars(query).all()


def empty(connection: Connection, now: datetime) -> None:
    """Forget those whose time is over."""
    connection.execute(delete(RECYCLE_BIN).where(RECYCLE_BIN.c.retained_until <= now))


def remove(connection: Connection, instance_id: str) -> None:
    """Forget an instance of which nothing is kept any more."""
    connection.execute(delete(RECYCLE_BIN).where(RECYCLE_BIN.c.instance_id == instance_id))


def _entry(row: Row[Any]) -> Recycled:
    return Recycled(row.instance_id, row.project_id, row.backup_id, row.retained_until)
