"""Daily windows of the form `hh:mm-HH:MM` in UTC: when one is open, when the next one opens."""

from datetime import datetime, timedelta


def opens(window: str, moment: datetime) -> datetime:
    """When `window` may be used at or after `moment`: at once if it is open, else its next start.
    It may reach over midnight (`22:00-02:00`)."""
    start, end = _around(window, moment)
    return moment if start <= moment < end else start


def is_open(window: str, moment: datetime) -> bool:
    """Whether `moment` lies in the window."""
    return opens(window, moment) == moment


def _around(window: str, moment: datetime) -> tuple[datetime, datetime]:
    """The window that is open at `moment`, or the next one."""
    first, last = (_at(moment, part) for part in window.split("-"))
    if last <= first:
        last += timedelta(days=1)
    day = timedelta(days=1)
    candidates = [(first + number * day, last + number * day) for number in (-1, 0, 1)]
    return next((start, end) for start, end in candidates if moment < end)


def _at(day: datetime, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return day.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
