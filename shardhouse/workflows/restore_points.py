"""What a call names to be restored: a full or an incremental backup, or a time."""

from shardhouse import error_codes as codes
from shardhouse.contract.restore_points import BY_TIME, Source
from shardhouse.errors import bad_parameter
from shardhouse.workflows import incrementals, restorable
from shardhouse.workflows.context import Context
from shardhouse.workflows.restorable import Point


def of_source(context: Context, project_id: str, source: Source) -> Point:
    """What a call names. Raises DdsError 400 for what cannot be restored."""
    if source.type == BY_TIME:
        if not source.instance_id:
            raise bad_parameter("instance_id", "it is required with type timestamp")
        if source.restore_time is None:
            raise bad_parameter("restore_time", "it is required", codes.TIME_INVALID)
        return restorable.of_moment(context, project_id, source.instance_id, source.restore_time)
    if not source.backup_id:
        raise bad_parameter("backup_id", "it is required", codes.BACKUP_NOT_FOUND)
    incremental = incrementals.find(context, project_id, source.backup_id)
    if incremental is None:
        point = restorable.of_backup(context, project_id, source.backup_id)
    else:
        owner_id, found = incremental
        point = restorable.of_moment(context, project_id, owner_id, found.end)
    if source.instance_id not in ("", point.backup.instance_id):
        raise bad_parameter(
            "instance_id",
            f"the backup {source.backup_id} is of instance {point.backup.instance_id}",
        )
    return point
