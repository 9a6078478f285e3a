"""Connections to one node, kept for reuse, with a limit; who finds none free waits in line."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from shardhouse.router.errors import CommandError, NodeUnreachableError
from shardhouse.router.upstream.connection import Connection
from shardhouse.router.upstream.encoder import Encoded
from shardhouse.router.wire import raw

LIMIT = 100
PATIENCE = 20.0
"""Seconds a request waits for a connection before it fails, as long as on a mongos."""

_NO_CONNECTION_IN_TIME = 202


class Pool:
    """At most `limit` connections; the one used last is used first, so that the rest can rest."""

    def __init__(
        self,
        open_one: Callable[[], Awaitable[Connection]],
        limit: int = LIMIT,
        patience: float = PATIENCE,
    ) -> None:
        self._open_one = open_one
        self._limit = limit
        self._patience = patience
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self.in_use = 0
        self.created = self.errors = 0

    @property
    def idle(self) -> int:
        """Connections open and unused."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests in line for a connection."""
        return sum(not turn.done() for turn in self._waiting)

    async def request(self, command: Encoded) -> raw.Document:
        """Run one command on a connection of the pool."""
        connection = await self._acquire()
        failed = False
        try:
            return await connection.request(command)
        except NodeUnreachableError:
            failed = True
            raise
        finally:
            self.give_back(connection, failed=failed)

    def take(self) -> Connection | None:
        """An idle connection if there is one now; it has to be given back."""
        if self.in_use >= self._limit:
            return None
        connection = self._rested()
        self.in_use += connection is not None
        return connection

    def give_back(self, connection: Connection, *, failed: bool = False) -> None:
        """A request on it has ended; `failed` if it got no answer."""
        if failed:
            self.errors += 1
            self.clear()  # the others are most likely dead too
        self._busy.discard(connection)
        if self._closed:
            connection.close("its node left the cluster")
        elif connection.closed is None:
            self._idle.append(connection)
        self._pass_on()

    def clear(self) -> None:
        """Close the idle connections."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close("pool cleared")

    def close(self) -> None:
        """The node left the cluster: close what is idle now, and the rest when it is returned."""
        self._closed = True
        self.clear()

    def drop(self, reason: str) -> None:
        """Close all connections; requests under way fail with NodeUnreachableError."""
        self.clear()
        for connection in list(self._busy):
            connection.close(reason)

    async def _acquire(self) -> Connection:
        if self.in_use < self._limit:
            self.in_use += 1
        else:
            await self._turn()
        rested = self._rested()
        if rested is not None:
            return rested
        try:
            connection = await self._open_one()
        except BaseException:
            self.errors += 1
            self._pass_on()
            raise
        self.created += 1
        self._busy.add(connection)
        return connection

    def _rested(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.closed is None:
                self._busy.add(connection)
                return connection
        return None

    async def _turn(self) -> None:
        """Wait in line until somebody passes his place on."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            if isinstance(error, TimeoutError):
                raise CommandError(
                    _NO_CONNECTION_IN_TIME,
                    f"Couldn't get a connection within the time limit of {self._patience:g} s:"
                    f" all {self._limit} to the node are in use",
                ) from None
            raise

    def _pass_on(self) -> None:
        """Whoever waits longest gets the place, and nobody overtakes him."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_use -= 1
