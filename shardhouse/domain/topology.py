"""From a valid request to an instance with its groups and nodes: which processes there will be.

Source of names and members: OTC DDS API, "Querying Instances" examples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle

from shardhouse.domain.creation import CreateRequest, GroupRequest
from shardhouse.domain.model import Group, GroupType, Instance, Mode, Node, Status

#: Members of each shard and of the config servers: Primary, Secondary, Hidden.
CLUSTER_MEMBERS = 3
#: A replica set of "1" (older clients' default) has three members, as in the cloud.
_MEMBERS = {1: 3}


class Ids:
    """Makes ids: 32 hex characters and the suffix that tells what they name."""

    def __init__(self, unique: Callable[[], str]) -> None:
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


@dataclass(frozen=True)
class _Shape:
    """A group to make: its name, and how many nodes it has."""

    name: str
    members: int


def plan_instance(
    request: CreateRequest, *, project_id: str, engine_version: str, ids: Ids, now: datetime
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


def is_hidden(group: Group, node: Node) -> bool:
    """Whether a node is its replica set's hidden member: the last of three or more."""
    return group.type.holds_data and len(group.nodes) >= 3 and node.ordinal == len(group.nodes)


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
            port=request.port,
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
