"""Downloads of backups: links, what they serve, and whether a project has them."""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

from fastapi.responses import StreamingResponse

from shardhouse import error_codes as codes
from shardhouse import tar
from shardhouse.api.dds import links
from shardhouse.api.dds.state import Service
from shardhouse.api.endpoint import Request
from shardhouse.backups import manifest
from shardhouse.backups.archive import Archive
from shardhouse.backups.exported import Export
from shardhouse.backups.manifest import SetBackup
from shardhouse.contract.backups import (
    CLOSE,
    DOWNLOAD_DUMP,
    DOWNLOAD_FILE,
    OPEN,
    DownloadItem,
    DownloadLinks,
    DownloadPolicy,
    DownloadPolicyBody,
    DownloadQuery,
    DumpLink,
    DumpQuery,
    NamedDownloadPolicyBody,
)
from shardhouse.contract.call import Nothing
from shardhouse.contract.links import LinkQuery
from shardhouse.domain.backup import Backup
from shardhouse.errors import DdsError, MissingObjectError, bad_parameter
from shardhouse.store import backups, project_policies
from shardhouse.tar import DataFile
from shardhouse.workflows import restorable
from shardhouse.workflows.context import Context

_TIME = "%Y-%m-%dT%H:%M:%S+0000"
_JOB_ID = re.compile(r"[0-9a-zA-Z-]+")
_OPLOG = "oplog.bson"
"""Name in a download of what a cluster's replica set wrote after its files were copied: entries of
its oplog, one after another."""


def list_links(request: Request[DownloadQuery, Nothing]) -> DownloadLinks:
    """Links to a backup's files. Raises DdsError: 400 for a backup that does not exist, is not
    complete or is of another instance, 403 where the project's policy is `close`."""
    service, query = request.service, request.query
    check_open(service, request.project_id)
    backup = restorable.of_backup(service.context, request.project_id, query.backup_id).backup
    if backup.instance_id != query.instance_id:
        raise bad_parameter("instance_id", f"the backup is of instance {backup.instance_id}")
    files = []
    for one in manifest.read(service.context.archive(backup.instance_id), backup.id).sets:
        url, expires = links.link(
            service, DOWNLOAD_FILE, backup_id=backup.id, group_id=one.group_id
        )
        files.append(
            DownloadItem(
                name=_file_name(backup.name, one),
                size=-(-_size(one) // 1024),
                download_link=url,
                link_expired_time=expires.strftime(_TIME),
                group_id=one.group_id,
                group_name=one.name,
            )
        )
    return DownloadLinks(files=files, bucket=service.settings.backup_url)


def download(request: Request[LinkQuery, Nothing]) -> StreamingResponse:
    """What a link names. Raises GatewayError 401 for one that is not ours or has expired, DdsError
    400 where there is no such backup any more."""
    links.check(request.service, DOWNLOAD_FILE, request.path, request.query)
    context, backup_id = request.service.context, request.path["backup_id"]
    backup = load(request.service, backup_id)
    archive = context.archive(backup.instance_id)
    made = manifest.read(archive, backup_id)
    wanted = next(one for one in made.sets if one.group_id == request.path["group_id"])
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(backup.name, wanted)}"',
        "Content-Length": str(_size(wanted)),
    }
    return StreamingResponse(_content(archive, wanted), 200, headers, "application/x-tar")


def show_dump_link(request: Request[DumpQuery, Nothing]) -> DumpLink:
    """Link to a dump. Raises DdsError: 400 for a backup or a dump that does not exist, 403 where
    the project's policy is `close`."""
    service = request.service
    check_open(service, request.project_id)
    point = restorable.of_backup(service.context, request.project_id, request.path["backup_id"])
    backup, job_id = point.backup, request.query.job_id
    size = _size_of_dump(service.context, backup, job_id)
    url, expires = links.link(service, DOWNLOAD_DUMP, backup_id=backup.id, job_id=job_id)
    return DumpLink(
        name=_dump_name(backup),
        size=size,
        download_link=url,
        link_expired_time=expires.strftime(_TIME),
    )


