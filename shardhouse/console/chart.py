"""Charts of values over time, as SVG. Pure; times are seconds since 1970, shown in UTC."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

WIDTH, HEIGHT = 480, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 20, 22
_MOST_TIMES = 7
_SPACINGS = (60, 300, 600, 1800, 3600, 7200)
_STEPS = 4
_SUFFIXES = ("", "k", "M", "G", "T")

Point = tuple[int, float]


@dataclass(frozen=True)
class Line:
    """Values in the order of time. Lines of a chart differ by the class `line-1`, `line-2` ..."""

    label: str
    points: Sequence[Point]


def draw(title: str, unit: str, lines: Sequence[Line], span: tuple[int, int], gap: int) -> Markup:
    """The chart from the first to the last moment of `span`. A line is interrupted where two of
    its values are more than `gap` seconds apart. All it shows is in words in its description."""
    begin, end = span
    step = _step(max((value for one in lines for _, value in one.points), default=0.0))
    highest = step * _STEPS

    def x(at: float) -> float:
        return _LEFT + (at - begin) / (end - begin) * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - value / highest * (HEIGHT - _TOP - _BOTTOM)

    def path(points: Sequence[Point]) -> str:
        first, *others = [f"{x(at):.1f} {y(value):.1f}" for at, value in points]
        return f"M{first} " + (" ".join(f"L{one}" for one in others) or "h0")

    parts = [
        Markup('<svg class="chart" role="img" viewBox="0 0 {} {}">').format(WIDTH, HEIGHT),
        Markup("<title>{}</title><desc>{}</desc>").format(title, _told(unit, lines, span)),
    ]
    for number in range(_STEPS + 1):
        at = y(step * number)
        label = shown(step * number)
        parts += [_rule(_LEFT, at, WIDTH - _RIGHT, at), _text(_LEFT - 4, at + 3, "end", label)]
    parts.append(_text(_LEFT, _TOP - 8, "start", unit))
    for moment in _times(begin, end):
        at = x(moment)
        parts += [
            _rule(at, HEIGHT - _BOTTOM, at, HEIGHT - _BOTTOM + 4),
            _text(at, HEIGHT - 6, "middle", f"{datetime.fromtimestamp(moment, UTC):%H:%M}"),
        ]
    for number, line in enumerate(lines, 1):
        drawn = " ".join(path(part) for part in unbroken(line.points, gap))
        if drawn:
            parts.append(Markup('<path class="line-{}" d="{}"/>').format(number, drawn))
    return Markup("").join([*parts, Markup("</svg>")])


def unbroken(points: Sequence[Point], gap: int) -> Iterator[list[Point]]:
    """The parts of a line, each without a gap of more than so many seconds."""
    part: list[Point] = []
    for point in points:
        if part and point[0] - part[-1][0] > gap:
            yield part
            part = []
        part.append(point)
    if part:
        yield part


def shown(value: float) -> str:
    """A number with three digits: `0.25`, `17`, `1.5k`."""
    power = min(int(math.log10(abs(value)) // 3), len(_SUFFIXES) - 1) if abs(value) >= 1000 else 0
    return f"{float(f'{value / 1000**power:.3g}'):g}{_SUFFIXES[power]}"


def _step(highest: float) -> float:
    """The distance of the lines across: 1, 2, 2.5 or 5 times a power of ten."""
    if highest <= 0:
        return 0.25
    power: float = 10 ** math.floor(math.log10(highest / _STEPS))
    return next(step for step in (1, 2, 2.5, 5, 10) if step * power * _STEPS >= highest) * power


def _times(begin: int, end: int) -> range:
    """Round moments, a few of them."""
    wanted = (end - begin) / _MOST_TIMES
    spacing = next((one for one in _SPACINGS if one >= wanted), _SPACINGS[-1])
    return range(begin + -begin % spacing, end + 1, spacing)


def _told(unit: str, lines: Sequence[Line], span: tuple[int, int]) -> str:
    first, last = (f"{datetime.fromtimestamp(at, UTC):%H:%M}" for at in span)
    told = [f"From {first} to {last} UTC."]
    for line in lines:
        values = [value for _, value in line.points]
        if values:
            low, high = shown(min(values)), shown(max(values))
            newest = shown(values[-1])
            told.append(f"{line.label}: from {low} to {high} {unit}, at last {newest} {unit}.")
        else:
            told.append(f"{line.label}: no values.")
    return " ".join(told)


def _rule(x1: float, y1: float, x2: float, y2: float) -> Markup:
    line = Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return line.format(x1, y1, x2, y2)


def _text(x: float, y: float, anchor: str, text: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, text
    )
