"""Moments as people write them, and as the API counts them: milliseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta

from shardhouse.cli.output import CliError

NOW = "now"
HELP = (
    "ISO 8601, such as 2026-03-01T12:30:00 (local time) or ...Z or ...+02:00; `now`; or how long "
    "ago: -30s, -5m, -2h, -1d."
)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"-(\d{1,6})([smhd])")


def parse(text: str, now: datetime) -> int:
    """A moment in milliseconds; `now` is aware. Raises CliError for what is none."""
    if text == NOW:
        return milliseconds(now)
    if ago := _AGO.fullmatch(text):
        return milliseconds(now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
    try:
        return milliseconds(datetime.fromisoformat(text).astimezone(UTC))
    except (ValueError, OverflowError):
        raise CliError(f"{text} is not a time. A time is {HELP}") from None


def milliseconds(moment: datetime) -> int:
    """An aware moment as the API counts it; what is less than a millisecond is dropped."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def utc(moment: int) -> str:
    """ISO 8601, UTC."""
    return _at(moment).isoformat(timespec="milliseconds")


def local(moment: int) -> str:
    """ISO 8601, in the local time zone."""
    return _at(moment).astimezone().isoformat(timespec="milliseconds")


def _at(moment: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment)
