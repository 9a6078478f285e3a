"""Operations of the service, followed."""

import time
from collections.abc import Iterator
from typing import Any

from shardhouse.client.api import Client
from shardhouse.client.errors import ClientError, UnreachableError

INTERVAL = 0.15
PATIENCE = 60.0
"""Seconds that `serve` may be away, for a restart, while a job is followed."""


def fetch(client: Client, job_id: str) -> dict[str, Any]:
    """The job as the API shows it."""
    job: dict[str, Any] = client.dds("GET", "jobs", params={"id": job_id})["job"]
    return job


def states(client: Client, job_id: str) -> Iterator[dict[str, Any]]:
    """The job again and again until it has ended. A restart of the service is waited out."""
    seen = time.monotonic()
    while True:
        try:
            job = fetch(client, job_id)
        except UnreachableError:
            if time.monotonic() - seen > PATIENCE:
                raise
        else:
            seen = time.monotonic()
            yield job
            if job["status"] not in ("Pending", "Running"):
                return
        time.sleep(INTERVAL)


def check(job: dict[str, Any]) -> None:
    """Raises ClientError for a job that failed."""
    if job["status"] == "Failed":
        reason = job["fail_reason"] or "no reason was given"
        raise ClientError(f"The job {job['id']} failed: {reason}")


def finish(client: Client, job_id: str) -> None:
    """Wait for the job's end. Raises ClientError if it fails."""
    for job in states(client, job_id):
        last = job
    check(last)
