"""Which moments full backups and slices lead to, as tables."""

from itertools import pairwise

import pytest
from bson.timestamp import Timestamp

from shardhouse.backups import ranges, slices
from shardhouse.backups.ranges import Full, Range
from shardhouse.backups.slices import Slice


def at(seconds: int) -> Timestamp:
    return Timestamp(seconds, 1)


def chain(*seconds: int) -> list[Slice]:
    """Slices from each second to the next."""
    return [Slice(at(a), at(b), 10) for a, b in pairwise(seconds)]


def full(id: str, consistent: int, **tops: int) -> Full:
    return Full(id, True, {group: at(top) for group, top in tops.items()}, at(consistent))


@pytest.mark.parametrize(
    ("pieces", "after", "end"),
    [
        ([], 10, 10),
        (chain(10, 20, 30), 10, 30),
        (chain(10, 20, 30), 15, 30),
        (chain(10, 20, 30), 30, 30),
        (chain(10, 20, 30), 35, 35),
        (chain(20, 30), 10, 10),
        ([*chain(10, 20), *chain(21, 30)], 10, 20),
        # A merged slice, and those it was made of.
        ([*chain(10, 20, 30, 40), Slice(at(10), at(30), 20)], 10, 40),
        ([Slice(at(10), at(30), 20), *chain(20, 25)], 10, 30),
        # Overlapping ones, whose order does not matter.
        ([Slice(at(25), at(40)), Slice(at(10), at(30))], 10, 40),
    ],
)
def test_how_far_slices_reach(pieces: list[Slice], after: int, end: int) -> None:
    assert slices.end(pieces, at(after)) == at(end)


@pytest.mark.parametrize(
    ("backup", "archived", "expected"),
    [
        (full("a", 10, s=10), {}, None),
        (full("a", 10, s=10), {"s": chain(10, 11)}, None),
        (full("a", 10, s=10), {"s": chain(10, 12)}, Range(11_000, 11_999)),
        (full("a", 10, s=10), {"s": chain(10, 20, 30)}, Range(11_000, 29_999)),
        (full("a", 10, s=10), {"s": chain(11, 20, 30)}, None),
        # A cluster reaches as far as its set that reaches least, from a moment that all have.
        (
            full("a", 15, s=10, c=12),
            {"s": chain(10, 40), "c": chain(9, 12, 30)},
            Range(16_000, 29_999),
        ),
        (full("a", 15, s=10, c=12), {"s": chain(10, 40)}, None),
        # What is archived of another set does not matter.
        (full("a", 10, s=10), {"s": chain(10, 20), "x": []}, Range(11_000, 19_999)),
    ],
)
def test_the_range_of_a_backup(
    backup: Full, archived: dict[str, list[Slice]], expected: Range | None
) -> None:
    assert ranges.of(backup, archived) == expected


@pytest.mark.parametrize(
    ("joined", "expected"),
    [
        ([8], Range(11_000, 29_999)),
        ([20], Range(11_000, 19_999)),
        ([20, 15, 8], Range(11_000, 14_999)),
        ([11], None),
    ],
)
def test_a_range_ends_before_a_shard_joins(joined: list[int], expected: Range | None) -> None:
    found = ranges.of(full("a", 10, s=10), {"s": chain(10, 30)}, [at(one) for one in joined])
    assert found == expected


@pytest.mark.parametrize(
    ("moment", "chosen"),
    [(10_999, None), (11_000, "a"), (20_500, "a"), (21_000, "b"), (29_999, "b"), (30_000, None)],
)
def test_the_newest_backup_that_leads_to_a_moment_is_chosen(
    moment: int, chosen: str | None
) -> None:
    fulls = [full("a", 10, s=10), full("b", 20, s=20), full("c", 40, s=40)]
    found = ranges.base(fulls, {"s": chain(10, 20, 30)}, moment)
    assert (found.id if found else None) == chosen


def test_ranges_are_merged_where_they_touch() -> None:
    found = ranges.merged(
        [Range(50, 60), Range(10, 20), Range(21, 30), Range(15, 18), Range(32, 40)]
    )
    assert found == [Range(10, 30), Range(32, 40), Range(50, 60)]


def test_only_the_parts_within_bounds_are_listed() -> None:
    found = ranges.within([Range(0, 5), Range(8, 12), Range(15, 16), Range(19, 30)], Range(10, 20))
    assert found == [Range(10, 12), Range(15, 16), Range(19, 20)]
