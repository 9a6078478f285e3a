"""Ports: addresses in subnets, with security groups."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.neutron.wire import common, listing, named
from shardhouse.api.neighbours.wire import BodyIn, Scope, ScopeIn, given, sized_text
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import ROUTER_INTERFACE, Network, Port, Subnet
from shardhouse.store.neighbours.rows import NETWORKS, PORTS, SECURITY_GROUPS, SUBNETS

router = APIRouter()

PATH = "/v2.0/ports"


@router.post(PATH)
def create_port(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: a new port at one address of the network's subnet."""
    fields = Fields(body).object("port")
    with scope.database.write() as connection:
        network = networks.get(connection, NETWORKS, scope.project_id, fields.text("network_id"))
        subnet, address = _place(connection, network, fields)
        values = _changes(connection, scope, fields)
        if "security_groups" not in values:
            values["security_groups"] = (networks.default_group(connection, scope.project_id).id,)
        _check_owner(values)
        made = networks.add_port(connection, subnet, ip_address=address, **values)
    return JSONResponse({"port": _port(made)}, 201)


@router.get(PATH)
def list_ports(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's ports, a page of them; `fixed_ips` and `security_groups` filter as well."""
    with scope.database.read() as connection:
        found = PORTS.find(connection, project_id=scope.project_id)
    wanted = [_pair(text) for text in request.query_params.getlist("fixed_ips")]
    groups = set(request.query_params.getlist("security_groups"))
    shown = [
        _port(port)
        for port in found
        if all(getattr(port, name) == value for name, value in wanted)
        and groups <= set(port.security_groups)
    ]
    return listing(request, "ports", shown)


@router.get(PATH + "/{port_id}")
def show_port(scope: ScopeIn, port_id: str) -> JSONResponse:
    """One port."""
    with scope.database.read() as connection:
        found = networks.get(connection, PORTS, scope.project_id, port_id)
    return JSONResponse({"port": _port(found)})


@router.put(PATH + "/{port_id}")
def change_port(scope: ScopeIn, body: BodyIn, port_id: str) -> JSONResponse:
    """200: the port with what was given; its address stays."""
    fields = Fields(body).object("port")
    with scope.database.write() as connection:
        found = networks.get(connection, PORTS, scope.project_id, port_id)
        changes = _changes(connection, scope, fields)
        if found.device_owner == ROUTER_INTERFACE and changes.keys() & {
            "device_id",
            "device_owner",
        }:
            raise NeighbourError(
                Reason.INTERFACE_IN_USE, f"Port {port_id} is an interface of a router."
            )
        _check_owner(changes)
        changed = PORTS.change(connection, found.id, changes)
    return JSONResponse({"port": _port(changed)})


@router.delete(PATH + "/{port_id}")
def delete_port(scope: ScopeIn, port_id: str) -> Response:
    """204: gone; 409 for a router's interface."""
    with scope.database.write() as connection:
        networks.remove_port(connection, networks.get(connection, PORTS, scope.project_id, port_id))
    return Response(status_code=204)


def _place(connection: Connection, network: Network, fields: Fields) -> tuple[Subnet, str | None]:
    """The subnet of a new port, and the address that is wanted."""
    subnet = SUBNETS.first(connection, network_id=network.id)
    if subnet is None:
        raise NeighbourError(
            Reason.INVALID, f"Network {network.id} has no subnet; ports have an address here."
        )
    wanted = fields.objects("fixed_ips") if "fixed_ips" in fields else ()
    if len(wanted) > 1:
        raise NeighbourError(Reason.INVALID, "fixed_ips: a port has one address here.")
    for place in wanted:
        if place.optional_text("subnet_id") not in (None, subnet.id):
            raise NeighbourError(
                Reason.INVALID, f"fixed_ips.subnet_id: {subnet.id} is the network's subnet."
            )
        return subnet, place.optional_text("ip_address")
    return subnet, None


def _changes(connection: Connection, scope: Scope, fields: Fields) -> dict[str, Any]:
    groups = None
    if "security_groups" in fields:
        groups = fields.texts("security_groups")
        for group_id in groups:
            networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
    return given(
        name=named(fields).get("name"),
        admin_state_up=fields.optional_flag("admin_state_up"),
        device_id=sized_text(fields, "device_id", Reason.INVALID),
        device_owner=sized_text(fields, "device_owner", Reason.INVALID),
        security_groups=groups,
    )


def _check_owner(values: dict[str, Any]) -> None:
    if values.get("device_owner") == ROUTER_INTERFACE:
        raise NeighbourError(
            Reason.INVALID, "device_owner: use add_router_interface for a router's interface."
        )


def _pair(text: str) -> tuple[str, str]:
    """`ip_address=192.0.2.1` or `subnet_id=...`."""
    name, _, value = text.partition("=")
    if name not in ("ip_address", "subnet_id"):
        raise NeighbourError(
            Reason.INVALID, f"fixed_ips: ip_address=... or subnet_id=..., got {text}."
        )
    return name, value


def _port(port: Port) -> dict[str, Any]:
    return {
        **common(port),
        "network_id": port.network_id,
        "fixed_ips": [{"subnet_id": port.subnet_id, "ip_address": port.ip_address}],
        "mac_address": port.mac_address,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "admin_state_up": port.admin_state_up,
        "status": "ACTIVE" if port.device_id else "DOWN",
        "security_groups": list(port.security_groups),
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "port_security_enabled": True,
    }
