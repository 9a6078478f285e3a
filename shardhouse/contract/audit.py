"""Audit logs: what is audited, the files, and where entries go as well."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Rules, Wire
from shardhouse.contract.fields import LEFT_OUT, Moment, Offset, Text, integer, one_of
from shardhouse.contract.instances import INSTANCE, INSTANCES, Datastore
from shardhouse.contract.links import LinkQuery
from shardhouse.contract.parsing import Rule
from shardhouse.domain import rules
from shardhouse.domain.audit import ALL, AuditType
from shardhouse.domain.model import Status

LIST = "dds:instance:list"
MOST_DAYS = 30
MOST_FILES = 50
MOST_INSTANCES = 50
LINK_SECONDS = 5 * 60
AUDIT_LOG = "audit_log"
LTS_CONFIGS = f"{INSTANCES}/logs/lts-configs"
_THERE = frozenset(Status) - {Status.CREATING, Status.CREATE_FAIL}


class AuditPolicyBody(Wire):
    """What is audited, and how many days that is kept."""

    keep_days: Annotated[
        int,
        Rule(rules.audit_days),
        Field(description="0: nothing is audited any more; else 7 to 732."),
    ]
    reserve_auditlogs: Annotated[
        str,
        one_of("true", "false"),
        Field(
            description="With `keep_days` 0: `true`, files stay until they are deleted; `false`, "
            "they are deleted now."
        ),
    ] = "true"
    audit_scope: Annotated[
        str,
        Rule(rules.audit_scope),
        Field(
            description="`all`, or databases and collections (`db`, `db.collection`), separated by "
            "commas; a comma in a name is `$,`. At most 1024 characters."
        ),
    ] = ALL
    audit_types: Annotated[
        tuple[str, ...],
        Rule(rules.audit_types),
        Field(description=f"Of {', '.join(f'`{kind}`' for kind in AuditType)}; all where absent."),
    ] = tuple(AuditType)


class AuditPolicyAnswer(Wire):
    """The policy; only `keep_days` where it is 0."""

    keep_days: int
    audit_scope: Annotated[str | None, LEFT_OUT] = None
    audit_types: Annotated[list[str] | None, LEFT_OUT] = None


class AuditLogsQuery(Wire):
    """Files with entries from `start_time` to `end_time`, of one node or of all."""

    start_time: Moment
    end_time: Annotated[Moment, Field(description=f"At most {MOST_DAYS} days after `start_time`.")]
    node_id: str = ""
    offset: Offset = 0
    limit: Annotated[int, integer(1, 100, codes.LIMIT_INVALID)] = 100


class AuditLogItem(Wire):
    """A file: `size` in bytes, the times of its first and its last entry."""

    id: str
    name: str
    size: int
    node_id: str
    start_time: str
    end_time: str


class AuditLogsAnswer(Wire):
    """One page, newest first. `total_size` is that of all."""

    audit_logs: list[AuditLogItem]
    total_record: int
    total_size: int


class AuditLogIdsBody(Wire):
    """Which files."""

    ids: Annotated[
        list[str],
        Rule(lambda field, value: rules.ids(field, value, MOST_FILES)),
        Field(description=f"1 to {MOST_FILES} ids."),
    ]


class AuditLinks(Wire):
    """A link of each file, in the order they were asked for."""

    links: list[str]


class AuditLogNamesBody(Wire):
    """Which files."""

    file_names: Annotated[
        list[str],
        Rule(lambda field, value: rules.ids(field, value, MOST_FILES)),
        Field(description=f"1 to {MOST_FILES} names."),
    ]


class LtsQuery(Wire):
    """Which page."""

    offset: Offset = 0
    limit: Annotated[
        int,
        integer(0, MOST_INSTANCES, codes.LIMIT_INVALID),
        Field(description=f"Items of the answer, 0 to {MOST_INSTANCES}."),
    ] = MOST_INSTANCES


class LtsInstance(Wire):
    """An instance; `mode` is `Sharding`, `ReplicaSet` or `ReplicaSingle`."""

    id: str
    name: str
    mode: str
    datastore: Datastore
    status: str
    enterprise_project_id: str
    actions: list[str]


class LtsConfig(Wire):
    """Where a log goes, or went while it was enabled."""

    log_type: str
    lts_group_id: str
    lts_stream_id: str
    enabled: bool


class InstanceLtsConfigs(Wire):
    """An instance, and where its logs go, if they ever went anywhere."""

    instance: LtsInstance
    lts_configs: Annotated[list[LtsConfig] | None, LEFT_OUT] = None


class LtsConfigsAnswer(Wire):
    """One page of the project's instances, newest first; how many instances there are."""

    instance_lts_configs: list[InstanceLtsConfigs]
    total_count: int


class LogOfInstance(Wire):
    """An instance's log."""

    instance_id: Text
    log_type: Annotated[str, one_of(AUDIT_LOG)]


