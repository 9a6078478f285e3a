"""Bounds for calls that keep a thread and an instance's servers busy for seconds: few at a time,
and one for each instance."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from shardhouse import error_codes as codes
from shardhouse.errors import DdsError, GatewayError


class Turns:
    """What runs now of one kind of call. Threads may share it."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._lock = Lock()
        self._running: set[str] = set()

    @contextmanager
    def of(self, instance_id: str) -> Iterator[None]:
        """One call's turn. Nobody waits: raises DdsError 403 where the instance has one already,
        GatewayError 429 where the process has as many as it may."""
        with self._lock:
            if instance_id in self._running:
                raise DdsError(
                    codes.BUSY,
                    f"{self._what} of instance {instance_id} is being made; try again later.",
                )
            if len(self._running) >= self._most:
                raise GatewayError(
                    codes.THROTTLED,
                    f"{self._what} of {self._most} other instances is being made; try again later.",
                )
            self._running.add(instance_id)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(instance_id)
