"""Jobs: what became of an operation, and those that wait for their time."""

from datetime import UTC, datetime, timedelta

from shardhouse import error_codes as codes
from shardhouse.api.dds import wire
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.jobs import (
    MOST_DAYS,
    STATUSES,
    JobAnswer,
    JobQuery,
    JobsAnswer,
    JobsQuery,
    ScheduledAnswer,
    ScheduledQuery,
)
from shardhouse.domain.model import JobStatus
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.operations import delete
from shardhouse.store import instances, jobs

DEFAULT_DAYS = 7


def show_job(request: Request[JobQuery, Nothing]) -> JobAnswer:
    """One job. Jobs of an instance that is gone answer 400 DBS.200543, which the Huawei Terraform
    provider expects. The deleting job itself stays visible, so that a client can wait for it, as do
    those about its backups, which outlive it."""
    job_id = request.query.id
    with request.service.database.read() as connection:
        found = jobs.find(connection, request.project_id, job_id)
    if found is None:
        raise DdsError(codes.RESOURCE_NOT_FOUND, f"The job {job_id} does not exist.")
    job, instance_gone = found
    if instance_gone and job.locks and job.action != delete.ACTION:
        raise DdsError(
            codes.JOB_OF_DELETED_INSTANCE,
            f"The instance {job.instance_id} of this job was deleted.",
        )
    return wire.job_answer(job)


def list_jobs(request: Request[JobsQuery, Nothing]) -> JobsAnswer:
    """One page of the jobs of a time. Raises DdsError 400 for a time that is too long or ends
    before it starts."""
    query = request.query
    if not timedelta(0) <= query.end_time - query.start_time <= timedelta(days=MOST_DAYS):
        raise bad_parameter(
            "end_time", f"0 to {MOST_DAYS} days after start_time are allowed, got {query.end_time}"
        )
    with request.service.database.read() as connection:
        found, total = jobs.search(
            connection,
            request.project_id,
            query.start_time,
            query.end_time,
            [JobStatus(query.status)] if query.status else STATUSES,
            job_id=query.id,
            name=query.name,
            offset=query.offset,
            limit=query.limit,
        )
    return JobsAnswer(jobs=[wire.job_item(job) for job in found], total_count=total)


def list_scheduled(request: Request[ScheduledQuery, Nothing]) -> ScheduledAnswer:
    """Jobs that wait, or waited, for a maintenance window; of the last seven days by default."""
    query = request.query
    until = query.end_time or datetime.now(UTC)
    with request.service.database.read() as connection:
        found = jobs.scheduled(
            connection,
            request.project_id,
            query.start_time or until - timedelta(days=DEFAULT_DAYS),
            until,
            status=JobStatus(query.job_status) if query.job_status else None,
            name=query.job_name,
            instance_id=query.instance_id,
        )
        owners = instances.load_all(connection, [job.instance_id for job in found])
    states = {instance.id: str(instance.status) for instance in owners}
    page = found[query.offset : query.offset + query.limit]
    items = [wire.scheduled_item(job, states.get(job.instance_id, "")) for job in page]
    return ScheduledAnswer(schedules=items, total_count=len(found))


def cancel_scheduled(request: Request[Nothing, Nothing]) -> Nothing:
    """Cancel a job that has not started."""
    request.service.submit.cancel(request.project_id, request.path["job_id"])
    return Nothing()
