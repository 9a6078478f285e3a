"""Backups in a folder of this machine, or of a file system that is mounted here."""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from shardhouse.backups.storage.interface import Entry
from shardhouse.backups.storage.names import PART, checked, checked_prefix
from shardhouse.errors import BackupError, MissingObjectError

_CHUNK = 1024**2


class LocalStorage:
    """A folder, readable by our user alone (0700, files 0600); an object is a file below it.

    A file is written beside its place, synced and renamed. What a process left unfinished when it
    died is removed when the folder is opened next. Safe for threads and for several processes.
    """

    def __init__(self, root: Path) -> None:
        """Makes the folder. Raises BackupError where that is not possible."""
        self._root = root
        # A folder that is empty must not be removed between its making and its first file.
        self._folders = threading.Lock()
        with self._telling("open"):
            self._make(root)
            self._remove_left_over()

    def write(self, name: str, chunks: Iterable[bytes]) -> int:
        """See `Storage`."""
        path = self._root / checked(name)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART}")
        telling = f"write {name}"
        with self._telling(telling), self._folders:
            self._make(path.parent)
            file = _created(part)
        try:
            with file:
                for chunk in chunks:
                    with self._telling(telling):
                        _write(file, chunk)
                with self._telling(telling):
                    os.fsync(file.fileno())
                    size = file.tell()
                    part.replace(path)
                    _sync(path.parent)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            self._remove_empty(path.parent)
            raise
        return size

    def read(self, name: str) -> Iterator[bytes]:
        """See `Storage`."""
        with self._telling(f"read {name}"):
            try:
                file = FileIO(self._root / checked(name))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise MissingObjectError(f"The backup folder {self._root} has no {name}.") from None
        return self._content(name, file)

    def list(self, prefix: str) -> Iterator[Entry]:
        """See `Storage`."""
        return self._listed(checked_prefix(prefix))

    def delete(self, names: Iterable[str]) -> None:
        """See `Storage`."""
        for name in names:
            path = self._root / checked(name)
            with self._telling(f"delete {name}"):
                try:
                    path.unlink()
                except (FileNotFoundError, NotADirectoryError):
                    continue
                _sync(path.parent)
                self._remove_empty(path.parent)

    def free(self) -> int:
        """See `Storage`."""
        with self._telling("measure"):
            status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def _content(self, name: str, file: FileIO) -> Iterator[bytes]:
        with file, self._telling(f"read {name}"):
            while chunk := file.read(_CHUNK):
                yield chunk

    def _listed(self, prefix: str) -> Iterator[Entry]:
        with self._telling(f"list {prefix or 'objects'}"):
            found = sorted(_scan(self._root / prefix))
        for name, size in found:
            if name.endswith("/"):
                yield from self._listed(prefix + name)
            elif not name.endswith(PART):
                yield Entry(prefix + name, size)

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it, so that they are still there after a power failure."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)

    def _remove_empty(self, folder: Path) -> None:
        with self._folders, suppress(OSError):
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

    def _remove_left_over(self) -> None:
        for folder, _, names in os.walk(self._root):
            for part in (Path(folder, name) for name in names if name.endswith(PART)):
                # Who writes it, perhaps another process, holds its lock.
                with suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()

    @contextmanager
    def _telling(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
            raise BackupError(
                f"Cannot {action} in the backup folder {self._root}: {reason}."
            ) from error


def _created(part: Path) -> FileIO:
    """A new file that is ours to write, locked as long as it is open. Nothing is buffered: what was
    written is what a sync is about, and closing it cannot fail for want of space."""
    file = FileIO(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _write(file: FileIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _scan(folder: Path) -> Iterator[tuple[str, int]]:
    """Names in a folder with their sizes; those of folders end with `/`, by which they sort."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield f"{entry.name}/", 0
            else:
                with suppress(FileNotFoundError):
                    yield entry.name, entry.stat().st_size


def _sync(folder: Path) -> None:
    """Make names in a folder durable, unless the folder was removed meanwhile."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
