"""Counters behind serverStatus: what this process did since it started."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_OPERATIONS = {
    "insert": "insert",
    "find": "query",
    "update": "update",
    "delete": "delete",
    "getMore": "getmore",
}


@dataclass(slots=True)
class Statistics:
    """Plain counts; times from the monotonic clock, in seconds."""

    started: float = field(default_factory=time.monotonic)
    connections: int = 0
    connections_created: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    requests: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    failures: int = 0

    def count(self, command: str) -> None:
        """A command began."""
        self.requests += 1
        self.operations[_OPERATIONS.get(command, "command")] += 1

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def resident_bytes() -> int:
    """Memory this process holds, from /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
