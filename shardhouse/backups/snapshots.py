"""A backup as one file. `docs/snapshots.md` describes it.

It is a tar archive of `contract.snapshots.HEAD`, of the objects of each replica set, compressed as
they are stored but not encrypted, and of the checksums of all that. None of it is held in memory
but the head and the list of one set's files.
"""

import json
from collections.abc import Iterator

from shardhouse import tar
from shardhouse.backups import manifest, namespaces
from shardhouse.backups.archive import Archive, packed_size
from shardhouse.backups.manifest import Manifest, SetBackup
from shardhouse.contract.snapshot_file import listing, sums
from shardhouse.contract.snapshots import (
    FORMAT,
    HEAD,
    MOST_FILES,
    MOST_NAMESPACES,
    SUMS,
    Snapshot,
    SnapshotFiles,
    SnapshotGroup,
    SnapshotInstance,
    SnapshotPart,
    SnapshotSet,
    SnapshotStrategy,
)
from shardhouse.domain.model import GroupType, Instance
from shardhouse.errors import BackupError, MissingObjectError
from shardhouse.tar import DataFile, PackedFile


class Packed:
    """A backup of an instance, which may be gone, as a snapshot. Raises BackupError, also while its
    content is read."""

    def __init__(self, archive: Archive, backup_id: str, instance: Instance) -> None:
        self._archive = archive
        made = manifest.read(archive, backup_id)
        number = sum(len(one.files) for one in made.sets)
        if number > MOST_FILES:
            raise BackupError(
                f"The backup has {number} files of MongoDB's, and a snapshot at most {MOST_FILES}."
            )
        self._made = made
        self._snapshot = _head(archive, made, instance)
        self._head = json.dumps(
            self._snapshot.model_dump(mode="json", exclude_none=True), indent=1
        ).encode()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        sizes = {HEAD: len(self._head)}
        sizes |= dict(self._snapshot.parts())
        sizes[SUMS] = len(sums(PackedFile(name, size, "0" * 64) for name, size in sizes.items()))
        return sum(tar.size_of_entry(*one) for one in sizes.items()) + tar.END

    def content(self) -> Iterator[bytes]:
        """The file in pieces."""
        return tar.pack(self._files())

    def _files(self) -> Iterator[DataFile]:
        written: list[PackedFile] = []
        yield from tar.listed(self._parts(), written)
        last = sums(written)
        yield DataFile(SUMS, len(last), [last])

    def _parts(self) -> Iterator[DataFile]:
        yield DataFile(HEAD, len(self._head), [self._head])
        parts = iter(self._snapshot.parts())
        for one in self._made.sets:
            yield DataFile(*next(parts), listing(one.files))
            for stored in _objects(self._made, one):
                yield DataFile(*next(parts), self._archive.read_packed(stored))


def _objects(made: Manifest, one: SetBackup) -> Iterator[str]:
    """The objects of a replica set in a backup, in the order of its parts."""
    yield one.data.name
    if one.oplog is not None:
        yield one.oplog.name
    yield namespaces.name(made.backup_id, one.group_id)


def _head(archive: Archive, made: Manifest, instance: Instance) -> Snapshot:
    origin = made.instance
    stored = {entry.name: entry.size for entry in archive.list(manifest.folder(made.backup_id))}

    def part(name: str, plain_size: int) -> SnapshotPart:
        if name not in stored:
            raise MissingObjectError(f"The backup {made.backup_id} has no {name} any more.")
        return SnapshotPart(size=packed_size(stored[name]), plain_size=plain_size)

    def of_namespaces(group_id: str) -> SnapshotPart:
        name = namespaces.name(made.backup_id, group_id)
        return part(name, sum(map(len, archive.read(name, MOST_NAMESPACES))))

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
                files=SnapshotFiles(
                    size=sum(map(len, listing(one.files))),
                    number=len(one.files),
                    total=sum(file.size for file in one.files),
                ),
                data=part(one.data.name, one.data.plain_size),
                oplog=part(one.oplog.name, one.oplog.plain_size) if one.oplog else None,
                namespaces=of_namespaces(one.group_id),
            )
            for one in made.sets
        ),
    )
