"""What can be ordered: flavors, datastore versions, storage types, quotas."""

from collections.abc import Sequence

from shardhouse import error_codes as codes
from shardhouse.api.dds import wire
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.offers import (
    FlavorInfoItem,
    FlavorInfosAnswer,
    FlavorItem,
    FlavorsAnswer,
    FlavorsPageQuery,
    FlavorsQuery,
    QuotaItem,
    Quotas,
    QuotasAnswer,
    StorageTypeItem,
    StorageTypesAnswer,
    StorageTypesQuery,
    VersionsAnswer,
)
from shardhouse.domain import rules
from shardhouse.domain.dialect import DIALECTS
from shardhouse.domain.flavors import Flavor, offered_flavors
from shardhouse.domain.model import Mode
from shardhouse.errors import DdsError
from shardhouse.operations.submit import quota
from shardhouse.settings import Settings
from shardhouse.store import instances

_AVAILABLE = "normal"


def list_flavors(request: Request[FlavorsQuery, Nothing]) -> FlavorsAnswer:
    """The older list: all at once, without versions."""
    settings = request.service.settings
    if request.query.region and settings.regions:
        rules.one_of("region", request.query.region, settings.regions, codes.REGION_INVALID)
    flavors = offered_flavors(DIALECTS[settings.dialect])
    items = [_flavor(flavor, settings) for flavor in flavors]
    return FlavorsAnswer(flavors=items, total_count=len(items))


def list_flavors_paged(request: Request[FlavorsPageQuery, Nothing]) -> FlavorInfosAnswer:
    """The newer list: paged, with the versions each flavor serves."""
    query, settings = request.query, request.service.settings
    versions: Sequence[str] = request.service.context.engines.versions()
    if query.engine_version:
        asked = query.engine_version
        versions = [rules.one_of("engine_version", asked, versions, codes.VERSION_INVALID)]
    flavors = offered_flavors(DIALECTS[settings.dialect])
    items = [
        FlavorInfoItem(**_flavor(flavor, settings).model_dump(), engine_versions=list(versions))
        for flavor in flavors[query.offset : query.offset + query.limit]
    ]
    return FlavorInfosAnswer(flavors=items, total_count=len(flavors))


def list_versions(request: Request[Nothing, Nothing]) -> VersionsAnswer:
    """Versions that may be requested, and the builds behind them."""
    name = request.path["datastore_name"]
    if name != wire.DATASTORE:
        raise DdsError(
            codes.DATASTORE_NOT_FOUND,
            f"datastore_name: only {wire.DATASTORE} is offered, got {name}.",
        )
    engines = request.service.context.engines
    return VersionsAnswer(
        versions=list(engines.versions()),
        served_by=engines.served_by(),
        builds=[engine.name for engine in engines.present],
    )


def list_storage_types(request: Request[StorageTypesQuery, Nothing]) -> StorageTypesAnswer:
    """Storage classes."""
    settings = request.service.settings
    zones = _zone_status(settings)
    items = [
        StorageTypeItem(name=name, az_status=zones)
        for name in DIALECTS[settings.dialect].storage_types
    ]
    return StorageTypesAnswer(storage_type=items, dss_pool_info=[])


def show_quotas(request: Request[Nothing, Nothing]) -> QuotasAnswer:
    """How many instances the project may hold, and holds."""
    with request.service.database.read() as connection:
        used = instances.count_by_mode(connection, request.project_id)
    resources = [
        QuotaItem(
            type="instance",
            mode=mode,
            quota=quota(request.service.settings, mode),
            used=used.get(mode, 0),
        )
        for mode in Mode
    ]
    return QuotasAnswer(quotas=Quotas(resources=resources))


def _flavor(flavor: Flavor, settings: Settings) -> FlavorItem:
    return FlavorItem(
        engine_name=wire.DATASTORE,
        type=flavor.type,
        vcpus=str(flavor.vcpus),
        ram=str(flavor.memory_gb),
        spec_code=flavor.spec_code,
        az_status=_zone_status(settings),
    )


def _zone_status(settings: Settings) -> dict[str, str]:
    return dict.fromkeys(settings.offered_zones, _AVAILABLE)
