"""Logs of nodes: the last lines, and the one that says most. Part of the local driver."""

import os
from collections.abc import Sequence
from pathlib import Path

_CHUNK = 64 * 1024


def tail(folder: Path, lines: int) -> list[str]:
    """The last `lines` lines of the file below `folder` that was written last and is not empty."""
    try:
        files = [path for path in folder.iterdir() if path.is_file() and path.stat().st_size]
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
