"""The list of jobs: by time, status, id and name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.test_notes import GROUP
from tests.installation import Installation

FORMAT = "%Y-%m-%dT%H:%M:%S+0000"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def job(installation: Installation, shared_replica: dict[str, Any]) -> dict[str, Any]:
    """One that has ended."""
    path = f"/instances/{shared_replica['id']}/modify-security-group"
    answer = installation.call("POST", path, json={"security_group_id": GROUP})
    return installation.wait_job(answer.json()["job_id"])


def list_jobs(installation: Installation, since: datetime, until: datetime, **query: str) -> Any:
    times = {"start_time": since.strftime(FORMAT), "end_time": until.strftime(FORMAT)}
    path = f"/v3.1/{installation.project_id}/jobs"
    return installation.call("GET", path, params=times | query)


def test_a_job_is_listed(installation: Installation, job: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    answer = list_jobs(installation, now - 29 * DAY, now + DAY, id=job["id"])
    assert answer.json() == {
        "jobs": [
            {
                "id": job["id"],
                "name": "ModifySecurityGroup",
                "instance_id": job["instance"]["id"],
                "instance_name": job["instance"]["name"],
                "status": "Completed",
                "progress": "",
                "fail_reason": "",
                "created_at": job["created"],
                "ended_at": job["ended"],
            }
        ],
        "total_count": 1,
    }


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ({}, True),
        ({"status": "Completed"}, True),
        ({"status": "Failed"}, False),
        ({"name": "ModifySecurityGroup"}, True),
        ({"name": "CreateMongoDB"}, False),
        ({"id": "unknown"}, False),
        ({"offset": "100000"}, False),
    ],
)
def test_filters(
    installation: Installation, job: dict[str, Any], query: dict[str, str], there: bool
) -> None:
    now = datetime.now(UTC)
    answer = list_jobs(installation, now - DAY, now + DAY, **query)
    assert answer.status_code == 200, answer.text
    assert (job["id"] in [one["id"] for one in answer.json()["jobs"]]) is there


def test_another_time_has_other_jobs(installation: Installation, job: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    answer = list_jobs(installation, now - 3 * DAY, now - 2 * DAY).json()
    assert answer == {"jobs": [], "total_count": 0}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "DBS.200001"),
        ({"start_time": "2026-01-01T00:00:00+0000"}, "DBS.200001"),
        ({"start_time": "x", "end_time": "2026-01-01T00:00:00+0000"}, "DBS.200001"),
        (
            {"start_time": "2026-01-01T00:00:00+0000", "end_time": "2026-01-31T00:00:01+0000"},
            "DBS.200001",
        ),
        (
            {"start_time": "2026-01-02T00:00:00+0000", "end_time": "2026-01-01T00:00:00+0000"},
            "DBS.200001",
        ),
        (
            {
                "start_time": "2026-01-01T00:00:00+0000",
                "end_time": "2026-01-02T00:00:00+0000",
                "status": "Pending",
            },
            "DBS.200001",
        ),
    ],
)
def test_bad_queries(installation: Installation, query: dict[str, str], code: str) -> None:
    answer = installation.call("GET", f"/v3.1/{installation.project_id}/jobs", params=query)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
