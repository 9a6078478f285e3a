"""Alarm rules on metrics: what a rule says, what values make of its state, and when a message is
due (OTC and Huawei CES, "Creating an Alarm Rule")."""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shardhouse.domain.metric_series import RAW, Point, aggregated

INTERVAL = 60
"""Seconds between raw values, as far as a rule sees them."""
LAG = 70
"""Seconds after its end in which a period's last value may still be written."""
KEPT = 12 * 3600
"""Seconds for which values are kept."""
PERIODS = (RAW, 300, 1200, 3600, 14400)
COUNTS = range(1, 6)
LEVELS = range(1, 5)
SUPPRESSED = (0, 300, 600, 900, 1800, 3600, 10800, 21600, 43200, 86400)
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}


class AlarmState(StrEnum):
    """What the values of a rule's metric make of it."""

    OK = "ok"
    ALARM = "alarm"
    NO_DATA = "insufficient_data"


@dataclass(frozen=True)
class Condition:
    """A rule is violated if `count` periods in a row are. `suppress_duration` is after how many
    seconds a message is repeated while it is violated; 0 for never."""

    period: int
    filter: str
    comparison_operator: str
    value: float
    count: int
    unit: str = ""
    suppress_duration: int = 0

    @property
    def seconds(self) -> int:
        """The length of a period."""
        return INTERVAL if self.period == RAW else self.period

    @property
    def can_be_judged(self) -> bool:
        """Whether values are kept for long enough."""
        return self.seconds * self.count < KEPT

    def span(self, now: float) -> tuple[int, int]:
        """From when to when its values count: the newest periods that are over."""
        end = int(now - LAG) // self.seconds * self.seconds
        return end - self.count * self.seconds, end

    def periods(self, points: Iterable[Point]) -> list[Point]:
        """One point for each period of raw points in its span, as far as there are any."""
        return aggregated(points, self.seconds, self.filter)

    def judge(self, found: list[float]) -> AlarmState | None:
        """The state that these periods make; None where they leave it as it is."""
        if not found:
            return AlarmState.NO_DATA
        compare = COMPARISONS[self.comparison_operator]
        violated = [compare(value, self.value) for value in found]
        if not violated[-1]:
            return AlarmState.OK
        return AlarmState.ALARM if all(violated) and len(violated) >= self.count else None


def due(
    state: AlarmState,
    told: AlarmState,
    told_at: datetime | None,
    condition: Condition,
    now: datetime,
) -> bool:
    """Whether a message about a state is due, after one about `told`: when an alarm begins, again
    while it lasts, and when it has ended."""
    if state is AlarmState.NO_DATA:
        return False
    if state is not told:
        return True
    again = timedelta(seconds=condition.suppress_duration)
    return (
        state is AlarmState.ALARM and bool(again) and told_at is not None and now >= told_at + again
    )
