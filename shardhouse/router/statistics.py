"""Counters behind serverStatus and /metrics: what this process did since it started."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets, in seconds; the last bucket has none."""

UNKNOWN = "<UNKNOWN>"
"""Under this name all commands are counted that do not exist."""

_WRITES = ("insert", "update", "delete")
_OTHER = frozenset({*_WRITES, "find", "getMore"})


@dataclass(slots=True)
class Tally:
    """One command: how often it ran and failed, how long all runs took, how many per bucket."""

    total: int = 0
    failed: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))


@dataclass(slots=True)
class Statistics:
    """Plain counts; times from the monotonic clock, in seconds."""

    started: float = field(default_factory=time.monotonic)
    connections: int = 0
    connections_created: int = 0
    connections_rejected: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    unpacked_in: int = 0  # bytes by which compressed messages were longer than they came
    packed_out: int = 0
    requests: int = 0
    commands: dict[str, Tally] = field(default_factory=dict)
    statements: Counter[str] = field(default_factory=Counter)
    errors: Counter[int] = field(default_factory=Counter)
    stale: int = 0
    tls_versions: Counter[str] = field(default_factory=Counter)
    logins_received: Counter[str] = field(default_factory=Counter)
    logins_successful: Counter[str] = field(default_factory=Counter)
    speculative_received: Counter[str] = field(default_factory=Counter)
    speculative_successful: Counter[str] = field(default_factory=Counter)

    def ran(self, command: str, took: float, error: int) -> None:
        """A command ended after `took` seconds, with an error's number or 0."""
        tally = self.commands.get(command)
        if tally is None:
            tally = self.commands[command] = Tally()
        tally.total += 1
        tally.seconds += took
        tally.buckets[bisect_left(BOUNDS, took)] += 1
        if error:
            tally.failed += 1
            self.errors[error] += 1

    @property
    def failures(self) -> int:
        """Commands that ended with an error."""
        return sum(self.errors.values())

    @property
    def opcounters(self) -> dict[str, int]:
        """As mongos counts: statements of writes, reads and getMores, all other commands."""
        totals = {name: tally.total for name, tally in self.commands.items()}
        return {
            **{name: self.statements[name] for name in _WRITES[:1]},
            "query": totals.get("find", 0),
            **{name: self.statements[name] for name in _WRITES[1:]},
            "getmore": totals.get("getMore", 0),
            "command": sum(total for name, total in totals.items() if name not in _OTHER),
        }

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def resident_bytes() -> int:
    """Memory this process holds, from /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
