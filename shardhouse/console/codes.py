"""Codes that log a browser in once: `shardhouse open` gets one for its own login.

They live in this process alone: who holds one after a restart of `serve` asks for another.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from shardhouse.console.session import Session

SECONDS = 60.0
"""How long a code is good."""
MOST = 1000
"""Codes at a time; the oldest ones go first."""


@dataclass(frozen=True)
class _Entry:
    session: Session
    expires: float


class Codes:
    """Which session a code begins. Of codes only digests are kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._lock = Lock()

    def make(self, session: Session) -> str:
        """A new code for a session that is to begin."""
        code = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            kept = [one for one in self._entries.items() if one[1].expires > now]
            self._entries = dict(kept[-(MOST - 1) :])
            self._entries[_digest(code)] = _Entry(session, now + SECONDS)
        return code

    def meant(self, code: str) -> Session | None:
        """The session that a code would begin; None where it was used, or is too old."""
        with self._lock:
            return self._good(self._entries.get(_digest(code)))

    def spend(self, code: str) -> Session | None:
        """The same, and the code is good no more."""
        with self._lock:
            return self._good(self._entries.pop(_digest(code), None))

    def _good(self, entry: _Entry | None) -> Session | None:
        return entry.session if entry and entry.expires > self._clock() else None


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