def download_dump(request: Request[LinkQuery, Nothing]) -> StreamingResponse:
    """What a link names. Raises GatewayError 401 for one that is not ours or has expired, DdsError
    400 where there is no such backup or dump any more."""
    links.check(request.service, DOWNLOAD_DUMP, request.path, request.query)
    context = request.service.context
    backup, job_id = load(request.service, request.path["backup_id"]), request.path["job_id"]
    headers = {
        "Content-Disposition": f'attachment; filename="{_dump_name(backup)}"',
        "Content-Length": str(_size_of_dump(context, backup, job_id)),
    }
    content = context.archive(backup.instance_id).read(Export(backup.id, job_id).name)
    return StreamingResponse(content, 200, headers, "application/octet-stream")


def _size_of_dump(context: Context, backup: Backup, job_id: str) -> int:
    archive = context.archive(backup.instance_id)
    if _JOB_ID.fullmatch(job_id):
        with suppress(MissingObjectError):
            return Export(backup.id, job_id).size(archive)
    raise bad_parameter(
        "job_id",
        f"there is no dump of backup {backup.id} that job {job_id} made: it is not complete, or "
        "was removed after a day",
        codes.RESOURCE_NOT_FOUND,
    )


def load(service: Service, backup_id: str) -> Backup:
    """The backup that a link names. Raises DdsError 400 where it is not there any more."""
    with service.database.read() as connection:
        backup = backups.load(connection, backup_id)
    if backup is None:
        raise DdsError(codes.BACKUP_NOT_FOUND, f"The backup {backup_id} does not exist.")
    return backup


def check_open(service: Service, project_id: str) -> None:
    """Raises DdsError 403 where the project's policy is `close`."""
    with service.database.read() as connection:
        policy = project_policies.load(connection, project_id, project_policies.DOWNLOADS)
    if policy is not None and policy["action"] == CLOSE:
        raise DdsError(
            codes.REFUSED_IN_STATE,
            "The project's download policy is closed: open it with POST backups/download-policy.",
        )


def show_policy(request: Request[Nothing, Nothing]) -> DownloadPolicy:
    """The project's policy."""
    with request.service.database.read() as connection:
        policy = project_policies.load(connection, request.project_id, project_policies.DOWNLOADS)
    action = OPEN if policy is None else policy["action"]
    return DownloadPolicy(id=request.project_id, action=action)


def save_policy(request: Request[Nothing, DownloadPolicyBody]) -> Nothing:
    """Set the project's policy."""
    return _keep(request.service, request.project_id, request.body.action)


def update_policy(request: Request[Nothing, NamedDownloadPolicyBody]) -> Nothing:
    """Set the project's policy. Raises DdsError 400 for the id of another one."""
    if request.body.id != request.project_id:
        raise bad_parameter("id", f"{request.project_id} is the policy's, got {request.body.id}")
    return _keep(request.service, request.project_id, request.body.action)


def _keep(service: Service, project_id: str, action: str) -> Nothing:
    with service.database.write() as connection:
        project_policies.keep(
            connection, project_id, project_policies.DOWNLOADS, {"action": action}
        )
    return Nothing()


def _dump_name(backup: Backup) -> str:
    return f"{backup.name}.archive"


def _file_name(backup: str, one: SetBackup) -> str:
    return f"{backup}_{one.name}.tar"


def _size(one: SetBackup) -> int:
    """Bytes of a download."""
    extra = 0 if one.oplog is None else tar.size_of_entry(_OPLOG, one.oplog.plain_size)
    return one.data.plain_size + extra


def _content(archive: Archive, one: SetBackup) -> Iterator[bytes]:
    """A member's files as they were stored, and what was written after them."""
    files: Iterator[DataFile] = tar.unpack(archive.read(one.data.name))
    if one.oplog is not None:
        oplog = DataFile(_OPLOG, one.oplog.plain_size, archive.read(one.oplog.name))
        files = chain(files, [oplog])
    return tar.pack(files)
