"""Which rows of an instance a decision alters: what a plan returns and one transaction writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shardhouse.domain.backup import Backup
from shardhouse.domain.model import Gateway, Group, Instance, Node
from shardhouse.domain.transitions import Event, after

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """New values by the fields' names in `domain.model`: of the instance, and of its groups and
    nodes by their ids. The instance's status is what `event` makes of it. `tags` replaces all tags;
    `policies` replaces documents by kind, and None removes one. Groups and nodes may be added and
    removed; a node that is added names its group. `bindings` are the nodes that public IPs are
    bound to from now on, by their addresses; an empty one unbinds. `gateways` are those through
    which nodes are reached from now on, by the nodes' ids. What leads to a node that is removed is
    unbound. `add_backups` are begun.
    """

    instance: Values = field(default_factory=dict)
    event: Event | None = None
    groups: Mapping[str, Values] = field(default_factory=dict)
    nodes: Mapping[str, Values] = field(default_factory=dict)
    tags: tuple[tuple[str, str], ...] | None = None
    policies: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    add_groups: tuple[Group, ...] = ()
    add_nodes: tuple[Node, ...] = ()
    remove_groups: frozenset[str] = frozenset()
    remove_nodes: frozenset[str] = frozenset()
    bindings: Mapping[str, str] = field(default_factory=dict)
    add_backups: tuple[Backup, ...] = ()
    gateways: Mapping[str, Gateway | None] = field(default_factory=dict)

    @classmethod
    def of_instance(cls, **values: Any) -> "Change":
        """Fields of the instance itself."""
        return cls(instance=values)

    @classmethod
    def of_nodes(cls, node_ids: Iterable[str], **values: Any) -> "Change":
        """The same new values for several nodes."""
        return cls(nodes=dict.fromkeys(node_ids, values))

    def applied_to(self, instance: Instance) -> Instance:
        """The instance with the new values of its fields, groups and nodes."""
        groups = tuple(
            replace(
                group,
                **self.groups.get(group.id, {}),
                nodes=tuple(replace(node, **self.nodes.get(node.id, {})) for node in group.nodes),
            )
            for group in instance.groups
        )
        status = after(instance.status, self.event) if self.event else instance.status
        return replace(instance, **self.instance, status=status, groups=groups)

    def with_nodes(self, node_ids: Iterable[str], **values: Any) -> "Change":
        """This change, and new values for several nodes."""
        nodes = dict(self.nodes)
        for node_id in node_ids:
            nodes[node_id] = {**nodes.get(node_id, {}), **values}
        return replace(self, nodes=nodes)
