"""Floating IPs: the public IPs of VPC v1, as Neutron shows them."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.neutron.networks import EXTERNAL_ID
from shardhouse.api.neighbours.neutron.wire import common, listing
from shardhouse.api.neighbours.vpc.public_ips import bind
from shardhouse.api.neighbours.wire import BodyIn, Scope, ScopeIn, given, sized_text
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import public_ips
from shardhouse.store.neighbours.records import ROUTER_INTERFACE, PublicIp
from shardhouse.store.neighbours.rows import PORTS, PUBLIC_IPS

router = APIRouter()

PATH = "/v2.0/floatingips"


@router.post(PATH)
def create_floating_ip(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: a new public IP with a bandwidth of its own, of 1 Mbit/s on paper."""
    fields = Fields(body).object("floatingip")
    network_id = fields.text("floating_network_id")
    if network_id != EXTERNAL_ID:
        raise NeighbourError(
            Reason.NETWORK_NOT_FOUND, f"External network {network_id} does not exist."
        )
    with scope.database.write() as connection:
        wanted = fields.optional_text("floating_ip_address") or None
        made = lease(connection, scope, wanted, name=_description(fields) or "")
        if port_id := fields.optional_text("port_id"):
            made = bind(connection, made, port_id)
        return JSONResponse({"floatingip": _floating_ip(connection, made)}, 201)


@router.get(PATH)
def list_floating_ips(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's public IPs, a page of them."""
    with scope.database.read() as connection:
        found = PUBLIC_IPS.find(connection, project_id=scope.project_id)
        shown = [_floating_ip(connection, public_ip) for public_ip in found]
    return listing(request, "floatingips", shown)


@router.get(PATH + "/{floating_ip_id}")
def show_floating_ip(scope: ScopeIn, floating_ip_id: str) -> JSONResponse:
    """One public IP."""
    with scope.database.read() as connection:
        found = public_ips.get(connection, scope.project_id, floating_ip_id)
        return JSONResponse({"floatingip": _floating_ip(connection, found)})


@router.put(PATH + "/{floating_ip_id}")
def change_floating_ip(scope: ScopeIn, body: BodyIn, floating_ip_id: str) -> JSONResponse:
    """200: bound to `port_id`, or unbound where that is null; with another description."""
    fields = Fields(body).object("floatingip")
    changes = given(name=_description(fields))
    with scope.database.write() as connection:
        found = public_ips.get(connection, scope.project_id, floating_ip_id)
        found = PUBLIC_IPS.change(connection, found.id, changes)
        if fields.gives("port_id"):
            found = bind(connection, found, fields.optional_text("port_id") or "")
        return JSONResponse({"floatingip": _floating_ip(connection, found)})


@router.delete(PATH + "/{floating_ip_id}")
def delete_floating_ip(scope: ScopeIn, floating_ip_id: str) -> Response:
    """204: its address is free. A port it is bound to loses it, as in Neutron; 409 for a database
    node, which DDS unbinds."""
    with scope.database.write() as connection:
        found = public_ips.get(connection, scope.project_id, floating_ip_id)
        public_ips.release(connection, bind(connection, found, ""))
    return Response(status_code=204)


def lease(
    connection: Connection, scope: Scope, wanted: str | None = None, name: str = ""
) -> PublicIp:
    """A public IP with a bandwidth of its own. Raises PUBLIC_IPS_EXHAUSTED, PUBLIC_IP_TAKEN."""
    own = public_ips.add_bandwidth(connection, scope.project_id, "bandwidth-floatingip")
    return public_ips.lease(connection, scope.pool.addresses(), own, wanted=wanted, name=name)


def _description(fields: Fields) -> str | None:
    """What VPC v1 calls `alias`."""
    return sized_text(fields, "description", Reason.PUBLIC_IP_INVALID, 64)


def _floating_ip(connection: Connection, public_ip: PublicIp) -> dict[str, Any]:
    shown = common(public_ip)
    del shown["name"]
    port = PORTS.first(connection, id=public_ip.port_id) if public_ip.port_id else None
    interface = port and PORTS.first(
        connection, subnet_id=port.subnet_id, device_owner=ROUTER_INTERFACE
    )
    return {
        **shown,
        "description": public_ip.name,
        "status": public_ip.status,
        "floating_network_id": EXTERNAL_ID,
        "floating_ip_address": public_ip.address,
        "fixed_ip_address": public_ip.private_ip_address or None,
        "port_id": public_ip.port_id or None,
        "router_id": interface.device_id if interface else None,
        "dns_name": "",
        "dns_domain": "",
    }
