"""Jobs: what became of an operation, and those that wait for their time."""

from typing import Annotated, Any

from pydantic import Field

from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.fields import Limit, Moment, Offset, Text, one_of
from shardhouse.domain.model import JobStatus

LIST = "dds:task:list"
MOST_DAYS = 30
#: Those that a job has that does not wait for its time.
STATUSES = (JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED)


class JobQuery(Wire):
    """Which job."""

    id: Text


class JobAnswer(Wire):
    """One job; `steps` is our own addition, for progress displays."""

    job: dict[str, Any]


class JobsQuery(Wire):
    """Filters; all that are given must match."""

    start_time: Annotated[Moment, Field(description="Jobs that began then or later.")]
    end_time: Annotated[Moment, Field(description=f"At most {MOST_DAYS} days after `start_time`.")]
    status: Annotated[str, one_of(*STATUSES)] = ""
    id: str = ""
    name: str = ""
    offset: Offset = 0
    limit: Limit = 100


class JobsAnswer(Wire):
    """One page, newest first."""

    jobs: list[dict[str, Any]]
    total_count: int


class ScheduledQuery(Wire):
    """Filters; the last seven days where no times are given."""

    job_name: str = ""
    job_status: Annotated[str, one_of(*JobStatus)] = ""
    instance_id: str = ""
    start_time: Moment = None
    end_time: Moment = None
    offset: Offset = 0
    limit: Limit = 10


class ScheduledAnswer(Wire):
    """Jobs that wait, or waited, for a maintenance window, newest first."""

    schedules: list[dict[str, Any]]
    total_count: int


SHOW_JOB = Call(
    "ShowJobDetail",
    Method.GET,
    "/v3/{project_id}/jobs",
    summary="One job.",
    permission=LIST,
    query=JobQuery,
    answer=JobAnswer,
)
LIST_JOBS = Call(
    "ListTasks",
    Method.GET,
    "/v3.1/{project_id}/jobs",
    summary="Jobs of a time, whether they run or have ended.",
    permission=LIST,
    query=JobsQuery,
    answer=JobsAnswer,
)
LIST_SCHEDULED_JOBS = Call(
    "ListScheduledTasks",
    Method.GET,
    "/v3/{project_id}/scheduled-jobs",
    summary="Jobs that wait, or waited, for a maintenance window.",
    permission=LIST,
    query=ScheduledQuery,
    answer=ScheduledAnswer,
)
CANCEL_SCHEDULED_JOB = Call(
    "CancelScheduledTask",
    Method.DELETE,
    "/v3/{project_id}/scheduled-jobs/{job_id}",
    summary="Cancel a job that has not started.",
    permission="dds:task:delete",
)
CALLS = (SHOW_JOB, LIST_JOBS, LIST_SCHEDULED_JOBS, CANCEL_SCHEDULED_JOB)
