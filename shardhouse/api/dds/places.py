"""Where an instance is, and whence it is reached."""

from typing import Any

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.domain import policy

ENABLED = "ENABLED"


def list_zones(request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """The installation's zones, and those the instance is in."""
    instance = request.instance()
    present = [node.availability_zone for node in instance.nodes]
    zones = dict.fromkeys([*request.service.settings.offered_zones, *present])
    return {"az_list": [{"code": zone, "description": zone, "status": ENABLED} for zone in zones]}


def show_network(request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """The networks of clients."""
    instance = request.instance()
    return {
        "instance_id": instance.id,
        "client_network_ranges": list(policy.client_networks(instance)),
    }
