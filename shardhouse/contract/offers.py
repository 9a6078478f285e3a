"""What can be ordered: flavors, datastore versions, storage types, quotas; the API's versions."""

from typing import Annotated

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Method, Nothing, Wire
from shardhouse.contract.fields import Limit, Offset, Text, one_of
from shardhouse.contract.instances import DATASTORE
from shardhouse.domain.model import Mode

LIST = "dds:instance:list"
EngineName = Annotated[str, one_of(DATASTORE, code=codes.ENGINE_NAME_INVALID)]


class FlavorsQuery(Wire):
    """Filters of the older list."""

    region: Text = ""
    engine_name: EngineName = DATASTORE


class FlavorsPageQuery(Wire):
    """Filters of the newer list."""

    engine_name: EngineName = DATASTORE
    engine_version: Text = ""
    offset: Offset = 0
    limit: Limit = 100


class FlavorItem(Wire):
    """A flavor for nodes of a type: `vcpus` and `ram` (GB) as text; `az_status` says of each zone
    that it is `normal`."""

    engine_name: str
    type: str
    vcpus: str
    ram: str
    spec_code: str
    az_status: dict[str, str]


class FlavorsAnswer(Wire):
    """All flavors."""

    flavors: list[FlavorItem]
    total_count: int


class FlavorInfoItem(FlavorItem):
    """A flavor, and the versions it serves."""

    engine_versions: list[str]


class FlavorInfosAnswer(Wire):
    """One page of the flavors."""

    flavors: list[FlavorInfoItem]
    total_count: int


class VersionsAnswer(Wire):
    """Versions that may be requested: those an installed build can serve. Our own additions:
    `served_by`, the true version that each mode of each gets, and `builds`, those that are here."""

    versions: list[str]
    served_by: dict[str, dict[Mode, str]]
    builds: list[str]


class StorageTypesQuery(Wire):
    """Filter."""

    engine_name: EngineName = DATASTORE


class StorageTypeItem(Wire):
    """A storage class; `az_status` says of each zone that it is `normal`."""

    name: str
    az_status: dict[str, str]


class StorageTypesAnswer(Wire):
    """Storage classes, as labels: locally every volume is a folder of this machine. There are no
    dedicated pools, so `dss_pool_info` is empty."""

    storage_type: list[StorageTypeItem]
    dss_pool_info: list[Nothing]


class QuotaItem(Wire):
    """How many instances of a mode the project may hold, and holds. `type` is always `instance`."""

    type: str
    mode: str
    quota: int
    used: int


class Quotas(Wire):
    """The quota of each mode."""

    resources: list[QuotaItem]


class QuotasAnswer(Wire):
    """The project's quotas."""

    quotas: Quotas


class ApiVersionItem(Wire):
    """A version of the API. `links`, `version` and `min_version` are empty."""

    id: str
    links: list[Nothing]
    status: str
    version: str
    min_version: str
    updated: str


class ApiVersions(Wire):
    """All versions of the API."""

    versions: list[ApiVersionItem]


class ApiVersion(Wire):
    """One version of the API."""

    version: ApiVersionItem


LIST_API_VERSIONS = Call(
    "ListApiVersion",
    Method.GET,
    "/",
    summary="Versions of the API.",
    answer=ApiVersions,
)
SHOW_API_VERSION = Call(
    "ShowApiVersion",
    Method.GET,
    "/{version}",
    summary="One version of the API.",
    answer=ApiVersion,
)
LIST_FLAVORS = Call(
    "ListFlavors",
    Method.GET,
    "/v3/{project_id}/flavors",
    summary="Flavors, all at once (the older list).",
    permission=LIST,
    query=FlavorsQuery,
    answer=FlavorsAnswer,
)
LIST_FLAVOR_INFOS = Call(
    "ListFlavorInfos",
    Method.GET,
    "/v3.1/{project_id}/flavors",
    summary="Flavors, paged, with the versions each serves.",
    permission=LIST,
    query=FlavorsPageQuery,
    answer=FlavorInfosAnswer,
)
LIST_DATASTORE_VERSIONS = Call(
    "ListDatastoreVersions",
    Method.GET,
    "/v3/{project_id}/datastores/{datastore_name}/versions",
    summary="Versions of MongoDB that may be requested.",
    permission=LIST,
    answer=VersionsAnswer,
)
LIST_STORAGE_TYPES = Call(
    "ListStorageType",
    Method.GET,
    "/v3/{project_id}/storage-type",
    summary="Storage classes.",
    permission=LIST,
    query=StorageTypesQuery,
    answer=StorageTypesAnswer,
)
SHOW_QUOTAS = Call(
    "ShowQuotas",
    Method.GET,
    "/v3/{project_id}/quotas",
    summary="How many instances the project may hold, and holds.",
    permission=LIST,
    answer=QuotasAnswer,
)
CALLS = (
    LIST_API_VERSIONS,
    SHOW_API_VERSION,
    LIST_FLAVORS,
    LIST_FLAVOR_INFOS,
    LIST_DATASTORE_VERSIONS,
    LIST_STORAGE_TYPES,
    SHOW_QUOTAS,
)
