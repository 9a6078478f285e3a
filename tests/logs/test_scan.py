"""Lines are found by time, in files of any size, wherever blocks begin."""

import json
import random
from datetime import UTC, datetime

import pytest

from shardhouse.logs import scan
from shardhouse.logs.lines import Kind, Line

START = 1_790_000_000_000


def line(milliseconds: int, severity: str = "I", number: int = 51803, more: str = "") -> bytes:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return (
        f'{{"t":{{"$date":"{moment}"}},"s":"{severity}",  "c":"COMMAND",  "id":{number},   '
        f'"ctx":"conn1","msg":"m","attr":{{"more":{json.dumps(more)}}}}}\n'
    ).encode()


class File:
    """A log in memory that counts what is read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.seen = 0

    def read(self, offset: int, size: int) -> bytes:
        found = self.content[offset : offset + size]
        self.seen += len(found)
        return found

    def newest_first(self, kind: Kind, start: int, end: int) -> list[Line]:
        return list(scan.newest_first(self.read, len(self.content), kind, start, end))


@pytest.fixture(params=[1 << 20, 4096, 300])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(scan, "BLOCK", request.param)
    monkeypatch.setattr(scan, "_PROBE", min(request.param, 1024))
    return request.param


@pytest.mark.usefixtures("block")
def test_what_is_found_is_what_was_written() -> None:
    random.seed(1)
    written: list[tuple[int, str, int]] = []
    moment = START
    for _ in range(2000):
        moment += random.choice((0, 1, 3, 700, 5000))
        jitter = random.randrange(scan.SLACK)  # threads overtake each other
        number = random.choice((51803, 51804, 518030))
        written.append((moment - jitter, random.choice("IIIWEFD"), number))
    content = b"".join(line(at, s, n, "x" * (at % 90)) for at, s, n in written)
    file = File(content + line(moment)[:40])  # the last one is being written
    for start, end in ((START, moment), (START + 999_000, START + 1_500_000), (0, 0)):
        for kind in Kind:
            wanted = [
                at
                for at, severity, number in written
                if start <= at <= end
                and (severity in "WEF" if kind is Kind.ERROR else number == 51803)
            ]
            found = file.newest_first(kind, start, end)
            assert [one.milliseconds for one in found] == sorted(wanted, reverse=True)
            for one in found:
                assert content[one.offset :].startswith(one.content + b"\n")
    forward = scan.oldest_first(file.read, len(file.content), Kind.ERROR)
    assert [(one.milliseconds, one.severity) for one in forward] == [
        (at, severity) for at, severity, _ in written if severity in "WEF"
    ]


def test_only_the_range_is_read_of_a_large_file() -> None:
    text = "y" * 900
    file = File(b"".join(line(START + 10 * number, more=text) for number in range(30_000)))
    middle = START + 150_000
    found = file.newest_first(Kind.SLOW, middle, middle + 1000)
    assert len(found) == 101
    assert len(file.content) > 25 * scan.BLOCK
    assert file.seen < 6 * scan.BLOCK


def test_it_begins_with_the_newest() -> None:
    file = File(b"".join(line(START + 1000 * number, more="y" * 900) for number in range(30_000)))
    found = scan.newest_first(file.read, len(file.content), Kind.SLOW, START, START * 2)
    assert next(found).milliseconds == START + 29_999_000
    assert file.seen < 4 * scan.BLOCK


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    "noise",
    [
        b"no JSON at all\n",
        b'{"s":"W","id":51803,}\n',
        b'{"t":{"$date":"never"},"s":"W","c":"X","id":51803,"ctx":"x"}\n',
        line(START, "I", 1, '"id":51803, "s":"W"'),
        b"z" * 5000 + b"\n",
    ],
)
def test_other_lines_are_left_out(noise: bytes) -> None:
    file = File(noise + line(START) + noise + line(START, "W", 1) + noise)
    assert len(file.newest_first(Kind.SLOW, START, START)) == 1
    assert len(file.newest_first(Kind.ERROR, START, START)) == 1


def test_an_empty_file_has_none() -> None:
    assert File(b"").newest_first(Kind.SLOW, 0, START) == []
