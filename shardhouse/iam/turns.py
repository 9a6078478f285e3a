"""Turns at hashing passwords: one operation at a time, and a bounded number that wait.

A hash costs tens of milliseconds of a processor, and anybody may ask for one by trying a password.
Operations wait here without a thread, and sources (addresses of clients) take turns, so that the
many logins of one source hold up those of another by one operation only. When all places are taken,
the source that has the most of them gives one up.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shardhouse.errors import IamError

T = TypeVar("T")

WAITING = 256
WAITING_PER_SOURCE = 32
RETRY_SECONDS = 1


class Turns:
    """Runs operations in a thread that is none of the request handlers'. One event loop's."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "logins")
        self._running = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, source: str, operation: Callable[[], T]) -> T:
        """What the operation returns, once it is its turn.

        Raises IamError 429 when too many wait, of this source or in all.
        """
        await self._turn(source)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, operation)
        finally:
            self._next()

    async def _turn(self, source: str) -> None:
        if not self._running:
            self._running = True
            return
        queue = self._waiting.get(source, deque())
        if len(queue) >= WAITING_PER_SOURCE:
            raise _too_many()
        if sum(map(len, self._waiting.values())) >= WAITING:
            longest = max(self._waiting.values(), key=len)
            if len(longest) <= len(queue) + 1:
                raise _too_many()
            given_up = longest.pop()
            if not given_up.done():
                given_up.set_exception(_too_many())
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting[source] = queue
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()
            raise

    def _next(self) -> None:
        """Give the turn to the source whose last one is longest ago."""
        while self._waiting:
            source, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[source] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self._running = False


def _too_many() -> IamError:
    return IamError(
        "Too many logins are waiting to be checked; try again in a moment.",
        status=429,
        retry_after=RETRY_SECONDS,
    )
