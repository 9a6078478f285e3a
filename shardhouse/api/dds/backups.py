"""Backups, as the DDS API writes them."""

from datetime import UTC, datetime
from operator import attrgetter

from shardhouse import error_codes as codes
from shardhouse.api.dds import downloads, wire
from shardhouse.api.endpoint import Request
from shardhouse.contract.backups import (
    INCREMENTAL,
    BackupBody,
    BackupIdsBody,
    BackupItem,
    BackupsAnswer,
    BackupsQuery,
    BackupStarted,
    RecoveryBody,
    StopBody,
)
from shardhouse.contract.call import JobId, Nothing
from shardhouse.contract.instances import Datastore
from shardhouse.domain.backup import Backup, BackupStatus
from shardhouse.domain.model import Instance
from shardhouse.errors import DdsError, bad_parameter, instance_not_found
from shardhouse.operations import back_up, delete_backup, dump_backup, restore, verify_backup
from shardhouse.operations.submit import Target
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.store import backups, instances
from shardhouse.store.backups import Filter
from shardhouse.workflows import incrementals, restore_points
from shardhouse.workflows.incrementals import Incremental
from shardhouse.workflows.operation import Operation


def create_backup(request: Request[Nothing, BackupBody]) -> BackupStarted:
    """Start a manual backup."""
    target = Target(request.project_id, request.body.instance_id, request.path)
    accepted = request.service.submit.start(back_up.BACK_UP, target, request.body)
    job = accepted.job
    return BackupStarted(job_id=job.id, backup_id=job.arguments["backup_id"])


def list_backups(request: Request[BackupsQuery, Nothing]) -> BackupsAnswer:
    """One page; of incremental backups only where they are asked for, as documented. Raises
    DdsError 400 for times of which one is missing, or that are the wrong way round, and for
    incremental backups of no instance."""
    query = request.query
    if (query.begin_time is None) != (query.end_time is None):
        missing = "end_time" if query.end_time is None else "begin_time"
        raise bad_parameter(missing, "begin_time and end_time go together", codes.END_TIME_INVALID)
    if query.begin_time is not None and query.end_time <= query.begin_time:
        raise bad_parameter("end_time", "it must be after begin_time", codes.END_TIME_INVALID)
    if query.backup_type == INCREMENTAL:
        return _incremental(request)
    wanted = Filter(
        instance_id=query.instance_id,
        backup_id=query.backup_id,
        type=query.backup_type,
        status=query.backup_status,
        mode=query.mode,
        name=query.backup_name,
        description=query.backup_description,
        instance_name=query.instance_name,
        since=query.begin_time,
        until=query.end_time,
    )
    with request.service.database.read() as connection:
        found, total = backups.search(
            connection,
            request.project_id,
            wanted,
            offset=query.offset,
            limit=query.limit,
            order=query.order_field,
            ascending=query.order_rule == "asc",
        )
        owners = instances.load_all(connection, sorted({one.instance_id for one in found}))
    by_id = {instance.id: instance for instance in owners}
    items = [_item(backup, by_id[backup.instance_id]) for backup in found]
    return BackupsAnswer(backups=items, total_count=total)


def _incremental(request: Request[BackupsQuery, Nothing]) -> BackupsAnswer:
    """One page of the incremental backups of an instance."""
    query, context = request.query, request.service.context
    if not query.instance_id:
        raise bad_parameter("instance_id", "it is required for incremental backups")
    with request.service.database.read() as connection:
        owner = instances.find(connection, request.project_id, query.instance_id)
    if owner is None:
        return BackupsAnswer(backups=[], total_count=0)
    items = [_incremental_item(one, owner) for one in incrementals.of_instance(context, owner)]
    matching = [
        item
        for item in items
        if query.backup_id in ("", item.id)
        and query.backup_status in ("", item.status)
        and query.mode in ("", item.instance_mode)
        and query.backup_name in item.name
        and query.backup_description in item.description
        and query.instance_name in item.instance_name
        and (
            query.begin_time is None
            or _time(query.begin_time) <= item.begin_time <= _time(query.end_time)
        )
    ]
    matching.sort(key=attrgetter(query.order_field), reverse=query.order_rule == "desc")
    page = matching[query.offset : query.offset + query.limit]
    return BackupsAnswer(backups=page, total_count=len(matching))


