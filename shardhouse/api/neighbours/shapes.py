"""Each service's own shape of an error, chosen by the path that was asked.

What the gateway in front of the services refuses (credentials, unknown paths, sizes, rates) has the
gateway's shape everywhere.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request

from shardhouse import error_codes as codes
from shardhouse.api import errors
from shardhouse.errors import ApiError, GatewayError, NeighbourError

#: What a gateway refuses, and its code for it.
GATEWAY = {
    404: codes.NO_SUCH_API,
    405: codes.NO_SUCH_API,
    413: codes.BAD_REQUEST,
    429: codes.THROTTLED,
}


@dataclass(frozen=True)
class Service:
    """How a service's paths begin, what it says by status where a reason has no code of its error
    list (`prefix`), and how it says it: from status, code and message."""

    paths: re.Pattern[str]
    prefix: str
    codes: Mapping[int, str]
    shape: Callable[[int, str, str], dict[str, Any]]


def _neutron(_status: int, code: str, message: str) -> dict[str, Any]:
    return {"NeutronError": {"type": code, "message": message, "detail": ""}}


def _nova(status: int, code: str, message: str) -> dict[str, Any]:
    return {code: {"code": status, "message": message}}


def _vpc(_status: int, code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _eps(_status: int, code: str, message: str) -> dict[str, Any]:
    return {"error": {"error_code": code, "error_msg": message}}


def _flat(_status: int, code: str, message: str) -> dict[str, Any]:
    return {"error_code": code, "error_msg": message}


def _ces(status: int, code: str, message: str) -> dict[str, Any]:
    return {"http_code": str(status), "message": {"code": code, "details": message}}


NEUTRON = Service(
    re.compile(
        r"(/network)?/v2\.0/(networks|subnets|routers|ports|security-groups|security-group-rules|"
        r"floatingips|extensions)(/|\Z)"
    ),
    "",
    {
        400: "BadRequest",
        403: "PolicyNotAuthorized",
        404: "HTTPNotFound",
        409: "Conflict",
        500: "HTTPInternalServerError",
    },
    _neutron,
)
NOVA = Service(
    re.compile(r"/v2\.1(/|\Z)"),
    "",
    {
        400: "badRequest",
        403: "forbidden",
        404: "itemNotFound",
        409: "conflictingRequest",
        500: "computeFault",
    },
    _nova,
)
EPS = Service(
    re.compile(r"/v1\.0(/|\Z)"),
    "EPS.",
    {400: "EPS.0002", 403: "EPS.0004", 404: "EPS.0005", 409: "EPS.0010", 500: "EPS.0001"},
    _eps,
)
CES_CODES = {400: "ces.0014", 403: "ces.0017", 404: "ces.0016", 500: "ces.0007"}
CES_V2 = Service(re.compile(r"/v2/[^/]+/(alarms|alarm-histories)(/|\Z)"), "ces.", CES_CODES, _flat)
LTS = Service(
    re.compile(r"/v2(/|\Z)"),
    "LTS.",
    {400: "LTS.0009", 403: "LTS.0001", 404: "LTS.0201", 409: "LTS.0009", 500: "LTS.0010"},
    _flat,
)
CES = Service(re.compile(r"/V1\.0(/|\Z)"), "ces.", CES_CODES, _ces)
VPC_CODES = {400: "VPC.0101", 403: "VPC.0010", 404: "VPC.0202", 409: "VPC.0108", 500: "VPC.0111"}
VPC_V3 = Service(re.compile("/v3/"), "VPC.", VPC_CODES, _flat)
VPC = Service(re.compile(""), "VPC.", VPC_CODES, _vpc)
SERVICES = (NEUTRON, NOVA, EPS, CES_V2, LTS, CES, VPC_V3, VPC)


def body(request: Request, error: ApiError) -> dict[str, Any]:
    """The body that says `error` to who sent `request`."""
    if not isinstance(error, NeighbourError) and error.status in GATEWAY:
        error = GatewayError(GATEWAY[error.status], error.message, status=error.status)
    if isinstance(error, GatewayError):
        return errors.body_of(error, request.state.request_id)
    path = request.scope["path"]
    service = next(one for one in SERVICES if one.paths.match(path))
    return service.shape(error.status, _code(service, error), error.message)


def _code(service: Service, error: ApiError) -> str:
    if isinstance(error, NeighbourError):
        if service is NEUTRON and error.reason.neutron_type:
            return error.reason.neutron_type
        if service.prefix and error.reason.code.startswith(service.prefix):
            return error.reason.code
    return service.codes.get(error.status, service.codes[HTTPStatus.INTERNAL_SERVER_ERROR])
