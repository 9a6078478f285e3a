"""Backing an instance up: the files of one member of each replica set, copied under its lock.

Other changes of the instance wait only while files are copied; the copies are packed, compressed,
encrypted and stored afterwards. A cluster's sets are not copied at one moment, so what each wrote
until a moment after all copies is stored beside them: that moment is what the backup holds.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import structlog
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError
from sqlalchemy import Connection

from shardhouse import tar
from shardhouse.backups import manifest, namespaces, oplog, positions
from shardhouse.backups.archive import Archive
from shardhouse.backups.manifest import Manifest, SetBackup
from shardhouse.backups.namespaces import Namespaces
from shardhouse.contract.backups import CREATE_BACKUP, BackupBody
from shardhouse.domain import backup as rules
from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.change import Change
from shardhouse.domain.model import Group, Instance, MemberRole, Mode
from shardhouse.domain.topology import Ids
from shardhouse.domain.transitions import SERVING
from shardhouse.errors import MissingObjectError, MongoError, StepError, StillLockedError
from shardhouse.mongo import databases, lock, replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.nodes.runtime import Aside, NodeRef
from shardhouse.store import backups
from shardhouse.tar import DataFile, PackedFile
from shardhouse.workflows import disk, limits, locks, processes
from shardhouse.workflows.context import now, parallel_map, set_plan
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

LOCK_SECONDS = 600.0
"""Seconds that copying one member's files may take."""
_ATTEMPTS = 3
_ANSWER_SECONDS = 30.0
_SET_SECONDS = 120.0
log = structlog.get_logger()


@dataclass(frozen=True)
class Arguments:
    """Which backup is made."""

    backup_id: str


def begun(
    instance: Instance,
    kind: BackupType,
    ids: Ids,
    at: datetime,
    name: str = "",
    description: str = "",
) -> Backup:
    """A backup that is about to be made; an automatic one is named after its instance and time."""
    return Backup(
        id=ids.backup(),
        project_id=instance.project_id,
        instance_id=instance.id,
        instance_name=instance.name,
        name=name or f"{instance.name}-{at:%Y%m%d%H%M%S%f}",
        description=description,
        type=kind,
        status=BackupStatus.BUILDING,
        begin_time=at,
        mode=instance.mode,
        version=instance.version,
        storage_engine=instance.storage_engine,
        engine_version=instance.engine_version,
        shape=rules.shape(instance),
    )


def plan(asked: Asked[BackupBody]) -> Planned[Arguments]:
    """A backup asked for by a client. Raises DdsError 400 where its name is taken."""
    body = asked.body
    backup = begun(
        asked.instance, BackupType.MANUAL, asked.ids, asked.now, body.name, body.description
    )
    return planned(backup)


def planned(backup: Backup) -> Planned[Arguments]:
    """The job that makes a backup."""
    return Planned(Arguments(backup.id), now=Change(add_backups=(backup,)))


def copy_ref(instance: Instance, group: Group) -> NodeRef:
    """Where the copy of a group's files lies until it is stored."""
    return NodeRef(instance.id, rules.source_node(group)).aside(Aside.COPY)


def copy(run: Run[Arguments]) -> None:
    """The files of one member of each set lie aside."""
    with locks.exclusive(run, lambda: _check_stop(run)):
        instance = run.context.instance(run.instance.id)
        if instance.status not in SERVING:
            raise StepError(f"The instance is {instance.status}: there is nothing to back up.")
        processes.ensure_all(run.context, instance)
        _check_space(run, instance)
        with run.context.clients(instance) as clients:
            groups = instance.data_groups
            tops = parallel_map(lambda group: _copied(run, instance, group, clients), groups)
        found = {group.id: positions.text(top) for group, top in zip(groups, tops, strict=True)}
        with run.context.database.write() as connection:
            backups.change(
                connection,
                run.arguments.backup_id,
                tops=found,
                consistent_at=max(found.values()),
                shape=[vars(group) for group in rules.shape(instance)],
            )
    run.report(f"replica sets that were copied: {len(tops)}")


def _check_space(run: Run[Arguments], instance: Instance) -> None:
    sources = [NodeRef(instance.id, rules.source_node(g)) for g in instance.data_groups]
    needed = sum(run.context.runtime.usage(source).data for source in sources)
    disk.check_room(run.context, instance, needed, "Copying the instance's files")


def _copied(run: Run[Arguments], instance: Instance, group: Group, clients: Clients) -> Timestamp:
    """Copy a member's files, and store which collections they hold; the position of the newest
    entry that they hold. Tried again where the lock had to be given up."""
    _, node = instance.place_of(rules.source_node(group))
    others = [
        one.host for one in group.nodes if one.id != node.id and one.member is MemberRole.VOTER
    ]
    source, target = NodeRef(instance.id, node.id), copy_ref(instance, group)
    run.context.runtime.ensure_volume(target, {})
    deadline = partial(processes.deadline, run.context, instance, also=lambda: _check_stop(run))
    deadline(seconds=_ANSWER_SECONDS).until(
        f"{node.name} to answer", lambda: clients[node.host].admin.command("ping") or None
    )
    lock.release_left_over(node.host, clients)
    for attempt in range(_ATTEMPTS):
        replica_set.catch_up(set_plan(group), node.host, clients, deadline(seconds=_SET_SECONDS))
        try:
            with lock.locked(node.host, clients, others, LOCK_SECONDS) as locked:
                run.context.runtime.copy_data(source, target)
                found = Namespaces(*databases.namespaces(clients[node.host]))
        except MongoError as error:
            if isinstance(error, StillLockedError):  # it hangs: its set is better off without it
                run.context.runtime.stop(source, 0)
            if attempt == _ATTEMPTS - 1:
                raise
            log.warning("copying starts again", instance=instance.id, node=node.id, why=str(error))
        else:
            archive = run.context.archives.renewed(instance.id)
            namespaces.write(archive, run.arguments.backup_id, group.id, found)
            top: Timestamp = locked.top
            return top
    raise AssertionError("unreachable")


