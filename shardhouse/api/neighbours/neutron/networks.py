"""Networks: the project's own, and the external one that public IPs belong to."""

import uuid
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.neutron.wire import common, listing, named
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, given
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import Network
from shardhouse.store.neighbours.rows import NETWORKS, SUBNETS, new_row

router = APIRouter()

PATH = "/v2.0/networks"
EXTERNAL_NAME = "admin_external_net"
EXTERNAL_ID = str(uuid.uuid5(uuid.UUID("0b1ab8f5-3c5a-5bd1-9f5e-6d0e3c1fe5a7"), EXTERNAL_NAME))


@router.post(PATH)
def create_network(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: a new network."""
    row = {"name": "", **_changes(Fields(body).object("network"))}
    with scope.database.write() as connection:
        made = NETWORKS.add(connection, Network(**new_row(project_id=scope.project_id, **row)))
    return JSONResponse({"network": _network(made, [])}, 201)


@router.get(PATH)
def list_networks(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's networks and the external one, a page of them."""
    with scope.database.read() as connection:
        found = NETWORKS.find(connection, project_id=scope.project_id)
        subnets = SUBNETS.find(connection, project_id=scope.project_id)
    ids = {subnet.network_id: [subnet.id] for subnet in subnets}
    shown = [_network(network, ids.get(network.id, [])) for network in found]
    return listing(request, "networks", [*shown, _external()])


@router.get(PATH + "/{network_id}")
def show_network(scope: ScopeIn, network_id: str) -> JSONResponse:
    """One network."""
    if network_id == EXTERNAL_ID:
        return JSONResponse({"network": _external()})
    with scope.database.read() as connection:
        found = networks.get(connection, NETWORKS, scope.project_id, network_id)
        subnets = SUBNETS.find(connection, network_id=found.id)
    return JSONResponse({"network": _network(found, [subnet.id for subnet in subnets])})


@router.put(PATH + "/{network_id}")
def change_network(scope: ScopeIn, body: BodyIn, network_id: str) -> JSONResponse:
    """200: the network with what was given."""
    changes = _changes(Fields(body).object("network"))
    with scope.database.write() as connection:
        found = networks.get(connection, NETWORKS, scope.project_id, network_id)
        changed = NETWORKS.change(connection, found.id, changes)
        subnets = SUBNETS.find(connection, network_id=found.id)
    return JSONResponse({"network": _network(changed, [subnet.id for subnet in subnets])})


@router.delete(PATH + "/{network_id}")
def delete_network(scope: ScopeIn, network_id: str) -> Response:
    """204: gone with its subnet; 409 while it has ports or database instances."""
    with scope.database.write() as connection:
        found = networks.get(connection, NETWORKS, scope.project_id, network_id)
        networks.remove_network(connection, found)
    return Response(status_code=204)


def _changes(fields: Fields) -> dict[str, Any]:
    return named(fields) | given(admin_state_up=fields.optional_flag("admin_state_up"))


def _network(network: Network, subnets: list[str]) -> dict[str, Any]:
    return {
        **common(network),
        "description": network.description,
        "admin_state_up": network.admin_state_up,
        "status": "ACTIVE",
        "shared": False,
        "router:external": False,
        "subnets": subnets,
        "availability_zone_hints": [],
        "availability_zones": [],
        "port_security_enabled": True,
    }


def _external() -> dict[str, Any]:
    return {
        "id": EXTERNAL_ID,
        "name": EXTERNAL_NAME,
        "description": "Where public IPs come from (setting public_network)",
        "tenant_id": "",
        "project_id": "",
        "admin_state_up": True,
        "status": "ACTIVE",
        "shared": True,
        "router:external": True,
        "subnets": [],
        "availability_zone_hints": [],
        "availability_zones": [],
        "port_security_enabled": True,
    }
