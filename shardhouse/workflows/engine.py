"""Runs operations as DBOS workflows: one workflow per job, one DBOS step per step.

A job's id is its workflow's id, so starting a job twice is starting it once. DBOS resumes what a
crash interrupted; jobs whose workflow was never started, because the crash came between the two
databases, are started by `launch`.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID
from sqlalchemy import Connection

from shardhouse.domain import events
from shardhouse.domain.model import Instance, Job, JobStatus, JobStep, StepStatus
from shardhouse.errors import DiskFullError, ShardhouseError
from shardhouse.mongo.wait import Limit, limited
from shardhouse.store import events as event_store
from shardhouse.store import jobs, sealed
from shardhouse.workflows import adopt, system_database
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.operation import A, Operation, Run

#: Interrupted workflows are resumed by any version of this package that has the same value.
COMPATIBILITY = "1"
#: A step that finds no space for a write to the store waits for it, however long.
_WAITING_FOR_SPACE = {
    "retries_allowed": True,
    "max_attempts": 10**9,
    "interval_seconds": 2.0,
    "backoff_rate": 1.0,
    "should_retry": lambda error: isinstance(error, DiskFullError),
}
log = structlog.get_logger()


def new_job(
    instance: Instance,
    operation: Operation[A],
    arguments: A,
    *,
    name: str = "",
    steps: Sequence[str] = (),
) -> Job:
    """A running job of an operation, its steps pending. The caller stores and then starts it.

    `steps` names those that this job needs, all of the operation's where it is empty; `name` stands
    in place of the operation's own name of its jobs.
    """
    return Job(
        id=str(uuid.uuid4()),
        project_id=instance.project_id,
        instance_id=instance.id,
        instance_name=instance.name,
        name=name or operation.job,
        action=operation.action,
        status=JobStatus.RUNNING,
        created_at=now(),
        arguments=operation.stored(arguments),
        steps=tuple(JobStep(name) for name in steps or [step.name for step in operation.steps]),
        locks=operation.locks,
    )


def _unheard(_detail: str) -> None:
    """Progress of what belongs to no step."""


@DBOS.dbos_class()
class Workflows(DBOSConfiguredInstance):
    """The durable side of an installation. Make one per process, then `launch` it. `operations` are
    all that jobs can be of, by their action."""

    def __init__(self, context: Context, operations: Mapping[str, Operation[Any]]) -> None:
        config: DBOSConfig = {
            "name": "shardhouse",
            "system_database_url": context.settings.workflow_url,
            "system_database_engine": system_database.engine(
                context.settings.workflow_url, context.reserve
            ),
            "application_version": COMPATIBILITY,
            "enable_otlp": False,
            "console_log_level": "WARNING",
            # Nothing here waits for DBOS's notifications; polling for them every second is waste.
            "notification_listener_polling_interval_sec": 60.0,
        }
        DBOS(config=config)
        super().__init__(config_name="installation")
        self.context = context
        self._operations = operations
        #: When jobs began to work, as `time.monotonic` counts.
        self._begun: dict[str, float] = {}

    def launch(self) -> None:
        """Resume what was interrupted, and bring back every instance's processes."""
        DBOS.launch()
        with self.context.database.read() as connection:
            running = jobs.running(connection)
        for job in running:
            self.start(job)
        DBOS.start_workflow(self.adopt)

    def start(self, job: Job) -> None:
        """Start a stored job's workflow, unless it was started before."""
        with SetWorkflowID(job.id):
            DBOS.start_workflow(self.perform, job.id)

    @DBOS.workflow()
    def perform(self, job_id: str) -> None:
        """The workflow of every job."""
        with self.context.database.read() as connection:
            job = jobs.load(connection, job_id)
        if job is None:
            return
        for position, step in enumerate(job.steps):
            reason = DBOS.run_step(_options(step.name), self._step, job, position)
            if reason:
                DBOS.run_step(_options("fail"), self._fail, job, position, reason)
                return
        DBOS.run_step(_options("finish"), self._finish, job)
        DBOS.run_step({"name": "afterwards"}, self._after_commit, job)

    @DBOS.workflow()
    def adopt(self) -> None:
        """Processes that run are adopted, those that do not are started."""
        DBOS.run_step({"name": "start"}, adopt.start, self.context)
        DBOS.run_step({"name": "elect"}, adopt.elect, self.context)

    def _step(self, job: Job, position: int) -> str | None:
        """Run one step; why it cannot succeed, or None. Where there is no space for it, the job's
        time begins anew when there is."""
        try:
            return self._attempt(job, position)
        except DiskFullError:
            self._begun.pop(job.id, None)
            raise

    def _attempt(self, job: Job, position: int) -> str | None:
        name = job.steps[position].name
        events = log.bind(job=job.id, instance=job.instance_id, step=name)
        operation = self._operations.get(job.action)
        step = operation.step(name) if operation else None
        if operation is None or step is None:
            events.warning("step unknown", action=job.action)
            return f"{name}: this version of Shardhouse does not know this step of {job.action}."
        context = self.context
        with context.database.write() as connection:
            since = jobs.start_step(connection, job.id, position, now())

        def report(detail: str) -> None:
            with context.database.write() as connection:
                jobs.report(connection, job.id, position, detail)

        try:
            run = self._run(job, operation, report, since)
            limit = self._limit(run, operation)
            limit.check()
            with limited(limit):
                step.run(run)
        except DiskFullError:
            raise
        except ShardhouseError as error:
            events.warning("step failed", reason=error.message)
            return f"{name}: {error.message}"
        except Exception as error:
            events.exception("step failed unexpectedly")
            return f"{name}: {type(error).__name__}: {error}"
        with context.database.write() as connection:
            jobs.end_step(connection, job.id, position, StepStatus.COMPLETED, now())
        events.info("step completed")
        return None

    def _limit(self, run: Run[A], operation: Operation[A]) -> Limit:
        """Counted from the job's first step, or from the first after our own start."""
        seconds = operation.limit(run.instance, self.context.settings)
        begun = self._begun.setdefault(run.job.id, time.monotonic())
        return Limit(seconds, begun + seconds)

    def _finish(self, job: Job) -> None:
        operation = self._operations[job.action]
        run = self._run(job, operation)
        with self.context.database.write() as connection:
            if _is_over(connection, job):
                return
            operation.done(connection, run)
            _forget_secrets(connection, job, operation)
            moment = now()
            jobs.end(connection, job, moment)
            event_store.record(connection, [events.of_job(job, moment)])
        self._begun.pop(job.id, None)
        log.info("job completed", job=job.id, instance=job.instance_id, action=job.action)

    def _fail(self, job: Job, position: int, reason: str) -> None:
        """End a job as failed, and with it the lock on its instance, whatever else goes wrong."""
        with self.context.database.read() as connection:
            if _is_over(connection, job):
                return
        operation = self._operations.get(job.action)
        run = None
        try:
            if operation is not None:
                run = self._run(job, operation)
                operation.roll_back(run)
        except DiskFullError:
            raise
        except Exception as error:
            log.exception("not rolled back", job=job.id, instance=job.instance_id)
            reason = f"{reason} What was changed could not be rolled back: {error}"
        with self.context.database.write() as connection:
            if operation is not None and run is not None:
                operation.failed(connection, run)
            _forget_secrets(connection, job, operation)
            moment = now()
            jobs.end_step(connection, job.id, position, StepStatus.FAILED, moment)
            jobs.end(connection, job, moment, fail_reason=reason)
            event_store.record(connection, [events.of_job(job, moment, reason)])
        self._begun.pop(job.id, None)
        log.warning("job failed", job=job.id, instance=job.instance_id, reason=reason)

    def _after_commit(self, job: Job) -> None:
        operation = self._operations[job.action]
        try:
            operation.after_commit(self._run(job, operation))
        except ShardhouseError as error:
            log.warning("after the job", job=job.id, reason=error.message)

    def _run(
        self,
        job: Job,
        operation: Operation[A],
        report: Callable[[str], None] = _unheard,
        since: datetime | None = None,
    ) -> Run[A]:
        instance = self.context.instance(job.instance_id)
        arguments = operation.loaded(job.arguments)
        return Run(self.context, job, instance, arguments, report, since or now())


def _is_over(connection: Connection, job: Job) -> bool:
    """Whether the job's end was written already, before a crash: another one may have the instance
    by now."""
    stored = jobs.load(connection, job.id)
    return stored is None or stored.status is not JobStatus.RUNNING


def _forget_secrets(connection: Connection, job: Job, operation: Operation[Any] | None) -> None:
    """What a job was given is forgotten. Only one that locks its instance is given secrets, so
    another job's are not touched."""
    if operation is None or operation.locks:
        sealed.forget_jobs(connection, job.instance_id)


def _options(name: str) -> Any:
    """Options of a DBOS step that writes to the store."""
    return _WAITING_FOR_SPACE | {"name": name}
