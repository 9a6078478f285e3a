"""Waiting with a deadline: short polls, and an error that says what was waited for."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from pymongo.errors import OperationFailure, PyMongoError

from shardhouse.errors import MongoError

T = TypeVar("T")
_POLL = 0.02
_FINAL = {
    9: "FailedToParse",
    13: "Unauthorized",
    18: "AuthenticationFailed",
    59: "CommandNotFound",
    72: "InvalidOptions",
    93: "InvalidReplicaSetConfig",
}
"""Server errors that no waiting mends."""


@dataclass(frozen=True)
class Limit:
    """How many seconds a whole operation may take, and when that is over, as `time.monotonic`
    counts."""

    seconds: float
    end: float

    def check(self, meanwhile: str = "") -> None:
        """Raises MongoError when it is over; `meanwhile` says what was waited for."""
        if time.monotonic() >= self.end:
            raise MongoError(
                f"The operation's time limit of {self.seconds:g} s is over{meanwhile}."
            )


_UNLIMITED = Limit(math.inf, math.inf)
_LIMIT = ContextVar("limit", default=_UNLIMITED)


@contextmanager
def limited(limit: Limit) -> Iterator[None]:
    """Every deadline that is set within ends with the limit, if not before."""
    token = _LIMIT.set(limit)
    try:
        yield
    finally:
        _LIMIT.reset(token)


class Deadline:
    """A number of seconds shared by all waits of one step; the limit of the operation they are part
    of holds for them, too.

    `check` is called between polls and may raise, for example because a process died and there is
    nothing left to wait for.
    """

    def __init__(self, seconds: float, check: Callable[[], None] = lambda: None) -> None:
        self._seconds = seconds
        self._limit = _LIMIT.get()
        self._end = time.monotonic() + seconds
        self._check = check

    @property
    def left(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, min(self._end, self._limit.end) - time.monotonic())

    def until(self, what: str, attempt: Callable[[], T | None], pause: float = _POLL) -> T:
        """Repeat `attempt`, every `pause` seconds, until it gives something. A server's or the
        network's error means "not yet", unless no waiting mends it. MongoError then, and after the
        deadline: what was waited for, and the last answer."""
        last = "no answer yet"
        while True:
            try:
                result = attempt()
            except OperationFailure as error:
                if error.code in _FINAL:
                    raise MongoError(f"Waiting for {what} is in vain: {error}") from error
                result, last = None, str(error)
            except (PyMongoError, OSError) as error:
                result, last = None, str(error)
            if result is not None:
                return result
            self._check()
            self._limit.check(f"; waited for {what}, last seen: {last}")
            if not self.left:
                raise MongoError(
                    f"Waited {self._seconds:g} s for {what}, in vain; last seen: {last}. "
                    "See the nodes' logs."
                )
            time.sleep(pause)
