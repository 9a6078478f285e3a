"""Positions as text, and moments as positions."""

import pytest
from bson.timestamp import Timestamp

from shardhouse.backups import positions

LAST = 2**32 - 1


@pytest.mark.parametrize(
    ("position", "digits"),
    [
        (Timestamp(0, 0), "0000000000000000"),
        (Timestamp(1764100000, 17), "692607a000000011"),
        (Timestamp(LAST, LAST), "ffffffffffffffff"),
    ],
)
def test_a_position_is_written_and_read(position: Timestamp, digits: str) -> None:
    assert positions.text(position) == digits
    assert positions.parse(digits) == position


@pytest.mark.parametrize("digits", ["", "692607a000", "692607a00000001g", "692607a0000000110"])
def test_what_is_no_position_is_refused(digits: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        positions.parse(digits)


def test_texts_have_the_order_of_the_positions() -> None:
    ordered = [Timestamp(1, LAST), Timestamp(2, 0), Timestamp(2, 9), Timestamp(2, 10)]
    assert sorted(map(positions.text, reversed(ordered))) == list(map(positions.text, ordered))


@pytest.mark.parametrize(
    ("position", "expected"),
    [(Timestamp(5, 2), Timestamp(5, 1)), (Timestamp(5, 0), Timestamp(4, LAST))],
)
def test_the_position_before(position: Timestamp, expected: Timestamp) -> None:
    assert positions.before(position) == expected


@pytest.mark.parametrize("moment", [100_000, 100_001, 100_999])
def test_a_cluster_is_cut_where_the_second_begins(moment: int) -> None:
    assert positions.cut_of_cluster(moment) == Timestamp(99, LAST)


#: Position and wall clock of the entries of second 100; the member's clock is a little behind.
ENTRIES = [
    (Timestamp(100, 1), 99_998),
    (Timestamp(100, 2), 100_000),
    (Timestamp(100, 3), 100_500),
    (Timestamp(100, 4), 100_500),
    (Timestamp(100, 5), 100_900),
]


@pytest.mark.parametrize(
    ("moment", "cut"),
    [
        (100_000, Timestamp(100, 2)),
        (100_499, Timestamp(100, 2)),
        (100_500, Timestamp(100, 4)),
        (100_899, Timestamp(100, 4)),
        (100_900, Timestamp(100, LAST)),
        (100_999, Timestamp(100, LAST)),
    ],
)
def test_a_set_is_cut_by_the_entries_own_clock(moment: int, cut: Timestamp) -> None:
    assert positions.cut_of_set(moment, ENTRIES) == cut


def test_a_set_without_entries_in_the_second_is_cut_at_its_end() -> None:
    assert positions.cut_of_set(100_300, []) == Timestamp(100, LAST)


@pytest.mark.parametrize("increment", [0, 1, LAST])
def test_the_first_moment_has_all_up_to_the_position(increment: int) -> None:
    position = Timestamp(100, increment)
    moment = positions.first_moment(position)
    late = [(Timestamp(101, 1), moment + 1)]
    assert positions.cut_of_cluster(moment) >= position
    assert positions.cut_of_set(moment, late) >= position


@pytest.mark.parametrize("increment", [0, 1, LAST])
def test_the_last_moment_needs_nothing_behind_the_position(increment: int) -> None:
    position = Timestamp(100, increment)
    moment = positions.last_moment(position)
    assert positions.cut_of_cluster(moment) < position
    assert positions.cut_of_set(moment, []) < position
    assert positions.second(moment)[1] < Timestamp(100, 0)
