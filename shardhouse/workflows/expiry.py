"""Removes backups and captured oplogs that nothing needs any more: see `backups.retention`; and
dumps of backups and snapshots after a day."""

from datetime import timedelta

import structlog

from shardhouse.backups import exported, manifest, retention, slices
from shardhouse.domain import policy
from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.model import Instance, Status
from shardhouse.errors import BackupError
from shardhouse.store import backups, instances, jobs, recycle_bin
from shardhouse.workflows import recycling, restorable, snapshots
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.periodic import Periodic

INTERVAL = 300.0
"""Seconds between two looks."""
DUMPS_KEPT = timedelta(days=1)
"""So long dumps of backups stay behind the end of the job that made them."""
log = structlog.get_logger()


class Expiry(Periodic):
    """Looks at all instances that have backups."""

    def __init__(self, context: Context) -> None:
        super().__init__("expiry", INTERVAL, self.look)
        self._context = context

    def look(self) -> None:
        """Remove what may go."""
        with self._context.database.write() as connection:
            recycle_bin.empty(connection, now())
        with self._context.database.read() as connection:
            kept = set(recycle_bin.kept(connection, now()))
            used = {use.origin_id for use in restorable.in_use(connection)}
            owners = instances.load_all(connection, backups.owners(connection))
        for instance in owners:
            if instance.id in used:
                continue
            try:
                self._expire_dumps(instance)
                if instance.status is not Status.DELETED:
                    self._expire(instance)
                elif instance.id not in kept:
                    self._forget(instance)
            except BackupError as error:
                log.warning("backups not expired", instance=instance.id, reason=error.message)
        try:
            snapshots.expire(self._context)
        except BackupError as error:
            log.warning("snapshots not expired", reason=error.message)

    def _expire(self, instance: Instance) -> None:
        """Remove what the policy's days do not cover."""
        with self._context.database.read() as connection:
            made = backups.completed(connection, instance.id)
        archived = restorable.archived(self._context, instance.id, made)
        fulls = [restorable.full(backup) for backup in made]
        keep_days = instance.backup_strategy.keep_days
        incremental = not keep_days or policy.incremental_backups(instance)
        report = retention.report(fulls, archived, keep_days, now(), incremental=incremental)
        obsolete = set(report.obsolete)
        self._remove(instance, [backup for backup in made if backup.id in obsolete])
        archive = self._context.archive(instance.id)
        for group_id, pieces in report.slices.items():
            archive.delete([slices.name(group_id, piece) for piece in pieces])

    def _expire_dumps(self, instance: Instance) -> None:
        """Remove dumps that have been there for long enough."""
        archive = self._context.archive(instance.id)
        for export in list(exported.listed(archive)):
            with self._context.database.read() as connection:
                job = jobs.load(connection, export.job_id)
            ended = job and job.ended_at
            if job is None or (ended and ended < now() - DUMPS_KEPT):
                export.remove(archive)

    def _forget(self, instance: Instance) -> None:
        """Of an instance that is gone only backups stay that a client asked for."""
        with self._context.database.read() as connection:
            made = backups.of_instance(connection, instance.id)
        ended = [one for one in made if one.status is not BackupStatus.BUILDING]
        self._remove(instance, [one for one in ended if one.type is BackupType.AUTO])
        archive = self._context.archive(instance.id)
        archive.delete([entry.name for entry in archive.list(slices.FOLDER)])
        recycling.forget(self._context, instance.id)

    def _remove(self, instance: Instance, gone: list[Backup]) -> None:
        for backup in gone:
            with self._context.database.write() as connection:
                backups.change(connection, backup.id, status=BackupStatus.DISABLED)
            remove(self._context, instance.id, backup.id)
            log.info("backup expired", instance=instance.id, backup=backup.id)


def remove(context: Context, instance_id: str, backup_id: str) -> None:
    """A backup's files are gone, then its row. Raises BackupError."""
    manifest.remove(context.archive(instance_id), backup_id)
    with context.database.write() as connection:
        backups.remove(connection, backup_id)
