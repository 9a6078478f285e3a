"""What may go, as tables. Times are days of the first year."""

from datetime import UTC, datetime, timedelta

import pytest
from bson.timestamp import Timestamp

from shardhouse.backups import retention
from shardhouse.backups.ranges import Full
from shardhouse.backups.retention import Verdict
from shardhouse.backups.slices import Slice

DAY = 86_400
NOW = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=100)
A, M = True, False
NEEDED, RECENT, OBSOLETE, MANUAL = Verdict.NEEDED, Verdict.RECENT, Verdict.OBSOLETE, Verdict.MANUAL


def fulls(*days: tuple[int, bool]) -> list[Full]:
    """Full backups of one set, each named after its day."""
    return [
        Full(str(day), automatic, {"s": Timestamp(day * DAY, 1)}, Timestamp(day * DAY, 1))
        for day, automatic in days
    ]


@pytest.mark.parametrize(
    ("backups", "keep_days", "verdicts"),
    [
        ([], 7, []),
        ([(99, A)], 7, [RECENT]),
        ([(93, A), (99, A)], 7, [RECENT, RECENT]),
        # The one before the days' beginning leads into them; those before it do not.
        ([(80, A), (90, A), (95, A), (99, A)], 7, [OBSOLETE, NEEDED, RECENT, RECENT]),
        # None is newer: the last one stays, however old.
        ([(10, A), (20, A)], 7, [OBSOLETE, NEEDED]),
        # Those that clients asked for stay, and stand in for none of the automatic ones.
        ([(5, M), (80, A), (91, M), (95, A)], 7, [MANUAL, NEEDED, MANUAL, RECENT]),
        ([(5, M), (91, M)], 7, [MANUAL, MANUAL]),
        # The policy is off: nothing goes by itself.
        ([(5, A), (6, M), (80, A)], 0, [RECENT, MANUAL, RECENT]),
    ],
)
def test_verdicts(backups: list[tuple[int, bool]], keep_days: int, verdicts: list[Verdict]) -> None:
    found = retention.report(fulls(*backups), {}, keep_days, NOW)
    assert list(found.verdicts.values()) == verdicts
    obsolete = [
        str(day) for (day, _), one in zip(backups, verdicts, strict=True) if one is OBSOLETE
    ]
    assert found.obsolete == obsolete


@pytest.mark.parametrize(
    ("backups", "keep_days", "oldest_kept"),
    [
        # Slices reach from each day to the next, from day 1 on.
        ([(80, A), (90, A), (95, A)], 7, 90),
        ([(95, A)], 7, 95),
        # A manual backup keeps its slices as long as the policy's days.
        ([(5, M), (90, A), (95, A)], 7, 90),
        ([(94, M), (95, A)], 7, 94),
        # Nothing else leads into the policy's days.
        ([(5, M), (91, M), (95, A)], 7, 91),
        ([(50, M), (60, A)], 0, 50),
    ],
)
def test_slices_before_what_is_needed_go(
    backups: list[tuple[int, bool]], keep_days: int, oldest_kept: int
) -> None:
    pieces = [Slice(Timestamp(day * DAY, 1), Timestamp((day + 1) * DAY, 1)) for day in range(1, 99)]
    found = retention.report(fulls(*backups), {"s": pieces}, keep_days, NOW)
    assert list(found.slices["s"]) == pieces[: oldest_kept - 1]


def test_a_slice_that_a_top_lies_in_stays() -> None:
    piece = Slice(Timestamp(98 * DAY, 0), Timestamp(99 * DAY, 2))
    assert not retention.report(fulls((99, A)), {"s": [piece]}, 7, NOW).slices["s"]


def test_slices_of_a_set_that_no_backup_has_go() -> None:
    piece = Slice(Timestamp(98 * DAY, 0), Timestamp(99 * DAY, 2))
    assert retention.report(fulls((99, A)), {"gone": [piece]}, 7, NOW).slices["gone"] == (piece,)


def test_without_incremental_backups_all_slices_may_go() -> None:
    pieces = [Slice(Timestamp(99 * DAY, 1), Timestamp(99 * DAY, 9), 7)]
    for incremental, gone in ((True, ()), (False, tuple(pieces))):
        report = retention.report(fulls((99, A)), {"s": pieces}, 7, NOW, incremental=incremental)
        assert report.slices == {"s": gone}
