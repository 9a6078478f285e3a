"""What is measured of an instance when it is asked for."""

from collections import Counter

from shardhouse import error_codes as codes
from shardhouse.api.dds import wire
from shardhouse.api.dds.answering import answering
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.measurements import (
    MOST_CLIENTS,
    ClientItem,
    ConnectionsAnswer,
    ConnectionsQuery,
    DatabaseItem,
    DatabasesAnswer,
    DatabasesQuery,
    DiskUsageAnswer,
    SetNameAnswer,
    VolumeItem,
)
from shardhouse.domain.model import Group, GroupType, Instance, Node
from shardhouse.errors import DdsError
from shardhouse.mongo import databases
from shardhouse.nodes.runtime import Connection, Endpoint, NodeRef
from shardhouse.workflows.context import Context, parallel_map, refs, set_plan

PATIENCE = 10.0
"""Seconds a node has to answer."""


def list_databases(request: Request[DatabasesQuery, Nothing]) -> DatabasesAnswer:
    """A page of the databases, by name."""
    query, instance = request.query, request.instance()
    context = request.service.context
    sets = [set_plan(g).visible for g in instance.data_groups if g.type is not GroupType.CONFIG]
    with answering(instance), context.clients(instance, patience=PATIENCE) as clients:
        parts = parallel_map(lambda hosts: databases.of_set(hosts, clients), sets)
    found = databases.merged(one for part in parts for one in part)
    items = [
        DatabaseItem(
            name=one.name,
            data_size=wire.gigabytes(one.data),
            storage_size=wire.gigabytes(one.storage),
            collection_num=len(one.collections),
        )
        for one in found[query.offset : query.offset + query.limit]
    ]
    return DatabasesAnswer(databases=items, total_count=len(found))


def show_disk_usage(request: Request[Nothing, Nothing]) -> DiskUsageAnswer:
    """How full each volume is now."""
    instance, context = request.instance(), request.service.context
    return DiskUsageAnswer(
        volumes=[_volume(context, instance, group) for group in instance.data_groups]
    )


def _volume(context: Context, instance: Instance, group: Group) -> VolumeItem:
    named = group.type in (GroupType.SHARD, GroupType.CONFIG)
    used = [context.runtime.usage(NodeRef(instance.id, node.id)).data for node in group.nodes]
    return VolumeItem(
        entity_id=group.id if named else instance.id,
        entity_name=group.name if named else instance.name,
        group_type=group.type,
        used=wire.gigabytes(max(used, default=0)),
        size=str(group.size),
    )


def show_connections(request: Request[ConnectionsQuery, Nothing]) -> ConnectionsAnswer:
    """Who is connected now."""
    instance, runtime = request.instance(), request.service.context.runtime
    asked = _asked(instance, request.query.node_id)
    chosen = {
        Endpoint(address, node.port) for node in asked for address in (node.address, node.public_ip)
    }
    # Those through a gateway are passed on by ourselves.
    chosen |= {Endpoint(one.gateway.address, one.gateway.port) for one in asked if one.gateway}
    owners = (None, *refs(instance))
    first = {one for ref in owners for one in runtime.connections(ref)}
    # One that was opened while the others were looked at may belong to one of ours, too.
    ours = first.union(one for ref in owners for one in runtime.connections(ref))
    inward = [one for one in first if one.here in chosen]
    # Both ends tell: connections to different nodes may begin at the same port.
    internal = {one for one in inward if Connection(one.there, one.here) in ours}
    inner = Counter(one.there.address for one in internal)
    outer = Counter(one.there.address for one in inward if one not in internal)
    return ConnectionsAnswer(
        total_connections=inner.total() + outer.total(),
        total_inner_connections=inner.total(),
        total_outer_connections=outer.total(),
        inner_connections=_counted(inner),
        outer_connections=_counted(outer),
    )


def _asked(instance: Instance, node_id: str) -> list[Node]:
    if node_id:
        chosen = [node for node in instance.nodes if node.id == node_id]
        if not chosen:
            raise DdsError(codes.NODE_NOT_FOUND, f"Instance {instance.id} has no node {node_id}.")
        return chosen
    routers = instance.of_type(GroupType.MONGOS)
    return list(routers[0].nodes if routers else instance.nodes)


def _counted(clients: Counter[str]) -> list[ClientItem]:
    most = sorted(clients.items(), key=lambda item: (-item[1], item[0]))[:MOST_CLIENTS]
    return [ClientItem(client_ip=address, count=count) for address, count in most]


def show_set_name(request: Request[Nothing, Nothing]) -> SetNameAnswer:
    """The replica set's name."""
    return SetNameAnswer(name=request.instance().groups[0].replica_set)
