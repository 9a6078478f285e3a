"""Rings of values: bounded, and newer rows take the places of older ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from shardhouse.domain.metrics import METRICS
from shardhouse.store.database import Database
from shardhouse.store.metric_ring import MINUTE, SECONDS, STEPS, MetricRing, Row, pack, value_of

CPU, DISK = "mongo031_cpu_usage", "mongo035_disk_usage"
NOW = 1_800_000_000
LENGTH = STEPS[MINUTE]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'metrics.db'}")
    yield made
    made.close()


@pytest.fixture
def ring(database: Database) -> MetricRing:
    return MetricRing(database)


def minute(number: int, value: float, node: str = "a", step: int = MINUTE) -> Row:
    return Row(node, step, NOW + number * step, {CPU: value})


def point(number: int, value: float, step: int = MINUTE) -> tuple[int, float]:
    return NOW + number * step, value


def read(ring: MetricRing, begin: int, end: int) -> list[tuple[int, float]]:
    return ring.read({"a": {CPU}}, begin, end)["a"][CPU]


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(text("SELECT count(*) FROM metric_values")).scalar_one()


def test_rows_come_back_in_the_order_of_time(ring: MetricRing) -> None:
    rows = [minute(number, number) for number in (2, 0, 1)]
    ring.write([*rows, minute(1, 7, "b")])
    found = ring.read({"a": {CPU, DISK, "unknown"}, "c": {CPU}}, NOW, NOW + 2 * MINUTE)
    assert found == {
        "a": {CPU: [point(0, 0), point(1, 1)], DISK: [], "unknown": []},
        "c": {CPU: []},
    }


def test_a_ring_holds_so_many_rows_and_no_more(ring: MetricRing, database: Database) -> None:
    ring.write(minute(number, 1) for number in range(LENGTH + 10))
    assert count(database) == LENGTH
    found = read(ring, NOW, NOW + 2 * LENGTH * MINUTE)
    assert (found[0], len(found)) == (point(10, 1), LENGTH)


def test_seconds_take_the_place_of_their_minute(ring: MetricRing) -> None:
    seconds = [minute(number, 2, step=SECONDS) for number in range(12, 24)]
    ring.write([minute(0, 1), minute(1, 1), minute(2, 1), *seconds])
    found = read(ring, NOW, NOW + 3 * MINUTE)
    assert found == [point(0, 1), *((row.at, 2) for row in seconds), point(2, 1)]


def test_a_query_may_begin_within_a_minute(ring: MetricRing) -> None:
    seconds = [minute(number, 2, step=SECONDS) for number in range(2)]
    ring.write([minute(0, 1), *seconds])
    assert read(ring, NOW + 2, NOW + MINUTE) == [point(1, 2, SECONDS)]


def test_rows_of_nodes_that_are_gone_are_dropped(ring: MetricRing, database: Database) -> None:
    ring.write([minute(0, 1, "gone"), minute(LENGTH, 1)])
    ring.forget(NOW + (LENGTH + 1) * MINUTE)
    assert count(database) == 1


def test_a_ring_outlives_the_service(database: Database) -> None:
    MetricRing(database).write([minute(0, 1)])
    assert read(MetricRing(database), NOW, NOW + 1) == [point(0, 1)]


def test_many_resources(ring: MetricRing) -> None:
    names = [f"n{number}" for number in range(50)]
    ring.write(minute(0, number, name) for number, name in enumerate(names))
    found = ring.read({name: {CPU} for name in names}, NOW, NOW + 1)
    assert [found[name][CPU] for name in names] == [[point(0, number)] for number in range(50)]


def test_packed_values() -> None:
    packed = pack({CPU: 12.5, DISK: 0.0})
    assert len(packed) == 4 * len(METRICS)
    assert [value_of(packed, name) for name in (CPU, DISK, METRICS[0].id)] == [12.5, 0, None]
    # Of a version with fewer metrics.
    assert value_of(packed[:8], CPU) is None
    assert value_of(packed, "unknown") is None
