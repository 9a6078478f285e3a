"""When automatic backups are due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shardhouse.domain.backup import Backup, BackupStatus, BackupType
from shardhouse.domain.backup_schedule import due, last_opening
from shardhouse.domain.model import BackupStrategy, Mode

#: A Wednesday.
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAILY = BackupStrategy("08:15-09:15", 7)
MANUAL = BackupType.MANUAL
FAILED, BUILDING = BackupStatus.FAILED, BackupStatus.BUILDING
LONG_AGO = NOW - timedelta(days=30)


def backup(begin: datetime, **changes: object) -> Backup:
    """A completed automatic one."""
    made = Backup(
        id="b",
        project_id="p",
        instance_id="i",
        instance_name="name",
        name="name-1",
        description="",
        type=BackupType.AUTO,
        status=BackupStatus.COMPLETED,
        begin_time=begin,
        mode=Mode.SINGLE,
        version="4.0",
        storage_engine="wiredTiger",
        engine_version="6.0.27",
        shape=(),
        end_time=begin + MINUTE,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


YESTERDAY = backup(NOW - 25 * HOUR)
TODAY = backup(NOW - 3 * HOUR)


@pytest.mark.parametrize(
    ("expected", "strategy", "backups", "since"),
    [
        pytest.param(True, DAILY, [], LONG_AGO, id="the first one"),
        pytest.param(False, replace(DAILY, keep_days=0), [], LONG_AGO, id="switched off"),
        pytest.param(False, DAILY, [backup(NOW, status=BUILDING)], LONG_AGO, id="under way"),
        pytest.param(True, DAILY, [YESTERDAY], LONG_AGO, id="today's is missing"),
        pytest.param(False, DAILY, [YESTERDAY, TODAY], LONG_AGO, id="today's was made"),
        pytest.param(
            True, DAILY, [YESTERDAY, replace(TODAY, type=MANUAL)], LONG_AGO, id="only a manual one"
        ),
        pytest.param(True, DAILY, [TODAY], NOW - HOUR, id="the policy was changed"),
        pytest.param(
            False,
            DAILY,
            [backup(NOW - MINUTE, type=MANUAL)],
            NOW - HOUR,
            id="changed after the window opened, and one is there",
        ),
        pytest.param(
            False, replace(DAILY, period="1,2"), [YESTERDAY], LONG_AGO, id="not on Wednesdays"
        ),
        pytest.param(
            True,
            replace(DAILY, period="1,3"),
            [backup(NOW - 50 * HOUR)],
            LONG_AGO,
            id="on Wednesdays",
        ),
        pytest.param(
            True,
            replace(DAILY, period="1"),
            [backup(NOW - 60 * HOUR)],
            LONG_AGO,
            id="Monday's was missed",
        ),
        pytest.param(
            False,
            DAILY,
            [YESTERDAY, backup(NOW - MINUTE, status=FAILED, end_time=NOW)],
            LONG_AGO,
            id="it has just failed",
        ),
        pytest.param(
            True,
            DAILY,
            [YESTERDAY, backup(NOW - HOUR, status=FAILED, end_time=NOW - MINUTE)],
            LONG_AGO,
            id="it failed a minute ago",
        ),
        pytest.param(
            False,
            DAILY,
            [
                YESTERDAY,
                backup(NOW - HOUR, status=FAILED),
                backup(NOW - HOUR, status=FAILED, end_time=NOW - 2 * MINUTE),
            ],
            LONG_AGO,
            id="it failed twice",
        ),
    ],
)
def test_due(expected: bool, strategy: BackupStrategy, backups: list, since: datetime) -> None:
    assert due(strategy, backups, since, NOW) is expected


@pytest.mark.parametrize(
    ("window", "period", "expected"),
    [
        ("08:15-09:15", "", "2026-11-25 08:15"),
        ("12:00-13:00", "", "2026-11-25 12:00"),
        ("12:15-13:15", "", "2026-11-24 12:15"),
        ("23:00-00:00", "7", "2026-11-22 23:00"),
        ("12:15-13:15", "3", "2026-11-18 12:15"),
    ],
)
def test_last_opening(window: str, period: str, expected: str) -> None:
    found = last_opening(BackupStrategy(window, 7, period), NOW)
    assert f"{found:%Y-%m-%d %H:%M}" == expected
