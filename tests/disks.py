"""A small disk of its own for a test: what a full one does is tried on a real file system."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MIB = 1024**2


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount an empty tmpfs on `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free(folder: Path) -> int:
    """Free bytes of the disk of a folder."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill(file: Path, leave: int = 0) -> None:
    """Make `file` as large as its disk allows but for `leave` bytes, though others write, too."""
    with file.open("ab") as opened:
        while (room := free(file.parent) - leave) > 0:
            with suppress(OSError):
                os.posix_fallocate(opened.fileno(), 0, file.stat().st_size + room)
