"""Dumps of mongodump are read, in each of their forms, and damaged ones are refused; what is
written can be read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest

from shardhouse.backups import dumps
from shardhouse.backups.dumps import DumpedCollection
from shardhouse.errors import BackupError
from tests.dumps import archive, folder

CONTENTS: dict[str, Any] = {
    "shop.orders": (
        {
            "options": {"validator": {"n": {"$gte": bson.Int64(0)}}},
            "indexes": [
                {"v": 2, "key": {"_id": 1}, "name": "_id_"},
                {"v": 2, "key": {"b": 1, "a": -1}, "name": "x"},
            ],
        },
        [{"_id": 1, "n": bson.Int64(5)}, {"_id": 2}],
    ),
    "shop.late": ({"type": "view", "options": {"viewOn": "orders", "pipeline": []}}, []),
    "other.a/b": ({}, [{"_id": bson.ObjectId(), "text": "x" * 5000}]),
}
FORMS: list[Any] = [
    pytest.param(lambda path: folder(path, _escaped()), id="folder"),
    pytest.param(lambda path: folder(path, _escaped(), zipped=True), id="folder-gzip"),
    pytest.param(lambda path: archive(path, CONTENTS), id="archive"),
    pytest.param(lambda path: archive(path, CONTENTS, zipped=True), id="archive-gzip"),
]


ODD = "50% a/b+c"
"""A name that a file cannot have."""


def _written() -> Iterator[bytes]:
    """An archive of ours, with what dumps of servers have beside that."""
    content = CONTENTS | {
        f"other.{ODD}": ({}, [{"_id": n} for n in range(3)]),
        "other.measured": (
            {"type": "timeseries", "options": {"timeseries": {"timeField": "at"}}},
            [{"_id": 1, "meta": 3}],
        ),
        "other.empty": ({}, []),
    }
    items = [
        DumpedCollection(*name.split(".", 1), **{"kind": "collection", **_fields(described)})
        for name, (described, _) in content.items()
    ]

    def documents(item: DumpedCollection) -> Iterator[bytes]:
        return (bson.encode(one) for one in content[str(item)][1])

    return dumps.archive(items, documents, "6.0.5")


def _fields(described: dict[str, Any]) -> dict[str, Any]:
    found = {
        "options": described.get("options", {}),
        "indexes": tuple(described.get("indexes", ())),
    }
    return found | ({"kind": described["type"]} if "type" in described else {})


@pytest.mark.parametrize("form", ["archive", "folder", "folder-gzip"])
def test_what_is_written_is_read(form: str, tmp_path: Path) -> None:
    path = tmp_path / "dump"
    if form == "archive":
        path.write_bytes(b"".join(_written()))
    else:
        path.mkdir()
        pieces = (bytes(piece) for whole in _written() for piece in (whole[:5], whole[5:]))
        dumps.unpack("dump", pieces, path, zipped=form.endswith("gzip"))
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in path.glob("*/*"))
    found = dumps.read(path)
    by_name = {str(item): item for item in found.collections}
    assert by_name.keys() >= {*CONTENTS, f"other.{ODD}", "other.measured", "other.empty"}
    described = CONTENTS["shop.orders"][0]
    assert by_name["shop.orders"].options == described["options"]
    assert list(by_name["shop.orders"].indexes) == described["indexes"]
    assert by_name["other.measured"].kind == "timeseries"
    counts: dict[str, int] = {}
    for block in found.blocks():
        name = f"{block.database}.{block.collection}"
        counts[name] = counts.get(name, 0) + len(block.documents)
    expected = {"shop.orders": 2, "other.a/b": 1, f"other.{ODD}": 3}
    assert counts == expected | {"other.system.buckets.measured": 1}


def test_an_archive_that_is_cut_off_is_not_unpacked(tmp_path: Path) -> None:
    whole = b"".join(_written())
    for number, length in enumerate((3, 200, len(whole) - 300)):
        with pytest.raises(BackupError):
            dumps.unpack("dump", [whole[:length]], tmp_path / str(number), zipped=False)


def test_an_archive_has_checksums_of_its_documents() -> None:
    """The value is that of Go's `crc64` with the table `ECMA`, which mongorestore compares."""
    item = DumpedCollection("shop", "text")
    pieces = list(dumps.archive([item], lambda _: [b"1234", b"56789"], "6.0.5"))
    last = bson.decode(pieces[-1][:-4])
    assert last["EOF"]
    assert last["CRC"] % 2**64 == 0x995DC9BBDF1939FA


def _escaped() -> dict[str, Any]:
    return {name.replace("/", "%2F"): content for name, content in CONTENTS.items()}


@pytest.mark.parametrize("make", FORMS)
def test_a_dump_is_read(make: Callable[[Path], Path], tmp_path: Path) -> None:
    found = dumps.read(make(tmp_path / "dump"))
    by_name = {str(item).replace("%2F", "/"): item for item in found.collections}
    assert by_name.keys() == CONTENTS.keys()
    orders = by_name["shop.orders"]
    assert orders.options == CONTENTS["shop.orders"][0]["options"]
    assert isinstance(orders.options["validator"]["n"]["$gte"], bson.Int64)
    assert list(orders.indexes[1]["key"].items()) == [("b", 1), ("a", -1)]
    assert by_name["shop.late"].kind == "view"
    documents: dict[str, list[Any]] = {}
    for block in found.blocks():
        name = f"{block.database}.{block.collection}".replace("%2F", "/")
        documents.setdefault(name, []).extend(bson.decode(one.raw) for one in block.documents)
    assert documents == {name: content[1] for name, content in CONTENTS.items() if content[1]}
    assert 0 < sum(block.read for block in found.blocks()) <= found.size


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(BackupError, match="is neither an archive of mongodump nor a folder"):
        dumps.read(tmp_path / "text")
    with pytest.raises(BackupError, match="holds no"):
        dumps.read(tmp_path)
    with pytest.raises(BackupError, match="No such file"):
        dumps.read(tmp_path / "nothing")


@pytest.mark.parametrize("make", FORMS[::2])
def test_a_dump_that_is_cut_off_is_refused(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path / "dump")
    file = path / "shop" / "orders.bson" if path.is_dir() else path
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - (7 if path.is_dir() else 5000)])
    with pytest.raises(BackupError, match="cut off or damaged"):
        list(dumps.read(path).blocks())
    file.write_bytes(content.replace(bson.encode({"_id": 2}), b"\x01" * 14))
    with pytest.raises(BackupError, match="damaged"):
        list(dumps.read(path).blocks())


def test_every_cut_of_an_archive_is_noticed(tmp_path: Path) -> None:
    path = archive(tmp_path / "dump", CONTENTS)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 7):
        path.write_bytes(content[:length])
        with pytest.raises(BackupError):
            list(dumps.read(path).blocks())
