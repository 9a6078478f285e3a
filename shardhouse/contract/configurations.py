"""Parameter templates, and the parameters of instances."""

from typing import Annotated, Any

from pydantic import Field

from shardhouse.contract.call import Call, JobId, Method, Wire
from shardhouse.contract.fields import LEFT_OUT, Limit, Offset, one_of, text
from shardhouse.contract.instances import INSTANCE
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.parameters import NodeType

CONFIGURATIONS = "/v3/{project_id}/configurations"
CONFIGURATION = f"{CONFIGURATIONS}/{{config_id}}"
LIST = "dds:param:list"
CREATE = "dds:param:create"
MODIFY = "dds:param:modify"
APPLY = "dds:param:apply"
MOST_ENTITIES = 100
_VALUES = {
    "net.maxIncomingConnections": "1000",
    "operationProfiling.slowOpThresholdMs": "200",
}
_ID = "0" * 32 + "pr02"

Name = Annotated[
    str,
    Rule(rules.configuration_name),
    Field(description="1 to 64 letters, digits, `-`, `_` and `.`."),
]
Description = Annotated[
    str,
    Rule(rules.configuration_description),
    Field(description="At most 256 characters, none of `>!<\"&'=` and no line break."),
]
Values = Annotated[
    dict[str, Any],
    Rule(rules.mapping),
    Field(description="Values, as text, by the parameters' names."),
]
EntityId = Annotated[
    str,
    text(),
    Field(
        description="Of a cluster the id of a shard, of the config servers, of a mongos node; else "
        "the instance's. Read replicas by their own ids."
    ),
]


class PageQuery(Wire):
    """Which part of the list."""

    offset: Offset = 0
    limit: Limit = 100


class NameQuery(Wire):
    """The name to look for."""

    name: str


class EntityQuery(Wire):
    """Whose parameters."""

    entity_id: EntityId


class HistoryQuery(PageQuery):
    """Whose history, and which part of it."""

    entity_id: EntityId


class TemplateDatastore(Wire):
    """Which nodes a template is for."""

    node_type: Annotated[str, one_of(*NodeType)]
    version: Annotated[str, text()]


class CreateConfigurationBody(Wire):
    """A new template: for nodes of a type and version, or with the values of an entity."""

    name: Name
    description: Description = ""
    parameter_values: Values = Field(default_factory=dict)
    datastore: Annotated[
        TemplateDatastore | None, Field(description="Required without `entity_id`.")
    ] = None
    entity_id: Annotated[
        str, Field(description="A part of an instance whose type, version and values it has.")
    ] = ""


class UpdateConfigurationBody(Wire):
    """What to change of a template. Nodes it was applied to stay as they are."""

    name: Annotated[str | None, Rule(rules.configuration_name)] = None
    description: Annotated[str | None, Rule(rules.configuration_description)] = None
    parameter_values: Values = Field(default_factory=dict)


class CopyBody(Wire):
    """Name and description of the copy."""

    name: Name
    description: Description = ""


class CompareBody(Wire):
    """Two templates for nodes of one type."""

    source_configuration_id: Annotated[str, text()]
    target_configuration_id: Annotated[str, text()]


class ApplyBody(Wire):
    """Where to apply a template."""

    entity_ids: Annotated[
        list[str], Rule(lambda field, value: rules.ids(field, value, MOST_ENTITIES))
    ]


class UpdateEntityBody(Wire):
    """New values of some parameters."""

    entity_id: EntityId
    parameter_values: Values


class Template(Wire):
    """A template, and the version and the program it is for: `mongodb` or `mongos`."""

    id: str
    name: str
    description: str
    datastore_version: str
    datastore_name: str
    created: str
    updated: str


class TemplateItem(Template):
    """A template; those of the system are not `user_defined`."""

    node_type: str
    user_defined: bool


class ConfigurationsAnswer(Wire):
    """One page: the system's templates, then the project's own, oldest first."""

    configurations: list[TemplateItem]
    total_count: int
    quota: int


class ConfigurationAnswer(Wire):
    """The new template."""

    configuration: Template


class ParameterItem(Wire):
    """A parameter and its value, as text. `value_range` is such as `1-100` or `true|false`."""

    name: str
    value: str
    value_range: str
    restart_required: bool
    readonly: bool
    type: str
    description: str


