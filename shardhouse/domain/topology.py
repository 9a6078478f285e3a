"""From a valid request to an instance with its groups and nodes: which processes there will be.

Source of names and members: OTC DDS API, "Querying Instances" examples.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle

from shardhouse.domain.creation import CreateRequest, GroupRequest
from shardhouse.domain.model import Group, GroupType, Instance, MemberRole, Mode, Node, Status

#: Members of each shard and of the config servers: Primary, Secondary, Hidden.
CLUSTER_MEMBERS = 3
SHARD_PORT = 8637
CONFIG_PORT = 8636
"""Where the nodes of shards and config servers listen, whatever the cluster's own port is (OTC DDS,
"Enabling IP Addresses of Shard and Config Nodes")."""
#: A replica set of "1" (older clients' default) has three members, as in the cloud.
_MEMBERS = {1: 3}


class Ids:
    """Makes ids: 32 hex characters and the suffix that says what they name."""

    def __init__(self, unique: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._unique = unique

    def instance(self) -> str:
        """Id of an instance."""
        return f"{self._unique()}in02"

    def group(self) -> str:
        """Id of a group."""
        return f"{self._unique()}gr02"

    def node(self) -> str:
        """Id of a node."""
        return f"{self._unique()}no02"

    def backup(self) -> str:
        """Id of a backup."""
        return f"{self._unique()}br02"

    def configuration(self) -> str:
        """Id of a parameter template."""
        return f"{self._unique()}pr02"


@dataclass(frozen=True)
class _Shape:
    """A group to make: its name, and how many nodes it has."""

    name: str
    members: int


def plan_instance(
    request: CreateRequest,
    *,
    project_id: str,
    engine_version: str,
    ids: Ids,
    now: datetime,
    engine_build: str = "",
) -> Instance:
    """The instance a request describes, `creating`, its nodes without addresses yet."""
    instance_id = ids.instance()
    groups = tuple(
        _group(shape, ordinal, wanted, request, instance_id, ids)
        for wanted in request.groups
        for ordinal, shape in enumerate(_shapes(wanted), start=1)
    )
    return Instance(
        id=instance_id,
        project_id=project_id,
        name=request.name,
        mode=request.mode,
        status=Status.CREATING,
        version=request.version,
        storage_engine=request.storage_engine,
        engine_version=engine_version,
        engine_build=engine_build,
        port=request.port,
        ssl=request.ssl,
        region=request.region,
        availability_zone=",".join(request.zones),
        backup_strategy=request.backup_strategy,
        created_at=now,
        updated_at=now,
        request=request.echo,
        tags=request.tags,
        groups=groups,
    )


def member_role(kind: GroupType, number: int, members: int) -> MemberRole:
    """What the node with this number is in a new group: the last of three or more is hidden."""
    if not kind.holds_data:
        return MemberRole.NONE
    return MemberRole.HIDDEN if number == members >= 3 else MemberRole.VOTER


def node_port(kind: GroupType, port: int) -> int:
    """The port that a new node of a group is for, in an instance whose own is `port`."""
    return {GroupType.SHARD: SHARD_PORT, GroupType.CONFIG: CONFIG_PORT}.get(kind, port)


def create_job_name(mode: Mode) -> str:
    """Name of the creating job (Huawei DDS, "Querying a Task")."""
    return {
        Mode.SHARDING: "CreateMongoDB",
        Mode.REPLICA_SET: "CreateMongoDBReplica",
        Mode.SINGLE: "CreateMongoDBReplicaSingle",
    }[mode]


def _shapes(wanted: GroupRequest) -> list[_Shape]:
    match wanted.type:
        case GroupType.SHARD:
            return [_Shape(f"shard_{n}", CLUSTER_MEMBERS) for n in range(1, wanted.number + 1)]
        case GroupType.CONFIG:
            return [_Shape("config", CLUSTER_MEMBERS)]
        case GroupType.REPLICA:
            return [_Shape("replica", _MEMBERS.get(wanted.number, wanted.number))]
        case _:
            return [_Shape(str(wanted.type), wanted.number)]


def _group(
    shape: _Shape,
    ordinal: int,
    wanted: GroupRequest,
    request: CreateRequest,
    instance_id: str,
    ids: Ids,
) -> Group:
    group_id = ids.group()
    zones = cycle(request.zones)
    nodes = tuple(
        Node(
            id=ids.node(),
            instance_id=instance_id,
            group_id=group_id,
            ordinal=number,
            name=f"{request.name}_{shape.name}_node_{number}",
            spec_code=wanted.flavor.spec_code,
            availability_zone=next(zones),
            port=node_port(wanted.type, request.port),
            member=member_role(wanted.type, number, shape.members),
        )
        for number in range(1, shape.members + 1)
    )
    return Group(
        id=group_id,
        instance_id=instance_id,
        type=wanted.type,
        ordinal=ordinal,
        name=shape.name,
        spec_code=wanted.flavor.spec_code,
        size=wanted.size,
        nodes=nodes,
    )
