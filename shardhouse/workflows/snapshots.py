"""Snapshots that are sent here: each becomes a backup of an instance that is not here, and goes
when it has been restored, or after a day.

That instance is a row, deleted from the beginning and marked as imported. It is written first, so
that what a crash leaves is found by it.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import structlog

from shardhouse import error_codes as codes
from shardhouse.backups import manifest, namespaces
from shardhouse.backups.archive import Archive, Stored
from shardhouse.backups.manifest import Manifest, SetBackup
from shardhouse.contract.snapshot_file import read_listing, unpack
from shardhouse.contract.snapshots import DATA, NAMESPACES, OPLOG, Snapshot, SnapshotSet
from shardhouse.domain import policy
from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.change import Change
from shardhouse.domain.creation import DEFAULT_PORT, OFFERED
from shardhouse.domain.model import BackupStrategy, Instance, Mode, Status
from shardhouse.domain.topology import Ids
from shardhouse.errors import (
    CorruptBackupError,
    DdsError,
    EngineError,
    SnapshotError,
    bad_parameter,
)
from shardhouse.store import backups, instances
from shardhouse.tar import DataFile
from shardhouse.workflows import disk, restorable
from shardhouse.workflows.context import Context, now

KEPT = timedelta(days=1)
"""So long a snapshot stays that nothing restores."""
_FIELD = "snapshot"
_MIB = 1024**2
log = structlog.get_logger()


def receive(context: Context, project_id: str, backup_id: str, chunks: Iterable[bytes]) -> Backup:
    """Make a backup of a snapshot that arrives, for a project. Where that fails, or `chunks` raise
    something, which passes through, nothing of it stays.

    Raises DdsError: 400 for what is no snapshot, or not whole, for a MongoDB release that has no
    build here, for too little space, for one that was sent already; BackupError.
    """
    try:
        snapshot, parts = unpack(chunks)
        origin_id = f"{backup_id.removesuffix('br02')}in02"  # one upload to a link
        origin = _origin(context, project_id, origin_id, snapshot)
        _check_room(context, snapshot.size)
        with context.database.write() as connection:
            if instances.load(connection, origin.id) is not None:
                raise DdsError(codes.BACKUP_EXISTS, "The link was used already: ask for another.")
            instances.add(connection, origin)
            mark = Change(policies={policy.IMPORTED: {}})
            instances.apply(connection, origin.id, mark, now())
        try:
            return _kept(context, origin, backup_id, snapshot, parts)
        except BaseException:
            _discard(context, origin.id)
            raise
    except CorruptBackupError as error:
        raise bad_parameter(_FIELD, f"it is cut short or damaged. {error.message}") from None
    except SnapshotError as error:
        raise bad_parameter(_FIELD, error.message) from None
    except EngineError as error:
        raise bad_parameter(_FIELD, error.message, codes.VERSION_INVALID) from None


def is_snapshot(context: Context, instance_id: str) -> bool:
    """Whether backups of this instance came as a snapshot: so their data is that of a stranger."""
    with context.database.read() as connection:
        origin = instances.load(connection, instance_id)
    return origin is not None and policy.is_imported(origin)


def restored(context: Context, instance_id: str, job_id: str) -> None:
    """A job has restored a backup of this instance, or has failed to: if that was a snapshot, it
    goes, unless another job needs it. Repeating it is harmless. Raises BackupError."""
    if is_snapshot(context, instance_id) and _disabled(context, instance_id, but=job_id):
        _discard(context, instance_id)


def expire(context: Context) -> None:
    """Remove the snapshots that nothing has restored for a day, and what a crash has left of one.
    None that arrives is so old. Raises BackupError."""
    with context.database.read() as connection:
        imported = instances.with_policy(connection, policy.IMPORTED)
    for origin in imported:
        if origin.created_at < now() - KEPT and _disabled(context, origin.id):
            _discard(context, origin.id)
            log.info("snapshot expired", instance=origin.id)


def _disabled(context: Context, instance_id: str, but: str = "") -> bool:
    """Whether no running job uses a snapshot, one left out: then none will from now on."""
    with context.database.write() as connection:
        used = any(use.origin_id == instance_id for use in restorable.in_use(connection, but=but))
        if not used:
            for backup in backups.of_instance(connection, instance_id):
                backups.change(connection, backup.id, status=BackupStatus.DISABLED)
    return not used


def _discard(context: Context, instance_id: str) -> None:
    """Nothing is stored or known of a snapshot that nothing uses, or of the instance that it was
    of. Raises BackupError."""

    def delete() -> None:
        context.storage.delete(entry.name for entry in context.storage.list(f"{instance_id}/"))
        context.archives.forget(instance_id)

    delete()
    with context.database.write() as connection:
        for backup in backups.of_instance(connection, instance_id):
            backups.remove(connection, backup.id)
        instances.erase(connection, instance_id)
    delete()  # who asked for it just now may have made a key


def _origin(context: Context, project_id: str, instance_id: str, snapshot: Snapshot) -> Instance:
    """The instance that a snapshot is of, on a build that is here."""
    found, moment = snapshot.instance, now()
    if found.version not in OFFERED:
        raise SnapshotError(f"it is of version {found.version}, which no instance here can have.")
    build = context.engines.alike(
        found.engine_build, found.engine_version, sharded=found.mode is Mode.SHARDING
    )
    return Instance(
        id=instance_id,
        project_id=project_id,
        name=found.name,
        mode=found.mode,
        status=Status.DELETED,
        version=found.version,
        storage_engine=found.storage_engine,
        engine_version=build.version,
        engine_build=build.name,
        port=DEFAULT_PORT,
        ssl=found.ssl,
        region=context.settings.region,
        availability_zone="",
        backup_strategy=BackupStrategy(keep_days=0),
        created_at=moment,
        updated_at=moment,
        deleted_at=moment,
        request={},
    )


def _kept(
    context: Context,
    origin: Instance,
    backup_id: str,
    snapshot: Snapshot,
    parts: Iterator[DataFile],
) -> Backup:
    """Store the parts, then what makes a backup of them. No id is one of the file's."""
    archive, ids = context.archive(origin.id), Ids()
    shape = tuple(group.shape(ids.group()) for group in snapshot.instance.groups)
    group_ids = {group.name: group.id for group in shape}

    def kept(part: str, stored_as: str, plain_size: int) -> Stored:
        """The next part, which is this one: `unpack` sees to it."""
        file = next(parts)
        assert file.name == part
        return archive.write_packed(stored_as, _while_room(context, file.chunks), plain_size)

    def of_set(one: SnapshotSet) -> SetBackup:
        group_id = group_ids[one.name]
        files = read_listing(next(parts), one.files)
        data_name = manifest.data_name(backup_id, group_id)
        data = kept(one.name + DATA, data_name, one.data.plain_size)
        oplog = None
        if one.oplog is not None:
            oplog_name = manifest.oplog_name(backup_id, group_id)
            oplog = kept(one.name + OPLOG, oplog_name, one.oplog.plain_size)
        names = namespaces.name(backup_id, group_id)
        kept(one.name + NAMESPACES, names, one.namespaces.plain_size)
        _check_size(archive, names, one.namespaces.plain_size)
        return SetBackup(group_id, one.name, one.type, one.top, data, files, oplog)

    sets = tuple(of_set(one) for one in snapshot.sets)
    for _ in parts:  # behind the last one its checksums are compared
        pass
    made = Manifest(
        backup_id,
        f"{origin.name}-{origin.created_at:%Y%m%d%H%M%S%f}",
        "",
        BackupType.MANUAL,
        snapshot.begin,
        snapshot.end,
        snapshot.consistent_at,
        manifest.origin(origin, shape),
        sets,
    )
    manifest.write(archive, made)
    backup = _backup(made)
    with context.database.write() as connection:
        backups.add(connection, backup)
    return backup


