"""The operations this router runs now: each has a number, can be listed and can be ended."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shardhouse.router.auth.users import User
from shardhouse.router.command import Command, read
from shardhouse.router.session import ClientSession
from shardhouse.router.wire.messages import Request


@dataclass(slots=True)
class Operation:
    """One command of a client. `user` and `lsid` are known once it is authorised; the latter is
    left in the command on the short way, which has no use for it."""

    id: int
    session: ClientSession
    asked: Command | Request
    interrupt: Callable[[], object]
    began: float = field(default_factory=time.monotonic)
    user: User | None = None
    lsid: Mapping[str, Any] | None = None
    killed: bool = False

    @property
    def command(self) -> Command:
        """What the client asked for; most operations end before somebody wants to know."""
        asked = self.asked
        return asked if isinstance(asked, Command) else read(asked.body, asked.sequences)


class Operations:
    """Running operations by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._running: dict[int, Operation] = {}

    def begin(
        self, session: ClientSession, asked: Command | Request, interrupt: Callable[[], object]
    ) -> Operation:
        """A command begins, which `interrupt` can end."""
        operation = Operation(next(self._numbers), session, asked, interrupt)
        self._running[operation.id] = operation
        return operation

    def end(self, operation: Operation) -> None:
        """It is answered."""
        del self._running[operation.id]

    def get(self, number: int) -> Operation | None:
        """The operation of this number, if it still runs."""
        return self._running.get(number)

    def list(self) -> list[Operation]:
        """All that run now."""
        return list(self._running.values())

    def kill(self, operation: Operation) -> None:
        """Interrupt it; its client is answered Interrupted (11601)."""
        if not operation.killed:
            operation.killed = True
            operation.interrupt()
