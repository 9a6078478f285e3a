"""Incremental backups: what is captured of the oplog since the last full backup, by the hour.

They are no files of their own. Each stands for the part of an hour to which an instance can be
restored, and restoring one restores the end of that part.
"""

import re
from dataclasses import dataclass

from shardhouse.backups.ranges import Range, within
from shardhouse.domain.model import Instance
from shardhouse.store import backups, instances
from shardhouse.workflows import restorable
from shardhouse.workflows.context import Context

HOUR = 3600 * 1000
_OWNER, _HOUR = 24, 8
_ID = re.compile(rf"([0-9a-f]{{{_OWNER}}})([0-9a-f]{{{_HOUR}}})br02")


@dataclass(frozen=True)
class Incremental:
    """Moments `start` to `end`, milliseconds since 1970, of one hour; `size` is the bytes stored
    for that hour."""

    id: str
    start: int
    end: int
    size: int


def of_instance(context: Context, instance: Instance) -> list[Incremental]:
    """The incremental backups of an instance, newest first. Raises BackupError."""
    with context.database.read() as connection:
        made = backups.completed(connection, instance.id)
    captured = restorable.captured(context, instance.id, made)
    sizes: dict[int, int] = {}
    for pieces in captured.values():
        for piece in pieces:
            hour = piece.last.time * 1000 // HOUR
            sizes[hour] = sizes.get(hour, 0) + piece.size
    ranges = restorable.reached(context, instance.id, made, captured)
    hours = {hour for one in ranges for hour in range(one.start // HOUR, one.end // HOUR + 1)}
    found = []
    for hour in sorted(hours, reverse=True):
        # What a gap divides is listed as its last part: only that has an end of its own.
        part = within(ranges, Range(hour * HOUR, (hour + 1) * HOUR - 1))[-1]
        name = f"{instance.id[:_OWNER]}{hour:0{_HOUR}x}br02"
        found.append(Incremental(name, part.start, part.end, sizes.get(hour, 0)))
    return found


def find(context: Context, project_id: str, backup_id: str) -> tuple[str, Incremental] | None:
    """The instance of an incremental backup, and the backup; None where there is none of this id.
    Raises BackupError."""
    match = _ID.fullmatch(backup_id)
    if match is None:
        return None
    with context.database.read() as connection:
        owner = instances.find_by_prefix(connection, project_id, match[1])
    if owner is None:
        return None
    found = (one for one in of_instance(context, owner) if one.id == backup_id)
    return next(((owner.id, one) for one in found), None)
