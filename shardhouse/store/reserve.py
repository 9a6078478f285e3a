"""Disk space that the service keeps for its own writes, so that a full disk can be cleaned up.

A file in the data directory holds the space. A write that needs some on a full disk has one slice
given back; the file grows to its whole size again as soon as there is room. It is given back in
slices because every other writer on the disk takes what becomes free.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path

MIB = 1024**2
NAME = "reserve"
SIZE = 16 * MIB
SLICE = 2 * MIB
LEAST = MIB
"""Free bytes below which the disk counts as full for the service: one write of it takes less."""


class Reserve:
    """The reserve of one data directory. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._lock = threading.Lock()

    @property
    def disk_is_full(self) -> bool:
        """Whether the disk has no space for a write."""
        return self._free() < LEAST

    @property
    def missing(self) -> int:
        """Bytes that were given back and not taken again yet."""
        return SIZE - self._held()

    def give_back(self) -> None:
        """Give a slice back, if there is one."""
        with self._lock:
            if held := self._held():
                os.truncate(self._path, max(0, held - SLICE))

    def refill(self) -> None:
        """Take the whole reserve, if as much again stays free."""
        missing = self.missing
        if missing and self._free() >= missing + SIZE:
            with self._lock, suppress(OSError):  # it is taken at a later call
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
                try:
                    os.posix_fallocate(descriptor, 0, SIZE)
                finally:
                    os.close(descriptor)

    def _held(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _free(self) -> int:
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize
