"""Watches one replica set: each member holds a hello open and answers the moment it changes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shardhouse.router.errors import CommandError, NodeUnreachableError
from shardhouse.router.logs import Log
from shardhouse.router.topology import description
from shardhouse.router.topology.description import Member, ReplicaSet
from shardhouse.router.upstream.connection import Connection
from shardhouse.router.upstream.encoder import Encoded, encode
from shardhouse.router.wire import raw

SELECTION_TIMEOUT = 15.0
"""Seconds a request waits for an eligible member."""

_AWAIT_MS = 2_000
_SILENCE = 5.0
"""Seconds after which a member that should have answered counts as lost."""

_RETRY = 0.1

Dial = Callable[[str], Awaitable[Connection]]


class Monitor:
    """The current description of one replica set, and the tasks that keep it current.

    `lost` is told the address of a member from which no answers are to be expected, although its
    connections are open: it fell silent, or others elected a new primary without it.
    """

    def __init__(
        self, connection_string: str, dial: Dial, log: Log, lost: Callable[[str], None]
    ) -> None:
        self.known = description.seeds(connection_string)
        self._dial = dial
        self._log = log
        self._lost = lost
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._connections: dict[str, Connection] = {}
        self._changed = asyncio.Event()
        self._stopped = False

    def start(self) -> None:
        """Begin to watch every known member, stop watching those that left."""
        for address in self.known.members:
            if address not in self._tasks:
                self._tasks[address] = asyncio.create_task(self._watch(address))
        for address in set(self._tasks) - set(self.known.members):
            self._tasks.pop(address).cancel()

    def stop(self) -> None:
        """Stop watching; nobody waits for a member any longer."""
        self._stopped = True
        self._changed.set()
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def select(self, preference: Mapping[str, Any], patience: float) -> Member:
        """A member that may serve this read preference; error 133 if none comes in time."""
        deadline = time.monotonic() + patience
        while True:
            eligible = description.select(self.known, preference)
            if eligible:
                return eligible[0] if len(eligible) == 1 else random.choice(eligible)  # noqa: S311 spreads load
            if self._stopped:
                raise self._unselectable(preference)
            self._changed.clear()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                raise self._unselectable(preference) from None

    def _unselectable(self, preference: Mapping[str, Any]) -> CommandError:
        mode = preference.get("mode", "primary")
        reasons = [f"{m.address}: {m.error or m.state}" for m in self.known.members.values()]
        return CommandError(
            133,
            f'Could not find host matching read preference {{ mode: "{mode}" }}'
            f" for set {self.known.name} ({'; '.join(reasons)})",
        )

    def suspect(self, address: str, reason: str) -> None:
        """A request to this member failed: do not use it before it answered again."""
        member = self.known.members.get(address)
        if member is None or member.state == description.UNKNOWN:
            return
        self._set(description.failed(self.known, address, reason))
        connection = self._connections.get(address)
        if connection is not None:
            connection.close("asking again")

    def _set(self, known: ReplicaSet) -> None:
        before, self.known = self.known, known
        if (before.primary and before.primary.address) != (known.primary and known.primary.address):
            primary = known.primary.address if known.primary else None
            self._log.note("NETWORK", "Primary changed", "monitor", set=known.name, primary=primary)
            old = before.primary and known.members.get(before.primary.address)
            if primary is not None and old and old.state == description.UNKNOWN:
                self._lost(old.address)
        if before.members.keys() != known.members.keys():
            self.start()
        self._changed.set()

    async def _watch(self, address: str) -> None:
        reported = ""
        while True:
            try:
                await self._follow(address)
            except Exception as error:
                # Whatever went wrong with one member, it is asked again.
                if str(error) != reported:
                    reported = str(error)
                    self._log.alert(
                        "NETWORK", "Member does not answer", "monitor", host=address, error=reported
                    )
                self._set(description.failed(self.known, address, str(error)))
            await asyncio.sleep(_RETRY)

    async def _follow(self, address: str) -> None:
        connection = await self._dial(address)
        self._connections[address] = connection
        try:
            version: Any = None
            while True:
                waiting = {"topologyVersion": version, "maxAwaitTimeMS": _AWAIT_MS}
                command = {"hello": 1, **(waiting if version else {})}
                began = time.monotonic()
                hello = raw.deep(await self._ask(connection, encode(command, "admin")))
                known = self.known.members.get(address)
                took = known.round_trip if version and known else time.monotonic() - began
                version = hello.get("topologyVersion")
                self._set(description.answered(self.known, address, hello, took, time.time()))
        finally:
            self._connections.pop(address, None)
            connection.close("monitor ends")

    async def _ask(self, connection: Connection, hello: Encoded) -> raw.Document:
        try:
            async with asyncio.timeout(_AWAIT_MS / 1000 + _SILENCE):
                return await connection.request(hello)
        except TimeoutError:
            self._lost(connection.address)
            raise NodeUnreachableError(connection.address, "fell silent") from None
