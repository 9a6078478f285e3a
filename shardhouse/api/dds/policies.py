"""What an instance does by itself."""

from typing import Any

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.domain import policy
from shardhouse.domain.model import BackupStrategy
from shardhouse.operations.policies import OFF, ON

EVERY_DAY = "1,2,3,4,5,6,7"


def show_backups(request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """When backups are to be made."""
    instance = request.instance()
    shown = backup_policy(instance.backup_strategy)
    if instance.backup_strategy.keep_days:
        shown["enable_incremental_backup"] = policy.incremental_backups(instance)
    return {"backup_policy": shown}


def backup_policy(strategy: BackupStrategy) -> dict[str, Any]:
    """A strategy as the policy calls write it; daily where no days were chosen."""
    shown: dict[str, Any] = {"keep_days": strategy.keep_days}
    if strategy.keep_days:
        shown |= {"start_time": strategy.start_time, "period": strategy.period or EVERY_DAY}
    return shown


def show_monitoring(request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """Whether nodes are looked at every second."""
    return {"enabled": policy.monitored_by_seconds(request.instance())}


def show_masking(request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """Whether values are masked in the slow log."""
    return {"status": ON if policy.masks_slow_log(request.instance()) else OFF}
