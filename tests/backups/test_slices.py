"""Entries are read back over slices, however these overlap, or a hole is told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.timestamp import Timestamp

from shardhouse.backups import entries, slices
from shardhouse.backups.archive import Archive
from shardhouse.backups.slices import Slice
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.errors import CorruptBackupError, MissingObjectError, OplogGapError

GROUP = "group"


def entry(second: int, wall: int | None = None) -> bytes:
    """An entry that holds others of its own fields' names, and a value that no datetime can be."""
    inner = {"ts": Timestamp(1, 1), "wall": 5, "never": DatetimeMS(2**62), "pad": "x" * second}
    moment = second * 1000 if wall is None else wall
    return bson.encode(
        {
            "op": "i",
            "ns": "shop.orders",
            "o": inner,
            "ts": Timestamp(second, 1),
            "wall": datetime.fromtimestamp(moment / 1000, UTC),
        }
    )


def span(after: int, last: int) -> Slice:
    return Slice(Timestamp(after, 1), Timestamp(last, 1))


def store(archive: Archive, after: int, last: int) -> None:
    archive.write(
        slices.name(GROUP, span(after, last)), [entry(n) for n in range(after + 1, last + 1)]
    )


def seconds(found: Iterator[bytes]) -> list[int]:
    return [entries.position(one).time for one in found]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(LocalStorage(tmp_path), "instance", bytes(32))


@pytest.mark.parametrize(
    "stored",
    [
        [(10, 40)],
        [(10, 20), (20, 30), (30, 40)],
        [(0, 25), (25, 50)],
        # A merged one and those it was made of, and slices that overlap.
        [(10, 20), (10, 30), (20, 30), (30, 40)],
        [(10, 26), (24, 33), (20, 31), (30, 47)],
        [(0, 5), (8, 40), (60, 70)],
    ],
)
@pytest.mark.parametrize(("after", "upto"), [(10, 40), (12, 38), (25, 25), (19, 21), (20, 30)])
def test_each_entry_is_read_once(
    archive: Archive, stored: list[tuple[int, int]], after: int, upto: int
) -> None:
    for bounds in stored:
        store(archive, *bounds)
    bounds = (Timestamp(after, 1), Timestamp(upto, 1))
    found = list(slices.read(archive, GROUP, *bounds))
    assert found == [entry(n) for n in range(after + 1, upto + 1)]


def test_bounds_need_not_be_entries(archive: Archive) -> None:
    store(archive, 10, 20)
    last = 2**32 - 1
    found = slices.read(archive, GROUP, Timestamp(12, last), Timestamp(15, last))
    assert seconds(found) == [13, 14, 15]


@pytest.mark.parametrize(
    ("stored", "hole"),
    [
        ([], 10),
        ([(11, 40)], 10),
        ([(10, 20), (21, 40)], 20),
        ([(10, 20), (20, 39)], 39),
    ],
)
def test_a_hole_is_told_where_it_begins(
    archive: Archive, stored: list[tuple[int, int]], hole: int
) -> None:
    for bounds in stored:
        store(archive, *bounds)
    read: list[bytes] = []
    with pytest.raises(OplogGapError, match="not complete") as told:
        read.extend(slices.read(archive, GROUP, Timestamp(10, 1), Timestamp(40, 1)))
    assert told.value.position == f"{hole:08x}00000001"
    assert seconds(iter(read)) == list(range(11, hole + 1))


def test_slices_that_are_merged_meanwhile_are_read_on_from_the_merged_one(
    archive: Archive,
) -> None:
    for bounds in ((10, 20), (20, 30), (30, 40)):
        store(archive, *bounds)
    found = slices.read(archive, GROUP, Timestamp(10, 1), Timestamp(40, 1))
    first = [next(found)]
    store(archive, 10, 40)
    archive.delete([slices.name(GROUP, span(*two)) for two in ((10, 20), (20, 30), (30, 40))])
    assert seconds(iter([*first, *found])) == list(range(11, 41))


def test_a_slice_that_is_gone_is_no_end(archive: Archive) -> None:
    store(archive, 10, 20)
    store(archive, 20, 30)
    found = slices.read(archive, GROUP, Timestamp(10, 1), Timestamp(30, 1))
    next(found)
    archive.delete([slices.name(GROUP, span(20, 30))])
    with pytest.raises(OplogGapError):
        list(found)


