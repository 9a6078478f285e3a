"""What values make of an alarm rule, and when somebody is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shardhouse.domain.alarm import LAG, AlarmState, Condition, due

OK, ALARM, NO_DATA = AlarmState
RULE = Condition(period=300, filter="average", comparison_operator=">", value=80, count=3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], NO_DATA),
        ([90, 90, 90], ALARM),
        ([90, 80, 90], None),
        ([90, 90], None),
        ([90, 90, 80], OK),
        ([10], OK),
    ],
)
def test_a_state(found: list[float], expected: AlarmState | None) -> None:
    assert RULE.judge(found) is expected


@pytest.mark.parametrize(
    ("comparison", "violated"),
    [(">", [2]), (">=", [1, 2]), ("<", [0]), ("<=", [0, 1]), ("=", [1]), ("!=", [0, 2])],
)
def test_comparisons(comparison: str, violated: list[float]) -> None:
    rule = replace(RULE, comparison_operator=comparison, value=1, count=1)
    assert [value for value in (0, 1, 2) if rule.judge([value]) is ALARM] == violated


def test_only_periods_that_are_over_count() -> None:
    begin, end = RULE.span(9000 + LAG)
    assert (begin, end) == (8100, 9000)
    assert RULE.span(9000 + LAG - 1) == (7800, 8700)
    assert replace(RULE, period=1, count=2).span(9000 + LAG) == (8880, 9000)


def test_periods_of_raw_values() -> None:
    raw = replace(RULE, period=1, filter="max")
    assert raw.periods([(60, 1.0), (65, 3.0), (120, 2.0)]) == [(60, 3), (120, 2)]
    assert RULE.periods([(0, 1.0), (60, 3.0), (300, 5.0)]) == [(0, 2), (300, 5)]


@pytest.mark.parametrize(
    ("period", "count", "expected"), [(1, 5, True), (14400, 2, True), (14400, 3, False)]
)
def test_values_are_kept_for_so_long(period: int, count: int, expected: bool) -> None:
    assert replace(RULE, period=period, count=count).can_be_judged is expected


@pytest.mark.parametrize(
    ("state", "told", "ago", "suppress", "expected"),
    [
        (ALARM, OK, None, 0, True),
        (OK, ALARM, 60, 0, True),
        (ALARM, ALARM, 86400, 0, False),
        (ALARM, ALARM, 299, 300, False),
        (ALARM, ALARM, 300, 300, True),
        (OK, OK, 300, 300, False),
        (NO_DATA, ALARM, 300, 300, False),
    ],
)
def test_who_is_told(
    state: AlarmState, told: AlarmState, ago: int | None, suppress: int, expected: bool
) -> None:
    told_at = None if ago is None else NOW - timedelta(seconds=ago)
    rule = replace(RULE, suppress_duration=suppress)
    assert due(state, told, told_at, rule, NOW) is expected
