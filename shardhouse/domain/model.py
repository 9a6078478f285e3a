"""The nouns: instance, group, node, job. Values of the enumerations are the wire's own words."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """How an instance is built."""

    SHARDING = "Sharding"
    REPLICA_SET = "ReplicaSet"
    SINGLE = "Single"


class GroupType(StrEnum):
    """What the nodes of a group do."""

    MONGOS = "mongos"
    SHARD = "shard"
    CONFIG = "config"
    REPLICA = "replica"
    SINGLE = "single"

    @property
    def holds_data(self) -> bool:
        """Whether its nodes are mongods with a volume, forming a replica set."""
        return self is not GroupType.MONGOS


class Status(StrEnum):
    """Instance and node status (OTC DDS API, "Querying Instances")."""

    CREATING = "creating"
    NORMAL = "normal"
    ABNORMAL = "abnormal"
    CREATE_FAIL = "createfail"
    DATA_DISK_FULL = "data_disk_full"
    ENLARGE_FAIL = "enlargefail"
    DELETED = "deleted"


class Role(StrEnum):
    """What a node is in its group; `unknown` while it does not answer."""

    MASTER = "master"
    PRIMARY = "Primary"
    SECONDARY = "Secondary"
    HIDDEN = "Hidden"
    UNKNOWN = "unknown"


class JobStatus(StrEnum):
    """Whether a job still works."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


class StepStatus(StrEnum):
    """Where one step of a job stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True)
class BackupStrategy:
    """When automatic backups start (`hh:mm-HH:MM` UTC) and how many days they stay (0 = none)."""

    start_time: str = "00:00-01:00"
    keep_days: int = 7


@dataclass(frozen=True)
class Node:
    """One process of an instance. `address` is empty until it is leased."""

    id: str
    instance_id: str
    group_id: str
    ordinal: int
    name: str
    spec_code: str
    availability_zone: str
    address: str = ""
    port: int = 0
    status: Status = Status.CREATING
    role: Role = Role.UNKNOWN
    used_bytes: int = 0

    @property
    def host(self) -> str:
        """`address:port`, as MongoDB writes it."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Group:
    """Nodes that belong together: a replica set, or all mongos nodes. `size` is GB per member."""

    id: str
    instance_id: str
    type: GroupType
    ordinal: int
    name: str
    spec_code: str
    size: int
    nodes: tuple[Node, ...]

    @property
    def replica_set(self) -> str:
        """Name of its replica set (empty for mongos): `shard_N`, `config` or `replica`."""
        match self.type:
            case GroupType.MONGOS:
                return ""
            case GroupType.REPLICA | GroupType.SINGLE:
                return "replica"
            case _:
                return self.name


@dataclass(frozen=True)
class Instance:
    """A database instance. `request` is the creating call's body without its password: what we do
    not act on (network ids, disk key, tags ...) is echoed from it for the instance's whole life.
    """

    id: str
    project_id: str
    name: str
    mode: Mode
    status: Status
    version: str
    storage_engine: str
    engine_version: str
    port: int
    ssl: bool
    region: str
    availability_zone: str
    backup_strategy: BackupStrategy
    created_at: datetime
    updated_at: datetime
    request: dict[str, Any]
    #: Grows with every change of the instance or anything that belongs to it.
    revision: int = 0
    action: str = ""
    remark: str = ""
    maintenance_window: str = "02:00-06:00"
    tags: tuple[tuple[str, str], ...] = ()
    groups: tuple[Group, ...] = field(default=())

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, group by group."""
        return tuple(node for group in self.groups for node in group.nodes)

    def of_type(self, kind: GroupType) -> tuple[Group, ...]:
        """The groups of one type."""
        return tuple(group for group in self.groups if group.type is kind)


@dataclass(frozen=True)
class JobStep:
    """Progress of one step: `detail` says in words what it did or waits for."""

    name: str
    status: StepStatus = StepStatus.PENDING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    detail: str = ""


@dataclass(frozen=True)
class Job:
    """A durable operation on an instance; its id is also its workflow's id."""

    id: str
    project_id: str
    instance_id: str
    instance_name: str
    name: str
    action: str
    status: JobStatus
    created_at: datetime
    ended_at: datetime | None = None
    fail_reason: str | None = None
    steps: tuple[JobStep, ...] = ()

    @property
    def progress(self) -> int:
        """Percent of the steps that are done, 0 to 100."""
        done = sum(step.status is StepStatus.COMPLETED for step in self.steps)
        return 100 * done // len(self.steps) if self.steps else 0
