"""Deleting backups."""

from dataclasses import dataclass

from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.model import Instance, Status
from shardhouse.workflows import expiry, recycling
from shardhouse.workflows.operation import Operation, Run, Step


@dataclass(frozen=True)
class Arguments:
    """Which backups go, all of one instance."""

    backup_ids: tuple[str, ...]


def refusal(backup: Backup, instance: Instance) -> str:
    """Why a backup may not be deleted; empty if it may. How long an automatic one stays is up to
    the backup policy, while that is on."""
    if backup.status is BackupStatus.BUILDING:
        return f"The backup {backup.id} is being made; stop it first."
    if backup.status is BackupStatus.DISABLED:
        return f"The backup {backup.id} is being deleted already."
    policy_is_on = instance.status is not Status.DELETED and instance.backup_strategy.keep_days
    if backup.type is BackupType.AUTO and policy_is_on:
        return (
            f"The backup {backup.id} was made by the backup policy of {instance.id}, which also "
            "says how long it stays. It can be deleted when the policy is off (keep_days 0)."
        )
    return ""


def remove(run: Run[Arguments]) -> None:
    """Files are gone, then the rows; with the last one of a deleted instance all that is stored of
    it."""
    for backup_id in run.arguments.backup_ids:
        expiry.remove(run.context, run.instance.id, backup_id)
    recycling.forget(run.context, run.instance.id)
    run.report(f"backups deleted: {len(run.arguments.backup_ids)}")


DELETE = Operation(
    "DELETE_BACKUP",
    "DeleteBackup",
    Arguments,
    (Step("Delete the backups' files", remove),),
    locks=False,
)
