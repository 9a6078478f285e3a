"""Snapshots: backups as files that leave, and files that become backups."""

from threading import BoundedSemaphore

from fastapi.responses import StreamingResponse

from shardhouse import error_codes as codes
from shardhouse.api.dds import downloads, links, wire
from shardhouse.api.dds.state import Service
from shardhouse.api.endpoint import Request
from shardhouse.backups.snapshots import Packed
from shardhouse.contract.call import Nothing
from shardhouse.contract.links import LinkQuery
from shardhouse.contract.snapshots import (
    DOWNLOAD_SNAPSHOT,
    UPLOAD_SNAPSHOT,
    SnapshotLink,
    SnapshotReceived,
    SnapshotUpload,
)
from shardhouse.domain.backup import Backup
from shardhouse.domain.topology import Ids
from shardhouse.errors import BackupError, DdsError, GatewayError
from shardhouse.workflows import restorable
from shardhouse.workflows import snapshots as received

UPLOADS = 4
"""Snapshots that may arrive at the same time; each keeps a thread."""
_ARRIVING = BoundedSemaphore(UPLOADS)


def show_link(request: Request[Nothing, Nothing]) -> SnapshotLink:
    """Link to a backup as a snapshot. Raises DdsError: 400 for a backup that does not exist or is
    not complete, 403 where the project's policy is `close`."""
    service = request.service
    downloads.check_open(service, request.project_id)
    point = restorable.of_backup(service.context, request.project_id, request.path["backup_id"])
    url, expires = links.link(service, DOWNLOAD_SNAPSHOT, backup_id=point.backup.id)
    return SnapshotLink(
        name=_name(point.backup),
        size=_packed(service, point.backup).size,
        download_link=url,
        link_expired_time=wire.zoned(expires),
    )


def download(request: Request[LinkQuery, Nothing]) -> StreamingResponse:
    """What a link names. Raises GatewayError 401 for one that is not ours or has expired, DdsError
    400 where there is no such backup any more."""
    links.check(request.service, DOWNLOAD_SNAPSHOT, request.path, request.query)
    backup = downloads.load(request.service, request.path["backup_id"])
    packed = _packed(request.service, backup)
    headers = {
        "Content-Disposition": f'attachment; filename="{_name(backup)}"',
        "Content-Length": str(packed.size),
    }
    return StreamingResponse(packed.content(), 200, headers, "application/x-tar")


def prepare(request: Request[Nothing, Nothing]) -> SnapshotUpload:
    """A link for a snapshot that becomes a backup of the project."""
    backup_id = Ids().backup()
    url, expires = links.link(
        request.service, UPLOAD_SNAPSHOT, project=request.project_id, backup_id=backup_id
    )
    return SnapshotUpload(
        backup_id=backup_id, upload_link=url, link_expired_time=wire.zoned(expires)
    )


def upload(request: Request[LinkQuery, Nothing]) -> SnapshotReceived:
    """Make a backup of the body. Raises GatewayError: 401 for a link that is not ours or has
    expired, 429 while too many arrive; DdsError 400 for what is no snapshot that can be restored
    here, or not whole; BackupError."""
    links.check(request.service, UPLOAD_SNAPSHOT, request.path, request.query)
    project_id, backup_id = request.path["project"], request.path["backup_id"]
    try:
        if not _ARRIVING.acquire(blocking=False):
            raise GatewayError(
                codes.THROTTLED, f"{UPLOADS} snapshots arrive at present; try again later."
            )
        try:
            backup = received.receive(
                request.service.context, project_id, backup_id, request.content
            )
        finally:
            _ARRIVING.release()
    except (DdsError, BackupError):
        for _ in request.content:  # its sender reads the answer when all is sent
            pass
        raise
    return SnapshotReceived(backup_id=backup.id, instance_id=backup.instance_id)


def _packed(service: Service, backup: Backup) -> Packed:
    origin = service.context.instance(backup.instance_id)
    return Packed(service.context.archive(backup.instance_id), backup.id, origin)


def _name(backup: Backup) -> str:
    return f"{backup.instance_name}.snapshot"
