"""Jobs in the store: the lock on an instance, and the progress of the work on it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from shardhouse.domain.model import Job, JobStatus, JobStep, StepStatus
from shardhouse.errors import instance_busy
from shardhouse.store import instances
from shardhouse.store.tables import BACKUPS, INSTANCES, JOB_STEPS, JOBS, NODES

#: Days an ended job can be asked for.
KEEP_DAYS = 31
#: What is true of the one job that keeps others from its instance.
LOCKING = (JOBS.c.status == JobStatus.RUNNING, JOBS.c.locks.is_(True))


def add(connection: Connection, job: Job) -> None:
    """Insert a job and its steps. A running one takes the instance's lock if it `locks`; a pending
    one waits for its time without it.

    Raises DdsError (403, busy) for a running job while another one runs on the instance.
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
                    arguments=job.arguments,
                    status=job.status,
                    locks=job.locks,
                    fail_reason=job.fail_reason,
                    created_at=job.created_at,
                    start_at=job.start_at,
                    ended_at=job.ended_at,
                )
            )
    except IntegrityError:
        action = connection.execute(
            select(JOBS.c.action).where(JOBS.c.instance_id == job.instance_id, *LOCKING)
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


def latest(connection: Connection, action: str) -> list[Job]:
    """The newest job of this action of each instance that is there, oldest first."""
    rows = connection.execute(
        select(JOBS)
        .join(INSTANCES, INSTANCES.c.id == JOBS.c.instance_id)
        .where(JOBS.c.action == action, INSTANCES.c.deleted_at.is_(None))
        .order_by(JOBS.c.created_at)
    ).all()
    newest = {row.instance_id: row for row in rows}
    return [_job(connection, row) for row in newest.values()]


def pending(connection: Connection, instance_id: str | None = None) -> list[Job]:
    """Jobs that wait for their time, of one instance or of all; the next one first."""
    query = select(JOBS).where(JOBS.c.status == JobStatus.PENDING).order_by(JOBS.c.start_at)
    if instance_id is not None:
        query = query.where(JOBS.c.instance_id == instance_id)
    return [_job(connection, row) for row in connection.execute(query).all()]


def scheduled(
    connection: Connection,
    project_id: str,
    since: datetime,
    until: datetime,
    *,
    status: JobStatus | None = None,
    name: str = "",
    instance_id: str = "",
) -> list[Job]:
    """A project's jobs that waited or wait for their time, stored between the two moments, newest
    first."""
    query = select(JOBS).where(
        JOBS.c.project_id == project_id,
        JOBS.c.start_at.is_not(None),
        JOBS.c.created_at.between(since, until),
    )
    for column, value in ((JOBS.c.status, status), (JOBS.c.name, name)):
        if value:
            query = query.where(column == value)
    if instance_id:
        query = query.where(JOBS.c.instance_id == instance_id)
    rows = connection.execute(query.order_by(JOBS.c.created_at.desc(), JOBS.c.id)).all()
    return [_job(connection, row) for row in rows]


def search(
    connection: Connection,
    project_id: str,
    since: datetime,
    until: datetime,
    statuses: Iterable[JobStatus],
    *,
    job_id: str = "",
    name: str = "",
    offset: int,
    limit: int,
) -> tuple[list[Job], int]:
    """One page of a project's jobs stored between the two moments, newest first, and how many
    match in all."""
    conditions = [
        JOBS.c.project_id == project_id,
        JOBS.c.created_at.between(since, until),
        JOBS.c.status.in_(list(statuses)),
    ]
    conditions += [
        column == value for column, value in ((JOBS.c.id, job_id), (JOBS.c.name, name)) if value
    ]
    order = (JOBS.c.created_at.desc(), JOBS.c.id)
    rows = connection.execute(
        select(JOBS).where(*conditions).order_by(*order).offset(offset).limit(limit)
    ).all()
    count = select(func.count()).select_from(JOBS).where(*conditions)
    return [_job(connection, row) for row in rows], connection.execute(count).scalar_one()


def ended(
    connection: Connection,
    project_id: str,
    actions: Iterable[str],
    since: datetime,
    instance_id: str | None = None,
) -> list[Job]:
    """A project's jobs of these actions, on one instance if it is given, that have ended since a
    moment, the last first."""
    query = select(JOBS).where(
        JOBS.c.project_id == project_id, JOBS.c.action.in_(list(actions)), JOBS.c.ended_at >= since
    )
    if instance_id is not None:
        query = query.where(JOBS.c.instance_id == instance_id)
    rows = connection.execute(query.order_by(JOBS.c.ended_at.desc(), JOBS.c.id)).all()
    return [_job(connection, row) for row in rows]


def begin(connection: Connection, job: Job) -> bool:
    """Make a pending job a running one, which takes the instance's lock. False if it is no longer
    pending, or another job has the lock."""
    try:
        with connection.begin_nested():
            changed = connection.execute(
                update(JOBS)
                .where(JOBS.c.id == job.id, JOBS.c.status == JobStatus.PENDING)
                .values(status=JobStatus.RUNNING)
            ).rowcount
    except IntegrityError:
        return False
    instances.touch(connection, job.instance_id)
    return bool(changed)


def take_lock(connection: Connection, job: Job) -> bool:
    """A running job that has not got its instance's lock takes it. False if another job has it."""
    try:
        with connection.begin_nested():
            connection.execute(update(JOBS).where(JOBS.c.id == job.id).values(locks=True))
    except IntegrityError:
        return False
    instances.touch(connection, job.instance_id)
    return True


def give_lock_back(connection: Connection, job: Job) -> None:
    """A running job goes on without its instance's lock."""
    connection.execute(update(JOBS).where(JOBS.c.id == job.id).values(locks=False))
    instances.touch(connection, job.instance_id)


def postpone(connection: Connection, job_id: str, start_at: datetime) -> None:
    """A pending job gets another time: the one it had passed without a chance to start, or its
    instance's window is another one."""
    connection.execute(
        update(JOBS)
        .where(JOBS.c.id == job_id, JOBS.c.status == JobStatus.PENDING)
        .values(start_at=start_at)
    )


def cancel(connection: Connection, job_id: str, now: datetime) -> bool:
    """End a pending job before it starts. False if it is not pending."""
    return bool(
        connection.execute(
            update(JOBS)
            .where(JOBS.c.id == job_id, JOBS.c.status == JobStatus.PENDING)
            .values(status=JobStatus.CANCELED, ended_at=now)
        ).rowcount
    )


def start_step(connection: Connection, job_id: str, position: int, now: datetime) -> datetime:
    """A step began, or began again after a crash: it keeps its first start, which is returned."""
    step = (JOB_STEPS.c.job_id == job_id) & (JOB_STEPS.c.position == position)
    connection.execute(
        update(JOB_STEPS)
        .where(step, JOB_STEPS.c.status == StepStatus.PENDING)
        .values(status=StepStatus.RUNNING, started_at=now)
    )
    started: datetime = connection.execute(select(JOB_STEPS.c.started_at).where(step)).scalar_one()
    return started


def report(connection: Connection, job_id: str, position: int, detail: str) -> None:
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


def has_moved(connection: Connection, instance_id: str, since: datetime) -> bool:
    """Whether a job has ended a step of its work on an instance since then."""
    moved = (
        select(JOB_STEPS.c.job_id)
        .join(JOBS, JOBS.c.id == JOB_STEPS.c.job_id)
        .where(JOBS.c.instance_id == instance_id, JOB_STEPS.c.ended_at >= since)
    )
    return connection.execute(moved.limit(1)).first() is not None


def end(connection: Connection, job: Job, now: datetime, *, fail_reason: str | None = None) -> None:
    """The job is over; its instance may be changed again."""
    status = JobStatus.FAILED if fail_reason else JobStatus.COMPLETED
    connection.execute(
        update(JOBS)
        .where(JOBS.c.id == job.id, JOBS.c.status == JobStatus.RUNNING)
        .values(status=status, ended_at=now, fail_reason=fail_reason)
    )
    instances.touch(connection, job.instance_id)


def count_by_status(connection: Connection) -> dict[str, int]:
    """How many jobs of all projects have each status."""
    counted = select(JOBS.c.status, func.count().label("number")).group_by(JOBS.c.status)
    return {row.status: row.number for row in connection.execute(counted)}


def forget_old(connection: Connection, now: datetime) -> int:
    """Delete jobs that ended more than KEEP_DAYS ago, and deleted instances without jobs and
    backups; how many jobs there were. Source of the month: Huawei DDS, "Querying a Task"."""
    old = delete(JOBS).where(JOBS.c.ended_at < now - timedelta(days=KEEP_DAYS))
    number = connection.execute(old).rowcount
    owners = select(JOBS.c.instance_id)
    parts = select(NODES.c.instance_id)
    connection.execute(
        delete(INSTANCES).where(
            INSTANCES.c.deleted_at.is_not(None),
            INSTANCES.c.id.not_in(owners),
            INSTANCES.c.id.not_in(parts),
            INSTANCES.c.id.not_in(select(BACKUPS.c.instance_id)),
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
        arguments=row.arguments,
        status=JobStatus(row.status),
        created_at=row.created_at,
        start_at=row.start_at,
        ended_at=row.ended_at,
        fail_reason=row.fail_reason,
        locks=row.locks,
        steps=tuple(
            JobStep(step.name, StepStatus(step.status), step.started_at, step.ended_at, step.detail)
            for step in steps
        ),
    )
