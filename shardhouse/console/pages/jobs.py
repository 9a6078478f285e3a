"""Jobs: what was asked for, and how far it is."""

from datetime import UTC, datetime, timedelta

from shardhouse.console.visit import Answer, Page, Visit
from shardhouse.contract.jobs import LIST_JOBS, SHOW_JOB

DAYS = 7
_TIME = "%Y-%m-%dT%H:%M:%S+0000"
PAGE = 100


def listed(visit: Visit) -> Answer:
    """The jobs of the last days, newest first."""
    now = datetime.now(UTC)
    params = {
        "start_time": f"{now - timedelta(days=DAYS):{_TIME}}",
        "end_time": f"{now + timedelta(minutes=1):{_TIME}}",
        "limit": str(PAGE),
    }
    if status := visit.query.get("status", ""):
        params["status"] = status
    found = visit.client.call(LIST_JOBS, {}, {}, params)
    shown = {"jobs": found["jobs"], "total": found["total_count"], "status": status, "days": DAYS}
    return Page("jobs.html", "Jobs", shown)


def shown(visit: Visit) -> Answer:
    """One job with its steps."""
    job = visit.client.call(SHOW_JOB, {}, {}, {"id": visit.path["job_id"]})["job"]
    return Page("job.html", job["name"], {"job": job})
