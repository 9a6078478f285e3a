"""Version discovery: `GET /` and `GET /v3`, for clients that do not know the version yet."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shardhouse.api.iam.wire import base_url

router = APIRouter()


@router.get("/")
async def versions(request: Request) -> JSONResponse:
    """300: the choice of one version."""
    return JSONResponse({"versions": {"values": [_v3(request)]}}, 300)


@router.get("/v3")
async def version(request: Request) -> JSONResponse:
    """200: version 3."""
    return JSONResponse({"version": _v3(request)})


def _v3(request: Request) -> dict[str, Any]:
    return {
        "id": "v3.6",
        "status": "stable",
        "updated": "2016-04-04T00:00:00Z",
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.identity-v3+json",
            }
        ],
        "links": [{"rel": "self", "href": f"{base_url(request)}/v3/"}],
    }
