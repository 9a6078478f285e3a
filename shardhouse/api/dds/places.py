"""Where an instance is, and from where it is reached."""

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.places import NetworkAnswer, ZoneItem, ZonesAnswer
from shardhouse.domain import policy

ENABLED = "ENABLED"


def list_zones(request: Request[Nothing, Nothing]) -> ZonesAnswer:
    """The installation's zones, and those the instance is in."""
    instance = request.instance()
    present = [node.availability_zone for node in instance.nodes]
    zones = dict.fromkeys([*request.service.settings.offered_zones, *present])
    return ZonesAnswer(
        az_list=[ZoneItem(code=zone, description=zone, status=ENABLED) for zone in zones]
    )


def show_network(request: Request[Nothing, Nothing]) -> NetworkAnswer:
    """The networks of clients."""
    instance = request.instance()
    return NetworkAnswer(
        instance_id=instance.id,
        client_network_ranges=list(policy.client_networks(instance)),
    )
