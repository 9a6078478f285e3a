"""Lines of several nodes and files are one list, whose numbers stay the same."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from shardhouse.logs.lines import Kind
from shardhouse.logs.search import Found, Number, Search, SearchTooLongError
from shardhouse.nodes.runtime import LogFile, NodeRef, Runtime
from tests.logs.test_scan import START, line

NODES = [NodeRef("in", "a"), NodeRef("in", "b")]


@dataclass
class Logs:
    """The part of a runtime that a search uses; files are kept by node and name."""

    kept: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    during: list[Any] = field(default_factory=list)

    def log_files(self, node: NodeRef) -> list[LogFile]:
        now = datetime.fromtimestamp(START / 1000 + 3600, UTC)
        return [
            LogFile(name, len(content), now, id)
            for (owner, name), (id, content) in self.kept.items()
            if owner == node.node_id
        ]

    def read_log(self, node: NodeRef, name: str, offset: int, size: int) -> bytes:
        if self.during:
            self.during.pop()()
        return self.kept.get((node.node_id, name), ("", b""))[1][offset : offset + size]

    def rotate(self, node: str) -> None:
        self.kept[node, "mongo.log.2026"] = self.kept[node, "mongo.log"]
        self.kept[node, "mongo.log"] = (f"{node}-new", b"")


def logs() -> Logs:
    kept = {
        ("a", "mongo.log"): ("1", b"".join(line(START + n, "W") for n in (0, 20, 20, 40))),
        ("b", "mongo.log"): ("1", b"".join(line(START + n, "W") for n in (10, 20, 50))),
        ("b", "mongo.log.2025"): ("2", line(START + 5, "W")),
        ("b", "output.log"): ("3", line(START + 6, "W")),
    }
    return Logs(kept)


def search(runtime: Logs, start: int = START, **options: Any) -> list[Found]:
    end = START + 1000
    wanted = Search(cast(Runtime, runtime), NODES, Kind.ERROR, start, end, masked=False, **options)
    return wanted.run(list)


def test_all_nodes_and_files_are_one_list() -> None:
    found = search(logs())
    assert [one.number.milliseconds - START for one in found] == [50, 40, 20, 20, 20, 10, 5, 0]
    assert [one.number for one in found] == sorted((one.number for one in found), reverse=True)
    assert len({str(one.number) for one in found}) == len(found)
    assert {one.node_id for one in found} == {"a", "b"}


def test_numbers_stay_when_a_file_is_put_aside() -> None:
    runtime = logs()
    before = [one.number for one in search(runtime)]
    runtime.rotate("a")
    assert [one.number for one in search(runtime)] == before


def test_a_file_that_is_put_aside_meanwhile_is_read_again() -> None:
    runtime = logs()
    before = [one.number for one in search(runtime)]
    runtime.during.append(lambda: runtime.rotate("a"))
    assert [one.number for one in search(runtime)] == before


def test_a_search_that_takes_too_long_ends() -> None:
    with pytest.raises(SearchTooLongError):
        search(logs(), patience=-1.0)


def test_numbers_are_read_back() -> None:
    number = Number(START, 7, 123)
    assert Number.parse(str(number)) == number
    for wrong in ("", "1", "x" * 35, "1" * 34, "१" * 35):
        assert Number.parse(wrong) is None
    texts = [str(Number(*parts)) for parts in itertools.product((1, START), (0, 2**32 - 1), (0, 9))]
    assert texts == sorted(texts)
