"""Logs of nodes: their files, the last lines, and the one that says most. Part of the local
driver."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from shardhouse.nodes.runtime import AUDIT_LOG, LogFile

_CHUNK = 64 * 1024


def files(folder: Path) -> list[LogFile]:
    """The files in `folder`, the one written last at the end; none where it does not exist."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # removed meanwhile
                    continue
                if entry.is_file(follow_symlinks=False):
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    found.append(LogFile(entry.name, status.st_size, modified, str(status.st_ino)))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda file: (file.modified, file.name))


def read(path: Path, offset: int, size: int) -> bytes:
    """At most `size` bytes from `offset` on; none where there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except FileNotFoundError:
        return b""


def tail(folder: Path, lines: int) -> list[str]:
    """The last `lines` lines of the file below `folder` that was written last and is not empty,
    audit logs aside."""
    try:
        files = [
            path
            for path in folder.iterdir()
            if not path.name.startswith(AUDIT_LOG) and path.is_file() and path.stat().st_size
        ]
        newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
        return _last(newest, lines) if newest else []
    except OSError:
        return []


def _last(path: Path, lines: int) -> list[str]:
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        content = b""
        while position > 0 and content.count(b"\n") <= lines:
            step = min(_CHUNK, position)
            position -= step
            file.seek(position)
            content = file.read(step) + content
    return content.decode(errors="replace").splitlines()[-lines:]


def last_line(lines: Sequence[str]) -> str:
    """The last line that is not blank."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
