"""The data folders of nodes: copied, moved, read and written whole. Part of the local driver.

A folder is filled beside its place and then moved there, so that it is whole or not there.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from shardhouse.errors import NodeError
from shardhouse.tar import DataFile

_PROCESS = frozenset({"mongod.lock", "WiredTiger.lock", "WiredTiger.turtle.set", "diagnostic.data"})
"""What belongs to a running process and not to its data."""
_SCRATCH = ("WiredTigerPreplog.", "WiredTigerTmplog.")
"""Journal files that hold nothing yet; the process may remove or rename them at any time."""
_CANNOT = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""Errors of a file system that does not copy in the kernel."""
_CHUNK = 1024**2
_COPY_AT_ONCE = 256 * 1024**2
_FILES_AT_ONCE = 4
"""Files that are copied at the same time, so that the disk has work while one is synced."""


def copy(source: Path, target: Path, *, durable: bool) -> int:
    """Make the folder `target` a copy of `source`; returns the bytes. Raises OSError, and NodeError
    where `source` holds nothing."""
    names = _names(source)
    if not names:
        raise NodeError(f"There is no data in {source}.")
    with _filling(target) as part, ThreadPoolExecutor(_FILES_AT_ONCE) as threads:

        def copied(name: str) -> int:
            return _copy_file(source / name, _place(part, name), durable)

        total = sum(threads.map(copied, names))
        if durable:
            _sync_folders(part)
    return total


def move(source: Path, target: Path) -> None:
    """Replace the folder `target` by `source`. Nothing is done where that was done. Raises OSError,
    and NodeError where neither holds anything."""
    if _holds_something(source):
        _replace(source, target)
        _sync_folder(source.parent)
    elif not _holds_something(target):
        raise NodeError(f"There is no data in {source} that could be moved to {target}.")


def read(folder: Path) -> Iterator[DataFile]:
    """The files of a data folder. Raises OSError; the content raises NodeError."""
    for name in _names(folder):
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            yield DataFile(name, size, _chunks(file.fileno(), folder / name, size))


def write(folder: Path, files: Iterable[DataFile]) -> int:
    """Make `folder` hold `files`; returns their bytes. Raises OSError, and NodeError for a name
    that leads out of the folder, or a content of another size."""
    total = 0
    with _filling(folder) as part, ThreadPoolExecutor(1) as thread:
        synced: Future[None] | None = None
        for file in files:  # each is synced while the next one is written
            writer = _written(_place(part, _checked(file.name)), file)
            if synced:
                synced.result()
            synced = thread.submit(_sync_and_close, writer)
            total += file.size
        if synced:
            synced.result()
        _sync_folders(part)
    return total


def _names(folder: Path) -> list[str]:
    """The paths of the files that are data, in order."""
    found = []
    for path, folders, files in os.walk(folder, onerror=_fail):
        folders[:] = [name for name in folders if name not in _PROCESS]
        for name in files:
            file = Path(path, name)
            if name in _PROCESS or name.startswith(_SCRATCH):
                continue
            if stat.S_ISREG(file.lstat().st_mode):
                found.append(file.relative_to(folder).as_posix())
    return sorted(found)


def _fail(error: OSError) -> None:
    raise error


def _copy_file(source: Path, target: Path, durable: bool) -> int:
    """Copy one file in the kernel, which shares its blocks where the file system can."""
    with source.open("rb") as reader, _new(target) as writer:
        try:
            while os.copy_file_range(reader.fileno(), writer.fileno(), _COPY_AT_ONCE):
                pass
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            shutil.copyfileobj(reader, writer, _CHUNK)
            writer.flush()
        if durable:
            os.fsync(writer.fileno())
        return os.fstat(writer.fileno()).st_size


def _written(path: Path, file: DataFile) -> BinaryIO:
    """A new file with this content, which is still to be synced and closed."""
    with ExitStack() as unfinished:
        writer = unfinished.enter_context(_new(path))
        written = sum(writer.write(chunk) for chunk in file.chunks)
        if written != file.size:
            raise NodeError(f"{file.name} should have {file.size} bytes, and {written} came.")
        unfinished.pop_all()
    return writer


def _sync_and_close(writer: BinaryIO) -> None:
    with writer:
        writer.flush()
        os.fsync(writer.fileno())


def _chunks(descriptor: int, path: Path, size: int) -> Iterator[bytes]:
    """As many bytes as the file had when it was opened."""
    position = 0
    while position < size:
        try:
            chunk = os.pread(descriptor, min(_CHUNK, size - position), position)
        except OSError as error:
            raise NodeError(f"Cannot read {path}: {error}.") from error
        if not chunk:
            raise NodeError(f"{path} became shorter while it was read.")
        position += len(chunk)
        yield chunk


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise NodeError(f"{name!r} names no file of a data folder.")
    return name


def _new(path: Path) -> BinaryIO:
    """A new file that our user alone may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _place(folder: Path, name: str) -> Path:
    """Where a file goes; the folders above it are made."""
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


@contextmanager
def _filling(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, which takes its place once it is filled. What was not filled
    goes, now or at the next try, and with it the space it takes."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    try:
        yield part
        _replace(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _replace(folder: Path, target: Path) -> None:
    """Move `folder` to the place of `target`, whose content goes. If that is interrupted, there is
    nothing in that place, or the new, and it can be repeated."""
    gone = target.with_name(f"{target.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if target.is_dir():
        target.rename(gone)
    folder.rename(target)
    _sync_folder(target.parent)
    shutil.rmtree(gone, ignore_errors=True)


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _sync_folders(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        _sync_folder(Path(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
