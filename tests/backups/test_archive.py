"""An archive gives back what was written, or says that it cannot."""

import hashlib
import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shardhouse.backups.archive import FRAME, TAG_BYTES, Archive, Archives, open_archive
from shardhouse.backups.storage.interface import Entry, Storage
from shardhouse.errors import BackupError, CorruptBackupError, MissingObjectError
from shardhouse.store.vault import Vault

INSTANCE = "0123456789abcdef0123456789abcdefin02"
VAULT = Vault(bytes(range(32)))
HEADER = 32


@pytest.fixture
def archive(storage: Storage) -> Archive:
    return open_archive(storage, VAULT, INSTANCE)


def content(archive: Archive, name: str) -> bytes:
    return b"".join(archive.read(name))


def stored(storage: Storage, name: str) -> bytes:
    return b"".join(storage.read(f"{INSTANCE}/{name}"))


def noise(*sizes: int) -> list[bytes]:
    return [random.Random(size).randbytes(size) for size in sizes]


@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"x"], noise(FRAME), noise(1, 5 * FRAME + 1, 0, 17), [bytes(40 * FRAME)]]
)
def test_an_object_is_read_as_it_was_written(
    storage: Storage, archive: Archive, pieces: list[bytes]
) -> None:
    written = archive.write("a/b.tar", iter(pieces))
    assert content(archive, "a/b.tar") == b"".join(pieces)
    raw = stored(storage, "a/b.tar")
    assert written.plain_size == sum(map(len, pieces))
    assert (written.size, written.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert list(archive.list("a/")) == [Entry("a/b.tar", len(raw))]


def test_all_keys_but_the_right_one_open_nothing(storage: Storage, archive: Archive) -> None:
    archive.write("a", [b"a secret"])
    assert b"secret" not in stored(storage, "a")
    assert content(open_archive(storage, VAULT, INSTANCE), "a") == b"a secret"
    with pytest.raises(CorruptBackupError):
        content(Archive(storage, INSTANCE, bytes(32)), "a")
    with pytest.raises(BackupError, match=r"does not open with this installation's master\.key"):
        open_archive(storage, Vault(bytes(32)), INSTANCE)


def test_the_same_content_is_never_stored_as_the_same_bytes(
    storage: Storage, archive: Archive
) -> None:
    archive.write("a", [b"x"])
    first = stored(storage, "a")
    archive.write("a", [b"x"])
    assert first[HEADER:] != stored(storage, "a")[HEADER:]


def test_a_missing_key_is_told_and_not_made_anew(storage: Storage, archive: Archive) -> None:
    archive.write("a", [b"x"])
    storage.delete([f"{INSTANCE}/key.json"])
    with pytest.raises(BackupError, match=r"key\.json is missing"):
        open_archive(storage, VAULT, INSTANCE)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"key": "xy"}', b'{"key": 7}', b"\xff"])
def test_a_damaged_key_is_told(storage: Storage, archive: Archive, damage: bytes) -> None:
    storage.write(f"{INSTANCE}/key.json", [damage])
    with pytest.raises(CorruptBackupError, match=r"key\.json"):
        open_archive(storage, VAULT, INSTANCE)


def test_threads_that_open_an_archive_first_have_one_key(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        archives = list(pool.map(lambda _: open_archive(storage, VAULT, INSTANCE), range(8)))
    archives[0].write("a", [b"x"])
    assert [content(archive, "a") for archive in archives] == [b"x"] * 8


def test_a_key_belongs_to_its_instance(storage: Storage, archive: Archive) -> None:
    storage.write("other/key.json", storage.read(f"{INSTANCE}/key.json"))
    with pytest.raises(BackupError):
        open_archive(storage, VAULT, "other")


def test_an_absent_object_is_told_before_the_first_piece(archive: Archive) -> None:
    with pytest.raises(MissingObjectError):
        archive.read("a")


def damages(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Every damage of a small object, many of a large one."""
    frame = FRAME + TAG_BYTES
    places: Iterable[int] = range(len(raw))
    if len(raw) > frame:
        bounds = [*range(HEADER + 2), HEADER + frame, HEADER + 2 * frame, len(raw) - TAG_BYTES]
        places = {*bounds, *random.Random(7).sample(places, 20), len(raw) - 1}
    for place in places:
        flipped = bytearray(raw)
        flipped[place] ^= 1 << (place % 8)
        yield f"a bit of byte {place} flipped", bytes(flipped)
        yield f"cut to {place} bytes", raw[:place]
    for more in (b"\0", bytes(TAG_BYTES), bytes(frame), raw[-TAG_BYTES - 1 :], raw):
        yield f"{len(more)} bytes more", raw + more
    if len(raw) > 3 * frame:
        head, first, second = raw[:HEADER], raw[HEADER:][:frame], raw[HEADER + frame :][:frame]
        yield "frames exchanged", head + second + first + raw[HEADER + 2 * frame :]
        yield "a frame left out", head + raw[HEADER + frame :]
        yield "a frame twice", head + first + raw[HEADER:]


@pytest.mark.parametrize("size", [1, 3 * FRAME + 1000])
def test_every_damage_is_noticed(storage: Storage, archive: Archive, size: int) -> None:
    archive.write("a", [os.urandom(size)])
    unnoticed = []
    for what, damaged in damages(stored(storage, "a")):
        storage.write(f"{INSTANCE}/a", [damaged])
        try:
            content(archive, "a")
        except CorruptBackupError:
            continue
        unnoticed.append(what)
    assert unnoticed == []


def test_an_object_does_not_open_under_another_name(storage: Storage, archive: Archive) -> None:
    archive.write("a", [b"x"])
    storage.write(f"{INSTANCE}/b", storage.read(f"{INSTANCE}/a"))
    with pytest.raises(CorruptBackupError):
        content(archive, "b")


def test_a_key_is_read_once_until_it_is_to_be_stored(storage: Storage) -> None:
    archives = Archives(storage, VAULT)
    first = archives.of(INSTANCE)
    first.write("a", [b"text"])
    key = b"".join(storage.read(f"{INSTANCE}/key.json"))
    storage.delete([f"{INSTANCE}/key.json"])
    assert archives.of(INSTANCE) is first
    with pytest.raises(BackupError, match=r"key .* is missing"):
        archives.renewed(INSTANCE)
    with pytest.raises(BackupError, match=r"key .* is missing"):
        archives.of(INSTANCE)
    storage.write(f"{INSTANCE}/key.json", [key])
    assert content(archives.of(INSTANCE), "a") == b"text"
    storage.delete([f"{INSTANCE}/a", f"{INSTANCE}/key.json"])
    archives.forget(INSTANCE)
    archives.of(INSTANCE).write("b", [b"more"])
    assert content(open_archive(storage, VAULT, INSTANCE), "b") == b"more"
