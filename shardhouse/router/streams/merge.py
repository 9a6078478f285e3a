"""Several shards' events put into one order. Pure.

Each shard promises with every reply that it will tell nothing more at or before some token. What is
not after the least of these promises is safe to be told; that promise is the whole stream's own.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_BYTES = 16_000_000
"""Bytes of events in one reply, unless its first event is larger."""


@dataclass(slots=True)
class Feed:
    """One shard's events not told yet, as `(token, event)`; `ended` once no more can come."""

    promise: str
    events: deque[tuple[str, bytes]] = field(default_factory=deque)
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to be told, the token to resume after them, and whether the stream ends there."""

    events: list[bytes]
    token: str
    ended: bool


class Merger:
    """Feeds by shard. Nothing at or before `floor` is told (again)."""

    def __init__(self, floor: str = "") -> None:
        self.feeds: dict[str, Feed] = {}
        self.floor = floor

    def add(self, shard: str, promise: str) -> None:
        """A shard's stream was opened."""
        self.feeds[shard] = Feed(promise)

    def receive(
        self, shard: str, events: Iterable[tuple[str, bytes]], promise: str, *, ended: bool
    ) -> None:
        """A shard told more, in order."""
        feed = self.feeds[shard]
        feed.events.extend(one for one in events if one[0] > self.floor)
        feed.promise = max(feed.promise, promise)
        feed.ended = ended

    @property
    def promise(self) -> str:
        """Nothing more will come at or before this token."""
        least = min((feed.promise for feed in self.feeds.values()), default="")
        return max(self.floor, least)

    @property
    def wanted(self) -> list[str]:
        """Shards to be asked for more: those with nothing in store."""
        return [name for name, feed in self.feeds.items() if not feed.events and not feed.ended]

    @property
    def awaited(self) -> str | None:
        """The newest token in store that cannot be told before other shards promised more."""
        promise = self.promise
        newest = [feed.events[-1][0] for feed in self.feeds.values() if feed.events]
        return max((token for token in newest if token > promise), default=None)

    def take(self, limit: int | None = None) -> Batch:
        """Up to `limit` events that are safe to be told, and never told again."""
        promise = self.promise
        heads = [(feed.events[0][0], name) for name, feed in self.feeds.items() if feed.events]
        heapq.heapify(heads)
        events: list[bytes] = []
        size = 0
        while heads and heads[0][0] <= promise and (limit is None or len(events) < limit):
            token, name = heads[0]
            feed = self.feeds[name]
            size += len(feed.events[0][1])
            if events and size > MOST_BYTES:
                break
            events.append(feed.events.popleft()[1])
            self.floor = token
            if feed.events:
                heapq.heapreplace(heads, (feed.events[0][0], name))
            else:
                heapq.heappop(heads)
        more = bool(heads) and heads[0][0] <= promise
        if not more:
            self.floor = promise
        ended = not more and any(
            feed.ended and not feed.events and feed.promise <= promise
            for feed in self.feeds.values()
        )
        return Batch(events, self.floor, ended)
