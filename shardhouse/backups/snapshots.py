"""A backup as one file, and back. `docs/snapshots.md` describes the file.

It is a tar archive of `contract.snapshots.HEAD`, of the objects of each replica set, compressed as
they are stored but not encrypted, and of the checksums of all that. Neither way is any of it held
in memory but the head.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

from shardhouse.backups import manifest, namespaces, tar
from shardhouse.backups.archive import Archive, packed_size
from shardhouse.backups.manifest import Manifest, PackedFile
from shardhouse.contract.snapshots import (
    FORMAT,
    HEAD,
    MOST_HEAD,
    SUMS,
    DataFileItem,
    Snapshot,
    SnapshotGroup,
    SnapshotInstance,
    SnapshotPart,
    SnapshotSet,
    SnapshotStrategy,
    parse,
)
from shardhouse.domain.model import GroupType, Instance
from shardhouse.errors import CorruptBackupError, SnapshotError
from shardhouse.nodes.runtime import DataFile


class Packed:
    """A backup of an instance, which may be gone, as a snapshot. Raises BackupError, also while its
    content is read."""

    def __init__(self, archive: Archive, backup_id: str, instance: Instance) -> None:
        self._archive = archive
        made = manifest.read(archive, backup_id)
        self._objects = list(_objects(made))
        self._snapshot = _head(archive, made, instance)
        self._head = json.dumps(
            self._snapshot.model_dump(mode="json", exclude_none=True), indent=1
        ).encode()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        sizes = {HEAD: len(self._head)}
        sizes |= {name: part.size for name, part in self._snapshot.parts()}
        sizes[SUMS] = len(_sums(PackedFile(name, size, "0" * 64) for name, size in sizes.items()))
        return sum(tar.size_of_entry(*one) for one in sizes.items()) + tar.END

    def content(self) -> Iterator[bytes]:
        """The file in pieces."""
        return tar.pack(self._files())

    def _files(self) -> Iterator[DataFile]:
        written: list[PackedFile] = []
        yield from manifest.listed(self._parts(), written)
        sums = _sums(written)
        yield DataFile(SUMS, len(sums), [sums])

    def _parts(self) -> Iterator[DataFile]:
        yield DataFile(HEAD, len(self._head), [self._head])
        for (name, part), stored in zip(self._snapshot.parts(), self._objects, strict=True):
            yield DataFile(name, part.size, self._archive.read_packed(stored))


def unpack(chunks: Iterable[bytes]) -> tuple[Snapshot, Iterator[DataFile]]:
    """What a snapshot begins with, and its parts, which are to be read in their order and whole.
    They are those that were written only if that ends without an error.

    Raises SnapshotError for a file that is none; while the parts are read, SnapshotError or
    CorruptBackupError for one that is damaged or cut.
    """
    found: list[PackedFile] = []
    files = manifest.listed(tar.unpack(chunks), found)
    try:
        first = next(files, None)
        if first is None or first.name != HEAD or first.size > MOST_HEAD:
            raise SnapshotError(f"it is no snapshot of Shardhouse: {HEAD} is not its first file.")
        content = b"".join(first.chunks)
    except CorruptBackupError as error:
        raise SnapshotError(f"it is no snapshot of Shardhouse. {error.message}") from None
    snapshot = parse(content)
    return snapshot, _checked(snapshot, files, found)


def _checked(
    snapshot: Snapshot, files: Iterator[DataFile], found: Sequence[PackedFile]
) -> Iterator[DataFile]:
    """The parts, and behind them their checksums; `found` are the files that were read."""
    for name, part in snapshot.parts():
        file = next(files, None)
        if file is None or (file.name, file.size) != (name, part.size):
            raise SnapshotError(f"{name} is not where it should be, or not as long as {HEAD} says.")
        yield file
    last = next(files, None)
    expected = _sums(found)
    if last is None or (last.name, last.size) != (SUMS, len(expected)):
        raise SnapshotError(f"{SUMS}, its last file, is missing.")
    written = b"".join(last.chunks)
    if written != expected:
        there = set(written.splitlines())
        damaged = next(line for line in expected.splitlines() if line not in there)
        name = damaged.partition(b"  ")[2].decode()
        raise SnapshotError(f"it is damaged: the checksum of {name} is wrong.")
    if next(files, None) is not None:
        raise SnapshotError(f"it is damaged: something follows {SUMS}.")


def _sums(files: Iterable[PackedFile]) -> bytes:
    """Checksums as `sha256sum` writes them."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files).encode()


def _objects(made: Manifest) -> Iterator[str]:
    """The objects of a backup's parts, in their order."""
    for one in made.sets:
        yield one.data.name
        if one.oplog is not None:
            yield one.oplog.name
        yield namespaces.name(made.backup_id, one.group_id)


def _head(archive: Archive, made: Manifest, instance: Instance) -> Snapshot:
    origin = made.instance
    stored = {entry.name: entry.size for entry in archive.list(manifest.folder(made.backup_id))}

    def part(name: str, plain_size: int) -> SnapshotPart:
        return SnapshotPart(size=packed_size(stored[name]), plain_size=plain_size)

    def of_namespaces(group_id: str) -> SnapshotPart:
        name = namespaces.name(made.backup_id, group_id)
        return part(name, sum(map(len, archive.read(name))))

    return Snapshot(
        format=FORMAT,
        begin=made.begin,
        end=made.end,
        consistent_at=made.consistent_at,
        instance=SnapshotInstance(
            name=origin.name,
            mode=origin.mode,
            version=origin.version,
            storage_engine=origin.storage_engine,
            engine_version=origin.engine_version,
            engine_build=origin.engine_build,
            ssl=instance.ssl,
            backup_strategy=SnapshotStrategy(**vars(instance.backup_strategy)),
            groups=tuple(
                SnapshotGroup(
                    name=group.name,
                    type=GroupType(group.type),
                    spec_code=group.spec_code,
                    size=group.size,
                    nodes=group.nodes,
                )
                for group in origin.groups
            ),
        ),
        sets=tuple(
            SnapshotSet(
                name=one.name,
                type=one.type,
                top=one.top,
                data=part(one.data.name, one.data.plain_size),
                oplog=part(one.oplog.name, one.oplog.plain_size) if one.oplog else None,
                namespaces=of_namespaces(one.group_id),
                files=tuple(
                    DataFileItem(name=file.name, size=file.size, sha256=file.sha256)
                    for file in one.files
                ),
            )
            for one in made.sets
        ),
    )
