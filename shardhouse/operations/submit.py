"""The only way in: a call becomes a job or an immediate change in one transaction.

The reply leaves after that transaction; everything behind it survives a crash.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Connection

from shardhouse import error_codes as codes
from shardhouse.contract.call import Call, Wire
from shardhouse.contract.restore_points import Source
from shardhouse.contract.scaling import RESIZE_VOLUME
from shardhouse.domain import configuration, restoring
from shardhouse.domain.backup import ACTION, Backup, BackupStatus, BackupType
from shardhouse.domain.change import Change
from shardhouse.domain.creation import CreateRequest, Limits, parse_create
from shardhouse.domain.dialect import DIALECTS
from shardhouse.domain.model import Instance, Job, JobStatus, Mode
from shardhouse.domain.topology import Ids, create_job_name, plan_instance
from shardhouse.engines import Engine
from shardhouse.engines.catalogue import release
from shardhouse.errors import (
    BusyError,
    DdsError,
    EngineError,
    bad_parameter,
    instance_busy,
    instance_not_found,
)
from shardhouse.operations import (
    back_up,
    create,
    delete,
    delete_backup,
    enlarge_volume,
    repair,
    restore,
)
from shardhouse.operations.tasks import recovering
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.settings import Settings
from shardhouse.store import backups, configurations, instances, jobs, sealed
from shardhouse.workflows import disk, launch, restorable, restore_points
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.engine import Workflows, new_job
from shardhouse.workflows.operation import A, Asked, Edit, NoArguments, Operation, Planned

T = TypeVar("T")
_PATIENCE = 30.0
"""Seconds that a call waits for a backup to copy files."""
_PAUSE = 0.2
_NO_CHANGE = Change()
#: Where volumes may be enlarged.
_ENLARGEABLE = RESIZE_VOLUME.rules.statuses


@dataclass(frozen=True)
class Target:
    """Which instance of which project a call is about; `path` holds all variable parts of its
    path."""

    project_id: str
    instance_id: str
    path: Mapping[str, str]


@dataclass(frozen=True)
class Accepted:
    """What became of a call: the instance as the plan found it, and its job."""

    instance: Instance
    job: Job


@dataclass(frozen=True)
class Submit:
    """Takes the calls that change something."""

    context: Context
    workflows: Workflows

    def limits(self) -> Limits:
        """What this installation accepts in a create request."""
        settings = self.context.settings
        return Limits(
            dialect=DIALECTS[settings.dialect],
            versions=self.context.engines.versions(),
            regions=settings.regions,
            zones=settings.zones,
            tls_default=settings.tls_default,
        )

    def create(self, project_id: str, body: object) -> Accepted:
        """Plan and store an instance and start its creation.

        Raises DdsError: 400 for a rule the body breaks, when the project's quota is used up, or
        when the disk has no room for it.
        """
        request = parse_create(body, self.limits())
        instance = self._planned(project_id, request, self._engine(request))
        job = new_job(instance, create.CREATE, NoArguments(), name=create_job_name(instance.mode))
        return self._created(instance, request, job)

    def restore_new(self, project_id: str, body: Mapping[str, Any], source: Source) -> Accepted:
        """Plan and store an instance that gets the data of a backup, or of another instance's
        moment, and start its creation.

        Raises DdsError 400 for what cannot be restored, and as `create`.
        """
        point = restore_points.of_source(self.context, project_id, source)
        with self.context.database.read() as connection:
            origin = instances.load(connection, point.backup.instance_id)
        assert origin is not None  # its row stays as long as it has backups
        request = parse_create(restoring.filled(body, point.backup, origin), self.limits())
        restoring.check(request, point.backup)
        planned = self._planned(project_id, request, self._same_engine(origin, point.backup))
        instance = restoring.named(planned, point.backup)
        arguments = restore.recovery(point, instance)
        job = new_job(instance, restore.TO_NEW, arguments, name=restore.name(point, new=True))
        return self._created(instance, request, job)

    def _planned(self, project_id: str, request: CreateRequest, engine: Engine) -> Instance:
        return plan_instance(
            request,
            project_id=project_id,
            engine_version=engine.version,
            engine_build=engine.name,
            ids=Ids(),
            now=now(),
        )

    def _created(self, instance: Instance, request: CreateRequest, job: Job) -> Accepted:
        """Store a new instance, and start the job that makes it."""
        project_id = instance.project_id
        if lacking := disk.lacking(self.context, instance, instance.nodes):
            raise DdsError(codes.CLASS_NOT_AVAILABLE, lacking)
        with self.context.database.write() as connection:
            used = instances.count_by_mode(connection, project_id).get(request.mode, 0)
            allowed = quota(self.context.settings, request.mode)
            if used >= allowed:
                raise DdsError(
                    codes.INSTANCE_NUMBER_INVALID,
                    f"The project holds {used} {request.mode} instances, and its quota is "
                    f"{allowed}. Delete one, or raise the quota.",
                )
            chosen = {
                kind: configurations.find(connection, project_id, one)
                for kind, one in request.configurations.items()
            }
            instances.add(connection, instance)
            instances.apply(connection, instance.id, configuration.first(instance, chosen), now())
            restorable.check_used(connection, job.arguments)
            jobs.add(connection, job)
            if request.password is not None:
                secrets = {launch.PASSWORD: request.password}
                sealed.keep(connection, self.context.vault, instance.id, secrets)
        self.workflows.start(job)
        return Accepted(instance, job)

    def start(self, operation: Operation[Any], target: Target, body: Any) -> Accepted:
        """Plan an operation and start its job, or leave it for its time. While a backup copies
        files, which rarely takes long, the call waits.

        Raises DdsError: 404 for an unknown instance, 403 while another operation runs or the same
        one waits, and what the call's rules and the operation's plan refuse.
        """
        return self.patiently(target, lambda: self._start(operation, target, body))

    def patiently(self, target: Target, attempt: Callable[[], T]) -> T:
        """What `attempt` gives; while a backup copies the instance's files, it is repeated instead
        of being refused. Raises what it raises otherwise."""
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                return attempt()
            except BusyError as error:
                if error.action != ACTION or time.monotonic() > patience:
                    raise
            time.sleep(_PAUSE)

    def _start(self, operation: Operation[Any], target: Target, body: Any) -> Accepted:
        assert operation.call is not None
        assert operation.plan is not None
        with self.context.database.write() as connection:
            asked = self._asked(connection, operation.call, target, body)
            instance = asked.instance
            for waiting in jobs.pending(connection, instance.id):
                if operation is delete.DELETE:
                    jobs.cancel(connection, waiting.id, now())
                elif waiting.action == operation.action:
                    raise instance_busy(instance.id, f"{waiting.action}, scheduled")
            planned: Planned[Any] = operation.plan(asked)
            job = new_job(
                instance, operation, planned.arguments, name=planned.job, steps=planned.steps
            )
            if planned.start_at is not None:
                job = replace(job, status=JobStatus.PENDING, start_at=planned.start_at)
            restorable.check_used(connection, job.arguments)
            jobs.add(connection, job)
            instances.apply(connection, instance.id, planned.now, now())
            secrets = {sealed.JOB + name: secret for name, secret in planned.secrets.items()}
            sealed.keep(connection, self.context.vault, instance.id, secrets)
        if planned.start_at is None:
            self.workflows.start(job)
        return Accepted(instance, job)

    def edit(self, edit: Edit[Any], target: Target, body: Wire) -> Instance:
        """Make an immediate change; the instance as it was before.

        Raises DdsError: 404 for an unknown instance, and what the call's rules and the plan refuse.
        """
        return self.patiently(target, lambda: self._edit(edit, target, body))

    def _edit(self, edit: Edit[Any], target: Target, body: Wire) -> Instance:
        with self.context.database.write() as connection:
            asked = self._asked(connection, edit.call, target, body)
            instances.apply(connection, asked.instance.id, edit.plan(asked), now())
        return asked.instance

    def back_up(self, instance: Instance) -> None:
        """Start an automatic backup."""
        backup = back_up.begun(instance, BackupType.AUTO, Ids(), now())
        planned = back_up.planned(backup)
        self._start_own(instance, back_up.BACK_UP, planned.arguments, planned.now)

    def stop_backup(self, project_id: str, backup_id: str) -> str:
        """Have a backup in the making stopped; the id of its job. Raises DdsError 400 for one that
        does not exist or has ended."""
        with self.context.database.write() as connection:
            backup = self._backup(connection, project_id, backup_id)
            for job in jobs.running(connection):
                if job.action == ACTION and job.arguments["backup_id"] == backup.id:
                    backups.change(connection, backup.id, stop_requested=True)
                    return job.id
        raise DdsError(
            codes.BACKUP_STATE_FORBIDS,
            f"The backup {backup_id} is {backup.status}: it is not being made.",
        )

    def delete_backups(self, project_id: str, ids: Sequence[str]) -> list[Job]:
        """Start deleting backups, one job for those of each instance. Raises DdsError 400 for one
        that does not exist or may not be deleted; then none is."""
        started: list[Job] = []
        with self.context.database.write() as connection:
            found = [self._backup(connection, project_id, one) for one in dict.fromkeys(ids)]
            used = {use.backup_id for use in restorable.in_use(connection)}
            for backup in found:
                if backup.id in used:
                    raise DdsError(
                        codes.BACKUP_IN_USE,
                        f"The backup {backup.id} is being restored or verified.",
                    )
            owners = {backup.instance_id for backup in found}
            for instance in instances.load_all(connection, sorted(owners)):
                own = [backup for backup in found if backup.instance_id == instance.id]
                for backup in own:
                    if refusal := delete_backup.refusal(backup, instance):
                        raise DdsError(codes.BACKUP_STATE_FORBIDS, refusal)
                    backups.change(connection, backup.id, status=BackupStatus.DISABLED)
                arguments = delete_backup.Arguments(tuple(backup.id for backup in own))
                job = new_job(instance, delete_backup.DELETE, arguments)
                jobs.add(connection, job)
                started.append(job)
        for job in started:
            self.workflows.start(job)
        return started

    def beside(self, operation: Operation[Recovery], project_id: str, backup_id: str) -> Job:
        """Start an operation that recovers a backup beside its instance. Raises DdsError 400 for a
        backup that does not exist or is not complete."""
        backup = restorable.of_backup(self.context, project_id, backup_id).backup
        with self.context.database.write() as connection:
            (owner,) = instances.load_all(connection, [backup.instance_id])
            job = new_job(owner, operation, recovering.of_backup(backup))
            restorable.check_used(connection, job.arguments)
            jobs.add(connection, job)
        self.workflows.start(job)
        return job

    def repair(self, instance: Instance) -> None:
        """Start a repair of an instance, for the service itself.

        Raises DdsError: 403 while another operation runs.
        """
        self._start_own(instance, repair.REPAIR, NoArguments())

    def enlarge_volumes(self, instance: Instance) -> None:
        """Start what the instance's policy wants done with its volumes, one group at a time."""
        if instance.action or instance.status not in _ENLARGEABLE:
            return
        for group in instance.data_groups:
            share = disk.share(self.context.settings, group)
            arguments = enlarge_volume.due(instance, share, group)
            if arguments is not None:
                with suppress(DdsError):  # busy by now: it is still full when measured next
                    self._start_own(instance, enlarge_volume.ENLARGE, arguments)
                return

    def remove_deleted(self) -> None:
        """Start the removal of what deleted instances left: it failed, or has not begun."""
        with self.context.database.read() as connection:
            left = [one for one in instances.pending_removal(connection) if not one.action]
        for instance in left:
            self._start_own(instance, delete.DELETE, NoArguments())

    def cancel(self, project_id: str, job_id: str) -> None:
        """Cancel a job that waits for its time. Raises DdsError: 400 for an unknown job, 403 for
        one that does not wait (any more)."""
        with self.context.database.write() as connection:
            if jobs.find(connection, project_id, job_id) is None:
                raise DdsError(codes.RESOURCE_NOT_FOUND, f"The job {job_id} does not exist.")
            if not jobs.cancel(connection, job_id, now()):
                raise DdsError(
                    codes.REFUSED_IN_STATE, f"The job {job_id} does not wait for its time."
                )

    def _asked(self, connection: Connection, call: Call, target: Target, body: Any) -> Asked[Any]:
        """What a plan is given, once the call's rules hold."""
        instance = instances.find(connection, target.project_id, target.instance_id)
        if instance is None:
            raise instance_not_found(target.instance_id)
        call.rules.check(instance, call.operation)
        context = self.context
        return Asked(instance, body, target.path, context.settings, context.engines, now())

    def _backup(self, connection: Connection, project_id: str, backup_id: str) -> Backup:
        backup = backups.find(connection, project_id, backup_id)
        if backup is None:
            raise DdsError(codes.BACKUP_NOT_FOUND, f"The backup {backup_id} does not exist.")
        return backup

    def _start_own(
        self,
        instance: Instance,
        operation: Operation[A],
        arguments: A,
        change: Change = _NO_CHANGE,
    ) -> None:
        job = new_job(instance, operation, arguments)
        with self.context.database.write() as connection:
            jobs.add(connection, job)
            instances.apply(connection, instance.id, change, now())
        self.workflows.start(job)

    def _same_engine(self, origin: Instance, backup: Backup) -> Engine:
        """A build of the release that a backup is of: the origin's, unless that was upgraded."""
        upgraded = release(origin.engine_version) != release(backup.engine_version)
        build = "" if upgraded else origin.engine_build
        version = backup.engine_version if upgraded else origin.engine_version
        try:
            return self.context.engines.build(build, version)
        except EngineError as error:
            raise bad_parameter("restore_point", error.message, codes.VERSION_INVALID) from None

    def _engine(self, request: CreateRequest) -> Engine:
        """The build that will serve the request."""
        try:
            return self.context.engines.for_version(
                request.version, sharded=request.mode is Mode.SHARDING, tls=request.ssl
            )
        except EngineError as error:
            raise bad_parameter("datastore.version", error.message, codes.VERSION_INVALID) from None


def quota(settings: Settings, mode: Mode) -> int:
    """How many instances of a mode a project may hold."""
    quotas = settings.quotas
    return {
        Mode.SHARDING: quotas.sharding,
        Mode.REPLICA_SET: quotas.replica_set,
        Mode.SINGLE: quotas.single,
    }[mode]
