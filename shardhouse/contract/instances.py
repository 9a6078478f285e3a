"""Instances: made, listed, deleted."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Nothing, Rules, Wire
from shardhouse.contract.fields import Limit, Offset, one_of
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.model import Mode, Status

DATASTORE = "DDS-Community"
INSTANCES = "/v3/{project_id}/instances"
INSTANCE = f"{INSTANCES}/{{instance_id}}"


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


class InstancesAnswer(Wire):
    """One page, newest first."""

    instances: list[dict[str, Any]]
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


class CreateBody(Wire):
    """A new instance. The rules depend on the installation, and stand in `domain.creation`; unknown
    fields are kept and echoed."""

    model_config = ConfigDict(
        extra="allow", frozen=True, json_schema_extra={"required": list(_REQUIRED)}
    )

    name: Any = Field(None, description="4 to 64 letters, digits, `-`, `_`; a letter first.")
    datastore: Any = Field(
        None, description="`type` DDS-Community, `version` such as 4.4, `storage_engine`."
    )
    region: Any = Field(None, description="The installation's region.")
    availability_zone: Any = Field(None, description="A zone, or several with commas.")
    vpc_id: Any = Field(None, description="An id in UUID form.")
    subnet_id: Any = Field(None, description="An id in UUID form.")
    security_group_id: Any = Field(None, description="An id in UUID form.")
    mode: Any = Field(None, description="Sharding, ReplicaSet or Single.")
    flavor: Any = Field(
        None,
        description="One entry per node type of the mode: `type`, `num`, `size` (GB), "
        "`spec_code`, `storage`.",
    )
    port: Any = Field(None, description="2100 to 9500, 27017 to 27019; default 8635.")
    password: Any = Field(None, description="Of `rwuser`. Without one nobody can log in yet.")
    ssl_option: Any = Field(None, description='`"1"`: TLS (the default), `"0"`: none.')
    backup_strategy: Any = Field(
        None, description="`start_time` hh:mm-HH:MM (UTC, one hour), `keep_days` 0 to 732."
    )
    tags: Any = Field(None, description="Up to 20 of `key` and `value`.")
    configurations: Any = Field(
        None,
        description="Parameter templates: `configuration_id` for a `type` of nodes of `flavor`.",
    )
    enterprise_project_id: Any = Field(None, description="Echoed.")
    restore_point: Any = Field(
        None,
        description="The instance gets the data of a backup (`backup_id`), or of how an instance "
        "was at a time (`type` timestamp, `instance_id`, `restore_time` in ms). Then no "
        "`datastore`, `region` and `mode`.",
    )


class CreateAnswer(Wire):
    """The request without its password, and what was made of it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    status: str
    created: str
    port: int
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
