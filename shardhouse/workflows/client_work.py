"""What clients run at the nodes of an instance now, as the members of its replica sets list them.

A router is not asked: `__system` sees no operations there, and what it waits for runs at shards.
Which of several routers an operation came through, the system's connections say.
"""

from collections.abc import Callable, Iterable

from pymongo.errors import PyMongoError

from shardhouse.domain.model import Instance, Node
from shardhouse.mongo.admin import Client, Clients
from shardhouse.mongo.client_operations import ClientOperation
from shardhouse.nodes.runtime import Endpoint, NodeRef
from shardhouse.workflows.context import Context, parallel_map

Read = Callable[[Client, str], list[ClientOperation]]


def at_members(clients: Clients, nodes: Iterable[Node], read: Read) -> list[ClientOperation]:
    """What clients run at these members; those that do not answer are left out."""

    def of_member(node: Node) -> list[ClientOperation]:
        try:
            return read(clients[node.host], node.host)
        except PyMongoError:
            return []

    return [one for found in parallel_map(of_member, nodes) for one in found]


def through_router(
    context: Context, instance: Instance, router: Node, found: Iterable[ClientOperation]
) -> list[ClientOperation]:
    """Those of the operations at members that came through this router."""
    endpoints = {Endpoint(address, router.port) for address in (router.address, router.public_ip)}
    peers = {
        f"{one.there.address}:{one.there.port}"
        for one in context.runtime.connections(NodeRef(instance.id, router.id))
        if one.here in endpoints
    }
    return [one for one in found if one.routed and one.id is not None and one.client in peers]
