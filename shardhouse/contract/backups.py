"""Backups: made, listed, stopped, deleted, and restored."""

from typing import Annotated

from pydantic import Field

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, JobId, Method, Nothing, Rules, Wire
from shardhouse.contract.fields import Limit, Moment, Offset, Text, one_of
from shardhouse.contract.instances import INSTANCES, Datastore
from shardhouse.contract.links import LinkQuery
from shardhouse.contract.parsing import Rule
from shardhouse.contract.restore_points import Source
from shardhouse.domain import rules
from shardhouse.domain.backup import BackupStatus, BackupType
from shardhouse.domain.model import Mode, Status

LIST = "dds:backup:list"
BACKUPS = "/v3/{project_id}/backups"
MOST_DELETED = 10
INCREMENTAL = "Incremental"
OPEN, CLOSE = "open", "close"
_SERVING = frozenset({Status.NORMAL, Status.ABNORMAL, Status.DATA_DISK_FULL, Status.ENLARGE_FAIL})


class BackupBody(Wire):
    """Of which instance, and what it is called."""

    instance_id: Text
    name: Annotated[
        str,
        Rule(rules.backup_name),
        Field(description="4 to 64 letters, digits, `-` and `_`, a letter first; unique."),
    ]
    description: Annotated[
        str,
        Rule(rules.backup_description),
        Field(description="At most 256 characters, none of `>!<\"&'=` and no line break."),
    ] = ""


class BackupStarted(JobId):
    """The job, and the id of what it makes."""

    backup_id: str


class BackupsQuery(Wire):
    """Filters; all that are given must match. `begin_time` and `end_time` go together, and say when
    backups began."""

    instance_id: str = ""
    backup_id: str = ""
    backup_type: Annotated[
        str,
        one_of(*BackupType, INCREMENTAL),
        Field(description="Full ones where absent. `Incremental` needs `instance_id`."),
    ] = ""
    begin_time: Moment = None
    end_time: Moment = None
    mode: Annotated[str, one_of(*Mode, code=codes.MODE_INVALID)] = ""
    order_field: Annotated[str, one_of("name", "begin_time", "size")] = "begin_time"
    order_rule: Annotated[str, one_of("asc", "desc")] = "desc"
    backup_status: Annotated[str, one_of(*BackupStatus)] = ""
    backup_name: str = ""
    backup_description: str = ""
    instance_name: str = ""
    offset: Offset = 0
    limit: Limit = 100


class BackupItem(Wire):
    """A backup. `size` is in KB, of the files as stored; times are `yyyy-mm-dd hh:mm:ss`, UTC, and
    `end_time` is empty while it is being made."""

    instance_status: str
    is_instance_restoring: bool
    kms_enable: bool
    id: str
    name: str
    instance_id: str
    instance_name: str
    datastore: Datastore
    type: str
    begin_time: str
    end_time: str
    status: str
    size: int
    description: str
    instance_mode: str
    backup_method: str
    deletable: bool


class BackupsAnswer(Wire):
    """One page, newest first unless ordered otherwise."""

    backups: list[BackupItem]
    total_count: int


class DownloadQuery(Wire):
    """Which backup, and of which instance it is."""

    instance_id: Text
    backup_id: Text


class DownloadItem(Wire):
    """A file of a replica set; `size` is in KB."""

    name: str
    size: int
    download_link: str
    link_expired_time: str
    group_id: str
    group_name: str


class DownloadLinks(Wire):
    """A backup's files; `bucket` is where backups are kept."""

    files: list[DownloadItem]
    bucket: str


class DumpQuery(Wire):
    """Which dump of a backup: the job that made it."""

    job_id: Text


class DumpLink(Wire):
    """The dump's `name`, its `size` in bytes, where it is, and until when (UTC)."""

    name: str
    size: int
    download_link: str
    link_expired_time: str


class DownloadPolicyBody(Wire):
    """`open` or `close`."""

    action: Annotated[str, one_of(OPEN, CLOSE)]


class NamedDownloadPolicyBody(DownloadPolicyBody):
    """The same; `id` is the one that the policy is shown with."""

    id: Text


class DownloadPolicy(Wire):
    """A project has one; its id is the project's."""

    id: str
    action: str


class StopBody(Wire):
    """What to do with a backup that is being made."""

    action: Annotated[str, one_of("stop")]


class BackupIdsBody(Wire):
    """Which backups."""

    backup_ids: Annotated[
        list[str],
        Rule(lambda field, value: rules.ids(field, value, MOST_DELETED)),
        Field(description=f"1 to {MOST_DELETED} ids."),
    ]


class RestoreTarget(Wire):
    """Whose data is replaced."""

    instance_id: Text


class RecoveryBody(Wire):
    """All data of the target is replaced by that of the source."""

    source: Source
    target: RestoreTarget


