"""Addresses of nodes."""

from typing import Any

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.addresses import (
    BindAnswer,
    BindBody,
    GatewayAnswer,
    GatewayBody,
    GatewayNode,
    MoveAnswer,
    MoveBody,
    NodeAnswer,
    OpenAnswer,
    OpenBody,
)
from shardhouse.contract.call import Nothing
from shardhouse.domain.change import Change
from shardhouse.domain.model import GroupType, Instance, Node
from shardhouse.errors import DdsError, NeighbourError, bad_parameter
from shardhouse.nodes.runtime import Endpoint
from shardhouse.operations import bind, gateway, move_node, open_addresses
from shardhouse.operations.submit import Accepted
from shardhouse.store import instances
from shardhouse.store.neighbours import public_ips
from shardhouse.store.neighbours.records import PublicIp
from shardhouse.workflows.context import now


def bind_public_ip(request: Request[Nothing, BindBody]) -> BindAnswer:
    """Start binding. Raises DdsError 400 for a public IP that the project does not have, and for
    one that is bound to something else."""
    body, target = request.body, request.target
    found = _public_ip(request, body.public_ip_id)
    if found.address != body.public_ip:
        raise bad_parameter(
            "public_ip",
            f"public IP {found.id} has the address {found.address}, got {body.public_ip}",
            codes.PUBLIC_ADDRESS_INVALID,
        )
    try:
        accepted = request.service.submit.start(bind.BIND, target, body)
    except NeighbourError as error:
        raise DdsError(codes.PUBLIC_ADDRESS_NOT_BINDABLE, error.message) from None
    return BindAnswer(
        **node_answer(accepted).model_dump(),
        public_ip=body.public_ip,
        public_ip_id=body.public_ip_id,
    )


def bind_gateway(request: Request[Nothing, GatewayBody]) -> GatewayAnswer:
    """Have a port of a public IP lead to a node. Raises DdsError: what the call's rules refuse, 400
    for a public IP that the project does not have, one that is bound to something else, and a port
    at which nothing can listen."""
    body, service = request.body, request.service
    instance = request.ready_instance()
    node = bind.without_address(instance, request.path)
    public_ip = _public_ip(request, body.public_ip_id)
    wanted = gateway.wanted(body, public_ip.address)
    # First, so that no gateway outlives a crash which the node's certificate does not name.
    led_to = Change.of_nodes([node.id], gateway=wanted).applied_to(instance)
    gateway.certify(service.context, led_to, node.id)
    try:
        service.submit.edit(gateway.BIND, request.target, body)
    except NeighbourError as error:
        raise DdsError(codes.PUBLIC_ADDRESS_NOT_BINDABLE, error.message) from None
    failed = service.gateways.refresh()
    if reason := failed.get(Endpoint(wanted.address, wanted.port)):
        with service.database.write() as connection:
            instances.apply(connection, instance.id, Change(gateways={node.id: None}), now())
        raise DdsError(
            codes.PUBLIC_ADDRESS_NOT_BINDABLE,
            f"Nothing can listen at {wanted.address}:{wanted.port}: {reason}. Choose another port "
            "or another public IP.",
        )
    return GatewayAnswer(**gateway_node(instance, node).model_dump(), **body.model_dump())


def unbind_gateway(request: Request[Nothing, Nothing]) -> GatewayNode:
    """Have nothing lead to a node through a gateway; connections through it end."""
    service, node_id = request.service, request.path["node_id"]
    edited = service.submit.edit(gateway.UNBIND, request.target, request.body)
    service.gateways.refresh()
    instance = service.context.instance(edited.id)
    gateway.certify(service.context, instance, node_id)
    _, node = instance.place_of(node_id)
    return gateway_node(instance, node)


def gateway_node(instance: Instance, node: Node) -> GatewayNode:
    """The node that a gateway leads to, and its instance."""
    return GatewayNode(
        instance_id=instance.id,
        instance_name=instance.name,
        node_id=node.id,
        node_name=node.name,
    )


def _public_ip(request: Request[Any, Any], public_ip_id: str) -> PublicIp:
    try:
        with request.service.database.read() as connection:
            return public_ips.get(connection, request.project_id, public_ip_id)
    except NeighbourError as error:
        raise bad_parameter("public_ip_id", error.message, codes.PUBLIC_ADDRESS_INVALID) from None


def open_groups(request: Request[Nothing, OpenBody]) -> OpenAnswer:
    """Start showing addresses."""
    shards = request.body.type == GroupType.SHARD
    operation = open_addresses.OPEN_SHARDS if shards else open_addresses.OPEN_CONFIG
    return both_names(request.service.submit.start(operation, request.target, request.body))


def both_names(accepted: Accepted) -> OpenAnswer:
    """The job's id, as all clients read it."""
    return OpenAnswer(job_id=accepted.job.id, jobId=accepted.job.id)


def move(request: Request[Nothing, MoveBody]) -> MoveAnswer:
    """Start moving a node. Raises DdsError 400 for an address that nodes cannot have, and for one
    that a node has."""
    body, target, context = request.body, request.target, request.service.context
    if not context.runtime.offers(body.new_ip):
        networks = ", ".join(context.settings.node_network)
        raise bad_parameter(
            "new_ip",
            f"an address of this machine in node_network ({networks}) is required, got "
            f"{body.new_ip}",
            codes.ADDRESS_INVALID,
        )
    with request.service.database.read() as connection:
        taken = {address for address, _ in instances.leases(connection)}
    if body.new_ip in taken:
        raise bad_parameter("new_ip", f"a node has {body.new_ip}", codes.ADDRESS_TAKEN)
    accepted = request.service.submit.start(move_node.MOVE, target, body)
    return MoveAnswer(job_id=accepted.job.id, node_id=body.node_id, new_ip=body.new_ip)


def node_answer(accepted: Accepted) -> NodeAnswer:
    """The job's id, and the node that it is about."""
    node_id = accepted.job.arguments["node_id"]
    name = next(node.name for node in accepted.instance.nodes if node.id == node_id)
    return NodeAnswer(job_id=accepted.job.id, node_id=node_id, node_name=name)
