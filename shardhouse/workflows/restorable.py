"""What instances can be restored to: which backup, and up to which position of their oplogs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bson.timestamp import Timestamp
from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.backups import namespaces, positions, ranges, slices
from shardhouse.backups.ranges import Full, Range
from shardhouse.backups.slices import Slice
from shardhouse.domain import policy
from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.model import GroupType, Mode
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.store import backups, capture_gaps, instances, jobs
from shardhouse.store.capture_gaps import Cause
from shardhouse.workflows.context import Context


@dataclass(frozen=True)
class Point:
    """A backup, and the position up to which what was written after it is replayed: from the
    captured slices where `by_time`, else from what the backup itself has. One that is `imported`
    came as a snapshot: its data is that of a stranger."""

    backup: Backup
    upto: str
    by_time: bool
    imported: bool


@dataclass(frozen=True)
class Use:
    """What a running job restores, or verifies: a backup, of the instance `origin_id`."""

    backup_id: str
    origin_id: str


def in_use(connection: Connection, but: str = "") -> list[Use]:
    """What running jobs restore or verify; one of them may be left out."""
    running = (job for job in jobs.running(connection) if job.id != but)
    return [use for job in running for use in _uses(job.arguments)]


def _uses(arguments: object) -> Iterator[Use]:
    """The recoveries (`operations.tasks.recovering`) that a job's arguments are or consist of."""
    if isinstance(arguments, Mapping):
        if "origin_id" in arguments:
            yield Use(arguments["backup_id"], arguments["origin_id"])
        for value in arguments.values():
            yield from _uses(value)
    elif isinstance(arguments, list):
        for value in arguments:
            yield from _uses(value)


def of_backup(context: Context, project_id: str, backup_id: str) -> Point:
    """What a backup holds. Raises DdsError 400 for one that does not exist or is not complete."""
    with context.database.read() as connection:
        backup = backups.find(connection, project_id, backup_id)
    complete = _complete(backup_id, backup)
    return _point(context, complete, complete.consistent_at, by_time=False)


def check_used(connection: Connection, arguments: object) -> None:
    """Whether the backups that a job of these arguments would use are complete, when it is added.
    Raises DdsError 400."""
    for use in _uses(arguments):
        _complete(use.backup_id, backups.load(connection, use.backup_id))


def _complete(backup_id: str, backup: Backup | None) -> Backup:
    if backup is None:
        raise DdsError(codes.BACKUP_NOT_FOUND, f"The backup {backup_id} does not exist.")
    if backup.status is not BackupStatus.COMPLETED:
        raise DdsError(
            codes.BACKUP_STATE_FORBIDS,
            f"The backup {backup_id} is {backup.status}: only a COMPLETED one can be restored.",
        )
    return backup


def _point(context: Context, backup: Backup, upto: str, *, by_time: bool) -> Point:
    with context.database.read() as connection:
        origin = instances.load(connection, backup.instance_id)
    return Point(backup, upto, by_time, imported=origin is None or policy.is_imported(origin))


def of_moment(context: Context, project_id: str, instance_id: str, moment: int) -> Point:
    """How an instance was at a moment, in milliseconds since 1970. Raises DdsError 400 for one to
    which it cannot be restored."""
    with context.database.read() as connection:
        made = [
            one
            for one in backups.completed(connection, instance_id)
            if one.project_id == project_id
        ]
    pieces = captured(context, instance_id, made)
    base = ranges.base(map(full, made), pieces, moment, barriers(context, instance_id))
    if base is None:
        raise bad_parameter(
            "restore_time",
            f"instance {instance_id} cannot be restored to {moment}: GET restore-time says to "
            "which times it can",
            codes.TIME_INVALID,
        )
    backup = next(one for one in made if one.id == base.id)
    if backup.mode is Mode.SHARDING:
        upto = positions.cut_of_cluster(moment)
    else:
        (group_id,) = base.tops
        upto = slices.cut(context.archive(instance_id), group_id, moment)
    return _point(context, backup, positions.text(upto), by_time=True)


def names(context: Context, point: Point) -> set[str]:
    """The collections and views that users had at a point in the captured oplog, by their whole
    names. That oplog is read from the point's backup on, but for what is remembered of it. Raises
    BackupError."""
    backup = point.backup
    archive = context.archive(backup.instance_id)
    found: set[str] = set()
    for group in backup.shape:
        if group.type in (GroupType.MONGOS, GroupType.CONFIG):
            continue
        known = namespaces.read(archive, backup.id, group.id)
        top, upto = positions.parse(backup.tops[group.id]), positions.parse(point.upto)
        known.apply(context.known_changes.between(archive, group.id, top, upto))
        found |= known.all
    return found


def times(context: Context, instance_id: str) -> list[Range]:
    """The moments to which an instance can be restored. Raises BackupError."""
    with context.database.read() as connection:
        made = backups.completed(connection, instance_id)
    return reached(context, instance_id, made, captured(context, instance_id, made))


def reached(
    context: Context,
    instance_id: str,
    made: Sequence[Backup],
    pieces: Mapping[str, Sequence[Slice]],
) -> list[Range]:
    """The moments to which completed backups and the slices behind them lead."""
    gaps = barriers(context, instance_id)
    found = (ranges.of(full(one), pieces, gaps) for one in made)
    return ranges.merged(one for one in found if one)


def full(backup: Backup) -> Full:
    """A completed backup as restorable ranges are computed from it."""
    tops = {group: positions.parse(top) for group, top in backup.tops.items()}
    automatic = backup.type is BackupType.AUTO
    return Full(backup.id, automatic, tops, positions.parse(backup.consistent_at))


def captured(
    context: Context, instance_id: str, made: Sequence[Backup]
) -> Mapping[str, list[Slice]]:
    """The slices that lead on from backups, by group id: none where incremental backups were
    switched off, though they may be there yet."""
    with context.database.read() as connection:
        owner = instances.load(connection, instance_id)
    off = owner and owner.backup_strategy.keep_days and not policy.incremental_backups(owner)
    return {} if off else archived(context, instance_id, made)


def archived(
    context: Context, instance_id: str, made: Sequence[Backup]
) -> Mapping[str, list[Slice]]:
    """The slices there are of the replica sets that backups hold, by group id."""
    if not made:
        return {}
    archive = context.archive(instance_id)
    groups = sorted({group for backup in made for group in backup.tops})
    return {group: slices.listed(archive, group) for group in groups}


def barriers(context: Context, instance_id: str) -> list[Timestamp]:
    """The positions that are captured and that no backup from before leads beyond."""
    with context.database.read() as connection:
        gaps = capture_gaps.of_instance(connection, instance_id)
    return [positions.parse(gap.position) for gap in gaps if gap.cause is not Cause.LOST]
