"""Subnets, one of each network."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.neutron.wire import common, listing, named
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, given
from shardhouse.domain.networks import check_address, pool
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import Subnet
from shardhouse.store.neighbours.rows import NETWORKS, SUBNETS

router = APIRouter()

PATH = "/v2.0/subnets"


@router.post(PATH)
def create_subnet(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: a new subnet of a network that has none."""
    fields = Fields(body).object("subnet")
    version = fields.value("ip_version")
    if version not in (None, 4, "4"):
        raise NeighbourError(Reason.SUBNET_INVALID, f"ip_version: 4 is possible, got {version}.")
    values = {"name": "", **_changes(fields)}
    with scope.database.write() as connection:
        network = networks.get(connection, NETWORKS, scope.project_id, fields.text("network_id"))
        made = networks.add_subnet(
            connection,
            network,
            cidr=fields.text("cidr"),
            gateway_ip=fields.optional_text("gateway_ip"),
            has_gateway=not fields.gives("gateway_ip") or "gateway_ip" in fields,
            **values,
        )
    return JSONResponse({"subnet": _subnet(made)}, 201)


@router.get(PATH)
def list_subnets(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's subnets, a page of them."""
    with scope.database.read() as connection:
        found = SUBNETS.find(connection, project_id=scope.project_id)
    return listing(request, "subnets", [_subnet(subnet) for subnet in found])


@router.get(PATH + "/{subnet_id}")
def show_subnet(scope: ScopeIn, subnet_id: str) -> JSONResponse:
    """One subnet."""
    with scope.database.read() as connection:
        found = networks.get(connection, SUBNETS, scope.project_id, subnet_id)
    return JSONResponse({"subnet": _subnet(found)})


@router.put(PATH + "/{subnet_id}")
def change_subnet(scope: ScopeIn, body: BodyIn, subnet_id: str) -> JSONResponse:
    """200: the subnet with what was given."""
    fields = Fields(body).object("subnet")
    changes = _changes(fields)
    if fields.gives("gateway_ip"):
        changes["gateway_ip"] = fields.optional_text("gateway_ip") or ""
    with scope.database.write() as connection:
        found = networks.get(connection, SUBNETS, scope.project_id, subnet_id)
        changed = networks.change_subnet(connection, found, changes)
    return JSONResponse({"subnet": _subnet(changed)})


@router.delete(PATH + "/{subnet_id}")
def delete_subnet(scope: ScopeIn, subnet_id: str) -> Response:
    """204: gone; 409 while it has ports, also a router's, or database instances."""
    with scope.database.write() as connection:
        networks.remove_subnet(
            connection, networks.get(connection, SUBNETS, scope.project_id, subnet_id)
        )
    return Response(status_code=204)


def _changes(fields: Fields) -> dict[str, Any]:
    servers = fields.optional_texts("dns_nameservers")
    for address in servers:
        check_address("dns_nameservers", address, Reason.SUBNET_INVALID)
    return named(fields) | given(
        enable_dhcp=fields.optional_flag("enable_dhcp"),
        dns_nameservers=servers if "dns_nameservers" in fields else None,
    )


def _subnet(subnet: Subnet) -> dict[str, Any]:
    first, last = pool(subnet.cidr, subnet.gateway_ip)
    return {
        **common(subnet),
        "description": subnet.description,
        "network_id": subnet.network_id,
        "cidr": subnet.cidr,
        "ip_version": 4,
        "gateway_ip": subnet.gateway_ip or None,
        "enable_dhcp": subnet.enable_dhcp,
        "dns_nameservers": list(subnet.dns_nameservers),
        "allocation_pools": [{"start": first, "end": last}],
        "host_routes": [],
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
        "subnetpool_id": None,
    }
