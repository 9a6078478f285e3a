"""What a call's `target_type` and `target_id` mean: pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from shardhouse import error_codes as codes
from shardhouse.domain.model import Group, GroupType, Instance, Mode, Node
from shardhouse.errors import DdsError, bad_parameter


@dataclass(frozen=True)
class Targets:
    """The nodes that a call is about, all of these groups, or one `node` of its group."""

    groups: tuple[Group, ...]
    node: Node | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, group by group."""
        if self.node is not None:
            return (self.node,)
        return tuple(node for group in self.groups for node in group.nodes)

    @property
    def node_ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(node.id for node in self.nodes)


def whole(instance: Instance) -> Targets:
    """All nodes of an instance."""
    return Targets(instance.groups)


def part(instance: Instance, kind: str, target_id: str) -> Targets:
    """A part of a cluster: with `mongos` one node; with `shard` or `config` a group, named by its
    id or by that of one of its nodes. Raises DdsError: 400 for another mode, 404 for an unknown
    id."""
    if instance.mode is not Mode.SHARDING:
        raise bad_parameter(
            "target_type",
            f"a {instance.mode} instance has no parts of a type, got {kind}",
            codes.NODE_TYPE_MISMATCH,
        )
    for group in instance.of_type(GroupType(kind)):
        node = next((node for node in group.nodes if node.id == target_id), None)
        if kind == GroupType.MONGOS:
            if node is not None:
                return Targets((group,), node)
        elif node is not None or group.id == target_id:
            return Targets((group,))
    raise unknown("target_id", f"{kind} of instance {instance.id}", target_id)


def node(instance: Instance, field: str, node_id: str) -> Targets:
    """One node. Raises DdsError 404 for an unknown one."""
    group = instance.group_of(node_id)
    if group is None:
        raise unknown(field, f"node of instance {instance.id}", node_id)
    return Targets((group,), next(node for node in group.nodes if node.id == node_id))


def replica_group(instance: Instance, field: str, group_id: str) -> Group:
    """The replica set that a group id names: a cluster has several, so it must come there. Raises
    DdsError: 400 without one, 404 for an unknown one."""
    groups: Sequence[Group] = instance.data_groups
    if not group_id:
        if len(groups) == 1:
            return groups[0]
        raise bad_parameter(field, "the id of a shard or of the config servers is required")
    found = next((group for group in groups if group.id == group_id), None)
    if found is None:
        raise unknown(field, f"group of instance {instance.id}", group_id)
    return found


def unknown(field: str, kind: str, target_id: str) -> DdsError:
    """404 for an id that names no such part."""
    return DdsError(codes.NODE_NOT_FOUND, f"{field}: {target_id} is not a {kind}.")