def _check_size(archive: Archive, name: str, plain_size: int) -> None:
    """Raises CorruptBackupError where what was compressed is not as long as was said."""
    if sum(map(len, archive.read(name, plain_size))) != plain_size:
        raise CorruptBackupError(f"{name} is shorter than {plain_size} bytes.")


def _backup(made: Manifest) -> Backup:
    origin = made.instance
    return Backup(
        id=made.backup_id,
        project_id=origin.project_id,
        instance_id=origin.id,
        instance_name=origin.name,
        name=made.name,
        description=made.description,
        type=made.type,
        status=BackupStatus.COMPLETED,
        begin_time=made.begin,
        end_time=made.end,
        mode=origin.mode,
        version=origin.version,
        storage_engine=origin.storage_engine,
        engine_version=origin.engine_version,
        shape=origin.groups,
        size=made.size,
        tops={one.group_id: one.top for one in made.sets},
        consistent_at=made.consistent_at,
    )


def _room(context: Context) -> int | None:
    """Bytes that may be stored; None where nobody knows."""
    free = context.storage.free()
    return None if free is None else disk.spare(context.settings, free, context.reserve)


def _check_room(context: Context, size: int) -> None:
    room = _room(context)
    if room is not None and size > room:
        raise DdsError(
            codes.CLASS_NOT_AVAILABLE,
            f"There is too little space for the snapshot where backups are kept: "
            f"{max(0, room) // _MIB} MiB can be used (disk_reserve is "
            f"{context.settings.disk_reserve} MiB).",
        )


def _while_room(context: Context, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same, as long as there is room for it."""
    for chunk in chunks:
        _check_room(context, len(chunk))
        yield chunk
