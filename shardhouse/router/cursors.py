"""Open cursors: which node holds each, who opened it, and under which number the client knows it.

The table is what makes a cursor usable by its owner only, and what ends forgotten cluster cursors,
which no shard reaps.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bson import Int64

from shardhouse.router.auth.privileges import Requirement
from shardhouse.router.upstream.encoder import CursorId


class Stream(Protocol):
    """What holds more than one cursor itself."""

    async def close(self) -> None:
        """End them all."""


@dataclass(slots=True)
class Cursor:
    """One open cursor. `collection` is the name its getMore must carry upstream, and `read_concern`
    the concern, if any; `transaction` is the number of the transaction it was opened in. A change
    stream's has no node of its own."""

    id: Int64
    remote: CursorId
    address: str
    shard: str
    database: str
    collection: str
    namespace: str
    owner: tuple[str, str] | None
    lsid: dict[str, Any] | None
    needs: Sequence[Requirement]
    transaction: Any = None
    read_concern: Mapping[str, Any] | None = None
    stream: Stream | None = None
    never_times_out: bool = False
    in_use: bool = False
    abandoned: bool = False
    touched: float = field(default_factory=time.monotonic)

    @property
    def session_id(self) -> bytes | None:
        """The id of the logical session that opened it."""
        return bytes(self.lsid["id"]) if self.lsid else None


class Cursors:
    """All open cursors by the client's number."""

    def __init__(self) -> None:
        self._open: dict[int, Cursor] = {}
        self._random = random.SystemRandom()
        self.timed_out = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def counts(self) -> dict[str, int]:
        """How many are open, at work (`pinned`), and without a time limit."""
        return {
            "total": len(self._open),
            "pinned": sum(cursor.in_use for cursor in self._open.values()),
            "noTimeout": sum(cursor.never_times_out for cursor in self._open.values()),
        }

    @property
    def finite(self) -> list[Cursor]:
        """Those that come to an end by themselves when they are read on: no change streams."""
        return [c for c in self._open.values() if c.stream is None and not c.abandoned]

    @property
    def all(self) -> list[Cursor]:
        """Every open cursor."""
        return list(self._open.values())

    def new_id(self) -> Int64:
        """A number not in use, not to be guessed."""
        while True:
            number = self._random.getrandbits(63)
            if number and number not in self._open:
                return Int64(number)

    def add(self, cursor: Cursor) -> None:
        """Remember an open cursor."""
        self._open[cursor.id] = cursor

    def get(self, number: int) -> Cursor | None:
        """The cursor a client calls by this number."""
        cursor = self._open.get(number)
        return None if cursor is None or cursor.abandoned else cursor

    def remove(self, cursor: Cursor) -> None:
        """The cursor is exhausted or ended."""
        self._open.pop(cursor.id, None)

    def opened_in(self, chosen: Callable[[Mapping[str, Any]], bool]) -> list[Cursor]:
        """Cursors which the chosen logical sessions hold open."""
        return [cursor for cursor in self._open.values() if cursor.lsid and chosen(cursor.lsid)]

    def of_session(self, session_id: bytes) -> list[Cursor]:
        """Cursors a logical session holds open."""
        return [cursor for cursor in self._open.values() if cursor.session_id == session_id]

    def idle(self, now: float, limit: float) -> list[Cursor]:
        """Cursors to be ended: untouched for `limit` seconds, or left in an unknown state."""
        return [
            cursor
            for cursor in self._open.values()
            if cursor.abandoned
            or (not cursor.in_use and not cursor.never_times_out and now - cursor.touched > limit)
        ]
