"""The file that a backup becomes, and what is refused as one."""

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from shardhouse.backups import entries, manifest, namespaces, snapshots
from shardhouse.backups.archive import Archive, packed_size
from shardhouse.backups.manifest import Manifest, SetBackup
from shardhouse.backups.namespaces import Namespaces
from shardhouse.client import snapshots as client
from shardhouse.contract.snapshot_file import listing, read_listing, unpack
from shardhouse.contract.snapshots import FORMAT, HEAD, SUMS, SnapshotFiles, parse
from shardhouse.domain.model import Instance
from shardhouse.errors import CorruptBackupError, MissingObjectError, SnapshotError
from shardhouse.tar import DataFile, PackedFile
from tests import requests
from tests.backups.test_manifest import BACKUP
from tests.domain.test_topology import plan

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Sizes about those of a frame.
DATA = [b"a" * 1000, bytes(range(256)) * 9000]


def cluster() -> tuple[Instance, tuple[Any, ...]]:
    instance = plan(requests.cluster())
    shape = tuple(
        replace(
            BACKUP.instance.groups[0],
            id=group.id,
            type=group.type,
            name=group.name,
            spec_code=f"dds.mongodb.s2.large.2.{group.type}",
            nodes=len(group.nodes),
            size=group.size,
        )
        for group in instance.groups
    )
    return instance, shape


@pytest.fixture
def made(archive: Archive) -> tuple[Instance, Manifest]:
    """A backup of a cluster in the archive."""
    instance, shape = cluster()
    sets = []
    for group in instance.data_groups:
        name = manifest.data_name(BACKUP.backup_id, group.id)
        oplog = manifest.oplog_name(BACKUP.backup_id, group.id)
        namespaces.write(archive, BACKUP.backup_id, group.id, Namespaces({f"shop.{group.name}"}))
        sets.append(
            SetBackup(
                group.id,
                group.name,
                group.type,
                BACKUP.consistent_at,
                archive.write(name, [*DATA, group.name.encode()], compressed=True),
                (PackedFile("WiredTiger", 3, hashlib.sha256(b"abc").hexdigest()),),
                archive.write(oplog, []),
            )
        )
    backup = replace(BACKUP, instance=manifest.origin(instance, shape), sets=tuple(sets))
    manifest.write(archive, backup)
    return instance, backup


@pytest.fixture
def packed(archive: Archive, made: tuple[Instance, Manifest]) -> bytes:
    found = snapshots.Packed(archive, BACKUP.backup_id, made[0])
    content = b"".join(found.content())
    assert found.size == len(content)
    return content


def taken(content: bytes) -> dict[str, bytes]:
    """All parts of a snapshot."""
    pieces = (content[n : n + 5000] for n in range(0, len(content), 5000))
    _, parts = unpack(pieces)
    return {part.name: b"".join(part.chunks) for part in parts}


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
def test_what_is_stored_says_how_long_it_is(archive: Archive, size: int) -> None:
    stored = archive.write_packed("name", [bytes(size)], 0)
    assert packed_size(stored.size) == size
    assert sum(map(len, archive.read_packed("name"))) == size


def test_it_comes_back_as_it_was_stored(
    archive: Archive, made: tuple[Instance, Manifest], packed: bytes
) -> None:
    instance, backup = made
    head, _ = unpack([packed])
    assert head.instance.name == instance.name
    assert [group.shape("") for group in head.instance.groups] == [
        replace(group, id="") for group in backup.instance.groups
    ]
    found = taken(packed)
    for one in backup.sets:
        listed = [json.loads(line) for line in found[f"{one.name}.files.jsonl"].splitlines()]
        assert listed == [vars(file) for file in one.files]
    assert list(found) == [name for name, _ in head.parts()]
    for one in backup.sets:
        assert found[f"{one.name}.tar.zst"] == b"".join(archive.read_packed(one.data.name))
        archive.write_packed("again", [found[f"{one.name}.tar.zst"]], one.data.plain_size)
        assert b"".join(archive.read("again")) == b"".join([*DATA, one.name.encode()])
    assert not any(one.group_id.encode() in packed for one in backup.sets)


def test_it_is_read_with_ordinary_programs(packed: bytes, tmp_path: Path) -> None:
    tmp_path /= "unpacked"
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path, filter="data")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    sums = (tmp_path / SUMS).read_text().splitlines()
    assert len(sums) == len(list(tmp_path.iterdir())) - 1
    for line in sums:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    content = zstd.decompress((tmp_path / "shard_1.tar.zst").read_bytes())
    assert content == b"".join([*DATA, b"shard_1"])
    listed = json.loads(zstd.decompress((tmp_path / "shard_1.namespaces.json.zst").read_bytes()))
    assert listed == {"collections": ["shop.shard_1"], "views": []}


