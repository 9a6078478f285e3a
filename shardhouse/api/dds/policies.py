"""What an instance does by itself."""

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.policies import (
    BackupPolicy,
    BackupPolicyAnswer,
    MaskingAnswer,
    SwitchAnswer,
)
from shardhouse.domain import policy
from shardhouse.domain.model import BackupStrategy
from shardhouse.operations.policies import OFF, ON

EVERY_DAY = "1,2,3,4,5,6,7"


def show_backups(request: Request[Nothing, Nothing]) -> BackupPolicyAnswer:
    """When backups are to be made."""
    instance = request.instance()
    incremental = policy.incremental_backups(instance)
    shown = backup_policy(instance.backup_strategy, incremental=incremental)
    return BackupPolicyAnswer(backup_policy=shown)


def backup_policy(strategy: BackupStrategy, *, incremental: bool) -> BackupPolicy:
    """A strategy as the policy calls write it; daily where no days were chosen."""
    if not strategy.keep_days:
        return BackupPolicy(keep_days=strategy.keep_days)
    return BackupPolicy(
        keep_days=strategy.keep_days,
        start_time=strategy.start_time,
        period=strategy.period or EVERY_DAY,
        enable_incremental_backup=incremental,
    )


def show_monitoring(request: Request[Nothing, Nothing]) -> SwitchAnswer:
    """Whether nodes are looked at every second."""
    return SwitchAnswer(enabled=policy.monitored_by_seconds(request.instance()))


def show_masking(request: Request[Nothing, Nothing]) -> MaskingAnswer:
    """Whether values are masked in the slow log."""
    return MaskingAnswer(status=ON if policy.masks_slow_log(request.instance()) else OFF)
