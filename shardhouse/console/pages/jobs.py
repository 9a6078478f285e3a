"""Jobs: what was asked for, and how far it is."""

from datetime import UTC, datetime, timedelta

from shardhouse.console.rendering import api_time
from shardhouse.console.visit import Answer, Page, Visit
from shardhouse.contract.jobs import LIST_JOBS, SHOW_JOB
from shardhouse.domain.model import JobStatus

DAYS = 7
PAGE = 100


def listed(visit: Visit) -> Answer:
    """The jobs of the last days, newest first."""
    now = datetime.now(UTC)
    params = {
        "start_time": api_time(now - timedelta(days=DAYS)),
        "end_time": api_time(now + timedelta(minutes=1)),
        "limit": str(PAGE),
    }
    if status := visit.query.get("status", ""):
        params["status"] = status
    found = visit.client.call(LIST_JOBS, {}, {}, params)
    shown = {
        "jobs": found["jobs"],
        "existing": {one["id"] for one in visit.client.instances()},
        "total": found["total_count"],
        "status": status,
        "statuses": ["", *JobStatus],
        "days": DAYS,
    }
    return Page("jobs.html", "Jobs", shown)


def shown(visit: Visit) -> Answer:
    """One job with its steps."""
    job = visit.client.call(SHOW_JOB, {}, {}, {"id": visit.path["job_id"]})["job"]
    exists = any(visit.client.instances(id=job["instance"]["id"]))
    return Page("job.html", job["name"], {"job": job, "exists": exists})
