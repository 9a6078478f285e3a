"""Instances: made, listed, deleted."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, SkipValidation

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Nothing, Rules, Wire
from shardhouse.contract.fields import LEFT_OUT, Limit, Offset, one_of
from shardhouse.contract.parsing import Rule
from shardhouse.contract.restore_points import Source
from shardhouse.domain import rules
from shardhouse.domain.model import Mode, Status

DATASTORE = "DDS-Community"
INSTANCES = "/v3/{project_id}/instances"
INSTANCE = f"{INSTANCES}/{{instance_id}}"


class Datastore(Wire):
    """What kind of database, and the version that was asked for, such as 4.4."""

    type: str
    version: str


class InstancesQuery(Wire):
    """Filters; all that are given must match."""

    id: str = ""
    name: Annotated[
        str,
        Rule(rules.name_filter),
        Field(description="Exact, or `*` and a part that the name must contain."),
    ] = ""
    mode: Annotated[str, one_of(*Mode, code=codes.MODE_INVALID)] = ""
    datastore_type: Annotated[str, one_of(DATASTORE, code=codes.DATASTORE_TYPE_INVALID)] = ""
    vpc_id: str = ""
    subnet_id: str = ""
    tags: Annotated[
        tuple[tuple[str, str], ...],
        Rule(lambda _field, value: rules.tag_filter(str(value))),
        Field(description="`key=value,key2=value2`, all must match."),
    ] = ()
    offset: Offset = 0
    limit: Limit = 100
    marker: Annotated[str, Field(description="Id of the last instance of the page before.")] = ""


class Tag(Wire):
    """A tag."""

    key: str
    value: str


class InstanceDatastore(Datastore):
    """The database. `whole_version` is the true version that runs, and `patch_available` says
    whether there is a newer patch level of it."""

    patch_available: bool
    whole_version: str


class BackupStrategyItem(Wire):
    """When backups are made. `period` is our own addition, for clients that sent it."""

    start_time: str
    keep_days: int
    period: Annotated[str | None, LEFT_OUT] = None


class GroupVolume(Wire):
    """The size of each member's volume, and what the fullest holds: GB as text."""

    size: str
    used: str


class NodeItem(Wire):
    """A node. `private_ip` and `host` are empty where clients do not connect to it. `host` is our
    own addition: the `name:port` or `address:port` that clients connect to. `nat_gateway_id` and
    `external_service_port` are there behind a NAT gateway only."""

    id: str
    name: str
    status: str
    role: str
    private_ip: str
    public_ip: str
    host: str
    spec_code: str
    availability_zone: str
    nat_gateway_id: Annotated[str | None, LEFT_OUT] = None
    external_service_port: Annotated[int | None, LEFT_OUT] = None


class GroupItem(Wire):
    """Nodes that belong together. Only shards and config servers have a name, only nodes with data
    have a volume."""

    type: str
    id: Annotated[str | None, LEFT_OUT] = None
    name: Annotated[str | None, LEFT_OUT] = None
    status: Annotated[str | None, LEFT_OUT] = None
    volume: Annotated[GroupVolume | None, LEFT_OUT] = None
    nodes: list[NodeItem]


class InstanceItem(Wire):
    """An instance. Our own additions: `engine_version` and `engine_build`, the build that runs,
    `replica_set`, its name where the instance is one, and `memory_scale`, the share of its flavor's
    memory that a node has here. `disk_encryption_id` and `dss_pool_id` are there if they came when
    it was created."""

    id: str
    name: str
    remark: str
    status: str
    port: str
    mode: str
    region: str
    datastore: InstanceDatastore
    engine: str
    engine_version: str
    engine_build: str
    memory_scale: float
    created: str
    updated: str
    db_user_name: str
    ssl: int
    vpc_id: str
    subnet_id: str
    security_group_id: str
    backup_strategy: BackupStrategyItem
    pay_mode: str
    maintenance_window: str
    replica_set: str
    groups: list[GroupItem]
    time_zone: str
    actions: list[str]
    tags: list[Tag]
    enterprise_project_id: str
    availability_zone: str
    disk_encryption_id: Annotated[str | None, LEFT_OUT] = None
    dss_pool_id: Annotated[Any, LEFT_OUT] = None


class InstancesAnswer(Wire):
    """One page, newest first."""

    instances: list[InstanceItem]
    total_count: int


_REQUIRED = (
    "name",
    "datastore",
    "region",
    "availability_zone",
    "vpc_id",
    "subnet_id",
    "security_group_id",
    "mode",
    "flavor",
)


class NewDatastore(Wire):
    """The version of MongoDB. `type` is DDS-Community."""

    type: str
    version: Annotated[str, Field(description="One of `ListDatastoreVersions`, such as 4.4.")]
    storage_engine: Annotated[str, Field(description="wiredTiger, or rocksDB from 4.2 on.")] = ""


