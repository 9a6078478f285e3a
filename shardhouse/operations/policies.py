"""What an instance does by itself."""

from typing import Any

from shardhouse import error_codes as codes
from shardhouse.contract.call import Nothing
from shardhouse.contract.policies import (
    SET_BACKUP_POLICY,
    SWITCH_MASKING,
    SWITCH_MONITORING,
    BackupPolicyBody,
    SwitchBody,
)
from shardhouse.domain import policy, rules
from shardhouse.domain.change import Change
from shardhouse.domain.model import BackupStrategy
from shardhouse.errors import bad_parameter
from shardhouse.workflows.operation import Asked, Edit

ON, OFF = "on", "off"


def backups(asked: Asked[BackupPolicyBody]) -> Change:
    """When backups are made; the first one at once. Raises DdsError 400 for a time or days that are
    missing, or too few days, and for incremental backups without full ones."""
    body, instance = asked.body, asked.instance
    keep_days, incremental = body.keep_days, body.enable_incremental_backup
    if keep_days is None and incremental is None:
        raise bad_parameter("keep_days", "it is required", codes.KEEP_DAYS_INVALID)
    strategy = instance.backup_strategy if keep_days is None else _strategy(asked, keep_days)
    if incremental and not strategy.keep_days:
        raise bad_parameter(
            "enable_incremental_backup", "it needs automatic full backups: keep_days 1 to 732"
        )
    policies: dict[str, dict[str, Any]] = {}
    if incremental is not None:
        policies[policy.INCREMENTAL] = {"enabled": incremental}
    begins = incremental and not policy.incremental_backups(instance)
    if strategy.keep_days and (keep_days is not None or begins):
        policies[policy.BACKUPS_SINCE] = {"at": asked.now.isoformat()}
    return Change(instance={"backup_strategy": strategy}, policies=policies)


def _strategy(asked: Asked[BackupPolicyBody], keep_days: int) -> BackupStrategy:
    body = asked.body
    if keep_days == 0:
        return BackupStrategy(asked.instance.backup_strategy.start_time, 0)
    if not body.start_time:
        raise bad_parameter("start_time", "it is required", codes.START_TIME_INVALID)
    return BackupStrategy(
        body.start_time, keep_days, rules.backup_period("period", body.period, keep_days)
    )


def _monitoring(asked: Asked[SwitchBody]) -> Change:
    return Change(policies={policy.MONITORING: {"enabled": asked.body.enabled}})


def _masking(asked: Asked[Nothing]) -> Change:
    status = rules.one_of("status", asked.path["status"], (ON, OFF), codes.BAD_PARAMETER)
    return Change(policies={policy.MASKING: {"enabled": status == ON}})


BACKUPS = Edit(SET_BACKUP_POLICY, backups)
MONITORING = Edit(SWITCH_MONITORING, _monitoring)
MASKING = Edit(SWITCH_MASKING, _masking)
