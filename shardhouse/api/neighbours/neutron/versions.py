"""What Neutron's clients look for first: versions and extensions."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shardhouse.api.iam.wire import base_url
from shardhouse.api.neighbours.wire import ScopeIn

router = APIRouter()

EXTENSIONS = {
    "external-net": "External networks",
    "router": "Routers and floating IPs",
    "security-group": "Security groups",
}


@router.get("/network")
def versions(request: Request) -> JSONResponse:
    """v2.0, below this path; for everybody."""
    link = {"rel": "self", "href": f"{base_url(request)}/network/v2.0/"}
    return JSONResponse({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})


@router.get("/v2.0/extensions")
@router.get("/network/v2.0/extensions")
def extensions(scope: ScopeIn) -> JSONResponse:
    """What there is beyond networks, subnets and ports."""
    found = [
        {"alias": alias, "name": name, "description": name, "links": [], "updated": ""}
        for alias, name in EXTENSIONS.items()
    ]
    return JSONResponse({"extensions": found})
