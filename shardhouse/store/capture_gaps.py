"""Positions that no full backup from before leads beyond: where the capture of an oplog lost
entries, where a shard joined a cluster, and where an instance got the features of another
release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select

from shardhouse.store.tables import CAPTURE_GAPS


class Cause(StrEnum):
    """Why a newer full backup is needed."""

    #: The oplog did not hold any more what was not archived yet.
    LOST = "lost"
    #: A shard joined, of which earlier backups have nothing.
    JOINED = "joined"
    #: The features of another release, whose entries no earlier build replays.
    UPGRADED = "upgraded"


@dataclass(frozen=True)
class Gap:
    """A position (`backups.positions`) in the oplog of a replica set, and why it is one."""

    instance_id: str
    group_id: str
    position: str
    cause: Cause
    found_at: datetime


def note(connection: Connection, gap: Gap) -> bool:
    """Remember a gap; False where it is known."""
    known = select(CAPTURE_GAPS.c.cause).where(
        CAPTURE_GAPS.c.instance_id == gap.instance_id,
        CAPTURE_GAPS.c.group_id == gap.group_id,
        CAPTURE_GAPS.c.position == gap.position,
    )
    if connection.execute(known).first() is not None:
        return False
    connection.execute(insert(CAPTURE_GAPS).values(vars(gap)))
    return True


def of_instance(connection: Connection, instance_id: str) -> list[Gap]:
    """All gaps of an instance, in the order of their positions."""
    rows = connection.execute(
        select(CAPTURE_GAPS)
        .where(CAPTURE_GAPS.c.instance_id == instance_id)
        .order_by(CAPTURE_GAPS.c.position)
    )
    return [
        Gap(row.instance_id, row.group_id, row.position, Cause(row.cause), row.found_at)
        for row in rows
    ]


def newest(connection: Connection, ids: Sequence[str]) -> Mapping[str, datetime]:
    """When the newest gap of each instance was found; those that have none are left out."""
    found = (
        select(CAPTURE_GAPS.c.instance_id, func.max(CAPTURE_GAPS.c.found_at))
        .where(CAPTURE_GAPS.c.instance_id.in_(ids))
        .group_by(CAPTURE_GAPS.c.instance_id)
    )
    return {row[0]: row[1] for row in connection.execute(found)}
