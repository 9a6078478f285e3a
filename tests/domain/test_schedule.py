"""Daily windows: open now, later today, tomorrow, over midnight."""

from datetime import UTC, datetime

import pytest

from shardhouse.domain.schedule import is_open, opens


def at(day, clock):
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        ("02:00-06:00", (5, "01:59"), (5, "02:00")),
        ("02:00-06:00", (5, "02:00"), (5, "02:00")),
        ("02:00-06:00", (5, "05:59"), (5, "05:59")),
        ("02:00-06:00", (5, "06:00"), (6, "02:00")),
        ("22:00-02:00", (5, "21:00"), (5, "22:00")),
        ("22:00-02:00", (5, "23:30"), (5, "23:30")),
        ("22:00-02:00", (5, "01:30"), (5, "01:30")),
        ("22:00-02:00", (5, "02:00"), (5, "22:00")),
        ("23:00-00:00", (5, "23:59"), (5, "23:59")),
        ("23:00-00:00", (5, "00:00"), (5, "23:00")),
        ("02:00-06:00", (31, "07:00"), None),
    ],
)
def test_when_a_window_opens(window, now, expected):
    moment = at(*now)
    opened = opens(window, moment)
    assert opened == (at(*expected) if expected else datetime(2026, 4, 1, 2, tzinfo=UTC))
    assert is_open(window, moment) == (opened == moment)
