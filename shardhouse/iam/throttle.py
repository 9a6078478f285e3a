"""Repeated failures: after too many in a row a subject is locked for a while.

Counted in the store, so that all replicas lock together. Attempts while locked are not counted,
hence a lock always ends.
"""

import math
from datetime import timedelta

from sqlalchemy import Connection

from shardhouse.iam.clock import Clock
from shardhouse.store.database import Database
from shardhouse.store.iam import credentials


class Throttle:
    """Locks a subject for `lock` once it has `limit` failures in a row."""

    def __init__(self, database: Database, clock: Clock, *, limit: int, lock: timedelta) -> None:
        self._database = database
        self._clock = clock
        self.limit = limit
        self.lock = lock

    def seconds_locked(self, connection: Connection, subject: str) -> int:
        """How long the subject must still wait; 0 when it may try."""
        failed = credentials.failed_attempts(connection, subject)
        if failed is None or failed[0] < self.limit:
            return 0
        left = failed[1] + self.lock - self._clock()
        return max(0, math.ceil(left.total_seconds()))

    def failed(self, subject: str) -> None:
        """Count a failure; failures older than the lock are forgotten."""
        now = self._clock()
        with self._database.write() as connection:
            credentials.clear_failures_before(connection, now - self.lock)
            failed = credentials.failed_attempts(connection, subject)
            count = failed[0] + 1 if failed else 1
            credentials.set_failed_attempts(connection, subject, count, now)

    def succeeded(self, subject: str) -> None:
        """The row of failures is broken; writes only where there was one."""
        with self._database.read() as connection:
            failed = credentials.failed_attempts(connection, subject)
        if failed:
            with self._database.write() as connection:
                credentials.clear_failed_attempts(connection, subject)