def delete_one(request: Request[Nothing, Nothing]) -> JobId:
    """Start deleting one backup."""
    (job,) = request.service.submit.delete_backups(request.project_id, [request.path["backup_id"]])
    return JobId(job_id=job.id)


def delete_backups(request: Request[Nothing, BackupIdsBody]) -> Nothing:
    """Start deleting several backups."""
    request.service.submit.delete_backups(request.project_id, request.body.backup_ids)
    return Nothing()


def recover(request: Request[Nothing, RecoveryBody]) -> JobId:
    """Start replacing an instance's data by that of a restore point. Raises DdsError 400 for a
    snapshot, which may have been made to hold anything."""
    service, body = request.service, request.body
    with service.database.read() as connection:
        if instances.find(connection, request.project_id, body.target.instance_id) is None:
            raise instance_not_found(body.target.instance_id)
    point = restore_points.of_source(service.context, request.project_id, body.source)
    if point.imported:
        raise DdsError(
            codes.NOT_LEGAL_HERE, "The backup came as a snapshot: restore it to a new instance."
        )
    target = Target(request.project_id, body.target.instance_id, request.path)
    accepted = service.submit.start(restore.IN_PLACE, target, restore.Wanted(point))
    return JobId(job_id=accepted.job.id)


def stop_backup(request: Request[Nothing, StopBody]) -> JobId:
    """Stop making a backup."""
    job_id = request.service.submit.stop_backup(request.project_id, request.path["backup_id"])
    return JobId(job_id=job_id)


def verify(request: Request[Nothing, Nothing]) -> JobId:
    """Start verifying a backup."""
    return _beside(request, verify_backup.VERIFY)


def dump(request: Request[Nothing, Nothing]) -> JobId:
    """Start making a dump of a backup. Raises DdsError 403 where downloads are closed."""
    downloads.check_open(request.service, request.project_id)
    return _beside(request, dump_backup.DUMP)


def _beside(request: Request[Nothing, Nothing], operation: Operation[Recovery]) -> JobId:
    backup_id = request.path["backup_id"]
    job = request.service.submit.beside(operation, request.project_id, backup_id)
    return JobId(job_id=job.id)


def _incremental_item(one: Incremental, owner: Instance) -> BackupItem:
    begin = datetime.fromtimestamp(one.start / 1000, UTC)
    end = datetime.fromtimestamp(one.end / 1000, UTC)
    return BackupItem(
        instance_status=owner.status,
        is_instance_restoring=_is_restoring(owner),
        kms_enable=False,
        id=one.id,
        name=f"incremental-{begin:%Y%m%d-%H%M%S}",
        instance_id=owner.id,
        instance_name=owner.name,
        datastore=Datastore(type=wire.DATASTORE, version=owner.version),
        type=INCREMENTAL,
        begin_time=_time(begin),
        end_time=_time(end),
        status=BackupStatus.COMPLETED,
        size=-(-one.size // 1024),
        description="",
        instance_mode=owner.mode,
        backup_method=INCREMENTAL,
        deletable=False,
    )


def _item(backup: Backup, owner: Instance) -> BackupItem:
    return BackupItem(
        instance_status=owner.status,
        is_instance_restoring=_is_restoring(owner),
        kms_enable=False,
        id=backup.id,
        name=backup.name,
        instance_id=backup.instance_id,
        instance_name=backup.instance_name,
        datastore=Datastore(type=wire.DATASTORE, version=backup.version),
        type=backup.type,
        begin_time=_time(backup.begin_time),
        end_time=_time(backup.end_time),
        status=backup.status,
        size=-(-backup.size // 1024),
        description=backup.description,
        instance_mode=backup.mode,
        backup_method="Physical",
        deletable=not delete_backup.refusal(backup, owner),
    )


def _is_restoring(owner: Instance) -> bool:
    return owner.action in (restore.IN_PLACE.action, restore.TO_NEW.action)


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""
