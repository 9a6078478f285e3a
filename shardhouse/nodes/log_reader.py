"""Reads a node's log as it grows, across rotations: each line once, in order."""

from collections.abc import Sequence
from dataclasses import dataclass

from shardhouse.nodes.runtime import LogFile, NodeRef, Runtime

CHUNK = 4 * 1024**2
"""Bytes that are read at a time; a line that is longer is skipped."""


@dataclass(frozen=True)
class Position:
    """How far a log has been read: in which file, by its `LogFile.id`, up to which byte."""

    file: str
    offset: int


START = Position("", 0)
"""In front of everything that a log has."""


@dataclass(frozen=True)
class Reading:
    """What was read: whole lines without their ends, and the position behind them. `done` names
    rotated files before it, which have nothing more to read."""

    lines: Sequence[bytes]
    position: Position
    done: tuple[str, ...] = ()


def end(runtime: Runtime, node: NodeRef, name: str) -> Position:
    """The position behind everything that the log `name` has now."""
    files = _files(runtime, node, name)
    return Position(files[-1].id, files[-1].size) if files else START


def remove(runtime: Runtime, node: NodeRef, name: str) -> None:
    """Delete the files of a log."""
    for file in _files(runtime, node, name):
        runtime.remove_log(node, file.name)


def read(runtime: Runtime, node: NodeRef, name: str, position: Position) -> Reading:
    """The lines behind `position`, about `CHUNK` bytes of them; none where there are no new ones.

    The log is the file `name` and those it was renamed to, which begin with its name. A file is
    left for the next one only when that was there before its own end was reached. If the file of
    the position is gone, the oldest that is there is read from its start.
    """
    files = _files(runtime, node, name)
    if not files:
        return Reading((), position)
    index = next((i for i, file in enumerate(files) if file.id == position.file), None)
    if index is None:
        # What was read went with its file: all others are newer.
        index, position = 0, Position(files[0].id, 0)
    elif files[index].size < position.offset:  # another file that got the number of an old one
        position = Position(position.file, 0)
    while True:
        file = files[index]
        content = runtime.read_log(node, file.name, position.offset, CHUNK)
        whole = content.rfind(b"\n") + 1
        if whole:
            lines = content[:whole].splitlines()
            return Reading(lines, _moved(position, whole), _names(files[:index]))
        if len(content) == CHUNK:
            position = _moved(position, CHUNK)
            continue
        if index == len(files) - 1:
            return Reading((), position, _names(files[:index]))
        index += 1
        position = Position(files[index].id, 0)


def _moved(position: Position, size: int) -> Position:
    return Position(position.file, position.offset + size)


def _names(files: Sequence[LogFile]) -> tuple[str, ...]:
    return tuple(file.name for file in files)


def _files(runtime: Runtime, node: NodeRef, name: str) -> list[LogFile]:
    """The log's files, oldest first: the one that is written to has the plain name."""
    found = [file for file in runtime.log_files(node) if file.name.startswith(name)]
    return sorted(found, key=lambda file: (file.name == name, file.modified, file.name))
