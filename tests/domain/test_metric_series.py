"""Periods, filters and bounds of Cloud Eye's queries."""

import pytest

from shardhouse.domain import metric_series

POINTS = [(600, 1.0), (660, 3.0), (900, 5.0)]


@pytest.mark.parametrize(
    ("period", "how", "expected"),
    [
        (1, "average", POINTS),
        (1, "variance", [(600, 0), (660, 0), (900, 0)]),
        (300, "average", [(600, 2), (900, 5)]),
        (300, "max", [(600, 3), (900, 5)]),
        (300, "min", [(600, 1), (900, 5)]),
        (300, "sum", [(600, 4), (900, 5)]),
        (300, "variance", [(600, 1), (900, 0)]),
        (1200, "sum", [(0, 9)]),
    ],
)
def test_aggregated(period: int, how: str, expected: list[tuple[int, float]]) -> None:
    assert metric_series.aggregated(POINTS, period, how) == expected


def test_begin_is_rounded_to_the_period() -> None:
    assert metric_series.begin_of(1234, 1) == 1234
    assert metric_series.begin_of(1234, 300) == 1200


@pytest.mark.parametrize(
    ("period", "metrics", "expected"),
    [(1, 1, 0), (1, 300, 99_400), (300, 300, 97_000), (300, 1, 0), (86400, 300, 0)],
)
def test_many_metrics_have_fewer_points(period: int, metrics: int, expected: int) -> None:
    assert metric_series.bounded(0, 100_000, period, metrics) == expected
