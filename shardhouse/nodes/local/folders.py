"""Folders of nodes: make, write, lock, measure. Part of the local driver."""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shardhouse.errors import MissingVolumeError

PARTS = ("data", "log", "conf")


def make(folder: Path) -> None:
    """Make a node's folders, readable by our user alone."""
    for path in (folder.parent, folder, *(folder / part for part in PARTS)):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 so that a reader sees the old or the new content, whole."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the node's lock: against other threads, and against another process of ours. Raises
    MissingVolumeError, also where the folder is removed by who has the lock before."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise MissingVolumeError(
            f"The volume {folder} is missing ({error}); make it first."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not folder.is_dir():
            raise MissingVolumeError(f"The volume {folder} was removed meanwhile.")
        yield
    finally:
        os.close(descriptor)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing any more."""
    with suppress(OSError):
        folder.rmdir()


def free(folder: Path) -> int:
    """Free bytes of the disk where `folder` is or would be made."""
    return shutil.disk_usage(existing(folder)).free


def existing(folder: Path) -> Path:
    """The folder itself, or its closest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def occupied(folder: Path) -> int:
    """Bytes of disk that the files below `folder` occupy; files that vanish meanwhile count 0."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
    return total