CREATE_BACKUP = Call(
    "CreateManualBackup",
    Method.POST,
    BACKUPS,
    summary="Back up an instance. It goes on serving.",
    permission="dds:backup:create",
    body=BackupBody,
    wrapper="backup",
    example={"instance_id": "0" * 32 + "in02", "name": "before-upgrade"},
    answer=BackupStarted,
)
LIST_BACKUPS = Call(
    "ListBackups",
    Method.GET,
    BACKUPS,
    summary="List backups.",
    permission=LIST,
    query=BackupsQuery,
    answer=BackupsAnswer,
)
DELETE_BACKUP = Call(
    "DeleteManualBackup",
    Method.DELETE,
    f"{BACKUPS}/{{backup_id}}",
    summary="Delete a backup; one that was made by the policy only while the policy is off.",
    permission="dds:backup:delete",
    answer=JobId,
)
DELETE_BACKUPS = Call(
    "BatchDeleteBackup",
    Method.DELETE,
    f"{INSTANCES}/backups",
    summary="Delete several backups, or none where one may not be deleted.",
    permission="dds:backup:delete",
    body=BackupIdsBody,
    example={"backup_ids": ["0" * 32 + "br02"]},
    answer=Nothing,
)
STOP_BACKUP = Call(
    "StopBackup",
    Method.PUT,
    f"{BACKUPS}/{{backup_id}}",
    summary="Stop making a backup; what there is of it is deleted.",
    permission="dds:backup:stop",
    body=StopBody,
    example={"action": "stop"},
    answer=JobId,
)
RESTORE_INSTANCE = Call(
    "RestoreInstance",
    Method.POST,
    f"{INSTANCES}/recovery",
    summary="Replace all data of an instance by that of a backup, or of a time. It does not serve "
    "meanwhile; its administrator's password stays.",
    permission="dds:instance:recovery",
    body=RecoveryBody,
    example={
        "source": {"instance_id": "0" * 32 + "in02", "backup_id": "0" * 32 + "br02"},
        "target": {"instance_id": "0" * 32 + "in02"},
    },
    rules=Rules(statuses=_SERVING),
    answer=JobId,
)
VERIFY_BACKUP = Call(
    "VerifyBackup",
    Method.POST,
    f"{BACKUPS}/{{backup_id}}/verify",
    summary="Restore a backup aside, look whether all of it is sound, and remove that again. The "
    "job fails where it is not.",
    permission="dds:backup:verify",
    answer=JobId,
    addition=True,
)
DUMP_BACKUP = Call(
    "DumpBackup",
    Method.POST,
    f"{BACKUPS}/{{backup_id}}/dump",
    summary="Restore a backup aside, and write its databases as an archive of mongodump. The dump "
    "stays for a day.",
    permission="dds:backup:dump",
    answer=JobId,
    addition=True,
)
SHOW_DUMP_LINK = Call(
    "ShowBackupDumpLink",
    Method.GET,
    f"{BACKUPS}/{{backup_id}}/dump",
    summary="A link to a dump of a backup, good for a quarter of an hour.",
    permission=LIST,
    query=DumpQuery,
    answer=DumpLink,
    addition=True,
)
DOWNLOAD_DUMP = Call(
    "DownloadBackupDump",
    Method.GET,
    "/v3/backup-dumps/{backup_id}/{job_id}",
    summary="The dump that a link names: an archive for mongorestore.",
    query=LinkQuery,
    addition=True,
)
SHOW_DOWNLOAD_LINKS = Call(
    "ShowBackupDownloadLink",
    Method.GET,
    f"{BACKUPS}/download-file",
    summary="Links to a backup's files, one of each replica set, good for a quarter of an hour. "
    "`docs/backups.md` says what is in them.",
    permission=LIST,
    query=DownloadQuery,
    answer=DownloadLinks,
)
DOWNLOAD_FILE = Call(
    "DownloadBackupFile",
    Method.GET,
    "/v3/backup-files/{backup_id}/{group_id}",
    summary="The file that a download link names: a tar archive of a member's data.",
    query=LinkQuery,
    addition=True,
)
SHOW_DOWNLOAD_POLICY = Call(
    "ListBackupDownloadPolicy",
    Method.GET,
    f"{BACKUPS}/download-policy",
    summary="Whether backups of the project may be downloaded; they may unless it was closed.",
    permission=LIST,
    answer=DownloadPolicy,
)
SAVE_DOWNLOAD_POLICY = Call(
    "SaveBackupDownloadPolicy",
    Method.POST,
    f"{BACKUPS}/download-policy",
    summary="Allow downloads of the project's backups (`open`), or refuse them (`close`).",
    permission="dds:backup:setDownloadPolicy",
    body=DownloadPolicyBody,
    example={"action": "open"},
)
UPDATE_DOWNLOAD_POLICY = Call(
    "UpdateBackupDownloadPolicy",
    Method.PUT,
    f"{BACKUPS}/download-policy",
    summary="The same, for clients that name the policy.",
    permission="dds:backup:setDownloadPolicy",
    body=NamedDownloadPolicyBody,
    example={"id": "0" * 32, "action": "close"},
)
CALLS = (
    CREATE_BACKUP,
    LIST_BACKUPS,
    DELETE_BACKUP,
    DELETE_BACKUPS,
    STOP_BACKUP,
    RESTORE_INSTANCE,
    VERIFY_BACKUP,
    DUMP_BACKUP,
    SHOW_DUMP_LINK,
    DOWNLOAD_DUMP,
    SHOW_DOWNLOAD_LINKS,
    DOWNLOAD_FILE,
    SHOW_DOWNLOAD_POLICY,
    SAVE_DOWNLOAD_POLICY,
    UPDATE_DOWNLOAD_POLICY,
)
