"""Which API versions there are. These calls need no credentials."""

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.offers import ApiVersion, ApiVersionItem, ApiVersions
from shardhouse.errors import GatewayError

_V3 = ApiVersionItem(
    id="v3",
    links=[],
    status="CURRENT",
    version="",
    min_version="",
    updated="2017-02-07T17:34:02Z",
)


def list_versions(_request: Request[Nothing, Nothing]) -> ApiVersions:
    """All versions."""
    return ApiVersions(versions=[_V3])


def show_version(request: Request[Nothing, Nothing]) -> ApiVersion:
    """One version."""
    version = request.path["version"]
    if version != "v3":
        raise GatewayError(
            codes.NO_SUCH_API,
            f"The API does not exist or has not been published: version {version}; there is v3.",
        )
    return ApiVersion(version=_V3)
