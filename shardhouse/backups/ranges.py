"""To which moments an instance can be restored: pure.

A full backup and the slices behind it lead to every moment from the backup's own on, as far as the
slices of all its replica sets reach without a hole, and not beyond the joining of a shard, which
the backup has not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bson.timestamp import Timestamp

from shardhouse.backups import positions, slices
from shardhouse.backups.slices import Slice


@dataclass(frozen=True)
class Full:
    """A full backup: the positions of the newest entries that the copies of its replica sets hold,
    by group id, and the first position to which all of them can be restored together."""

    id: str
    automatic: bool
    tops: Mapping[str, Timestamp]
    consistent_at: Timestamp


@dataclass(frozen=True, order=True)
class Range:
    """Moments in milliseconds since 1970, both included."""

    start: int
    end: int


def of(
    full: Full, archived: Mapping[str, Sequence[Slice]], joined: Iterable[Timestamp] = ()
) -> Range | None:
    """The moments that a full backup leads to; None if there are none beside its own. `archived`
    are the slices by group id, `joined` the positions at which shards joined the cluster."""
    ends = [slices.end(archived.get(group, ()), top) for group, top in full.tops.items()]
    ends += [positions.before(one) for one in joined if one > full.consistent_at]
    start = positions.first_moment(full.consistent_at)
    end = positions.last_moment(min(ends))
    return Range(start, end) if start <= end else None


def base(
    fulls: Iterable[Full],
    archived: Mapping[str, Sequence[Slice]],
    moment: int,
    joined: Sequence[Timestamp] = (),
) -> Full | None:
    """The full backup from which a moment is reached with the least replay; None where there is
    none."""
    fitting = [
        full
        for full in fulls
        if (found := of(full, archived, joined)) and found.start <= moment <= found.end
    ]
    return max(fitting, key=lambda full: full.consistent_at, default=None)


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same moments in as few ranges as possible, in their order."""
    found: list[Range] = []
    for one in sorted(ranges):
        if found and one.start <= found[-1].end + 1:
            found[-1] = Range(found[-1].start, max(found[-1].end, one.end))
        else:
            found.append(one)
    return found


def within(ranges: Iterable[Range], bounds: Range) -> list[Range]:
    """The parts of ranges that lie in others bounds."""
    cut = (Range(max(one.start, bounds.start), min(one.end, bounds.end)) for one in ranges)
    return [one for one in cut if one.start <= one.end]
