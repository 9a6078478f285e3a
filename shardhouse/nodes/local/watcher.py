"""Notices the end of processes, ours or adopted, without polling. Part of the local driver."""

import os
import selectors
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

_log = structlog.get_logger()
_Callback = Callable[[], None]


class ExitWatcher:
    """One thread that sleeps until the kernel says that a watched process ended (pidfd)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._waiting: list[tuple[int | None, _Callback]] = []
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, pid: int | None, callback: _Callback) -> None:
        """Call `callback` from the thread when `pid` ended; at once where it has (or is None)."""
        descriptor = None
        if pid is not None:
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
        with self._lock:
            self._waiting.append((descriptor, callback))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="node-exits", daemon=True)
                self._thread.start()
        os.write(self._wake_write, b"+")

    def close(self) -> None:
        """End the thread; callbacks that are due no more will not come."""
        self._closed = True
        os.write(self._wake_write, b"+")
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select():
                if key.fd == self._wake_read:
                    self._admit()
                else:
                    self._selector.unregister(key.fd)
                    os.close(key.fd)
                    _call(key.data)

    def _admit(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for descriptor, callback in waiting:
            if descriptor is None:
                _call(callback)
            else:
                self._selector.register(descriptor, selectors.EVENT_READ, callback)


def _call(callback: _Callback) -> None:
    try:
        callback()
    except Exception:  # the thread serves all nodes: one bad callback must not end it
        _log.exception("exit callback failed")
