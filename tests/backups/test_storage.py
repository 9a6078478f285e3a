"""What every storage does, and what a folder does beside it."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from shardhouse.backups.storage import objects, open_storage
from shardhouse.backups.storage.interface import Entry, Storage
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.errors import BackupError, MissingObjectError, NodeError
from shardhouse.settings import load
from tests.backups.conftest import Bucket
from tests.backups.cuts import Cuts
from tests.disks import small_disk
from tests.free_ports import free_port

MIB = 1024**2


def content(storage: Storage, name: str) -> bytes:
    return b"".join(storage.read(name))


def interrupted(megabytes: int) -> Iterator[bytes]:
    """Content whose source fails behind so many megabytes."""
    for _ in range(megabytes):
        yield os.urandom(MIB)
    raise NodeError("the source is gone")


@pytest.mark.parametrize(
    "sizes", [[], [0], [1], [3, 0, 4], [MIB] * 12, [13 * MIB], [5 * MIB] * 14, [64 * MIB, 0, 1]]
)
def test_an_object_is_read_as_it_was_written(storage: Storage, sizes: list[int]) -> None:
    pieces = [os.urandom(size) for size in sizes]
    assert storage.write("a/b.tar", iter(pieces)) == sum(sizes)
    assert content(storage, "a/b.tar") == b"".join(pieces)
    assert list(storage.list("")) == [Entry("a/b.tar", sum(sizes))]


def test_an_object_is_replaced(storage: Storage) -> None:
    storage.write("a", [b"long content"])
    storage.write("a", [b"new"])
    assert content(storage, "a") == b"new"


def test_an_absent_object_is_told_before_the_first_piece(storage: Storage) -> None:
    storage.write("a/b", [b"x"])
    for name in ("b", "a", "a/b/c", "a/c"):
        with pytest.raises(MissingObjectError, match=f" {name}\\b"):
            storage.read(name)


def test_lists_are_of_one_folder_and_in_order(storage: Storage) -> None:
    names = ["a-b/x", "a/1", "a/b/2", "a/b-1", "a/b.1", "b", "ab"]
    for name in names:
        storage.write(name, [name.encode()])
    assert [entry.name for entry in storage.list("")] == sorted(names)
    assert list(storage.list("a/")) == [
        Entry("a/1", 3),
        Entry("a/b-1", 5),
        Entry("a/b.1", 5),
        Entry("a/b/2", 5),
    ]
    assert list(storage.list("nothing/here/")) == []


def test_objects_are_deleted_whether_they_are_there_or_not(storage: Storage) -> None:
    for name in ("a/1", "a/2", "b/3"):
        storage.write(name, [b"x"])
    storage.delete(["a/1", "a/1", "none/such", "a/1/2", "b/3"])
    assert [entry.name for entry in storage.list("")] == ["a/2"]


@pytest.mark.parametrize("earlier", [None, b"earlier"])
@pytest.mark.parametrize("megabytes", [0, 1, 12, 70])
def test_a_source_that_fails_leaves_all_as_it_was(
    storage: Storage, earlier: bytes | None, megabytes: int
) -> None:
    if earlier:
        storage.write("a/b", [earlier])
    with pytest.raises(NodeError, match="the source is gone"):
        storage.write("a/b", interrupted(megabytes))
    left = [content(storage, entry.name) for entry in storage.list("")]
    assert left == ([earlier] if earlier else [])


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a b", "ä", "a\n", "x.part", "a" * 201]
)
def test_other_names_are_refused(storage: Storage, name: str) -> None:
    calls = [
        lambda: storage.write(name, [b""]),
        lambda: storage.read(name),
        lambda: storage.delete([name]),
    ]
    for call in calls:
        with pytest.raises(BackupError, match="is not a name of an object"):
            call()


@pytest.mark.parametrize("prefix", ["/", "a", "../", "a/../"])
def test_other_prefixes_are_refused(storage: Storage, prefix: str) -> None:
    with pytest.raises(BackupError, match=r"is not a (prefix|name)"):
        list(storage.list(prefix))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_is_ours_alone(tmp_path: Path) -> None:
    root = tmp_path / "new" / "backups"
    LocalStorage(root).write("a/b", [b"x"])
    modes = {
        path: path.stat().st_mode & 0o777 for path in (root.parent, root, root / "a", root / "a/b")
    }
    assert list(modes.values()) == [0o700, 0o700, 0o700, 0o600]


def test_a_folder_keeps_no_empty_folders(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.write("a/b/c", [b"x"])
    storage.write("a/d", [b"x"])
    storage.delete(["a/b/c"])
    assert files(tmp_path) == ["a", "a/d"]
    storage.delete(["a/d"])
    assert files(tmp_path) == []


def test_what_a_dead_process_left_is_removed_and_what_is_being_written_stays(
    tmp_path: Path,
) -> None:
    storage = LocalStorage(tmp_path)
    left = tmp_path / "a.0123.part"
    left.write_bytes(b"half")

    def pieces() -> Iterable[bytes]:
        yield b"first"
        assert [entry.name for entry in storage.list("")] == []
        LocalStorage(tmp_path)
        yield b"second"

    storage.write("a", pieces())
    assert files(tmp_path) == ["a"]
    assert content(storage, "a") == b"firstsecond"


def test_a_process_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.write("a/b", [b"earlier"])
    program = f"""
