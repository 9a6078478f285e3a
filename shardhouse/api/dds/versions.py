"""`GET /` and `GET /v3`: which API versions there are. Nobody needs to be known for that."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from shardhouse.errors import GatewayError

router = APIRouter()
_V3 = {
    "id": "v3",
    "links": [],
    "status": "CURRENT",
    "version": "",
    "min_version": "",
    "updated": "2017-02-07T17:34:02Z",
}


@router.get("/")
def list_versions() -> JSONResponse:
    """All versions."""
    return JSONResponse({"versions": [_V3]})


@router.get("/{version}")
@router.get("/{version}/")
def show_version(version: str) -> JSONResponse:
    """One version."""
    if version != "v3":
        raise GatewayError(
            "APIGW.0101",
            f"The API does not exist or has not been published: version {version}; there is v3.",
            status=404,
        )
    return JSONResponse({"version": _V3})