class ParametersAnswer(Template):
    """A template with its parameters, by name."""

    parameters: list[ParameterItem]


class EntityParameterItem(ParameterItem):
    """A parameter as the servers have it. `pending_value`, an addition of ours, is another value
    that it has after the next restart."""

    pending_value: Annotated[str | None, LEFT_OUT] = None


class EntityAnswer(Wire):
    """The parameters as the servers have them."""

    datastore_version: str
    datastore_name: str
    created: str
    updated: str
    parameters: list[EntityParameterItem]


class UpdateEntityAnswer(JobId):
    """The job, and whether a restart is required for some values."""

    restart_required: bool


class CopyAnswer(Wire):
    """The copy's id."""

    configuration_id: str


class DifferenceItem(Wire):
    """A parameter's value in both templates."""

    parameter_name: str
    source_value: str
    target_value: str


class DifferencesAnswer(Wire):
    """The parameters that differ."""

    differences: list[DifferenceItem]


class ExistsAnswer(Wire):
    """Whether there is a template of this name."""

    is_existed: bool


class EntityItem(Wire):
    """An instance, or a part of one, that has parameters of its own."""

    entity_id: str
    entity_name: str


class ApplicableItem(Wire):
    """An instance, and those of its parts that the template is for."""

    instance_id: str
    instance_name: str
    entities: list[EntityItem]


class ApplicableAnswer(Wire):
    """One page of the instances that the template is for."""

    instances: list[ApplicableItem]


class ChangeItem(Wire):
    """A change of a parameter in a template."""

    parameter_name: str
    old_value: str
    new_value: str
    updated_at: str


class ChangesAnswer(Wire):
    """One page of the last seven days, the newest first."""

    histories: list[ChangeItem]
    total_count: int


class ApplicationItem(Wire):
    """That a template was applied to an instance; `apply_result` is `SUCCESS` or `FAILED`."""

    instance_id: str
    instance_name: str
    applied_at: str
    apply_result: str
    failure_reason: str


class ApplicationsAnswer(Wire):
    """One page of the last seven days, the newest first."""

    histories: list[ApplicationItem]
    total_count: int


class EntityChangeItem(Wire):
    """A change of a parameter of an instance; `update_result` is `SUCCESS` or `FAILED`. One that
    has no effect yet, since it needs a restart, is not `applied`, and has no `applied_at`."""

    parameter_name: str
    old_value: str
    new_value: str
    update_result: str
    applied: bool
    updated_at: str
    applied_at: str


class EntityChangesAnswer(Wire):
    """One page of the last seven days, the newest first."""

    histories: list[EntityChangeItem]
    total_count: int


