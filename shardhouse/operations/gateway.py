"""Ports of public IPs that lead to nodes through NAT gateways (DNAT rules).

Unlike a public IP that is bound to a node, nothing changes for the node: it neither restarts nor
listens anywhere else, and no other port of it can be reached.
"""

import structlog
from pymongo.errors import PyMongoError

from shardhouse import error_codes as codes
from shardhouse.contract.addresses import BIND_PUBLIC_GATEWAY, UNBIND_PUBLIC_GATEWAY, GatewayBody
from shardhouse.contract.call import Nothing
from shardhouse.domain import targets
from shardhouse.domain.change import Change
from shardhouse.domain.model import Gateway, Instance
from shardhouse.errors import DdsError
from shardhouse.operations.bind import without_address
from shardhouse.operations.tasks import provision
from shardhouse.workflows.context import Context
from shardhouse.workflows.operation import Asked, Edit

log = structlog.get_logger()


def wanted(body: GatewayBody, address: str = "") -> Gateway:
    """The gateway that is asked for; `address` is its public IP's, where that matters."""
    return Gateway(body.nat_gateway_id, body.public_ip_id, body.external_service_port, address)


def _bind(asked: Asked[GatewayBody]) -> Change:
    node = without_address(asked.instance, asked.path)
    return Change(gateways={node.id: wanted(asked.body)})


def _unbind(asked: Asked[Nothing]) -> Change:
    """Raises DdsError: 404 for an unknown node, 400 for one that no gateway leads to."""
    node = targets.node(asked.instance, "node_id", asked.path["node_id"]).node
    assert node is not None
    if node.gateway is None:
        raise DdsError(codes.GATEWAY_NOT_BOUND, f"No public gateway leads to node {node.name}.")
    return Change(gateways={node.id: None})


def certify(context: Context, instance: Instance, node_id: str) -> None:
    """The certificate of a node, if it has one, names the addresses by which clients reach it: from
    now on, or from its next start on where its release loads none while it runs."""
    if not instance.ssl:
        return
    _, node = instance.place_of(node_id)
    provision.write_files(context, instance, [node], context.secrets(instance.id))
    with context.clients(instance) as clients:
        try:
            clients[node.host].admin.command("rotateCertificates")
        except PyMongoError as error:
            log.warning("certificate not loaded", node=node.id, reason=str(error))


BIND = Edit(BIND_PUBLIC_GATEWAY, _bind)
UNBIND = Edit(UNBIND_PUBLIC_GATEWAY, _unbind)