def damages(content: bytes) -> Iterator[bytes]:
    """A bit changed in the head, in a part, in the checksums; cut in all those."""
    for place in (600, len(content) // 2, content.rindex(b"config.tar.zst\n") - 30):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    for end in (1, 600, len(content) // 2, content.rindex(b"config.tar.zst\n")):
        yield content[:end]


def test_what_is_damaged_or_cut_is_refused(packed: bytes, tmp_path: Path) -> None:
    assert taken(packed)
    path = tmp_path / "it"
    path.write_bytes(packed)
    assert client.check(path) == client.read(path)
    for content in damages(packed):
        with pytest.raises((SnapshotError, CorruptBackupError)):
            taken(content)
        path.write_bytes(content)
        with pytest.raises(SnapshotError, match="/it: "):
            client.check(path)
    for content in (packed[:-1024], packed[:-1] + b"x"):  # its end is missing, or another
        with pytest.raises(CorruptBackupError):
            taken(content)
        path.write_bytes(content)
        with pytest.raises(SnapshotError, match="/it: "):
            client.check(path)


def archived(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:") as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello" * 1000,
        bytes(20_000),
        archived(("readme.txt", b"hello")),
        archived((f"../{HEAD}", b'{"format": 1}')),
        archived((HEAD, b"hello")),
        archived((HEAD, b"[]")),
        archived((HEAD, b'{"format": 1}')),
    ],
    ids=range(8),
)
def test_what_is_no_snapshot_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(content)
    with pytest.raises(SnapshotError):
        taken(content)
    with pytest.raises(SnapshotError, match="/it: "):
        client.read(path)


def test_a_later_format_is_refused_with_words() -> None:
    with pytest.raises(SnapshotError, match=f"format {FORMAT + 1}, and this version .* reads"):
        taken(archived((HEAD, json.dumps({"format": FORMAT + 1, "new": True}).encode())))


def _without_a_set(head: dict[str, Any]) -> None:
    head["sets"].pop()


def _twice_a_set(head: dict[str, Any]) -> None:
    head["sets"].append(head["sets"][0])


def _without_routers(head: dict[str, Any]) -> None:
    head["instance"]["groups"] = [
        group for group in head["instance"]["groups"] if group["type"] != "mongos"
    ]


def _elsewhere(head: dict[str, Any]) -> None:
    head["sets"][0]["name"] = head["instance"]["groups"][1]["name"] = "../x"


def _unnamed(head: dict[str, Any]) -> None:
    head["instance"]["name"] = "<b>"


def _for_terminals(head: dict[str, Any]) -> None:
    head["instance"]["engine_version"] = "6.0\x1b[2J"


def _nowhere(head: dict[str, Any]) -> None:
    head["consistent_at"] = "yesterday"


def _two_sets_of_a_name(head: dict[str, Any]) -> None:
    for one in (*head["sets"], *head["instance"]["groups"]):
        if one["type"] == "config":
            one["name"] = "shard_1"


def _unknown_spec(head: dict[str, Any]) -> None:
    head["instance"]["groups"][0]["spec_code"] = "dds.large"


def _no_nodes(head: dict[str, Any]) -> None:
    head["instance"]["groups"][0]["nodes"] = 0


def _endless(head: dict[str, Any]) -> None:
    head["instance"]["groups"][1]["size"] = 10**9


def _many_files(head: dict[str, Any]) -> None:
    head["sets"][0]["files"]["number"] = 10**6


def _long_format(head: dict[str, Any]) -> None:
    head["format"] = "x" * 10_000


def _less_than_nothing(head: dict[str, Any]) -> None:
    head["sets"][0]["data"]["size"] = -1


@pytest.mark.parametrize(
    "change",
    [
        _without_a_set,
        _twice_a_set,
        _without_routers,
        _elsewhere,
        _unnamed,
        _nowhere,
        _for_terminals,
        _less_than_nothing,
        _two_sets_of_a_name,
        _unknown_spec,
        _no_nodes,
        _endless,
        _many_files,
        _long_format,
    ],
)
def test_a_head_that_contradicts_itself_is_refused(packed: bytes, change: Any) -> None:
    head = json.loads(unpack([packed])[0].model_dump_json())
    assert parse(json.dumps(head).encode())
    change(head)
    with pytest.raises(SnapshotError) as told:
        parse(json.dumps(head).encode())
    assert len(told.value.message) < 300


def test_a_list_of_files_is_what_the_head_says() -> None:
    files = (PackedFile("a", 1, "0" * 64), PackedFile("b", 2, "1" * 64))
    content = b"".join(listing(files))
    told = SnapshotFiles(size=len(content), number=2, total=3)

    def found(content: bytes, told: SnapshotFiles = told) -> Any:
        return read_listing(DataFile("it", 0, [content[:9], content[9:]]), told)

    assert found(content) == files
    for change in ({"number": 1}, {"number": 3}, {"total": 4}):
        with pytest.raises(SnapshotError, match="lists other files"):
            found(content, told.model_copy(update=change))
    for wrong in (content[:-1], b"x" * 10_000, b"[]\n", b"x" * 10_000 + b"\n"):
        with pytest.raises(SnapshotError, match="no list of files"):
            found(wrong)


def test_a_backup_that_lost_an_object_is_told(
    archive: Archive, made: tuple[Instance, Manifest]
) -> None:
    archive.delete([made[1].sets[0].data.name])
    with pytest.raises(MissingObjectError, match="has no"):
        snapshots.Packed(archive, BACKUP.backup_id, made[0])


def test_no_more_is_unpacked_than_was_said(archive: Archive) -> None:
    archive.write("zeros", [bytes(2**20)] * 8)
    assert sum(map(len, archive.read("zeros", 8 * 2**20))) == 8 * 2**20
    with pytest.raises(CorruptBackupError, match="more than"):
        list(archive.read("zeros", 2**20))


def test_an_entry_that_never_ends_is_not_gathered() -> None:
    pieces = chain([(2**31 - 1).to_bytes(4, "little")], repeat(bytes(2**20)))
    with pytest.raises(CorruptBackupError, match="too long"):
        list(entries.split(pieces))
