"""What can be ordered: flavors, datastore versions, storage types, quotas."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from shardhouse.api.authentication import Caller, dds_caller
from shardhouse.api.dds import wire
from shardhouse.api.dds.state import Given, Service
from shardhouse.domain import rules
from shardhouse.domain.creation import storage_types
from shardhouse.domain.flavors import Flavor, offered_flavors
from shardhouse.domain.model import Mode
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.settings import Settings
from shardhouse.store import instances
from shardhouse.workflows.requests import quota

router = APIRouter()
_AVAILABLE = "normal"


@router.get("/v3/{project_id}/flavors")
def list_flavors(
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:list"))],
    service: Given,
    region: str | None = None,
    engine_name: str | None = None,
) -> JSONResponse:
    """The older list: all at once, without versions."""
    _check_engine(engine_name)
    if region is not None and service.settings.regions:
        rules.one_of("region", region, service.settings.regions, "DBS.200024")
    flavors = offered_flavors(service.settings.dialect)
    items = [_flavor(flavor, service.settings) for flavor in flavors]
    return JSONResponse({"flavors": items, "total_count": len(items)})


@router.get("/v3.1/{project_id}/flavors")
def list_flavors_paged(
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:list"))],
    service: Given,
    engine_name: str | None = None,
    engine_version: str | None = None,
    offset: str | None = None,
    limit: str | None = None,
) -> JSONResponse:
    """The newer list: paged, with the versions each flavor serves."""
    _check_engine(engine_name)
    versions: Sequence[str] = service.requests.context.engines.versions()
    if engine_version is not None:
        versions = [rules.one_of("engine_version", engine_version, versions, "DBS.280236")]
    start, size = rules.page(offset, limit)
    flavors = offered_flavors(service.settings.dialect)
    items = [
        _flavor(flavor, service.settings) | {"engine_versions": list(versions)}
        for flavor in flavors[start : start + size]
    ]
    return JSONResponse({"flavors": items, "total_count": len(flavors)})


@router.get("/v3/{project_id}/datastores/{datastore_name}/versions")
def list_versions(
    datastore_name: str,
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:list"))],
    service: Given,
) -> JSONResponse:
    """Versions that may be requested: those an installed build can serve."""
    if datastore_name != wire.DATASTORE:
        raise DdsError(
            "DBS.200042",
            f"datastore_name: only {wire.DATASTORE} is offered, got {datastore_name}.",
            status=404,
        )
    return JSONResponse({"versions": list(service.requests.context.engines.versions())})


@router.get("/v3/{project_id}/storage-type")
def list_storage_types(
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:list"))],
    service: Given,
    engine_name: str | None = None,
) -> JSONResponse:
    """Storage classes, as labels: locally every volume is a folder of this machine."""
    _check_engine(engine_name)
    zones = _zone_status(service.settings)
    names = storage_types(service.settings.dialect)
    items = [{"name": name, "az_status": zones} for name in names]
    return JSONResponse({"storage_type": items, "dss_pool_info": []})


@router.get("/v3/{project_id}/quotas")
def show_quotas(
    project_id: str,
    _caller: Annotated[Caller, Depends(dds_caller("dds:instance:list"))],
    service: Given,
) -> JSONResponse:
    """How many instances the project may hold, and holds."""
    return JSONResponse({"quotas": {"resources": _quotas(service, project_id)}})


def _quotas(service: Service, project_id: str) -> list[dict[str, Any]]:
    with service.database.read() as connection:
        used = instances.count_by_mode(connection, project_id)
    return [
        {
            "type": "instance",
            "mode": str(mode),
            "quota": quota(service.settings, mode),
            "used": used.get(mode, 0),
        }
        for mode in Mode
    ]


def _flavor(flavor: Flavor, settings: Settings) -> dict[str, Any]:
    return {
        "engine_name": wire.DATASTORE,
        "type": str(flavor.type),
        "vcpus": str(flavor.vcpus),
        "ram": str(flavor.memory_gb),
        "spec_code": flavor.spec_code,
        "az_status": _zone_status(settings),
    }


def _zone_status(settings: Settings) -> dict[str, str]:
    zones = settings.zones or [f"{settings.region}-0{number}" for number in (1, 2, 3)]
    return dict.fromkeys(zones, _AVAILABLE)


def _check_engine(name: str | None) -> None:
    if name is not None and name != wire.DATASTORE:
        raise bad_parameter(
            "engine_name", f"{wire.DATASTORE} is required, got {rules.shown(name)}", "DBS.201020"
        )
