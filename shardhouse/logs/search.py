"""Lines of one kind in the logs of several nodes, the newest one first. Nothing is copied or kept:
the nodes' own files are read each time."""

import heapq
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shardhouse.errors import ShardhouseError
from shardhouse.logs import files, scan
from shardhouse.logs.entries import Entry, entry
from shardhouse.logs.lines import Kind
from shardhouse.nodes.runtime import LogFile, NodeRef, Runtime

T = TypeVar("T")
_TIME, _PLACE, _OFFSET = 13, 10, 12
"""Digits of the parts of a number of a line."""


class SearchTooLongError(ShardhouseError):
    """There is too much to look through in the time a caller may wait."""


@dataclass(frozen=True, order=True)
class Number:
    """Which line it is, among all lines of all nodes; in the order of time. `place` stands for the
    node and the file, also when that is renamed."""

    milliseconds: int
    place: int
    offset: int

    def __str__(self) -> str:
        return f"{self.milliseconds:0{_TIME}}{self.place:0{_PLACE}}{self.offset:0{_OFFSET}}"

    @classmethod
    def parse(cls, text: str) -> "Number | None":
        """The number that a line was shown with; None of what is no such number."""
        if len(text) != _TIME + _PLACE + _OFFSET or not (text.isascii() and text.isdigit()):
            return None
        place = text[_TIME : _TIME + _PLACE]
        return cls(int(text[:_TIME]), int(place), int(text[_TIME + _PLACE :]))


@dataclass(frozen=True)
class Found:
    """A line of a node's log."""

    number: Number
    node_id: str
    entry: Entry


@dataclass(frozen=True)
class Search:
    """What to look for: lines of a kind that these nodes wrote from `start` to `end`, both
    included, in milliseconds since 1970; operations that took `least` milliseconds or more. It ends
    with SearchTooLongError after `patience` seconds."""

    runtime: Runtime
    nodes: Sequence[NodeRef]
    kind: Kind
    start: int
    end: int
    masked: bool
    least: int = 0
    patience: float = 20.0

    def run(self, take: Callable[[Iterator[Found]], T]) -> T:
        """What `take` makes of the lines, the newest one first. It is called again where files were
        put aside or removed meanwhile."""
        return files.steady(self.runtime, self.nodes, lambda listed: take(self._found(listed)))

    def _found(self, listed: Sequence[tuple[NodeRef, LogFile]]) -> Iterator[Found]:
        until = time.monotonic() + self.patience
        sources = [
            self._of_file(node, file, until)
            for node, file in listed
            if file.modified.timestamp() * 1000 >= self.start - scan.SLACK
        ]
        return heapq.merge(*sources, key=lambda found: found.number, reverse=True)

    def _of_file(self, node: NodeRef, file: LogFile, until: float) -> Iterator[Found]:
        def read(offset: int, size: int) -> bytes:
            if time.monotonic() > until:
                raise SearchTooLongError("There is too much in this range of time.")
            return self.runtime.read_log(node, file.name, offset, size)

        place = zlib.crc32(f"{node.node_id}/{file.id}".encode())
        for line in scan.newest_first(read, file.size, self.kind, self.start, self.end):
            said = entry(line, self.kind, masked=self.masked, least=self.least)
            if said is not None:
                number = Number(line.milliseconds, place, line.offset)
                yield Found(number, node.node_id, said)
