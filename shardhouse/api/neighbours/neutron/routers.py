"""Routers, each of which is a VPC with the same id, and their interfaces in subnets."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.neutron.networks import EXTERNAL_ID
from shardhouse.api.neighbours.neutron.wire import common, listing, named
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, given
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import Port, Vpc
from shardhouse.store.neighbours.rows import PORTS, SUBNETS, VPCS, new_row

router = APIRouter()

PATH = "/v2.0/routers"


@router.post(PATH)
def create_router(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: a new router, which is a VPC without a block of its own."""
    row = {"name": "", **_changes(Fields(body).object("router"))}
    with scope.database.write() as connection:
        made = VPCS.add(connection, Vpc(**new_row(project_id=scope.project_id, **row)))
    return JSONResponse({"router": _router(made)}, 201)


@router.get(PATH)
def list_routers(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's routers, a page of them."""
    with scope.database.read() as connection:
        found = VPCS.find(connection, project_id=scope.project_id)
    return listing(request, "routers", [_router(vpc) for vpc in found])


@router.get(PATH + "/{router_id}")
def show_router(scope: ScopeIn, router_id: str) -> JSONResponse:
    """One router."""
    with scope.database.read() as connection:
        found = networks.get(connection, VPCS, scope.project_id, router_id)
    return JSONResponse({"router": _router(found)})


@router.put(PATH + "/{router_id}")
def change_router(scope: ScopeIn, body: BodyIn, router_id: str) -> JSONResponse:
    """200: the router with what was given."""
    changes = _changes(Fields(body).object("router"))
    with scope.database.write() as connection:
        found = networks.get(connection, VPCS, scope.project_id, router_id)
        changed = networks.change_vpc(connection, found, changes)
    return JSONResponse({"router": _router(changed)})


@router.delete(PATH + "/{router_id}")
def delete_router(scope: ScopeIn, router_id: str) -> Response:
    """204: gone; 409 while it has interfaces or database instances."""
    with scope.database.write() as connection:
        networks.remove_vpc(connection, networks.get(connection, VPCS, scope.project_id, router_id))
    return Response(status_code=204)


@router.put(PATH + "/{router_id}/add_router_interface")
def add_interface(scope: ScopeIn, body: BodyIn, router_id: str) -> JSONResponse:
    """200: the router has an interface in the subnet, or the port is one now."""
    fields = Fields(body)
    with scope.database.write() as connection:
        vpc = networks.get(connection, VPCS, scope.project_id, router_id)
        port = _named_port(connection, scope.project_id, fields)
        subnet_id = port.subnet_id if port else fields.text("subnet_id")
        subnet = networks.get(connection, SUBNETS, scope.project_id, subnet_id)
        interface = networks.attach(connection, vpc, subnet, port)
    return JSONResponse(_interface(vpc, interface))


@router.put(PATH + "/{router_id}/remove_router_interface")
def remove_interface(scope: ScopeIn, body: BodyIn, router_id: str) -> JSONResponse:
    """200: the interface of that subnet or port is gone."""
    fields = Fields(body)
    with scope.database.write() as connection:
        vpc = networks.get(connection, VPCS, scope.project_id, router_id)
        port = _named_port(connection, scope.project_id, fields)
        if port is None:
            subnet = networks.get(connection, SUBNETS, scope.project_id, fields.text("subnet_id"))
            port = networks.interface_in(connection, subnet)
        interface = networks.detach(connection, vpc, port)
    return JSONResponse(_interface(vpc, interface))


def _named_port(connection: Connection, project_id: str, fields: Fields) -> Port | None:
    port_id = fields.optional_text("port_id")
    return networks.get(connection, PORTS, project_id, port_id) if port_id else None


def _changes(fields: Fields) -> dict[str, Any]:
    changes = named(fields) | given(admin_state_up=fields.optional_flag("admin_state_up"))
    if fields.gives("external_gateway_info"):
        gateway = fields.optional_object("external_gateway_info")
        network_id = gateway.optional_text("network_id") or ""
        if network_id not in ("", EXTERNAL_ID):
            raise NeighbourError(
                Reason.NETWORK_NOT_FOUND, f"External network {network_id} does not exist."
            )
        changes["external_network_id"] = network_id
        if (snat := gateway.optional_flag("enable_snat")) is not None:
            changes["enable_shared_snat"] = snat
    if "routes" in fields:
        changes["routes"] = [
            {name: route.text(name) for name in ("destination", "nexthop")}
            for route in fields.objects("routes")
        ]
    return changes


def _router(vpc: Vpc) -> dict[str, Any]:
    gateway = {
        "network_id": vpc.external_network_id,
        "enable_snat": vpc.enable_shared_snat,
        "external_fixed_ips": [],
    }
    return {
        **common(vpc),
        "description": vpc.description,
        "admin_state_up": vpc.admin_state_up,
        "status": "ACTIVE",
        "external_gateway_info": gateway if vpc.external_network_id else None,
        "routes": list(vpc.routes),
        "availability_zone_hints": [],
        "availability_zones": [],
    }


def _interface(vpc: Vpc, port: Port) -> dict[str, Any]:
    return {
        "id": vpc.id,
        "port_id": port.id,
        "subnet_id": port.subnet_id,
        "subnet_ids": [port.subnet_id],
        "network_id": port.network_id,
        "tenant_id": vpc.project_id,
        "project_id": vpc.project_id,
    }
