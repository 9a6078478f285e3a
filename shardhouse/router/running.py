"""The operations this router runs now: each has a number, can be listed and can be ended."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shardhouse.router.auth.users import User
from shardhouse.router.command import Command
from shardhouse.router.session import ClientSession


@dataclass(slots=True)
class Operation:
    """One command of a client. `user` and `lsid` are known once it is authorised."""

    id: int
    session: ClientSession
    command: Command
    task: asyncio.Task[Any] | None
    began: float = field(default_factory=time.monotonic)
    user: User | None = None
    lsid: Mapping[str, Any] | None = None
    killed: bool = False


class Operations:
    """Running operations by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._running: dict[int, Operation] = {}

    def begin(self, session: ClientSession, command: Command) -> Operation:
        """The present task begins a command."""
        operation = Operation(next(self._numbers), session, command, asyncio.current_task())
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
        if operation.task is not None and not operation.killed:
            operation.killed = True
            operation.task.cancel()
