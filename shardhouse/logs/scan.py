"""Lines of one kind in one file, by time, without reading more of it than lies in the time range.

Lines are in the order of their times, but for `SLACK`: threads take the time first and then wait
for each other. So where a range ends is found by bisection, and a file is read from there on
backwards, block by block. Only lines that contain what the kind always has are looked at.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator

from shardhouse.logs import lines
from shardhouse.logs.lines import Kind, Line

BLOCK = 1 << 20
"""Bytes that are read at once. A line that is longer is left out: no server writes such a one."""
SLACK = 2000
"""Milliseconds by which a line may be older than the one before it."""
_PROBE = 64 * 1024

Read = Callable[[int, int], bytes]
"""At most as many bytes (second) from a position on (first)."""


def newest_first(read: Read, size: int, kind: Kind, start: int, end: int) -> Iterator[Line]:
    """Lines written from `start` to `end`, both included, in milliseconds since 1970."""
    stop = _behind(read, size, end + SLACK)
    for line in _in_order(_backwards(read, stop, kind, start - SLACK)):
        if line.milliseconds < start:
            return
        if line.milliseconds <= end:
            yield line


def oldest_first(read: Read, size: int, kind: Kind) -> Iterator[Line]:
    """All lines of the kind, as they were written."""
    position, rest = 0, b""
    while position < size:
        block = read(position, min(BLOCK, size - position))
        if not block:
            return
        text = rest + block
        whole = text.rfind(b"\n") + 1
        yield from _matching(text[:whole], 0, position - len(rest), kind)
        rest = text[whole:] if len(text) - whole <= BLOCK else b""
        position += len(block)


def _backwards(read: Read, stop: int, kind: Kind, oldest: int) -> Iterator[Line]:
    """The lines before `stop`, where one begins, the last one first; ends with the block that
    begins with a line older than `oldest`."""
    position, rest = stop, b""
    while position > 0:
        begin = max(0, position - BLOCK)
        block = read(begin, position - begin) + rest
        # A line that began before this block belongs to the one before it.
        first = block.find(b"\n") + 1 if begin else 0
        if begin and not first:
            rest = block if len(block) <= BLOCK else b""
        else:
            yield from reversed(_matching(block, first, begin, kind))
            written = lines.time_of(block[first : first + _PROBE])
            if written is not None and written < oldest:
                return
            rest = block[:first]
        position = begin


def _matching(block: bytes, first: int, base: int, kind: Kind) -> list[Line]:
    """Lines of the kind among those that begin at or after `first` and end in the block, which lies
    `base` bytes behind the file's start."""
    found = []
    needle = lines.NEEDLES[kind]
    position = first
    while hit := needle.search(block, position):
        start = block.rfind(b"\n", position, hit.start()) + 1 or position
        end = block.find(b"\n", hit.end())
        if end < 0:
            break
        line = lines.read(block[start:end], base + start, kind)
        if line is not None:
            found.append(line)
        position = end + 1
    return found


def _in_order(found: Iterable[Line]) -> Iterator[Line]:
    """Lines that are out of order by `SLACK` at most, the newest one first."""
    held: list[tuple[int, int, Line]] = []
    for line in found:
        heapq.heappush(held, (-line.milliseconds, -line.offset, line))
        while -held[0][0] >= line.milliseconds + SLACK:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]


def _behind(read: Read, size: int, moment: int) -> int:
    """Where a line begins behind which all are newer than `moment`, or the file's size."""
    low, high, behind = 0, size, size
    while high - low > _PROBE:
        middle = (low + high) // 2
        found = _first(read, middle, high)
        if found is None:
            high = middle
        elif found[1] > moment:
            high, behind = middle, found[0]
        else:
            low = found[0] + 1
    return behind


def _first(read: Read, begin: int, end: int) -> tuple[int, int] | None:
    """Where the first line with a time begins, and that time, from `begin` to `end`; None where
    there is none nearby."""
    block = read(begin, min(_PROBE, end - begin))
    position = block.find(b"\n") + 1
    while 0 < position < len(block):
        written = lines.time_of(block[position : position + 200])
        if written is not None:
            return begin + position, written
        position = block.find(b"\n", position) + 1
    return None
