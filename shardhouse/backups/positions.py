"""Positions in an oplog, and what a moment of the clock means as one.

A position is a timestamp of MongoDB: seconds since 1970, and a number within the second. As text it
is 16 hexadecimal digits, whose order is that of the positions.

A moment is in milliseconds since 1970. An instance of one replica set is restored to it by all
entries that were written until then: in the moment's second, each entry's own wall-clock time
decides. The clocks of a cluster's sets may differ by less than a second, their cluster time does
not, so a cluster is restored to what was written before the moment's second began.
"""

from collections.abc import Iterable

from bson.timestamp import Timestamp

_LAST = 2**32 - 1
_DIGITS = 16


def text(position: Timestamp) -> str:
    """A position as 16 hexadecimal digits."""
    return f"{position.time:08x}{position.inc:08x}"


def parse(digits: str) -> Timestamp:
    """The position that `text` wrote. Raises ValueError for anything else."""
    if len(digits) != _DIGITS:
        raise ValueError(f"16 hexadecimal digits are required, got {digits}")
    value = bytes.fromhex(digits)
    return Timestamp(int.from_bytes(value[:4]), int.from_bytes(value[4:]))


def before(position: Timestamp) -> Timestamp:
    """The greatest position below this one."""
    if position.inc:
        return Timestamp(position.time, position.inc - 1)
    return Timestamp(position.time - 1, _LAST)


def second(moment: int) -> tuple[Timestamp, Timestamp]:
    """Bounds `(after, upto]` of the entries of the moment's second."""
    seconds = moment // 1000
    return Timestamp(seconds - 1, _LAST), Timestamp(seconds, _LAST)


def cut_of_cluster(moment: int) -> Timestamp:
    """The position up to which a cluster's sets are restored for a moment."""
    return second(moment)[0]


def cut_of_set(moment: int, entries: Iterable[tuple[Timestamp, int]]) -> Timestamp:
    """The position up to which one set is restored for a moment. `entries` are those of the
    moment's `second` in their order: positions, and milliseconds of the wall clock."""
    for position, wall in entries:
        if wall > moment:
            return before(position)
    return second(moment)[1]


def first_moment(position: Timestamp) -> int:
    """The earliest moment whose cut is, for any instance, not before this position."""
    return (position.time + 1) * 1000


def last_moment(position: Timestamp) -> int:
    """The latest moment whose cut is, for any instance, known when entries are known up to this
    position."""
    return position.time * 1000 - 1
