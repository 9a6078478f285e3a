"""Values of a metric over time, as Cloud Eye gives them: which periods and filters there are, and
what becomes of raw values (OTC and Huawei CES, "Querying Monitoring Data of a Metric")."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean, pvariance

RAW = 1
"""The period of values as they were measured."""
PERIODS = (RAW, 300, 1200, 3600, 14400, 86400)
FILTERS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "average": fmean,
    "max": max,
    "min": min,
    "sum": sum,
    "variance": pvariance,
}
MOST_POINTS = 3000
_RAW_INTERVAL = 60

Point = tuple[int, float]
"""A moment in seconds since 1970, and a value."""


def begin_of(begin: int, period: int) -> int:
    """The moment that `begin` is rounded to: the period's start."""
    return begin if period == RAW else begin - begin % period


def bounded(begin: int, end: int, period: int, metrics: int) -> int:
    """From when on a query of several metrics is answered: it has so many points at most, and what
    is older is left out (OTC and Huawei CES, "Querying Monitoring Data of Multiple Metrics")."""
    interval = _RAW_INTERVAL if period == RAW else period
    return max(begin, end - MOST_POINTS * interval // metrics)


def aggregated(points: Iterable[Point], period: int, how: str) -> list[Point]:
    """Raw points, in the order of time, by the periods that they lie in, each with its start."""
    filtered = FILTERS[how]
    if period == RAW:
        return [(at, filtered([value])) for at, value in points]
    return [
        (start, filtered([value for _, value in group]))
        for start, group in groupby(points, key=lambda point: point[0] - point[0] % period)
    ]
