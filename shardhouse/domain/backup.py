"""Backups: what one is, what it holds, and when an automatic one is due. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shardhouse.domain.model import Group, Instance, MemberRole, Mode

ACTION = "BACKUP"
"""The word for a job that makes one, in an instance's `actions`."""


class BackupType(StrEnum):
    """Whether the policy had it made, or a client."""

    AUTO = "Auto"
    MANUAL = "Manual"


class BackupStatus(StrEnum):
    """Where a backup stands; `DISABLED` is being deleted (OTC DDS API, "Querying the Backup
    List")."""

    BUILDING = "BUILDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    DISABLED = "DISABLED"


@dataclass(frozen=True)
class GroupShape:
    """A group of the instance that was backed up: what a new one needs at least. `size` is GB per
    node."""

    id: str
    type: str
    name: str
    spec_code: str
    size: int
    nodes: int


@dataclass(frozen=True)
class Backup:
    """A full backup of an instance, which may be gone by now.

    `size` is its bytes in the storage. `tops` are the positions (`backups.positions`) of the newest
    entries that the copies of its replica sets hold, by group id; `consistent_at` is the first
    moment to which all of them together can be restored: of one set its top, of a cluster a cluster
    time after all copies. `shape` is how the instance was built.
    """

    id: str
    project_id: str
    instance_id: str
    instance_name: str
    name: str
    description: str
    type: BackupType
    status: BackupStatus
    begin_time: datetime
    mode: Mode
    version: str
    storage_engine: str
    engine_version: str
    shape: tuple[GroupShape, ...]
    end_time: datetime | None = None
    size: int = 0
    tops: Mapping[str, str] = field(default_factory=dict)
    consistent_at: str = ""
    stop_requested: bool = False


def shape(instance: Instance) -> tuple[GroupShape, ...]:
    """How an instance is built."""
    return tuple(
        GroupShape(
            group.id,
            group.type,
            group.name,
            group.spec_code,
            group.size,
            len(group.members),
        )
        for group in instance.groups
    )


def source_node(group: Group) -> str:
    """Id of the member that a group is copied from: the hidden one, which no client reads, else
    the last, which is seldom the primary."""
    hidden = [node for node in group.nodes if node.member is MemberRole.HIDDEN]
    return (hidden or list(group.members))[-1].id