def store(run: Run[Arguments]) -> None:
    """The copies are in the storage, and of a cluster what its sets wrote since."""
    context, instance = run.context, run.instance
    archive, backup = context.archives.renewed(instance.id), _backup(run)
    try:  # before a crash, maybe: then the copies are gone
        made = manifest.read(archive, backup.id)
    except MissingObjectError:
        made = _packed(run, archive, backup)
        manifest.write(archive, made)
    with context.database.write() as connection:
        backups.change(connection, backup.id, size=made.size)
    _remove_copies(run)
    run.report(f"{made.size / 1e6:.1f} MB stored")


def _packed(run: Run[Arguments], archive: Archive, backup: Backup) -> Manifest:
    """Pack and store everything but the manifest."""
    context, instance = run.context, run.instance
    groups = instance.data_groups
    if {group.id for group in groups} != set(backup.tops):
        raise StepError("The instance got or lost a shard while its copies were being stored.")
    refs = {group.id: copy_ref(instance, group) for group in groups}
    progress = _Progress(run, sum(context.runtime.usage(ref).data for ref in refs.values()))
    # What is in the oplog may be overwritten there: it comes first.
    oplogs = {
        group.id: archive.write(
            manifest.oplog_name(backup.id, group.id), _since(run, instance, group, backup)
        )
        for group in groups
        if instance.mode is Mode.SHARDING
    }
    sets = []
    for group in groups:
        files: list[PackedFile] = []
        found = progress.counted(
            disk.sparing(
                context, instance, context.runtime.read_data(refs[group.id]), "Storing the copies"
            )
        )
        packed = tar.pack(tar.listed(found, files))
        data = archive.write(manifest.data_name(backup.id, group.id), packed, compressed=True)
        sets.append(
            SetBackup(
                group.id,
                group.name,
                group.type,
                backup.tops[group.id],
                data,
                tuple(files),
                oplogs.get(group.id),
            )
        )
    return Manifest(
        backup.id,
        backup.name,
        backup.description,
        backup.type,
        backup.begin_time,
        now(),
        backup.consistent_at,
        manifest.origin(instance, backup.shape),
        tuple(sets),
    )


def _since(
    run: Run[Arguments], instance: Instance, group: Group, backup: Backup
) -> Iterator[bytes]:
    """What a set wrote between its copy and the backup's moment."""
    top, until = (positions.parse(one) for one in (backup.tops[group.id], backup.consistent_at))
    plan = set_plan(group)
    with run.context.clients(instance) as clients:
        deadline = processes.deadline(run.context, instance, seconds=_SET_SECONDS)
        oplog.reach(plan, until, clients, deadline)
        yield from oplog.read(plan.electable, clients, top, until)


@dataclass
class _Progress:
    """Counts what was packed of `total` bytes, says so about once a second, and raises StepError
    where the backup is to be stopped."""

    run: Run[Arguments]
    total: int
    packed: int = 0
    looked: float = 0.0

    def counted(self, files: Iterable[DataFile]) -> Iterator[DataFile]:
        """The same files; what is read of them is counted."""
        for file in files:
            yield replace(file, chunks=self._counted(file.chunks))

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._count(len(chunk))
            yield chunk

    def _count(self, size: int) -> None:
        self.packed += size
        if time.monotonic() - self.looked < 1:
            return
        self.looked = time.monotonic()
        _check_stop(self.run)
        self.run.report(f"{self.packed / 1e6:.0f} of {self.total / 1e6:.0f} MB packed")


def _check_stop(run: Run[Arguments]) -> None:
    """Raises StepError where the backup is to be stopped."""
    if _backup(run).stop_requested:
        raise StepError("The backup was stopped, as asked for.")


def _backup(run: Run[Arguments]) -> Backup:
    with run.context.database.read() as connection:
        found = backups.load(connection, run.arguments.backup_id)
    if found is None:
        raise StepError(f"The backup {run.arguments.backup_id} is not in the store.")
    return found


def _remove_copies(run: Run[Arguments]) -> None:
    for group in run.instance.data_groups:
        run.context.runtime.remove(copy_ref(run.instance, group))


def clean_up(run: Run[Arguments]) -> None:
    """Nothing of a backup that failed stays: no lock, no copy, no object."""
    context, instance = run.context, run.instance
    with context.clients(instance) as clients:
        for group in instance.data_groups:
            _, node = instance.place_of(rules.source_node(group))
            with suppress(PyMongoError, MongoError):  # a member that does not answer is not locked
                lock.release_left_over(node.host, clients)
    _remove_copies(run)
    manifest.remove(context.archive(instance.id), run.arguments.backup_id)


def succeed(connection: Connection, run: Run[Arguments]) -> None:
    """It can be restored."""
    values = {"status": BackupStatus.COMPLETED, "end_time": now()}
    backups.change(connection, run.arguments.backup_id, **values)


def fail(connection: Connection, run: Run[Arguments]) -> None:
    """It is listed as failed, and can be deleted."""
    values = {"status": BackupStatus.FAILED, "end_time": now(), "size": 0}
    backups.change(connection, run.arguments.backup_id, **values)


BACK_UP = Operation(
    rules.ACTION,
    "MongodbSnapshotBackup",
    Arguments,
    (Step("Copy the data", copy), Step("Store the copies", store)),
    call=CREATE_BACKUP,
    plan=plan,
    done=succeed,
    failed=fail,
    roll_back=clean_up,
    limit=limits.copying,
    locks=False,
)
