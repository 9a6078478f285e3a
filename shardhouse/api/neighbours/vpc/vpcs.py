"""VPCs, each of which is a router of Neutron with the same id."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

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
from shardhouse.domain.networks import vpc_block
from shardhouse.errors import Reason
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import Vpc
from shardhouse.store.neighbours.rows import VPCS, new_row

router = APIRouter()

PATH = "/v1/{project_id}/vpcs"


@router.post(PATH)
def create_vpc(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new VPC."""
    fields = Fields(body).object("vpc")
    changes = _changes(fields)
    if changes.get("cidr"):
        vpc_block(changes["cidr"])
    project = sized_text(fields, "enterprise_project_id", Reason.VPC_INVALID, 36)
    row = {"name": "", **changes, **given(enterprise_project_id=project)}
    with scope.database.write() as connection:
        vpc = VPCS.add(connection, Vpc(**new_row(project_id=scope.project_id, **row)))
    return JSONResponse({"vpc": _vpc(vpc)})


@router.get(PATH)
def list_vpcs(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's VPCs, a page of them."""
    with scope.database.read() as connection:
        found = VPCS.find(connection, project_id=scope.project_id)
    items, _ = page(request, filtered(request, [_vpc(vpc) for vpc in found]))
    return JSONResponse({"vpcs": items})


@router.get(PATH + "/{vpc_id}")
def show_vpc(scope: ScopeIn, vpc_id: str) -> JSONResponse:
    """One VPC."""
    with scope.database.read() as connection:
        return JSONResponse({"vpc": _vpc(networks.get(connection, VPCS, scope.project_id, vpc_id))})


@router.put(PATH + "/{vpc_id}")
def change_vpc(scope: ScopeIn, body: BodyIn, vpc_id: str) -> JSONResponse:
    """200: the VPC with what was given."""
    changes = _changes(Fields(body).object("vpc"))
    with scope.database.write() as connection:
        vpc = networks.get(connection, VPCS, scope.project_id, vpc_id)
        return JSONResponse({"vpc": _vpc(networks.change_vpc(connection, vpc, changes))})


@router.delete(PATH + "/{vpc_id}")
def delete_vpc(scope: ScopeIn, vpc_id: str) -> Response:
    """204: gone; 409 while it has subnets or database instances."""
    with scope.database.write() as connection:
        networks.remove_vpc(connection, networks.get(connection, VPCS, scope.project_id, vpc_id))
    return Response(status_code=204)


def _changes(fields: Fields) -> dict[str, Any]:
    routes = None
    if "routes" in fields:
        routes = [
            {name: route.text(name) for name in ("destination", "nexthop")}
            for route in fields.objects("routes")
        ]
    return given(
        name=sized_text(fields, "name", Reason.VPC_INVALID, 64),
        description=sized_text(fields, "description", Reason.VPC_INVALID),
        cidr=fields.optional_text("cidr"),
        routes=routes,
        enable_shared_snat=fields.optional_flag("enable_shared_snat"),
    )


def _vpc(vpc: Vpc) -> dict[str, Any]:
    return {
        "id": vpc.id,
        "name": vpc.name,
        "description": vpc.description,
        "cidr": vpc.cidr,
        "status": "OK",
        "routes": list(vpc.routes),
        "enable_shared_snat": vpc.enable_shared_snat,
        "enterprise_project_id": vpc.enterprise_project_id,
        "tenant_id": vpc.project_id,
        "created_at": moment(vpc.created_at),
        "updated_at": moment(vpc.updated_at),
    }
