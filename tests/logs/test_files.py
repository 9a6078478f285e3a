"""Which files of a log go."""

from datetime import UTC, datetime, timedelta

import pytest

from shardhouse.logs import files
from shardhouse.nodes.runtime import LogFile

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def put_aside(days: int, size: int) -> LogFile:
    return LogFile(f"mongo.log.{days}", size, NOW - timedelta(days=days), str(days))


@pytest.mark.parametrize(
    ("sizes", "total", "oldest", "gone"),
    [
        ({}, 10, 31, []),
        ({3: 5, 2: 5, 1: 5}, 25, 31, []),
        ({3: 5, 2: 5, 1: 5}, 24, 31, [3]),
        ({3: 5, 2: 5, 1: 5}, 14, 31, [3, 2, 1]),
        ({3: 5, 2: 5, 1: 5}, 1, 31, [3, 2, 1]),
        ({40: 1, 32: 1, 31: 1, 2: 1}, 100, 31, [40, 32]),
        ({40: 8, 2: 5, 1: 5}, 20, 31, [40]),
    ],
)
def test_what_is_obsolete(sizes: dict[int, int], total: int, oldest: int, gone: list[int]) -> None:
    found = [put_aside(days, size) for days, size in sizes.items()]
    found.append(LogFile(files.NAME, 10, NOW, "now"))
    went = files.obsolete(found, total, NOW - timedelta(days=oldest))
    assert [file.name for file in went] == [f"mongo.log.{days}" for days in gone]
