"""Jobs: what became of an operation, and those that wait for their time."""

from typing import Annotated

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


class JobInstance(Wire):
    """The instance that a job is about."""

    id: str
    name: str


class JobStepItem(Wire):
    """Progress of a step; times are empty before it starts and ends. `detail` says what it did, or
    waits for."""

    name: str
    status: str
    started: str
    ended: str
    detail: str


class JobDetail(Wire):
    """A job. `progress` is such as `40%` while it runs, then empty, and `ended` is empty until
    then. `steps` is our own addition, for progress displays."""

    id: str
    name: str
    status: str
    created: str
    ended: str
    progress: str
    instance: JobInstance
    fail_reason: str | None
    steps: list[JobStepItem]


class JobAnswer(Wire):
    """One job."""

    job: JobDetail


class JobsQuery(Wire):
    """Filters; all that are given must match."""

    start_time: Annotated[Moment, Field(description="Jobs that began then or later.")]
    end_time: Annotated[Moment, Field(description=f"At most {MOST_DAYS} days after `start_time`.")]
    status: Annotated[str, one_of(*STATUSES)] = ""
    id: str = ""
    name: str = ""
    offset: Offset = 0
    limit: Limit = 100


class JobItem(Wire):
    """A job. `progress` is such as `40%` while it runs, then empty, and `ended_at` is empty until
    then."""

    id: str
    name: str
    instance_id: str
    instance_name: str
    status: str
    progress: str
    fail_reason: str
    created_at: str
    ended_at: str


class JobsAnswer(Wire):
    """One page, newest first."""

    jobs: list[JobItem]
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


class ScheduledItem(Wire):
    """A job that may start at `start_time`. `instance_status` is empty where the instance is
    gone."""

    job_id: str
    job_name: str
    job_status: str
    instance_id: str
    instance_name: str
    instance_status: str
    create_time: str
    start_time: str
    end_time: str


class ScheduledAnswer(Wire):
    """Jobs that wait, or waited, for a maintenance window, newest first."""

    schedules: list[ScheduledItem]
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
