"""What an instance does by itself, and what is noted about it: kinds of documents in
`Instance.policies`, and what they say. Without a document the default holds."""

from datetime import datetime

from shardhouse.domain.model import Instance

BACKUPS_SINCE = "backups_since"
CLIENT_NETWORK = "client_network"
IMPORTED = "imported"
INCREMENTAL = "incremental_backups"
MASKING = "slow_log_masking"
OPENED = "opened_groups"
MONITORING = "second_level_monitoring"


def client_networks(instance: Instance) -> tuple[str, ...]:
    """Networks of clients in CIDR form; none by default."""
    return tuple(instance.policies.get(CLIENT_NETWORK, {}).get("ranges", ()))


def backups_since(instance: Instance) -> datetime:
    """Since when the backup policy is as it is: since the instance is there, by default."""
    changed = instance.policies.get(BACKUPS_SINCE, {}).get("at")
    return datetime.fromisoformat(changed) if changed else instance.created_at


def is_imported(instance: Instance) -> bool:
    """Whether it is not here, and came as a snapshot."""
    return IMPORTED in instance.policies


def incremental_backups(instance: Instance) -> bool:
    """Whether what is written between full backups is captured; it is wherever there is a backup
    policy, unless it was switched off."""
    enabled = instance.policies.get(INCREMENTAL, {}).get("enabled", True)
    return bool(instance.backup_strategy.keep_days and enabled)


def monitored_by_seconds(instance: Instance) -> bool:
    """Whether the monitor looks at it every second; not by default."""
    return bool(instance.policies.get(MONITORING, {}).get("enabled", False))


def masks_slow_log(instance: Instance) -> bool:
    """Whether values are masked in its slow log; they are by default."""
    return bool(instance.policies.get(MASKING, {}).get("enabled", True))


def opened_groups(instance: Instance) -> tuple[str, ...]:
    """Ids of the groups of shards and config servers whose addresses clients know, those that are
    gone by now included; none by default."""
    return tuple(instance.policies.get(OPENED, {}).get("groups", ()))
