"""What instances do by themselves: written, refused, and read back."""

from typing import Any

import pytest

from shardhouse.api.dds.policies import EVERY_DAY, backup_policy
from shardhouse.domain.model import BackupStrategy
from tests.installation import Installation

Made = dict[str, Any]
INCREMENTAL = "enable_incremental_backup"


def get(installation: Installation, made: Made, call: str) -> Any:
    answer = installation.call("GET", f"/instances/{made['id']}/{call}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def put(installation: Installation, made: Made, call: str, body: Any = None) -> Any:
    return installation.call("PUT", f"/instances/{made['id']}/{call}", json=body)


def listed_backups(installation: Installation, made: Made) -> Any:
    listed = installation.instance(made["id"])
    assert listed is not None
    return listed["backup_strategy"]


@pytest.mark.parametrize(
    ("policy", "shown", "listed"),
    [
        (
            {"keep_days": 7, "start_time": "01:00-02:00", "period": "1,3"},
            {"keep_days": 7, "start_time": "01:00-02:00", "period": "1,3", INCREMENTAL: True},
            {"keep_days": 7, "start_time": "01:00-02:00", "period": "1,3"},
        ),
        (
            {"keep_days": "732", "start_time": "23:00-00:00", "period": EVERY_DAY},
            {
                "keep_days": 732,
                "start_time": "23:00-00:00",
                "period": EVERY_DAY,
                INCREMENTAL: True,
            },
            {"keep_days": 732, "start_time": "23:00-00:00", "period": EVERY_DAY},
        ),
        (
            {"keep_days": 0},
            {"keep_days": 0},
            {"keep_days": 0, "start_time": "23:00-00:00"},
        ),
        (
            {
                "keep_days": 1,
                "start_time": "01:15-02:15",
                "period": EVERY_DAY,
                INCREMENTAL: False,
            },
            {
                "keep_days": 1,
                "start_time": "01:15-02:15",
                "period": EVERY_DAY,
                INCREMENTAL: False,
            },
            {"keep_days": 1, "start_time": "01:15-02:15", "period": EVERY_DAY},
        ),
    ],
)
def test_backup_policies(
    installation: Installation, shared_replica: Made, policy: Any, shown: Any, listed: Any
) -> None:
    answer = put(installation, shared_replica, "backups/policy", {"backup_policy": policy})
    assert (answer.status_code, answer.json()) == (200, {})
    assert get(installation, shared_replica, "backups/policy") == {"backup_policy": shown}
    assert listed_backups(installation, shared_replica) == listed


def test_backups_are_daily_where_no_days_were_chosen() -> None:
    strategy = BackupStrategy("08:15-09:15", 8)
    policy = {"keep_days": 8, "start_time": "08:15-09:15", "period": EVERY_DAY, INCREMENTAL: True}
    assert backup_policy(strategy, incremental=True).model_dump(mode="json") == policy


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (None, "DBS.200001"),
        ({}, "DBS.280214"),
        ({"keep_days": 733}, "DBS.280214"),
        ({"keep_days": -1}, "DBS.280214"),
        ({"keep_days": 7, "period": "1"}, "DBS.280216"),
        ({"keep_days": 7, "start_time": "01:00-03:00", "period": "1"}, "DBS.280216"),
        ({"keep_days": 7, "start_time": "01:00-02:00"}, "DBS.280215"),
        ({"keep_days": 7, "start_time": "01:00-02:00", "period": "8"}, "DBS.280215"),
        ({"keep_days": 6, "start_time": "01:00-02:00", "period": "1,2"}, "DBS.280215"),
        ({"keep_days": 0, INCREMENTAL: True}, "DBS.200001"),
        ({INCREMENTAL: "perhaps"}, "DBS.200001"),
    ],
)
def test_backup_policies_that_are_refused(
    installation: Installation, shared_replica: Made, policy: Any, code: str
) -> None:
    before = get(installation, shared_replica, "backups/policy")
    answer = put(installation, shared_replica, "backups/policy", {"backup_policy": policy})
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert get(installation, shared_replica, "backups/policy") == before


def test_masking_is_on_until_it_is_switched_off(
    installation: Installation, shared_replica: Made
) -> None:
    call = "slowlog-desensitization"
    assert get(installation, shared_replica, f"{call}/status") == {"status": "on"}
    for status in ("off", "on"):
        answer = put(installation, shared_replica, f"{call}/{status}")
        assert (answer.status_code, answer.json()) == (200, {})
        assert get(installation, shared_replica, f"{call}/status") == {"status": status}
    answer = put(installation, shared_replica, f"{call}/other")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.200001")


@pytest.mark.parametrize("body", [{}, {"enabled": "true"}, {"enabled": 1}])
def test_switches_that_are_refused(
    installation: Installation, shared_replica: Made, body: Any
) -> None:
    answer = put(installation, shared_replica, "monitoring-by-seconds/switch", body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DBS.200001")
