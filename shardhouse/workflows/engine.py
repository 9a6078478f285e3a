"""Runs operations as DBOS workflows: one workflow per job, one DBOS step per step.

A job's id is its workflow's id, so starting a job twice is starting it once. DBOS resumes what a
crash interrupted; jobs whose workflow was never started, because the crash came between the two
databases, are started by `launch`.
"""

import uuid

import structlog
from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID

from shardhouse.domain.model import Instance, Job, JobStatus, JobStep, StepStatus
from shardhouse.errors import ShardhouseError
from shardhouse.store import instances, jobs
from shardhouse.workflows import adopt, create, delete
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.operation import Operation

OPERATIONS = {operation.action: operation for operation in (create.CREATE, delete.DELETE)}
#: Interrupted workflows are resumed by any version of this package that has the same value.
COMPATIBILITY = "1"
log = structlog.get_logger()


def new_job(instance: Instance, name: str, action: str) -> Job:
    """A running job of an operation, its steps pending. The caller stores and then starts it."""
    return Job(
        id=str(uuid.uuid4()),
        project_id=instance.project_id,
        instance_id=instance.id,
        instance_name=instance.name,
        name=name,
        action=action,
        status=JobStatus.RUNNING,
        created_at=now(),
        steps=tuple(JobStep(step.name) for step in OPERATIONS[action].steps),
    )


@DBOS.dbos_class()
class Workflows(DBOSConfiguredInstance):
    """The durable side of an installation. Make one per process, then `launch` it."""

    def __init__(self, context: Context) -> None:
        config: DBOSConfig = {
            "name": "shardhouse",
            "system_database_url": context.settings.workflow_url,
            "application_version": COMPATIBILITY,
            "enable_otlp": False,
            "console_log_level": "WARNING",
            # Nothing here waits for DBOS's notifications; polling for them every second is waste.
            "notification_listener_polling_interval_sec": 60.0,
        }
        DBOS(config=config)
        super().__init__(config_name="installation")
        self.context = context

    def launch(self) -> None:
        """Resume what was interrupted, try failed removals again, and bring back every instance's
        processes."""
        DBOS.launch()
        with self.context.database.write() as connection:
            for instance in instances.unremoved(connection):
                if not instance.action:
                    jobs.add(connection, new_job(instance, delete.JOB, delete.ACTION))
            running = jobs.running(connection)
        for job in running:
            self.start(job)
        DBOS.start_workflow(self.adopt)

    def close(self) -> None:
        """Take no more work; what runs goes on until the process ends, and at the next launch."""
        DBOS.destroy()

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
        operation = OPERATIONS[job.action]
        for position, step in enumerate(operation.steps):
            reason = DBOS.run_step({"name": step.name}, self._step, job, position)
            if reason:
                DBOS.run_step({"name": "fail"}, self._fail, job, operation, position, reason)
                return
        DBOS.run_step({"name": "finish"}, self._finish, job, operation)
        DBOS.run_step({"name": "afterwards"}, self._afterwards, job, operation)

    @DBOS.workflow()
    def adopt(self) -> None:
        """Processes that run are adopted, those that do not are started."""
        DBOS.run_step({"name": "start"}, adopt.start, self.context)
        DBOS.run_step({"name": "elect"}, adopt.elect, self.context)

    def _step(self, job: Job, position: int) -> str | None:
        """Run one step; why it cannot succeed, or None."""
        step = OPERATIONS[job.action].steps[position]
        events = log.bind(job=job.id, instance=job.instance_id, step=step.name)
        context = self.context
        with context.database.write() as connection:
            jobs.start_step(connection, job.id, position, now())

        def tell(detail: str) -> None:
            with context.database.write() as connection:
                jobs.tell(connection, job.id, position, detail)

        try:
            step.run(context, context.instance(job.instance_id), tell)
        except ShardhouseError as error:
            events.warning("step failed", reason=error.message)
            return f"{step.name}: {error.message}"
        except Exception as error:
            events.exception("step failed unexpectedly")
            return f"{step.name}: {type(error).__name__}: {error}"
        with context.database.write() as connection:
            jobs.end_step(connection, job.id, position, StepStatus.COMPLETED, now())
        events.info("step completed")
        return None

    def _finish(self, job: Job, operation: Operation) -> None:
        instance = self.context.instance(job.instance_id)
        with self.context.database.write() as connection:
            operation.on_success(connection, instance)
            jobs.end(connection, job, now())
        log.info("job completed", job=job.id, instance=job.instance_id, action=job.action)

    def _fail(self, job: Job, operation: Operation, position: int, reason: str) -> None:
        instance = self.context.instance(job.instance_id)
        operation.undo(self.context, instance)
        with self.context.database.write() as connection:
            operation.on_failure(connection, instance)
            jobs.end_step(connection, job.id, position, StepStatus.FAILED, now())
            jobs.end(connection, job, now(), fail_reason=reason)
        log.warning("job failed", job=job.id, instance=job.instance_id, reason=reason)

    def _afterwards(self, job: Job, operation: Operation) -> None:
        try:
            instance = self.context.instance(job.instance_id)
            operation.afterwards(self.context, instance)
        except ShardhouseError as error:
            log.warning("after the job", job=job.id, reason=error.message)
