"""A thread that does one thing again and again."""

from collections.abc import Callable
from threading import Event, Thread

import structlog

log = structlog.get_logger()


class Periodic:
    """Calls `look` at once and then every `interval` seconds, from `start` to `close`; what fails
    is logged and tried again the next time."""

    def __init__(self, name: str, interval: float, look: Callable[[], None]) -> None:
        self._look = look
        self._interval = interval
        self._closing = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; returns when it has ended."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._look()
            except Exception:
                log.exception("failed; it goes on", thread=self._thread.name)
            self._closing.wait(self._interval)