def test_a_slice_that_cannot_be_found_although_it_is_listed_is_told(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "listed", lambda archive, group: [span(10, 20)])
    with pytest.raises(MissingObjectError):
        list(slices.read(archive, GROUP, Timestamp(10, 1), Timestamp(20, 1)))


@pytest.mark.parametrize("content", [[], [entry(11)], [entry(11), entry(20)[:-1]]])
def test_a_slice_that_holds_less_than_its_name_says_is_told(
    archive: Archive, content: list[bytes]
) -> None:
    archive.write(slices.name(GROUP, span(10, 20)), content)
    with pytest.raises(CorruptBackupError):
        list(slices.read(archive, GROUP, Timestamp(10, 1), Timestamp(20, 1)))


def test_other_objects_are_no_slices(archive: Archive) -> None:
    store(archive, 10, 20)
    archive.write(f"oplog/{GROUP}/notes", [b"x"])
    archive.write("oplog/other/000000010000000a-0000000200000001", [b"x"])
    assert [(one.after.time, one.last.time) for one in slices.listed(archive, GROUP)] == [(10, 20)]


def test_a_set_is_cut_within_the_second_of_the_moment(archive: Archive) -> None:
    store(archive, 10, 20)
    assert slices.cut(archive, GROUP, 15_000) == Timestamp(15, 2**32 - 1)
    assert slices.cut(archive, GROUP, 14_999) == Timestamp(14, 2**32 - 1)
    archive.write(slices.name(GROUP, span(20, 21)), [entry(21, 21_500)])
    assert slices.cut(archive, GROUP, 20_999) == Timestamp(20, 2**32 - 1)


def test_entries_are_split_whatever_the_pieces() -> None:
    whole = [entry(n) for n in range(1, 30)]
    content = b"".join(whole)
    for size in (1, 3, 4, 5, 1000, len(content)):
        pieces = [content[n : n + size] for n in range(0, len(content), size)]
        assert list(entries.split(pieces)) == whole
    assert entries.first(content) == whole[0]
    assert entries.last(content) == whole[-1]


def test_a_shard_that_joins_is_seen_and_nothing_else() -> None:
    shard = {"_id": "s", "host": "s/a:1"}

    def one(second: int, **fields: object) -> bytes:
        return bson.encode({**fields, "ts": Timestamp(second, 1)})

    batch = [
        one(1, op="i", ns="config.shards", o=shard),
        one(2, op="u", ns="config.shards", o={"$v": 2}, o2={"_id": "s"}),
        one(3, op="d", ns="config.shards", o={"_id": "s"}),
        one(4, op="i", ns="shop.orders", o={"text": "config.shards\0"}),
        one(5, op="c", ns="admin.$cmd", o={"applyOps": [{"op": "i", "ns": "config.shards"}]}),
        one(6, op="n", ns="", o={"msg": "config.shards"}),
    ]
    assert entries.shards_joined(b"".join(batch)) == [Timestamp(1, 1), Timestamp(5, 1)]
    assert entries.shards_joined(b"".join(batch[1:4])) == []


def test_all_entries_are_checked(archive: Archive) -> None:
    for bounds in ((10, 20), (10, 30), (30, 40)):
        store(archive, *bounds)
    assert slices.check(archive, GROUP, Timestamp(10, 1), Timestamp(40, 1)) == 30
    assert slices.check(archive, GROUP, Timestamp(15, 1), Timestamp(35, 1)) == 20
    with pytest.raises(OplogGapError):
        slices.check(archive, GROUP, Timestamp(10, 1), Timestamp(41, 1))


@pytest.mark.parametrize("seconds", [[11, 13, 12, 14, 20], [11, 11, 20], [9, 12, 20], [10, 20]])
def test_entries_that_are_out_of_order_are_found(archive: Archive, seconds: list[int]) -> None:
    archive.write(slices.name(GROUP, span(10, 20)), map(entry, seconds))
    with pytest.raises(CorruptBackupError, match="comes after"):
        slices.check(archive, GROUP, Timestamp(10, 1), Timestamp(20, 1))
