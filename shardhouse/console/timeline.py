"""A drawing of the times to which an instance can be restored: one bar for each range."""

from collections.abc import Sequence
from dataclasses import dataclass

from shardhouse.console.rendering import moment

WIDTH = 1000
_LEAST = 3.0
"""Width of a bar that would be too short to see."""
_TICKS = 5
_DAY = 24 * 3600 * 1000


@dataclass(frozen=True)
class Bar:
    """A range, from the left; `label` says from when to when, as `start` and `stop` do in
    milliseconds since 1970."""

    x: float
    width: float
    label: str
    start: int
    stop: int


@dataclass(frozen=True)
class Tick:
    """A time below the bars; `anchor` is where its text stands beside it."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Timeline:
    """What is drawn, `WIDTH` units wide, from `begin` to `end` in milliseconds since 1970."""

    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    begin: int
    end: int


def of(ranges: Sequence[tuple[int, int]]) -> Timeline:
    """The drawing of ranges, oldest first, in milliseconds since 1970; empty for none."""
    if not ranges:
        return Timeline((), (), 0, 0)
    begin, end = ranges[0][0], ranges[-1][1]
    span = max(end - begin, 1)
    bars = []
    for start, stop in ranges:
        width = max(_LEAST, WIDTH * (stop - start) / span)
        x = min(WIDTH * (start - begin) / span, WIDTH - width)
        label = f"{moment(start)} to {moment(stop)}"
        bars.append(Bar(round(x, 1), round(width, 1), label, start, stop))
    ticks = [_tick(begin, span, number) for number in range(_TICKS + 1)]
    return Timeline(bars, ticks, begin, end)


def _tick(begin: int, span: int, number: int) -> Tick:
    text = moment(begin + span * number // _TICKS)
    anchor = {0: "start", _TICKS: "end"}.get(number, "middle")
    shown = text[5:16] if span > _DAY else text[11:]  # days and minutes, or hours and seconds
    return Tick(WIDTH * number / _TICKS, shown, anchor)
