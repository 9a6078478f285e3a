"""Times as people write them."""

import time
from datetime import UTC, datetime

import pytest

from shardhouse.cli import moments
from shardhouse.cli.output import CliError

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_900, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-01T12:00:00.123+00:00"),
        ("-90s", "2026-03-01T11:58:30.123+00:00"),
        ("-5m", "2026-03-01T11:55:00.123+00:00"),
        ("-2h", "2026-03-01T10:00:00.123+00:00"),
        ("-1d", "2026-02-28T12:00:00.123+00:00"),
        ("2026-03-01T11:30:00Z", "2026-03-01T11:30:00.000+00:00"),
        ("2026-03-01T11:30:00.25+02:00", "2026-03-01T09:30:00.250+00:00"),
        ("2026-03-01T11:30", "2026-03-01T10:30:00.000+00:00"),
        ("2026-07-01 11:30", "2026-07-01T09:30:00.000+00:00"),
    ],
)
def test_times(text: str, expected: str) -> None:
    assert moments.utc(moments.parse(text, NOW)) == expected


@pytest.mark.parametrize("text", ["", "soon", "5m", "-5", "-5w", "2026-13-01", "1700000000"])
def test_what_is_no_time_is_told_what_is(text: str) -> None:
    with pytest.raises(CliError, match="ISO 8601"):
        moments.parse(text, NOW)


def test_what_is_printed_can_be_given_back() -> None:
    moment = moments.milliseconds(NOW)
    assert moments.local(moment) == "2026-03-01T13:00:00.123+01:00"
    for text in (moments.local(moment), moments.utc(moment)):
        assert moments.parse(text, NOW) == moment
