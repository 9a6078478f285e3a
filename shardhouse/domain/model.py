"""The nouns: instance, group, node, job. Values of the enumerations are the wire's own words."""

from collections.abc import Mapping
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
    #: Of flavors only: read replicas belong to the group of the replica set that they follow.
    READONLY = "readonly"

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
    #: Of nodes only, while a job works on them.
    REBOOT = "reboot"
    RESIZE_FLAVOR = "resize_flavor"
    BIND_EIP = "bind_eip"

    @property
    def at_work(self) -> bool:
        """Whether it says what a job does with a node, instead of how the node is."""
        return self in (Status.REBOOT, Status.RESIZE_FLAVOR, Status.BIND_EIP)


class Role(StrEnum):
    """What a node is in its group; `unknown` while it does not answer."""

    MASTER = "master"
    PRIMARY = "Primary"
    SECONDARY = "Secondary"
    HIDDEN = "Hidden"
    UNKNOWN = "unknown"


class MemberRole(StrEnum):
    """What a node is meant to be in its replica set. A router is in none."""

    NONE = ""
    VOTER = "voter"
    HIDDEN = "hidden"
    READ_REPLICA = "read_replica"


class JobStatus(StrEnum):
    """Whether a job still works. A scheduled job is pending until its window opens, or canceled."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


class StepStatus(StrEnum):
    """Where one step of a job stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True)
class BackupStrategy:
    """When automatic backups start (`hh:mm-HH:MM` UTC), how many days they stay (0 = none), and on
    which days of the week they are made (`1,2,...,7`; empty if the request left that open)."""

    start_time: str = "00:00-01:00"
    keep_days: int = 7
    period: str = ""


@dataclass(frozen=True)
class Gateway:
    """A port of a public IP that leads to a node through a NAT gateway (a DNAT rule). `address` is
    the public IP's, as the store knows it."""

    nat_gateway_id: str
    public_ip_id: str
    port: int
    address: str = ""


@dataclass(frozen=True)
class Node:
    """One process of an instance. `address` is empty until it is leased; `dns_name` is what clients
    elsewhere may call it, empty where it has no name. A read replica has a volume of its own `size`
    in GB, and stays `delay` seconds behind; other nodes' volumes are as large as their group says.
    `public_ip` is the address of the public IP that is bound to it, at which it listens as well;
    through its `gateway` it is reached without listening there.
    """

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
    dns_name: str = ""
    member: MemberRole = MemberRole.NONE
    delay: int = 0
    size: int = 0
    public_ip: str = ""
    gateway: Gateway | None = None

    @property
    def public_address(self) -> str:
        """The address of the public IP by which clients reach it, bound or through a gateway."""
        return self.gateway.address if self.gateway else self.public_ip

    @property
    def host(self) -> str:
        """`address:port`, as MongoDB writes it."""
        return f"{self.address}:{self.port}"

    @property
    def client_host(self) -> str:
        """What clients connect to: `name:port` where it has a name, else `host`."""
        return f"{self.dns_name or self.address}:{self.port}"


@dataclass(frozen=True)
class Group:
    """Nodes that belong together: a replica set, or all mongos nodes. `size` is GB per member,
    `scale_ups` how often a client has had it made larger; `set_name` is the replica set's name
    where it was given one."""

    id: str
    instance_id: str
    type: GroupType
    ordinal: int
    name: str
    spec_code: str
    size: int
    nodes: tuple[Node, ...]
    scale_ups: int = 0
    set_name: str = ""

    @property
    def members(self) -> tuple[Node, ...]:
        """Its nodes but for read replicas."""
        return tuple(node for node in self.nodes if node.member is not MemberRole.READ_REPLICA)

    @property
    def read_replicas(self) -> tuple[Node, ...]:
        """Its read replicas."""
        return tuple(node for node in self.nodes if node.member is MemberRole.READ_REPLICA)

    @property
    def replica_set(self) -> str:
        """Name of its replica set (empty for mongos): the one it was given, else `shard_N`,
        `config` or `replica`."""
        if self.set_name:
            return self.set_name
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
    Another security group replaces the one in it.
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
    #: What the instance does by itself, and what is noted about it, by kind: see `domain.policy`.
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Name of the build it runs on, which only an upgrade changes; empty in instances that are
    #: older than names of builds: then any of `engine_version` is it.
    engine_build: str = ""
    deleted_at: datetime | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, group by group."""
        return tuple(node for group in self.groups for node in group.nodes)

    @property
    def data_groups(self) -> tuple[Group, ...]:
        """The groups that are replica sets."""
        return tuple(group for group in self.groups if group.type.holds_data)

    @property
    def client_port(self) -> int:
        """Port of the first node, which clients connect to: `port`, the one asked for, wherever an
        address has it free."""
        return next((node.port for node in self.nodes), self.port)

    def group_of(self, node_id: str) -> Group | None:
        """The group a node belongs to; None if it is no node of this instance."""
        return next((g for g in self.groups for n in g.nodes if n.id == node_id), None)

    def place_of(self, node_id: str) -> tuple[Group, Node]:
        """A node of this instance, with its group."""
        return next((g, n) for g in self.groups for n in g.nodes if n.id == node_id)

    def group(self, group_id: str) -> Group | None:
        """A group by its id; None if it is none of this instance."""
        return next((group for group in self.groups if group.id == group_id), None)

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
    """A durable operation on an instance; its id is also its workflow's id. `arguments` are what
    the operation's steps are given, as JSON. While it runs, it keeps others from the instance if it
    `locks` it."""

    id: str
    project_id: str
    instance_id: str
    instance_name: str
    name: str
    action: str
    status: JobStatus
    created_at: datetime
    ended_at: datetime | None = None
    #: When a pending job may start.
    start_at: datetime | None = None
    fail_reason: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    steps: tuple[JobStep, ...] = ()
    locks: bool = True

    @property
    def progress(self) -> int:
        """Percent of the steps that are done, 0 to 100."""
        done = sum(step.status is StepStatus.COMPLETED for step in self.steps)
        return 100 * done // len(self.steps) if self.steps else 0
