"""Jobs in the store: the lock on an instance, and the progress of the work on it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from shardhouse.domain.model import Job, JobStatus, JobStep, StepStatus
from shardhouse.errors import instance_busy
from shardhouse.store import instances
from shardhouse.store.tables import INSTANCES, JOB_STEPS, JOBS, NODES

#: Days an ended job can be asked for.
KEEP_DAYS = 31


def add(connection: Connection, job: Job) -> None:
    """Insert a running job and its steps: this takes the instance's lock.

    Raises DdsError (403, busy) while another job runs on the instance.
    """
    try:
        with connection.begin_nested():
            connection.execute(
                insert(JOBS).values(
                    id=job.id,
                    project_id=job.project_id,
                    instance_id=job.instance_id,
                    instance_name=job.instance_name,
                    name=job.name,
                    action=job.action,
                    status=job.status,
                    fail_reason=job.fail_reason,
                    created_at=job.created_at,
                    ended_at=job.ended_at,
                )
            )
    except IntegrityError:
        action = connection.execute(
            select(JOBS.c.action).where(
                JOBS.c.instance_id == job.instance_id, JOBS.c.status == JobStatus.RUNNING
            )
        ).scalar_one_or_none()
        raise instance_busy(job.instance_id, action or "another job") from None
    instances.touch(connection, job.instance_id)
    connection.execute(
        insert(JOB_STEPS),
        [
            {
                "job_id": job.id,
                "position": position,
                "name": step.name,
                "status": step.status,
                "detail": step.detail,
            }
            for position, step in enumerate(job.steps)
        ],
    )


def find(connection: Connection, project_id: str, job_id: str) -> tuple[Job, bool] | None:
    """A project's job, and whether its instance is gone; None if there is no such job."""
    row = connection.execute(
        select(JOBS, INSTANCES.c.deleted_at)
        .outerjoin(INSTANCES, INSTANCES.c.id == JOBS.c.instance_id)
        .where(JOBS.c.id == job_id, JOBS.c.project_id == project_id)
    ).one_or_none()
    return (_job(connection, row), row.deleted_at is not None) if row else None


def load(connection: Connection, job_id: str) -> Job | None:
    """Any project's job: for the workflows."""
    row = connection.execute(select(JOBS).where(JOBS.c.id == job_id)).one_or_none()
    return _job(connection, row) if row else None


def running(connection: Connection) -> list[Job]:
    """Every job that has not ended, oldest first."""
    rows = connection.execute(
        select(JOBS).where(JOBS.c.status == JobStatus.RUNNING).order_by(JOBS.c.created_at)
    ).all()
    return [_job(connection, row) for row in rows]


def start_step(connection: Connection, job_id: str, position: int, now: datetime) -> None:
    """A step began, or began again after a crash: it keeps its first start."""
    connection.execute(
        update(JOB_STEPS)
        .where(JOB_STEPS.c.job_id == job_id, JOB_STEPS.c.position == position)
        .where(JOB_STEPS.c.status == StepStatus.PENDING)
        .values(status=StepStatus.RUNNING, started_at=now)
    )


def tell(connection: Connection, job_id: str, position: int, detail: str) -> None:
    """What a running step did or waits for."""
    connection.execute(
        update(JOB_STEPS)
        .where(JOB_STEPS.c.job_id == job_id, JOB_STEPS.c.position == position)
        .values(detail=detail)
    )


def end_step(
    connection: Connection, job_id: str, position: int, status: StepStatus, now: datetime
) -> None:
    """A step ended well or not."""
    connection.execute(
        update(JOB_STEPS)
        .where(JOB_STEPS.c.job_id == job_id, JOB_STEPS.c.position == position)
        .values(status=status, ended_at=now)
    )


def end(connection: Connection, job: Job, now: datetime, *, fail_reason: str | None = None) -> None:
    """The job is over; its instance may be changed again."""
    status = JobStatus.FAILED if fail_reason else JobStatus.COMPLETED
    connection.execute(
        update(JOBS)
        .where(JOBS.c.id == job.id, JOBS.c.status == JobStatus.RUNNING)
        .values(status=status, ended_at=now, fail_reason=fail_reason)
    )
    instances.touch(connection, job.instance_id)


def forget_old(connection: Connection, now: datetime) -> int:
    """Delete jobs that ended more than KEEP_DAYS ago, and deleted instances without jobs; how many
    jobs there were. Source of the month: Huawei DDS, "Querying a Task"."""
    old = delete(JOBS).where(JOBS.c.ended_at < now - timedelta(days=KEEP_DAYS))
    number = connection.execute(old).rowcount
    owners = select(JOBS.c.instance_id)
    parts = select(NODES.c.instance_id)
    connection.execute(
        delete(INSTANCES).where(
            INSTANCES.c.deleted_at.is_not(None),
            INSTANCES.c.id.not_in(owners),
            INSTANCES.c.id.not_in(parts),
        )
    )
    return number


def _job(connection: Connection, row: Row[Any]) -> Job:
    steps = connection.execute(
        select(JOB_STEPS).where(JOB_STEPS.c.job_id == row.id).order_by(JOB_STEPS.c.position)
    )
    return Job(
        id=row.id,
        project_id=row.project_id,
        instance_id=row.instance_id,
        instance_name=row.instance_name,
        name=row.name,
        action=row.action,
        status=JobStatus(row.status),
        created_at=row.created_at,
        ended_at=row.ended_at,
        fail_reason=row.fail_reason,
        steps=tuple(
            JobStep(step.name, StepStatus(step.status), step.started_at, step.ended_at, step.detail)
            for step in steps
        ),
    )
