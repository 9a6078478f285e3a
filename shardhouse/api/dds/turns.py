"""Bounds for calls that keep a thread, or an instance's servers, busy: few at a time, and one for
each instance, or whatever they are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from shardhouse import error_codes as codes
from shardhouse.errors import DdsError, GatewayError


class Turns:
    """What runs now of one kind of call. Threads may share it."""

    def __init__(self, one: str, others: str, most: int) -> None:
        """`one` says in `{}` what has its turn already, `others` how many have."""
        self._one = one
        self._others = others
        self._most = most
        self._lock = Lock()
        self._running: set[str] = set()

    @contextmanager
    def of(self, id_: str) -> Iterator[None]:
        """One call's turn. Nobody waits: raises DdsError 403 where `id_` has one already,
        GatewayError 429 where the process has as many as it may."""
        with self._lock:
            if id_ in self._running:
                raise DdsError(codes.BUSY, f"{self._one.format(id_)}; try again later.")
            if len(self._running) >= self._most:
                raise GatewayError(
                    codes.THROTTLED, f"{self._others.format(self._most)}; try again later."
                )
            self._running.add(id_)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(id_)
