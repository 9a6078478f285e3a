"""Names of nodes in the DNS, for clients that verify TLS certificates by name.

A node's name is `<group>-<number>.<instance id>.<domain>`, for example
`mongos-1.8f1c...in02.db.example.com`; what comes after its first dot names the instance.
"""

from shardhouse.domain.model import GroupType, Instance, Node

#: Groups whose nodes clients connect to; shards and config servers are internal.
CLIENT_FACING = frozenset({GroupType.MONGOS, GroupType.REPLICA, GroupType.SINGLE})


def dns_names(instance: Instance, domain: str | None) -> dict[str, str]:
    """The name of each node, by its id. Empty where it has none: without a domain, without TLS,
    and inside a cluster."""
    return {
        node.id: f"{group.type}-{node.ordinal}.{instance.id}.{domain}"
        if domain and instance.ssl and group.type in CLIENT_FACING
        else ""
        for group in instance.groups
        for node in group.nodes
    }


def certificate_names(node: Node) -> list[str]:
    """What a node's certificate is valid for beside its address: its name and the instance's."""
    return [node.dns_name, node.dns_name.partition(".")[2]] if node.dns_name else []