class LogToStream(LogOfInstance):
    """An instance's log, and the group and the stream it goes to."""

    lts_group_id: Text
    lts_stream_id: Text


class LtsConfigsBody(Wire):
    """Which logs go where."""

    lts_configs: Annotated[list[LogToStream], Field(min_length=1, max_length=MOST_INSTANCES)]


class LtsLogsBody(Wire):
    """Which logs."""

    lts_configs: Annotated[list[LogOfInstance], Field(min_length=1, max_length=MOST_INSTANCES)]


SET_AUDIT_POLICY = Call(
    "SetAuditlogPolicy",
    Method.POST,
    f"{INSTANCE}/auditlog-policy",
    summary="Change what is audited. It takes no restart.",
    permission="dds:instance:setAuditLogPolicy",
    body=AuditPolicyBody,
    example={"keep_days": 7, "audit_scope": "all", "audit_types": ["auth", "insert", "delete"]},
)
SHOW_AUDIT_POLICY = Call(
    "ShowAuditlogPolicy",
    Method.GET,
    f"{INSTANCE}/auditlog-policy",
    summary="What is audited.",
    permission="dds:instance:getAuditLogPolicy",
    answer=AuditPolicyAnswer,
)
LIST_AUDIT_LOGS = Call(
    "ListAuditlogs",
    Method.GET,
    f"{INSTANCE}/auditlog",
    summary="List files of audit logs: of clusters those of the mongos nodes.",
    permission="dds:instance:listAuditLog",
    query=AuditLogsQuery,
    answer=AuditLogsAnswer,
)
LIST_AUDIT_LINKS = Call(
    "ListAuditlogLinks",
    Method.POST,
    f"{INSTANCE}/auditlog-links",
    summary="Links to files of audit logs, good for five minutes.",
    permission="dds:instance:downloadAuditLog",
    body=AuditLogIdsBody,
    example={"ids": ["0" * 32 + "no02_1764547200000"]},
    answer=AuditLinks,
    reads=True,
)
DELETE_AUDIT_LOGS = Call(
    "DeleteAuditLog",
    Method.DELETE,
    f"{INSTANCE}/auditlog",
    summary="Delete files of audit logs.",
    permission="dds:instance:deleteAuditLog",
    body=AuditLogNamesBody,
    example={"file_names": ["0" * 32 + "no02_1764547200000.json.gz"]},
    answer=JobId,
    rules=Rules(statuses=_THERE, idle=False),
)
DOWNLOAD_AUDIT_LOG = Call(
    "DownloadAuditLog",
    Method.GET,
    "/v3/audit-files/{instance_id}/{file_id}",
    summary="The file that a link names: JSON, an entry in each line, compressed by gzip.",
    query=LinkQuery,
    addition=True,
)
LIST_LTS_CONFIGS = Call(
    "ListLtsConfigs",
    Method.GET,
    LTS_CONFIGS,
    summary="Where logs of the project's instances go as well.",
    permission=LIST,
    query=LtsQuery,
    answer=LtsConfigsAnswer,
)
UPDATE_LTS_CONFIG = Call(
    "UpdateLtsConfig",
    Method.POST,
    LTS_CONFIGS,
    summary="Have entries of audit logs, from now on, go to a stream as well: of all instances "
    "that are named, or of none where one does not exist.",
    permission="dds:instance:modifyLtsConfig",
    body=LtsConfigsBody,
    example={
        "lts_configs": [
            {
                "instance_id": "0" * 32 + "in02",
                "log_type": AUDIT_LOG,
                "lts_group_id": "5a4b8d4e-9c0f-4a7e-8a3d-2f8f1f0c6c11",
                "lts_stream_id": "0f1e2d3c-4b5a-4697-8877-665544332211",
            }
        ]
    },
    success=202,
    rules=Rules(statuses=_THERE, idle=False),
)
DELETE_LTS_CONFIG = Call(
    "DeleteLtsConfig",
    Method.DELETE,
    LTS_CONFIGS,
    summary="Have entries of audit logs go to no stream any more.",
    permission="dds:instance:modifyLtsConfig",
    body=LtsLogsBody,
    example={"lts_configs": [{"instance_id": "0" * 32 + "in02", "log_type": AUDIT_LOG}]},
    success=202,
    rules=Rules(statuses=_THERE, idle=False),
)
CALLS = (
    SET_AUDIT_POLICY,
    SHOW_AUDIT_POLICY,
    LIST_AUDIT_LOGS,
    LIST_AUDIT_LINKS,
    DELETE_AUDIT_LOGS,
    DOWNLOAD_AUDIT_LOG,
    LIST_LTS_CONFIGS,
    UPDATE_LTS_CONFIG,
    DELETE_LTS_CONFIG,
)
