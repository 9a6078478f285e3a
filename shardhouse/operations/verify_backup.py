"""Verifying a backup: it is restored aside, as far as it goes, and nothing of that stays.

All that is stored for it is read, decrypted and compared with its checksums. MongoDB itself, on a
process of its own for each replica set, replays what was written until the backup's moment, and
validates every collection with its indexes. The instance that was backed up, which may be gone, is
not touched.
"""

from dataclasses import replace

from shardhouse.domain import restoring
from shardhouse.domain.backup import Backup
from shardhouse.errors import StepError
from shardhouse.operations.tasks import recovering
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.store import backups
from shardhouse.workflows import limits
from shardhouse.workflows.operation import Operation, Run, Step


def recovery(backup: Backup) -> Recovery:
    """Arguments of the job that verifies a backup."""
    groups = {group.id: group.id for group in backup.shape}
    return Recovery(
        backup.id, backup.instance_id, backup.consistent_at, by_time=False, groups=groups
    )


def unpack(run: Run[Recovery]) -> None:
    """The files lie aside, each with its checksum as it was when it was backed up."""
    recovering.unpack(_aside(run))


def replay(run: Run[Recovery]) -> None:
    """The data is that of the backup's moment."""
    recovering.replay(_aside(run))


def validate(run: Run[Recovery]) -> None:
    """All of it is sound."""
    recovering.verify(_aside(run))


def remove(run: Run[Recovery]) -> None:
    """Nothing lies aside any more."""
    recovering.clean_up(_aside(run))


def _aside(run: Run[Recovery]) -> Run[Recovery]:
    """The same, with an instance that has a node for each replica set of the backup."""
    with run.context.database.read() as connection:
        backup = backups.load(connection, run.arguments.backup_id)
    if backup is None:
        raise StepError(f"The backup {run.arguments.backup_id} was deleted.")
    return replace(run, instance=restoring.stand_in(run.instance, backup, run.job.id))


VERIFY = Operation(
    "VERIFY_BACKUP",
    "VerifyBackup",
    Recovery,
    (
        Step("Unpack the backup aside, comparing checksums", unpack),
        Step("Replay what was written meanwhile", replay),
        Step("Validate all collections", validate),
        Step("Remove what was unpacked", remove),
    ),
    roll_back=remove,
    limit=limits.copying,
    locks=False,
)
