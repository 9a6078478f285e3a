"""VPCs as VPC v3 shows them, which Huawei's Terraform provider reads after VPC v1 made them."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.neighbours.wire import ScopeIn, filtered, moment, page
from shardhouse.store.neighbours import networks, tags
from shardhouse.store.neighbours.records import Vpc
from shardhouse.store.neighbours.rows import VPCS

router = APIRouter()

PATH = "/v3/{project_id}/vpc/vpcs"


@router.get(PATH)
def list_vpcs(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's VPCs, a page of them."""
    with scope.database.read() as connection:
        found = VPCS.find(connection, project_id=scope.project_id)
        shown = [_vpc(connection, vpc) for vpc in found]
    items, following = page(request, filtered(request, shown))
    info: dict[str, Any] = {"current_count": len(items)}
    if following:
        info["next_marker"] = items[-1]["id"]
    return JSONResponse({"vpcs": items, "page_info": info, "request_id": request.state.request_id})


@router.get(PATH + "/{vpc_id}")
def show_vpc(request: Request, scope: ScopeIn, vpc_id: str) -> JSONResponse:
    """One VPC."""
    with scope.database.read() as connection:
        vpc = networks.get(connection, VPCS, scope.project_id, vpc_id)
        shown = _vpc(connection, vpc)
    return JSONResponse({"vpc": shown, "request_id": request.state.request_id})


def _vpc(connection: Connection, vpc: Vpc) -> dict[str, Any]:
    subnets = len(networks.vpc_subnets(connection, vpc.id))
    return {
        "id": vpc.id,
        "name": vpc.name,
        "description": vpc.description,
        "cidr": vpc.cidr,
        "extend_cidrs": [],
        "status": "ACTIVE",
        "project_id": vpc.project_id,
        "enterprise_project_id": vpc.enterprise_project_id,
        "cloud_resources": [{"resource_type": "virsubnet", "resource_count": subnets}],
        "tags": [{"key": key, "value": value} for key, value in tags.find(connection, vpc.id)],
        "created_at": moment(vpc.created_at),
        "updated_at": moment(vpc.updated_at),
    }
