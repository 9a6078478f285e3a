"""Dumps that were made of backups, and lie beside them for a while, to be fetched.

A dump belongs to its backup and goes with it. It is named by the job that made it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from shardhouse.backups import manifest
from shardhouse.backups.archive import Archive

_DUMP, _WRITTEN = ".dump", ".dump.json"


@dataclass(frozen=True)
class Export:
    """A dump of a backup; `job_id` is that of the job that made it."""

    backup_id: str
    job_id: str

    @property
    def name(self) -> str:
        """Name of the object."""
        return f"{manifest.folder(self.backup_id)}{self.job_id}{_DUMP}"

    @property
    def _written(self) -> str:
        """Name of what says that it is whole, and how long it is."""
        return f"{manifest.folder(self.backup_id)}{self.job_id}{_WRITTEN}"

    def write(self, archive: Archive, chunks: Iterable[bytes]) -> None:
        """Store the dump. Raises BackupError; what `chunks` raises passes through."""
        stored = archive.write(self.name, chunks)
        archive.write_document(self._written, asdict(stored))

    def size(self, archive: Archive) -> int:
        """Bytes of the dump. Raises MissingObjectError where there is none, BackupError."""
        return int(archive.read_document(self._written)["plain_size"])

    def remove(self, archive: Archive) -> None:
        """It is not there. Raises BackupError."""
        archive.delete([self._written, self.name])


def listed(archive: Archive) -> Iterator[Export]:
    """All dumps of an instance's backups. Raises BackupError."""
    for entry in archive.list(manifest.FOLDER):
        if entry.name.endswith(_DUMP):
            backup_id, _, own = entry.name.removeprefix(manifest.FOLDER).partition("/")
            yield Export(backup_id, own.removesuffix(_DUMP))
