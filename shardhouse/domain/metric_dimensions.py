"""What metrics are about, as clients name it: two vocabularies, of which OTC documents one and
Huawei the other. Lists have that of the dialect, queries may have either."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shardhouse.domain.metrics import Kind, kind_of
from shardhouse.domain.model import Group, Instance, Node

Dimensions = tuple[tuple[str, str], ...]
"""Names and ids, the instance's first."""


@dataclass(frozen=True)
class Vocabulary:
    """The names of an instance and of its nodes."""

    instance: str
    nodes: Mapping[Kind, str]

    def of(self, instance: Instance, place: tuple[Group, Node] | None = None) -> Dimensions:
        """The dimensions of an instance as a whole, or of a node."""
        whole = (self.instance, instance.id)
        if place is None:
            return (whole,)
        return (whole, (self.nodes[kind_of(*place)], place[1].id))

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return frozenset({self.instance, *self.nodes.values()})


VOCABULARIES: Mapping[str, Vocabulary] = {
    "otc": Vocabulary(
        "mongodb_cluster_id",
        {
            Kind.ROUTER: "mongos_instance_id",
            Kind.PRIMARY: "mongod_primary_instance_id",
            Kind.SECONDARY: "mongod_secondary_instance_id",
        },
    ),
    "huawei": Vocabulary("mongodb_instance_id", dict.fromkeys(Kind, "mongodb_node_id")),
}
"""By dialect."""


def spoken(names: Iterable[str], dialect: str) -> Vocabulary:
    """The vocabulary of a query that has these names; the dialect's where it has none."""
    given = set(names)
    for vocabulary in VOCABULARIES.values():
        if given & vocabulary.names:
            return vocabulary
    return VOCABULARIES[dialect]


def resource_of(dimensions: Iterable[tuple[str, str]], own: Iterable[Instance]) -> str | None:
    """The id of the node that a query is about, or else of the instance; None where none of `own`
    is meant. A node may be named with another role than it has, for roles change."""
    wanted = dict(dimensions)
    instance_names = {one.instance for one in VOCABULARIES.values()}
    known = frozenset[str]().union(*(one.names for one in VOCABULARIES.values()))
    instance_ids = {wanted[name] for name in instance_names & wanted.keys()}
    node_ids = {wanted[name] for name in (known - instance_names) & wanted.keys()}
    if not wanted or wanted.keys() - known or len(node_ids) > 1 or len(instance_ids) > 1:
        return None
    for instance in own:
        if instance_ids <= {instance.id}:
            if not node_ids:
                return instance.id
            if node_ids <= {node.id for node in instance.nodes}:
                return next(iter(node_ids))
    return None
