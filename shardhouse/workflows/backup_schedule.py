"""Starts automatic backups when they are due."""

from collections.abc import Callable
from contextlib import suppress

import structlog

from shardhouse.domain import backup_schedule, policy
from shardhouse.domain.backup import BackupStatus, BackupType
from shardhouse.domain.model import Instance
from shardhouse.errors import DdsError
from shardhouse.store import backups, capture_gaps
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.periodic import Periodic

INTERVAL = 5.0
"""Seconds between two looks."""
AT_ONCE = 2
"""How many automatic backups are made at the same time, of all instances."""
log = structlog.get_logger()


class BackupSchedule(Periodic):
    """Looks which instances need a backup, and has `start` make it."""

    def __init__(self, context: Context, start: Callable[[Instance], None]) -> None:
        super().__init__("backup schedule", INTERVAL, self._start_due)
        self._context = context
        self._start_backup = start

    def _start_due(self) -> None:
        wanted = [one for one in processes.serving(self._context) if one.backup_strategy.keep_days]
        with self._context.database.read() as connection:
            ids = [instance.id for instance in wanted]
            made = backups.of_instances(connection, ids)
            gaps = capture_gaps.newest(connection, ids)
        running = sum(
            one.status is BackupStatus.BUILDING and one.type is BackupType.AUTO
            for listed in made.values()
            for one in listed
        )
        for instance in wanted:
            since = policy.backups_since(instance)
            since = max(since, gaps.get(instance.id, since))
            own = made[instance.id]
            if running >= AT_ONCE or instance.action:
                continue
            if backup_schedule.due(instance.backup_strategy, own, since, now()):
                with suppress(DdsError):  # deleted meanwhile
                    self._start_backup(instance)
                    running += 1