class NewFlavor(Wire):
    """Nodes of one type: an entry for each type of the mode."""

    type: Annotated[str, Field(description="mongos, shard, config, replica or single.")]
    num: Annotated[int, Field(description="Of shards, else of nodes.")]
    spec_code: Annotated[str, Field(description="One of `ListFlavorInfos`.")]
    size: Annotated[
        int, Field(description="GB of each volume, a multiple of 10; not for mongos.")
    ] = 0
    storage: Annotated[str, Field(description="One of `ListStorageType`.")] = ""


class NewStrategy(Wire):
    """When backups are made."""

    start_time: Annotated[
        str, Field(description="`hh:mm-HH:MM` UTC, one hour, minutes 00, 15, 30 or 45.")
    ] = ""
    keep_days: Annotated[int, Field(description="0 to 732; with 0 there are none.")] = 7
    period: Annotated[str, Field(description="Days of the week, `1,2,3,4,5,6,7`.")] = ""


class NewConfiguration(Wire):
    """A parameter template for the nodes of a type."""

    type: Annotated[str, Field(description="A type of `flavor`.")]
    configuration_id: str


class CreateBody(Wire):
    """A new instance. Its rules depend on the installation, on each other and on what is restored,
    so `domain.creation` has them: only the form is described here. Unknown fields are kept and
    echoed."""

    model_config = ConfigDict(
        extra="allow", frozen=True, json_schema_extra={"required": list(_REQUIRED)}
    )

    name: SkipValidation[str] = Field(
        "", description="4 to 64 letters, digits, `-`, `_`; a letter first."
    )
    datastore: SkipValidation[NewDatastore | None] = None
    region: SkipValidation[str] = Field("", description="The installation's region.")
    availability_zone: SkipValidation[str] = Field(
        "", description="A zone, or several with commas."
    )
    vpc_id: SkipValidation[str] = Field("", description="An id in UUID form.")
    subnet_id: SkipValidation[str] = Field("", description="An id in UUID form.")
    security_group_id: SkipValidation[str] = Field("", description="An id in UUID form.")
    mode: SkipValidation[str] = Field("", description="Sharding, ReplicaSet or Single.")
    flavor: SkipValidation[tuple[NewFlavor, ...]] = ()
    port: SkipValidation[int] = Field(8635, description="2100 to 9500, 27017 to 27019.")
    password: SkipValidation[str] = Field(
        "",
        repr=False,
        description="Of `rwuser`. Without one nobody can log in yet.",
        json_schema_extra={"format": "password"},
    )
    ssl_option: SkipValidation[str] = Field(
        "", description='`"1"`: TLS (the default), `"0"`: none.'
    )
    backup_strategy: SkipValidation[NewStrategy | None] = None
    tags: SkipValidation[tuple[Tag, ...]] = Field((), description="Up to 20.")
    configurations: SkipValidation[tuple[NewConfiguration, ...]] = ()
    enterprise_project_id: SkipValidation[str] = Field("0", description="Echoed.")
    restore_point: Annotated[
        Source | None,
        Field(
            description="The instance gets the data of a backup (`backup_id`), or of how an "
            "instance was at a time (`type` timestamp, `instance_id`, `restore_time`). Then no "
            "`datastore`, `region` and `mode`."
        ),
    ] = None


class CreatedDatastore(Datastore):
    """The database, as it was asked for."""

    model_config = ConfigDict(extra="allow", frozen=True)

    storage_engine: str


class CreatedFlavor(Wire):
    """An entry of `flavor` as it was asked for, numbers as text; its storage class is left out."""

    type: str
    num: str
    size: Annotated[str | None, LEFT_OUT] = None
    spec_code: str


class CreatedStrategy(Wire):
    """When backups are made; `keep_days` is text here."""

    start_time: str
    keep_days: str
    period: Annotated[str | None, LEFT_OUT] = None


class CreateAnswer(Wire):
    """The request without its password, with whatever else it had, and what was made of it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    name: str
    datastore: CreatedDatastore
    created: str
    status: str
    region: str
    availability_zone: str
    vpc_id: str
    subnet_id: str
    security_group_id: str
    mode: str
    flavor: list[CreatedFlavor]
    port: int
    ssl_option: str
    backup_strategy: CreatedStrategy
    tags: Annotated[list[Tag] | None, LEFT_OUT] = None
    enterprise_project_id: str
    job_id: str


CREATE_INSTANCE = Call(
    "CreateInstance",
    Method.POST,
    INSTANCES,
    summary="Create an instance, with the data of a backup where `restore_point` is given.",
    permission="dds:instance:create",
    body=CreateBody,
    answer=CreateAnswer,
    success=202,
)
LIST_INSTANCES = Call(
    "ListInstances",
    Method.GET,
    INSTANCES,
    summary="List instances. An unknown id is an empty page.",
    permission="dds:instance:list",
    query=InstancesQuery,
    answer=InstancesAnswer,
)
DELETE_INSTANCE = Call(
    "DeleteInstance",
    Method.DELETE,
    INSTANCE,
    summary="Delete an instance: it is gone from every list at once.",
    permission="dds:instance:deleteInstance",
    body=Nothing,
    answer=JobId,
    success=202,
    rules=Rules(statuses=frozenset(Status)),
)
CALLS = (CREATE_INSTANCE, LIST_INSTANCES, DELETE_INSTANCE)
