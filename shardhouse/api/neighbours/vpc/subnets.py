"""Subnets of VPCs. A subnet's id is that of its network in Neutron, where it has another itself."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.wire import (
    BodyIn,
    ScopeIn,
    filtered,
    given,
    moment,
    page,
    sized_text,
)
from shardhouse.domain.networks import check_address
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import ROUTER_INTERFACE, Subnet
from shardhouse.store.neighbours.rows import NETWORKS, PORTS, SUBNETS, VPCS

router = APIRouter()

PATH = "/v1/{project_id}/subnets"
VPC_PATH = "/v1/{project_id}/vpcs/{vpc_id}/subnets/{subnet_id}"
STATUS = "ACTIVE"


@router.post(PATH)
def create_subnet(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new subnet of the VPC `vpc_id`."""
    fields = Fields(body).object("subnet")
    values = {"name": fields.text("name"), "description": "", **_changes(fields)}
    zone = sized_text(fields, "availability_zone", Reason.SUBNET_INVALID, 64)
    with scope.database.write() as connection:
        vpc = networks.get(connection, VPCS, scope.project_id, fields.text("vpc_id"))
        _, subnet = networks.add_vpc_subnet(
            connection,
            vpc,
            cidr=fields.text("cidr"),
            gateway_ip=fields.optional_text("gateway_ip"),
            **given(availability_zone=zone),
            **values,
        )
    return JSONResponse({"subnet": _subnet(subnet, vpc.id)})


@router.get(PATH)
def list_subnets(request: Request, scope: ScopeIn) -> JSONResponse:
    """The subnets of the project's VPCs, or of `?vpc_id=`; a page of them."""
    with scope.database.read() as connection:
        vpcs = _vpcs(connection, scope.project_id)
        found = SUBNETS.find(connection, project_id=scope.project_id)
    shown = [_subnet(subnet, vpcs[subnet.id]) for subnet in found if subnet.id in vpcs]
    items, _ = page(request, filtered(request, shown))
    return JSONResponse({"subnets": items})


@router.get(PATH + "/{subnet_id}")
def show_subnet(scope: ScopeIn, subnet_id: str) -> JSONResponse:
    """One subnet."""
    with scope.database.read() as connection:
        return JSONResponse({"subnet": _subnet(*_get(connection, scope.project_id, subnet_id))})


@router.put(VPC_PATH)
def change_subnet(scope: ScopeIn, body: BodyIn, vpc_id: str, subnet_id: str) -> JSONResponse:
    """200: id and status, as documented."""
    changes = _changes(Fields(body).object("subnet"))
    with scope.database.write() as connection:
        subnet = _get_in_vpc(connection, scope.project_id, vpc_id, subnet_id)
        networks.change_subnet(connection, subnet, changes)
        if "name" in changes:
            NETWORKS.change(connection, subnet_id, {"name": changes["name"]})
    return JSONResponse({"subnet": {"id": subnet_id, "status": STATUS}})


@router.delete(VPC_PATH)
def delete_subnet(scope: ScopeIn, vpc_id: str, subnet_id: str) -> Response:
    """204: gone; 409 while ports or database instances are in it."""
    with scope.database.write() as connection:
        subnet = _get_in_vpc(connection, scope.project_id, vpc_id, subnet_id)
        networks.remove_vpc_subnet(connection, subnet)
    return Response(status_code=204)


def _vpcs(connection: Connection, project_id: str) -> dict[str, str]:
    """The VPC of each subnet that has one, by the subnet's own id."""
    ports = PORTS.find(connection, project_id=project_id, device_owner=ROUTER_INTERFACE)
    return {port.subnet_id: port.device_id for port in ports}


def _get(connection: Connection, project_id: str, subnet_id: str) -> tuple[Subnet, str]:
    """A subnet and its VPC. Raises SUBNET_NOT_FOUND."""
    subnet = SUBNETS.first(connection, project_id=project_id, network_id=subnet_id)
    vpc_id = subnet and _vpcs(connection, project_id).get(subnet.id)
    if not (subnet and vpc_id):
        raise NeighbourError(Reason.SUBNET_NOT_FOUND, f"Subnet {subnet_id} does not exist.")
    return subnet, vpc_id


def _get_in_vpc(connection: Connection, project_id: str, vpc_id: str, subnet_id: str) -> Subnet:
    networks.get(connection, VPCS, project_id, vpc_id)
    subnet, its_vpc = _get(connection, project_id, subnet_id)
    if its_vpc != vpc_id:
        raise NeighbourError(
            Reason.SUBNET_OF_ANOTHER_VPC, f"Subnet {subnet_id} belongs to VPC {its_vpc}."
        )
    return subnet


def _changes(fields: Fields) -> dict[str, Any]:
    servers = fields.optional_texts("dnsList") or tuple(
        address
        for name in ("primary_dns", "secondary_dns")
        if (address := fields.optional_text(name))
    )
    for address in servers:
        check_address("subnet.dnsList", address, Reason.SUBNET_INVALID)
    options = None
    if "extra_dhcp_opts" in fields:
        options = [
            {"opt_name": option.text("opt_name"), "opt_value": option.optional_text("opt_value")}
            for option in fields.objects("extra_dhcp_opts")
        ]
    return given(
        name=sized_text(fields, "name", Reason.SUBNET_INVALID, 64),
        description=sized_text(fields, "description", Reason.SUBNET_INVALID),
        enable_dhcp=fields.optional_flag("dhcp_enable"),
        dns_nameservers=servers or None,
        extra_dhcp_opts=options,
    )


def _subnet(subnet: Subnet, vpc_id: str) -> dict[str, Any]:
    primary, secondary = (*subnet.dns_nameservers, "", "")[:2]
    return {
        "id": subnet.network_id,
        "name": subnet.name,
        "description": subnet.description,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "ipv6_enable": False,
        "dhcp_enable": subnet.enable_dhcp,
        "primary_dns": primary,
        "secondary_dns": secondary,
        "dnsList": list(subnet.dns_nameservers),
        "availability_zone": subnet.availability_zone,
        "vpc_id": vpc_id,
        "status": STATUS,
        "neutron_network_id": subnet.network_id,
        "neutron_subnet_id": subnet.id,
        "extra_dhcp_opts": list(subnet.extra_dhcp_opts),
        "tenant_id": subnet.project_id,
        "created_at": moment(subnet.created_at),
        "updated_at": moment(subnet.updated_at),
    }
