"""Snapshots: backups as files that leave, and files that become backups."""

import time
from collections.abc import Iterator
from contextlib import suppress

from fastapi.responses import StreamingResponse

from shardhouse import error_codes as codes
from shardhouse.api.dds import downloads, links, wire
from shardhouse.api.dds.state import Service
from shardhouse.api.dds.turns import Turns
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
"""Snapshots that may arrive at the same time. Each keeps one of `endpoint.UPLOAD_THREADS`; the
others answer those that may not."""
PATIENCE = 60.0
SLOWEST = 128 * 1024
"""How long a sender is waited for, all waits together: so many seconds, and one more for each of
so many bytes that have arrived."""
LONGEST = 2 * 3600.0
"""Seconds until a snapshot must have arrived: far less than `workflows.snapshots.KEPT`."""
DISCARDED = 60.0
"""Seconds for the rest of a snapshot that was refused: its sender reads the answer when all is
sent."""
_TURNS = Turns(
    "What the backup {} is made of is arriving", "{} other snapshots are arriving", UPLOADS
)


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
    expired, 400 for a body that arrives too slowly, 429 while too many arrive; DdsError: 400 for
    what is no snapshot that can be restored here, or not whole, 403 while one arrives by this
    link; BackupError."""
    links.check(request.service, UPLOAD_SNAPSHOT, request.path, request.query)
    project_id, backup_id = request.path["project"], request.path["backup_id"]
    content = _in_time(request.content)
    with _TURNS.of(backup_id):
        try:
            backup = received.receive(request.service.context, project_id, backup_id, content)
        except GatewayError:
            raise
        except (DdsError, BackupError):
            with suppress(GatewayError):
                for _ in _in_time(request.content, DISCARDED):
                    pass
            raise
    return SnapshotReceived(backup_id=backup.id, instance_id=backup.instance_id)


def _in_time(content: Iterator[bytes], longest: float = LONGEST) -> Iterator[bytes]:
    """The same pieces. Raises GatewayError 400 for a sender that is too slow. The port ends a
    connection from which nothing comes, so there is always a next piece to look at the clock."""
    began = time.monotonic()
    size, waited = 0, 0.0
    while True:
        asked = time.monotonic()
        piece = next(content, b"")
        came = time.monotonic()
        waited += came - asked
        if not piece:
            return
        size += len(piece)
        if came - began > longest or waited > PATIENCE + size / SLOWEST:
            raise GatewayError(codes.BAD_REQUEST, "The snapshot arrives too slowly.")
        yield piece


def _packed(service: Service, backup: Backup) -> Packed:
    origin = service.context.instance(backup.instance_id)
    return Packed(service.context.archive(backup.instance_id), backup.id, origin)


def _name(backup: Backup) -> str:
    return f"{backup.instance_name}.snapshot"
