"""A manifest comes back as it was written, or not at all."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from shardhouse.backups import manifest
from shardhouse.backups.archive import Archive, Stored
from shardhouse.backups.manifest import Manifest, Origin, SetBackup, verified
from shardhouse.backups.storage.interface import Storage
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.domain.backup import BackupType, GroupShape
from shardhouse.domain.model import GroupType, Mode
from shardhouse.errors import BackupError, CorruptBackupError, MissingObjectError
from shardhouse.tar import DataFile, PackedFile, listed, pack, unpack

BACKUP = Manifest(
    "b1",
    "nightly",
    "before the move, größer",
    BackupType.AUTO,
    datetime(2026, 11, 28, 1, 2, 3, 456789, tzinfo=UTC),
    datetime(2026, 11, 28, 1, 5, tzinfo=UTC),
    "69290ab300000002",
    Origin(
        "i1",
        "p1",
        "orders",
        Mode.SHARDING,
        "6.0",
        "wiredTiger",
        "6.0.27",
        "6.0.27-ubuntu2004",
        (GroupShape("g0", "mongos", "mongos", "dds.c6.large", 0, 2),),
    ),
    (
        SetBackup(
            "g1",
            "config",
            GroupType.CONFIG,
            "69290ab300000001",
            Stored("backups/b1/g1.tar", 11, "aa", 20),
            (PackedFile("WiredTiger", 1, "bb"), PackedFile("journal/1", 2**40, "cc")),
            Stored("backups/b1/g1.oplog", 5, "dd", 6),
        ),
        SetBackup(
            "g2",
            "shard_1",
            GroupType.SHARD,
            "69290ab300000002",
            Stored("backups/b1/g2.tar", 7, "ee", 8),
            (),
        ),
    ),
)
PATH = "i1/backups/b1/manifest.json"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path)


@pytest.fixture
def archive(storage: Storage) -> Archive:
    return Archive(storage, "i1", bytes(range(32)))


def text(storage: Storage) -> bytes:
    return b"".join(storage.read(PATH))


def test_a_manifest_comes_back(archive: Archive) -> None:
    manifest.write(archive, BACKUP)
    assert manifest.read(archive, "b1") == BACKUP
    assert BACKUP.size == 11 + 5 + 7


def test_it_is_json_that_needs_no_key(storage: Storage, archive: Archive) -> None:
    manifest.write(archive, BACKUP)
    document = json.loads(text(storage))
    assert document["format"] == 1
    assert document["begin"] == "2026-11-28T01:02:03.456789Z"
    assert document["sets"][1]["type"] == "shard"
    assert document["sets"][0]["files"][1] == {"name": "journal/1", "size": 2**40, "sha256": "cc"}


def test_what_has_no_manifest_is_no_backup(archive: Archive) -> None:
    with pytest.raises(MissingObjectError):
        manifest.read(archive, "b1")


def damages(whole: bytes) -> Iterator[bytes]:
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        yield bytes(flipped)
        yield whole[:place]
    yield whole + b"x"
    document: dict[str, Any] = json.loads(whole)
    for other in (document | {"name": "other"}, document | {"more": 1}, [document], 7, None):
        yield json.dumps(other).encode()


def test_every_change_is_noticed(storage: Storage, archive: Archive) -> None:
    manifest.write(archive, BACKUP)
    for damaged in damages(text(storage)):
        storage.write(PATH, [damaged])
        with pytest.raises(CorruptBackupError):
            manifest.read(archive, "b1")


def test_another_backups_manifest_and_another_key_are_noticed(
    storage: Storage, archive: Archive
) -> None:
    manifest.write(archive, BACKUP)
    storage.write("i1/backups/b2/manifest.json", storage.read(PATH))
    with pytest.raises(CorruptBackupError):
        manifest.read(archive, "b2")
    with pytest.raises(CorruptBackupError):
        manifest.read(Archive(storage, "i1", bytes(32)), "b1")


def test_a_later_format_is_told(archive: Archive) -> None:
    archive.write_document(manifest.name("b1"), {"format": 2})
    with pytest.raises(BackupError, match="has format 2, this version reads 1"):
        manifest.read(archive, "b1")


def test_files_are_packed_stored_and_verified(archive: Archive) -> None:
    contents = {"a": b"", "b/c": os.urandom(3_000_000), "d": b"d" * 10_000}
    files = [DataFile(name, len(content), [content]) for name, content in contents.items()]
    found: list[PackedFile] = []
    archive.write("x.tar", pack(listed(files, found)))
    assert [(file.name, file.size) for file in found] == [(file.name, file.size) for file in files]

    def back(expected: list[PackedFile]) -> dict[str, bytes]:
        return {
            file.name: b"".join(file.chunks)
            for file in verified(unpack(archive.read("x.tar")), expected)
        }

    assert back(found) == contents
    for wrong in (found[:-1], [*found, found[0]], [replace(found[0], sha256="00"), *found[1:]]):
        with pytest.raises(CorruptBackupError, match="not those that its manifest lists"):
            back(wrong)
    larger = DataFile("a", 2**40, repeat(bytes(2**20)))
    with pytest.raises(CorruptBackupError, match="not those that its manifest lists"):
        next(verified([larger], found))
