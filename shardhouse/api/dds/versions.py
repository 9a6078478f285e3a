"""Which API versions there are. Nobody needs to be known for that."""

from typing import Any

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.errors import GatewayError

_V3 = {
    "id": "v3",
    "links": [],
    "status": "CURRENT",
    "version": "",
    "min_version": "",
    "updated": "2017-02-07T17:34:02Z",
}


def list_versions(_request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """All versions."""
    return {"versions": [_V3]}


def show_version(request: Request[Nothing, Nothing]) -> dict[str, Any]:
    """One version."""
    version = request.path["version"]
    if version != "v3":
        raise GatewayError(
            codes.NO_SUCH_API,
            f"The API does not exist or has not been published: version {version}; there is v3.",
        )
    return {"version": _V3}
