"""Failed logins slow down the next ones: of the same user, from the same address, and no others.

The first failures cost nothing, each further one doubles the time until the next attempt is looked
at. There is no lock that strangers could put on a user: whoever logs in from another address does
not notice. The table is in memory and bounded; when it is full, the failure longest ago is
forgotten. Only attempts that cost a hash get into it, so it cannot be flushed quickly.
"""

import hashlib
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from shardhouse.errors import IamError
from shardhouse.iam.clock import Clock

#: Failures in a row after which the next attempt has to wait.
FREE_FAILURES = 5
FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=1)
#: After so long without another failure all is forgotten.
FORGOTTEN = timedelta(minutes=15)
ENTRIES = 10_000


@dataclass(frozen=True)
class _Failures:
    count: int
    last_at: datetime

    @property
    def delay(self) -> timedelta:
        if self.count < FREE_FAILURES:
            return timedelta()
        # 64 s are more than the longest delay already.
        doublings = min(self.count - FREE_FAILURES, 6)
        return min(LONGEST_DELAY, FIRST_DELAY * (1 << doublings))


class Throttle:
    """Failures by source (where an attempt came from) and subject (the user it named)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[bytes, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, source: str, subject: str) -> None:
        """Raises IamError 429 while the next attempt has to wait."""
        with self._lock:
            failures = self._failures.get(_key(source, subject))
        if failures is None:
            return
        # However the clock was set meanwhile, nobody waits longer than the delay.
        left = min(failures.delay, failures.last_at + failures.delay - self._clock())
        if left > timedelta():
            seconds = math.ceil(left.total_seconds())
            raise IamError(
                f"There were {failures.count} failed logins of this user from your address; try "
                f"again in {seconds} seconds.",
                status=429,
                retry_after=seconds,
            )

    def failed(self, source: str, subject: str) -> None:
        """Count a failure."""
        key, now = _key(source, subject), self._clock()
        with self._lock:
            before = self._failures.pop(key, None)
            recent = before is not None and now - before.last_at < FORGOTTEN
            self._failures[key] = _Failures(before.count + 1 if before and recent else 1, now)
            if len(self._failures) > ENTRIES:
                self._failures.popitem(last=False)

    def succeeded(self, source: str, subject: str) -> None:
        """The row of failures is broken."""
        with self._lock:
            self._failures.pop(_key(source, subject), None)


def _key(source: str, subject: str) -> bytes:
    """Of one size, however long a name is."""
    return hashlib.sha256(f"{source}\0{subject}".encode()).digest()