import sys, time
from pathlib import Path
from shardhouse.backups.storage.local import LocalStorage

def chunks():
    yield bytes(3_000_000)
    print("half", flush=True)
    time.sleep(600)

LocalStorage(Path({str(tmp_path)!r})).write("a/b", chunks())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.kill()
    assert len(files(tmp_path / "a")) == 2
    LocalStorage(tmp_path)
    assert files(tmp_path / "a") == ["b"]
    assert content(storage, "a/b") == b"earlier"


def test_folders_come_and_go_under_several_threads(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)

    def work(number: int) -> None:
        for _ in range(40):
            storage.write(f"a/b/{number}", [b"x"])
            storage.delete([f"a/b/{number}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert files(tmp_path) == []


@pytest.mark.parametrize("size", [MIB, 1000, 100_000])
def test_a_full_disk_leaves_nothing_of_what_did_not_fit(tmp_path: Path, size: int) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        storage = LocalStorage(disk / "backups")
        before = storage.free()
        with pytest.raises(BackupError, match=r"Cannot write a/b .*: No space left"):
            storage.write("a/b", (os.urandom(size) for _ in range(8 * MIB // size)))
        assert list(storage.list("")) == []
        assert files(disk) == ["backups"]
        assert storage.free() >= before - 64 * 1024


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BackupError, match=r"Cannot open .*/file: File exists"):
        LocalStorage(tmp_path / "file" / "backups")


def test_an_upload_that_fails_leaves_nothing_in_the_bucket(bucket: Bucket) -> None:
    for megabytes in (1, 70, 130):
        with pytest.raises(NodeError):
            bucket.storage.write("a/b", interrupted(megabytes))
    assert bucket.objects() == bucket.uploads() == []


def test_objects_lie_in_the_folder_that_the_url_names(bucket: Bucket) -> None:
    bucket.storage.write("a/b", [b"x"])
    assert bucket.objects() == ["some/folder/a/b"]


def test_a_missing_bucket_is_told_and_is_no_missing_object(bucket: Bucket, tmp_path: Path) -> None:
    settings = bucket.settings | {"url": "s3://nowhere/folder"}
    storage = open_storage(load(data_dir=tmp_path, backup=settings))
    calls = [
        lambda: storage.write("a", [b"x"]),
        lambda: storage.read("a"),
        lambda: next(storage.list("")),
        lambda: storage.delete(["a"]),
    ]
    for call in calls:
        with pytest.raises(BackupError, match=r"bucket does not exist \(NoSuchBucket\)") as raised:
            call()
        assert not isinstance(raised.value, MissingObjectError)


def test_a_store_that_does_not_answer_is_told(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "RETRY_TIME", timedelta(seconds=1))
    settings = bucket.settings | {"endpoint": f"http://127.0.0.1:{free_port()}"}
    storage = open_storage(load(data_dir=tmp_path, backup=settings))
    with pytest.raises(BackupError, match="Cannot read a in s3://backups/some/folder") as raised:
        storage.read("a")
    assert len(raised.value.message) < 700
    assert bucket.settings["secret_key"] not in raised.value.message


@pytest.fixture
def cuts(bucket: Bucket) -> Iterator[Cuts]:
    """A way to the bucket's server on which connections break."""
    with Cuts(bucket.settings["endpoint"]) as way:
        yield way


def test_what_a_broken_connection_interrupts_goes_on(
    bucket: Bucket, cuts: Cuts, tmp_path: Path
) -> None:
    settings = bucket.settings | {"endpoint": cuts.endpoint}
    storage = open_storage(load(data_dir=tmp_path, backup=settings))
    whole = os.urandom(70 * MIB)
    cuts.after(20 * MIB)
    storage.write("a", [whole])
    cuts.after(20 * MIB)
    assert content(storage, "a") == whole
    assert cuts.made == 2
    assert bucket.uploads() == []
