"""The service catalog, and the listings of regions, services and endpoints behind it.

Each service has one public endpoint in the installation's one region. OpenStack clients look for
type `ddsv3`; `dds` is the same address for people who read the catalog. `lts` and `ltsv2` are one
service as well, and so are `ces` and `cesv1`: clients look for either.
"""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from shardhouse.api.authentication import Caller, iam_caller
from shardhouse.api.iam.wire import dds_url, iam_url, link, listing, settings_of
from shardhouse.iam.refusals import not_found

router = APIRouter(dependencies=[Depends(iam_caller)])

SERVICES = {
    "ddsv3": "dds",
    "dds": "dds",
    "identity": "iam",
    "network": "neutron",
    "vpc": "vpc",
    "compute": "nova",
    "eps": "eps",
    "lts": "lts",
    "ltsv2": "lts",
    "ces": "ces",
    "cesv1": "ces",
}
#: Paths on the IAM port; `{project}` stands for the project's id.
PATHS = {
    "identity": "/v3",
    "network": "/network",
    "vpc": "/v1/{project}",
    "compute": "/v2.1/{project}",
    "eps": "/v1.0",
    "lts": "/v2/{project}",
    "ltsv2": "/v2/{project}",
    "ces": "/V1.0/{project}",
    "cesv1": "/V1.0/{project}",
}
WITHOUT_PROJECT = ("identity", "eps")
PROJECT_PLACEHOLDER = "$(tenant_id)s"
_NAMESPACE = uuid.UUID("2f6fdd3b-6d1c-5cf5-8a54-2b0a54b7c0de")


def catalog(request: Request, project_id: str | None) -> list[dict[str, Any]]:
    """The catalog of one project; without a project, of the services that need none."""
    return [
        {
            "id": _id(kind),
            "name": name,
            "type": kind,
            "endpoints": [
                {
                    "id": _endpoint_id(request, kind),
                    "interface": "public",
                    "region": settings_of(request).region,
                    "region_id": settings_of(request).region,
                    "url": _endpoint_url(request, kind, project_id or ""),
                }
            ],
        }
        for kind, name in SERVICES.items()
        if project_id or kind in WITHOUT_PROJECT
    ]


@router.get("/v3/auth/catalog")
def show_catalog(request: Request, caller: Annotated[Caller, Depends(iam_caller)]) -> JSONResponse:
    """The catalog for the caller's scope."""
    found = catalog(request, caller.project_id)
    return JSONResponse({"catalog": found, "links": link(request, "/v3/auth/catalog")})


@router.get("/v3/regions")
def regions(request: Request) -> JSONResponse:
    """The one region."""
    return JSONResponse(listing(request, "regions", [_region(request)]))


@router.get("/v3/regions/{region_id}")
def region(request: Request, region_id: str) -> JSONResponse:
    """One region."""
    if region_id != settings_of(request).region:
        raise not_found("region", region_id)
    return JSONResponse({"region": _region(request)})


@router.get("/v3/services")
def services(request: Request) -> JSONResponse:
    """All services, or those of `?type=` and `?name=`."""
    found = [_service(request, kind) for kind in SERVICES]
    return JSONResponse(listing(request, "services", _filtered(request, found, "type", "name")))


@router.get("/v3/services/{service_id}")
def service(request: Request, service_id: str) -> JSONResponse:
    """One service."""
    found = [_service(request, kind) for kind in SERVICES if _id(kind) == service_id]
    if not found:
        raise not_found("service", service_id)
    return JSONResponse({"service": found[0]})


@router.get("/v3/endpoints")
def endpoints(request: Request) -> JSONResponse:
    """All endpoints, or those of `?interface=`, `?service_id=` and `?region_id=`."""
    found = [_endpoint(request, kind) for kind in SERVICES]
    found = _filtered(request, found, "interface", "service_id", "region_id")
    return JSONResponse(listing(request, "endpoints", found))


@router.get("/v3/endpoints/{endpoint_id}")
def endpoint(request: Request, endpoint_id: str) -> JSONResponse:
    """One endpoint."""
    for kind in SERVICES:
        if _endpoint_id(request, kind) == endpoint_id:
            return JSONResponse({"endpoint": _endpoint(request, kind)})
    raise not_found("endpoint", endpoint_id)


def _region(request: Request) -> dict[str, Any]:
    name = settings_of(request).region
    return {
        "id": name,
        "type": "public",
        "description": "",
        "parent_region_id": None,
        "locales": {"en-us": name, "zh-cn": name},
        "links": link(request, f"/v3/regions/{name}"),
    }


def _service(request: Request, kind: str) -> dict[str, Any]:
    return {
        "id": _id(kind),
        "name": SERVICES[kind],
        "type": kind,
        "description": "",
        "enabled": True,
        "links": link(request, f"/v3/services/{_id(kind)}"),
    }


def _endpoint(request: Request, kind: str) -> dict[str, Any]:
    endpoint_id = _endpoint_id(request, kind)
    return {
        "id": endpoint_id,
        "service_id": _id(kind),
        "interface": "public",
        "region": settings_of(request).region,
        "region_id": settings_of(request).region,
        "url": _endpoint_url(request, kind, PROJECT_PLACEHOLDER),
        "enabled": True,
        "links": link(request, f"/v3/endpoints/{endpoint_id}"),
    }


def _endpoint_url(request: Request, kind: str, project: str) -> str:
    if kind in PATHS:
        return iam_url(request) + PATHS[kind].format(project=project)
    return f"{dds_url(request)}/v3/{project}"


def _endpoint_id(request: Request, kind: str) -> str:
    return _id(f"{settings_of(request).region}/{kind}")


def _id(name: str) -> str:
    return uuid.uuid5(_NAMESPACE, name).hex


def _filtered(request: Request, items: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    wanted = {name: request.query_params[name] for name in names if name in request.query_params}
    return [item for item in items if all(item[name] == wanted[name] for name in wanted)]
