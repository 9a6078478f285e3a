"""Takes a request for an operation: checks it against the store, stores its job, starts it.

The reply leaves after one transaction; everything behind it survives a crash.
"""

import uuid
from dataclasses import dataclass

from shardhouse.domain.creation import CreateRequest, Limits, parse_create
from shardhouse.domain.model import Instance, Job, Mode
from shardhouse.domain.topology import Ids, create_job_name, plan_instance
from shardhouse.errors import (
    DdsError,
    EngineError,
    bad_parameter,
    instance_busy,
    instance_not_found,
)
from shardhouse.settings import Settings
from shardhouse.store import instances, jobs, sealed
from shardhouse.workflows import create, delete, launch
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.engine import Workflows, new_job


@dataclass(frozen=True)
class Requests:
    """The operations a tenant may ask for."""

    context: Context
    workflows: Workflows

    def limits(self) -> Limits:
        """What this installation accepts in a create request."""
        settings = self.context.settings
        return Limits(
            dialect=settings.dialect,
            versions=self.context.engines.versions(),
            regions=settings.regions,
            zones=settings.zones,
            tls_default=settings.tls_default,
        )

    def create(self, project_id: str, body: object) -> tuple[Instance, Job]:
        """Plan and store an instance and start its creation.

        Raises DdsError: 400 for a rule the body breaks, or when the project's quota is used up.
        """
        request = parse_create(body, self.limits())
        instance = plan_instance(
            request,
            project_id=project_id,
            engine_version=self._engine_version(request),
            ids=Ids(lambda: uuid.uuid4().hex),
            now=now(),
        )
        job = new_job(instance, create_job_name(instance.mode), create.ACTION)
        with self.context.database.write() as connection:
            used = instances.count_by_mode(connection, project_id).get(request.mode, 0)
            allowed = quota(self.context.settings, request.mode)
            if used >= allowed:
                raise DdsError(
                    "DBS.280280",
                    f"The project holds {used} {request.mode} instances, and its quota is "
                    f"{allowed}. Delete one, or raise the quota.",
                )
            instances.add(connection, instance)
            jobs.add(connection, job)
            if request.password is not None:
                secrets = {launch.PASSWORD: request.password}
                sealed.keep(connection, self.context.vault, instance.id, secrets)
        self.workflows.start(job)
        return instance, job

    def delete(self, project_id: str, instance_id: str) -> Job:
        """Take an instance out of every list at once and start its removal.

        Raises DdsError: 404 for an unknown instance, 403 while another operation runs.
        """
        with self.context.database.write() as connection:
            instance = instances.find(connection, project_id, instance_id)
            if instance is None:
                raise instance_not_found(instance_id)
            if instance.action:
                raise instance_busy(instance_id, instance.action)
            job = new_job(instance, delete.JOB, delete.ACTION)
            jobs.add(connection, job)
            instances.mark_deleted(connection, instance_id, now())
        self.workflows.start(job)
        return job

    def _engine_version(self, request: CreateRequest) -> str:
        """The build that will serve the request."""
        try:
            sharded = request.mode is Mode.SHARDING
            return self.context.engines.for_version(request.version, sharded=sharded).version
        except EngineError as error:
            raise bad_parameter("datastore.version", error.message, "DBS.280236") from None


def quota(settings: Settings, mode: Mode) -> int:
    """How many instances of a mode a project may hold."""
    quotas = settings.quotas
    return {
        Mode.SHARDING: quotas.sharding,
        Mode.REPLICA_SET: quotas.replica_set,
        Mode.SINGLE: quotas.single,
    }[mode]
