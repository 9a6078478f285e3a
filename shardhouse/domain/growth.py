"""Nodes and shards that come to an instance that exists: what they are and what they are called."""

from collections.abc import Iterable, Sequence
from itertools import cycle

from shardhouse.domain.model import Group, GroupType, Instance, MemberRole, Node
from shardhouse.domain.topology import CLUSTER_MEMBERS, Ids, member_role, node_port


def new_nodes(
    instance: Instance,
    group: Group,
    number: int,
    ids: Ids,
    *,
    spec_code: str,
    member: MemberRole,
    zones: Sequence[str] = (),
    delay: int = 0,
) -> tuple[Node, ...]:
    """More nodes of a group, in the zones that have the fewest of them where none are given."""
    first = max((node.ordinal for node in group.nodes), default=0) + 1
    replica = member is MemberRole.READ_REPLICA
    stem = "readonly" if replica and group.type is GroupType.REPLICA else group.name
    if replica and group.type is not GroupType.REPLICA:
        stem = f"{group.name}_readonly"
    spread = cycle(zones or _emptiest_first(instance, group.nodes))
    return tuple(
        Node(
            id=ids.node(),
            instance_id=instance.id,
            group_id=group.id,
            ordinal=ordinal,
            name=f"{instance.name}_{stem}_node_{ordinal}",
            spec_code=spec_code,
            availability_zone=next(spread),
            port=node_port(group.type, instance.port),
            member=member,
            delay=delay,
            size=group.size if replica else 0,
        )
        for ordinal in range(first, first + number)
    )


def new_shards(
    instance: Instance, number: int, ids: Ids, *, spec_code: str, size: int
) -> tuple[Group, ...]:
    """More shards. A number is not used again while a shard with a higher one exists."""
    first = max(group.ordinal for group in instance.of_type(GroupType.SHARD)) + 1
    return tuple(
        _shard(instance, ordinal, ids, spec_code, size) for ordinal in range(first, first + number)
    )


def _shard(instance: Instance, ordinal: int, ids: Ids, spec_code: str, size: int) -> Group:
    group_id = ids.group()
    name = f"shard_{ordinal}"
    zones = cycle(instance.availability_zone.split(","))
    nodes = tuple(
        Node(
            id=ids.node(),
            instance_id=instance.id,
            group_id=group_id,
            ordinal=number,
            name=f"{instance.name}_{name}_node_{number}",
            spec_code=spec_code,
            availability_zone=next(zones),
            port=node_port(GroupType.SHARD, instance.port),
            member=member_role(GroupType.SHARD, number, CLUSTER_MEMBERS),
        )
        for number in range(1, CLUSTER_MEMBERS + 1)
    )
    return Group(group_id, instance.id, GroupType.SHARD, ordinal, name, spec_code, size, nodes)


def _emptiest_first(instance: Instance, nodes: Iterable[Node]) -> list[str]:
    """The instance's zones, those with the fewest of these nodes first."""
    present = [node.availability_zone for node in nodes]
    return sorted(instance.availability_zone.split(","), key=present.count)
