"""What a backup consists of. Its manifest is written last: what has none is no backup.

`docs/backups.md` describes the file, and reads it without this program.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shardhouse.backups.archive import Archive, Stored
from shardhouse.domain.backup import BackupType, GroupShape
from shardhouse.domain.model import GroupType, Instance, Mode
from shardhouse.errors import BackupError, CorruptBackupError
from shardhouse.tar import DataFile, PackedFile, listed

FORMAT = 1
FOLDER = "backups/"


@dataclass(frozen=True)
class SetBackup:
    """A replica set in a backup: the files of one member (`data`, a tar archive of `files`), the
    position of the newest oplog entry that they hold, and the entries behind it, up to the moment
    that the whole backup holds, where there are any."""

    group_id: str
    name: str
    type: GroupType
    top: str
    data: Stored
    files: tuple[PackedFile, ...]
    oplog: Stored | None = None


@dataclass(frozen=True)
class Origin:
    """The instance that was backed up, as it was then."""

    id: str
    project_id: str
    name: str
    mode: Mode
    version: str
    storage_engine: str
    engine_version: str
    engine_build: str
    groups: tuple[GroupShape, ...]


@dataclass(frozen=True)
class Manifest:
    """A full backup. `consistent_at` is the position to which all its sets can be restored
    together."""

    backup_id: str
    name: str
    description: str
    type: BackupType
    begin: datetime
    end: datetime
    consistent_at: str
    instance: Origin
    sets: tuple[SetBackup, ...]

    @property
    def size(self) -> int:
        """Bytes of what is stored beside the manifest."""
        objects = [stored for one in self.sets for stored in (one.data, one.oplog) if stored]
        return sum(stored.size for stored in objects)


_MANIFEST = TypeAdapter(Manifest)


def origin(instance: Instance, groups: tuple[GroupShape, ...]) -> Origin:
    """An instance as a manifest has it, built of these groups."""
    return Origin(
        instance.id,
        instance.project_id,
        instance.name,
        instance.mode,
        instance.version,
        instance.storage_engine,
        instance.engine_version,
        instance.engine_build,
        groups,
    )


def folder(backup_id: str) -> str:
    """Prefix of all objects of a backup."""
    return f"{FOLDER}{backup_id}/"


def name(backup_id: str) -> str:
    """Name of the manifest."""
    return f"{folder(backup_id)}manifest.json"


def data_name(backup_id: str, group_id: str) -> str:
    """Name of the files of a replica set's member."""
    return f"{folder(backup_id)}{group_id}.tar"


def oplog_name(backup_id: str, group_id: str) -> str:
    """Name of the entries that a replica set wrote until the backup's moment."""
    return f"{folder(backup_id)}{group_id}.oplog"


def write(archive: Archive, manifest: Manifest) -> None:
    """Make a backup of what was stored for it. Raises BackupError."""
    document = {"format": FORMAT} | _MANIFEST.dump_python(manifest, mode="json")
    archive.write_document(name(manifest.backup_id), document)


def read(archive: Archive, backup_id: str) -> Manifest:
    """What a backup consists of.

    Raises MissingObjectError where it has no manifest, CorruptBackupError where that was changed,
    BackupError where a later version wrote it.
    """
    document: dict[str, Any] = archive.read_document(name(backup_id))
    if document["format"] != FORMAT:
        raise BackupError(
            f"The backup {backup_id} has format {document['format']}, this version reads {FORMAT}."
        )
    try:
        return _MANIFEST.validate_python(document)
    except ValidationError as error:
        raise BackupError(
            f"The manifest of backup {backup_id} is not understood: {error}"
        ) from None


def remove(archive: Archive, backup_id: str) -> None:
    """Nothing of a backup is stored any more. Its manifest goes first: what is left is no backup
    then. Raises BackupError."""
    names = [entry.name for entry in archive.list(folder(backup_id))]
    archive.delete(sorted(names, key=lambda one: one != name(backup_id)))


def verified(files: Iterable[DataFile], expected: Sequence[PackedFile]) -> Iterator[DataFile]:
    """The same files. Raises CorruptBackupError where they are not those that are expected: before
    a file of another name or size, behind the last one for another content."""
    found: list[PackedFile] = []
    other = CorruptBackupError("The files of a backup are not those that its manifest lists.")
    for file in listed(files, found):
        following = expected[len(found) : len(found) + 1]
        if [(one.name, one.size) for one in following] != [(file.name, file.size)]:
            raise other
        yield file
    if found != list(expected):
        raise other
