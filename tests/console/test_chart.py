"""Charts: what is drawn for which values."""

import re
from xml.etree import ElementTree

import pytest

from shardhouse.console import chart
from shardhouse.console.chart import HEIGHT, WIDTH, Line

BEGIN = 1_800_000_000 - 1_800_000_000 % 3600
HOUR = (BEGIN, BEGIN + 3600)


def drawn(*lines: Line, unit: str = "%", gap: int = 119) -> ElementTree.Element:
    return ElementTree.fromstring(chart.draw("CPU <1>", unit, lines, HOUR, gap))


def test_values_are_placed_by_time_and_size() -> None:
    (path,) = drawn(Line("a", [(BEGIN, 0.0), (BEGIN + 60, 100.0)])).iter("path")
    (x1, y1), (x2, y2) = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attrib["d"])
    assert float(x1) < float(x2) < WIDTH / 2
    assert HEIGHT > float(y1) > float(y2) > 0


def test_a_gap_interrupts_the_line() -> None:
    minutes = [(BEGIN + 60 * n, 1.0) for n in (0, 1, 2, 5, 6, 9)]
    assert [len(part) for part in chart.unbroken(minutes, 119)] == [3, 2, 1]
    (path,) = drawn(Line("a", minutes)).iter("path")
    assert path.attrib["d"].count("M") == 3
    assert path.attrib["d"].endswith("h0")  # a single value is a dot
    assert list(chart.unbroken([], 60)) == []


def test_axes_have_round_numbers_units_and_times() -> None:
    texts = [one.text for one in drawn(Line("a", [(BEGIN, 37.0)])).iter("text")]
    assert texts[:6] == ["0", "10", "20", "30", "40", "%"]
    assert len(texts[6:]) == 7
    assert all(re.fullmatch(r"\d\d:[0-5]0", text or "") for text in texts[6:])


def test_it_is_told_in_words() -> None:
    found = drawn(Line("reads", [(BEGIN, 4.0), (BEGIN + 60, 1234.0)]), Line("writes", []))
    assert found.attrib["role"] == "img"
    assert found.findtext("title") == "CPU <1>"
    told = found.findtext("desc") or ""
    assert "reads: from 4 to 1.23k %, at last 1.23k %." in told
    assert "writes: no values." in told
    assert [one.attrib["class"] for one in found.iter("path")] == ["line-1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.251, "0.251"), (17.0, "17"), (999.0, "999"), (1500, "1.5k"), (2.5e6, "2.5M")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert chart.shown(value) == text


@pytest.mark.parametrize("highest", [0.0, 1e-6, 0.7, 1.0, 3.99, 4.0, 99.9, 100.0, 5e9])
def test_the_highest_value_is_inside(highest: float) -> None:
    found = drawn(Line("a", [(BEGIN, highest)]))
    (path,) = found.iter("path")
    (_, y), *_ = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attrib["d"])
    assert 0 < float(y) <= HEIGHT
