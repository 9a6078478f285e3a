"""Slices of a replica set's archived oplog: the objects `oplog/<group id>/<after>-<last>`.

A slice holds all entries behind the position `after` up to the position `last`, one after another
as BSON. Each begins where another ends, so a chain of them has no hole, and a hole shows. Small
ones are merged: for a while the merged one and the small ones are there both.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from bson.timestamp import Timestamp

from shardhouse.backups import entries, positions
from shardhouse.backups.archive import Archive
from shardhouse.errors import CorruptBackupError, MissingObjectError, OplogGapError

T = TypeVar("T")
FOLDER = "oplog/"
_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")


@dataclass(frozen=True, order=True)
class Slice:
    """Entries behind `after`, up to `last`; `size` is the object's bytes in the storage."""

    after: Timestamp
    last: Timestamp
    size: int = 0

    def covers(self, other: "Slice") -> bool:
        """Whether it holds all that another one holds."""
        return self.after <= other.after and self.last >= other.last


def folder(group_id: str) -> str:
    """Where the slices of a replica set are."""
    return f"{FOLDER}{group_id}/"


def name(group_id: str, piece: Slice) -> str:
    """The name of a slice's object."""
    return f"{folder(group_id)}{positions.text(piece.after)}-{positions.text(piece.last)}"


def listed(archive: Archive, group_id: str) -> list[Slice]:
    """The slices of a replica set by where they begin. Raises BackupError."""
    found = []
    for entry in archive.list(folder(group_id)):
        own = entry.name.removeprefix(folder(group_id))
        if _NAME.fullmatch(own):
            after, last = map(positions.parse, own.split("-"))
            found.append(Slice(after, last, entry.size))
    return sorted(found)


def end(pieces: Iterable[Slice], after: Timestamp) -> Timestamp:
    """How far slices reach from a position without a hole; the position itself if not at all."""
    reached = after
    for piece in sorted(pieces):
        if piece.after > reached:
            break
        reached = max(reached, piece.last)
    return reached


def read(archive: Archive, group_id: str, after: Timestamp, upto: Timestamp) -> Iterator[bytes]:
    """All entries of a replica set behind `after` and up to `upto`, in their order, each once.

    Raises OplogGapError where the archive has not all of them, as soon as it gets there, and
    BackupError for what cannot be read.
    """

    def opened(piece: Slice) -> Iterator[bytes]:
        return archive.read(name(group_id, piece))

    for piece, reached, chunks in chain(archive, group_id, after, upto, opened):
        yield from _within(chunks, name(group_id, piece), piece, reached, upto)


def content(archive: Archive, group_id: str, piece: Slice) -> Iterator[bytes]:
    """All entries of a slice. Raises MissingObjectError at once where it was merged, BackupError
    for what cannot be read."""
    chunks = archive.read(name(group_id, piece))
    return _within(chunks, name(group_id, piece), piece, piece.after, piece.last)


def chain(
    archive: Archive,
    group_id: str,
    after: Timestamp,
    upto: Timestamp,
    opened: Callable[[Slice], T],
) -> Iterator[tuple[Slice, Timestamp, T]]:
    """The slices that lead from `after` to `upto`, each with the position that those before it
    reach, and what `opened` makes of it; it raises MissingObjectError where a slice was merged
    meanwhile. Raises as `read`."""
    known = listed(archive, group_id)
    reached = after
    while reached < upto:
        try:
            piece = _next(known, group_id, reached, upto)
            found = opened(piece)
        except (OplogGapError, MissingObjectError):
            # Slices may have been merged since they were listed.
            fresh = listed(archive, group_id)
            if fresh == known:
                raise
            known = fresh
            continue
        yield piece, reached, found
        reached = piece.last


def check(archive: Archive, group_id: str, after: Timestamp, upto: Timestamp) -> int:
    """Read all entries of a replica set behind `after` and up to `upto`, and see that they are in
    order; returns how many. Raises as `read`, and CorruptBackupError."""
    count, last = 0, after
    for entry in read(archive, group_id, after, upto):
        position = entries.position(entry)
        if position <= last:
            raise CorruptBackupError(
                f"The archived oplog of {group_id} is damaged: an entry of "
                f"{positions.text(position)} comes after {positions.text(last)}."
            )
        count, last = count + 1, position
    return count


def cut(archive: Archive, group_id: str, moment: int) -> Timestamp:
    """The position up to which an instance of one replica set is restored for a moment
    (milliseconds since 1970) that lies in a restorable range. Raises as `read` does."""
    found = read(archive, group_id, *positions.second(moment))
    return positions.cut_of_set(
        moment, ((entries.position(entry), entries.wall(entry)) for entry in found)
    )


def _next(known: list[Slice], group_id: str, reached: Timestamp, upto: Timestamp) -> Slice:
    """The slice that leads farthest from a position."""
    fitting = [piece for piece in known if piece.after <= reached < piece.last]
    if not fitting:
        raise OplogGapError(
            f"The archived oplog of {group_id} is not complete between "
            f"{positions.text(reached)} and {positions.text(upto)}: choose another time.",
            positions.text(reached),
        )
    return max(fitting, key=lambda piece: piece.last)


def _within(
    chunks: Iterator[bytes], named: str, piece: Slice, reached: Timestamp, upto: Timestamp
) -> Iterator[bytes]:
    """The entries of a slice behind `reached`, up to `upto`. Entries are decoded only where a
    bound lies within the slice."""
    begun = piece.after == reached
    entry = b""
    for entry in entries.split(chunks):
        begun = begun or entries.position(entry) > reached
        if piece.last > upto and entries.position(entry) > upto:
            return
        if begun:
            yield entry
    if not entry or entries.position(entry) != piece.last:
        raise CorruptBackupError(f"The backup object {named} does not hold what its name says.")