LIST_CONFIGURATIONS = Call(
    "ListConfigurations",
    Method.GET,
    CONFIGURATIONS,
    summary="List the system's and the project's parameter templates.",
    permission=LIST,
    query=PageQuery,
    answer=ConfigurationsAnswer,
)
CREATE_CONFIGURATION = Call(
    "CreateConfiguration",
    Method.POST,
    CONFIGURATIONS,
    summary="Create a parameter template.",
    permission=CREATE,
    body=CreateConfigurationBody,
    example={
        "name": "busy-shop",
        "description": "for the shop",
        "parameter_values": _VALUES,
        "datastore": {"node_type": "replica", "version": "5.0"},
    },
    answer=ConfigurationAnswer,
)
SHOW_CONFIGURATION = Call(
    "ShowConfigurationParameter",
    Method.GET,
    CONFIGURATION,
    summary="Show a parameter template with its parameters.",
    permission=LIST,
    answer=ParametersAnswer,
)
UPDATE_CONFIGURATION = Call(
    "UpdateConfigurationParameter",
    Method.PUT,
    CONFIGURATION,
    summary="Change a project's parameter template, but not what it was applied to.",
    permission=MODIFY,
    body=UpdateConfigurationBody,
    example={"description": "for the new shop", "parameter_values": _VALUES},
)
DELETE_CONFIGURATION = Call(
    "DeleteConfiguration",
    Method.DELETE,
    CONFIGURATION,
    summary="Delete a project's parameter template that is applied nowhere.",
    permission="dds:param:delete",
)
COPY_CONFIGURATION = Call(
    "CopyConfiguration",
    Method.POST,
    f"{CONFIGURATION}/copy",
    summary="Copy a project's parameter template.",
    permission=CREATE,
    body=CopyBody,
    example={"name": "busy-shop-2", "description": "a copy"},
    answer=CopyAnswer,
)
RESET_CONFIGURATION = Call(
    "ResetConfiguration",
    Method.POST,
    f"{CONFIGURATION}/reset",
    summary="Give all parameters of a project's template their defaults.",
    permission=MODIFY,
)
COMPARE_CONFIGURATIONS = Call(
    "CompareConfiguration",
    Method.POST,
    f"{CONFIGURATIONS}/comparison",
    summary="Show where two parameter templates differ.",
    permission=LIST,
    body=CompareBody,
    example={"source_configuration_id": _ID, "target_configuration_id": _ID},
    answer=DifferencesAnswer,
    reads=True,
)
VALIDATE_NAME = Call(
    "ValidateConfigurationName",
    Method.GET,
    f"{CONFIGURATIONS}/name-validation",
    summary="Whether there is a parameter template of a name.",
    permission=LIST,
    query=NameQuery,
    answer=ExistsAnswer,
)
LIST_APPLICABLE = Call(
    "ListAppliedInstances",
    Method.GET,
    f"{CONFIGURATION}/applicable-instances",
    summary="List the instances that a parameter template can be applied to.",
    permission=LIST,
    query=PageQuery,
    answer=ApplicableAnswer,
)
APPLY_CONFIGURATION = Call(
    "SwitchConfiguration",
    Method.PUT,
    f"{CONFIGURATION}/apply",
    summary="Apply a parameter template. What needs a restart has effect after the next one.",
    permission=APPLY,
    body=ApplyBody,
    example={"entity_ids": ["0" * 32 + "in02"]},
    answer=JobId,
)
LIST_CONFIGURATION_CHANGES = Call(
    "ShowConfigurationModifyHistory",
    Method.GET,
    f"{CONFIGURATION}/histories",
    summary="What was changed in a parameter template in the last seven days.",
    permission=LIST,
    query=PageQuery,
    answer=ChangesAnswer,
)
LIST_APPLICATIONS = Call(
    "ShowConfigurationAppliedHistory",
    Method.GET,
    f"{CONFIGURATION}/applied-histories",
    summary="Where a parameter template was applied in the last seven days.",
    permission=LIST,
    query=PageQuery,
    answer=ApplicationsAnswer,
)
SHOW_ENTITY = Call(
    "ShowEntityConfiguration",
    Method.GET,
    f"{INSTANCE}/configurations",
    summary="Show parameters of an instance or a part of it, as its servers have them.",
    permission=LIST,
    query=EntityQuery,
    answer=EntityAnswer,
)
UPDATE_ENTITY = Call(
    "UpdateEntityConfiguration",
    Method.PUT,
    f"{INSTANCE}/configurations",
    summary="Change parameters of an instance or a part of it. What needs a restart has effect "
    "after the next one.",
    permission="dds:instance:modifyParameter",
    body=UpdateEntityBody,
    example={"entity_id": "0" * 32 + "in02", "parameter_values": _VALUES},
    answer=UpdateEntityAnswer,
)
LIST_ENTITY_CHANGES = Call(
    "ShowInstanceConfigurationModifyHistory",
    Method.GET,
    f"{INSTANCE}/configuration-histories",
    summary="What was changed in an instance's parameters in the last seven days.",
    permission=LIST,
    query=HistoryQuery,
    answer=EntityChangesAnswer,
)
CALLS = (
    LIST_CONFIGURATIONS,
    CREATE_CONFIGURATION,
    COMPARE_CONFIGURATIONS,
    VALIDATE_NAME,
    SHOW_CONFIGURATION,
    UPDATE_CONFIGURATION,
    DELETE_CONFIGURATION,
    COPY_CONFIGURATION,
    RESET_CONFIGURATION,
    LIST_APPLICABLE,
    APPLY_CONFIGURATION,
    LIST_CONFIGURATION_CHANGES,
    LIST_APPLICATIONS,
    SHOW_ENTITY,
    UPDATE_ENTITY,
    LIST_ENTITY_CHANGES,
)
