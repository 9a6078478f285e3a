"""Files of audit logs: in the data directory, `audit/<instance>/<node>/<node>_<time>.json.gz`.

Each is a line of JSON per entry, compressed in pieces, so that what was appended last can be cut
off or read alone. Its name says when its first entry was made (milliseconds since 1970), the time
of its last change when its last one was.
"""

import gzip
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shardhouse.settings import Settings

FOLDER = "audit"
SUFFIX = ".json.gz"
LARGEST = 20 * 1024**2
"""Bytes from which on the next file begins; one begins with every hour as well."""
_STATE = "state.json"
_SENT = "sent.json"
_PIECE = 256 * 1024
_STEP = 4096
_LEVEL = 3
"""Of compression: fast; JSON of this kind gets hardly smaller with more."""


@dataclass(frozen=True)
class AuditFile:
    """A file of a node: `id` names it, `size` is in bytes."""

    path: Path
    node_id: str
    size: int
    start: datetime
    end: datetime

    @property
    def id(self) -> str:
        """What calls name it by."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name


def of_instance(settings: Settings, instance_id: str) -> list[AuditFile]:
    """All files of an instance, the newest first, those of nodes that are gone included."""
    found = [
        file
        for node in _folders(_folder(settings, instance_id))
        for file in NodeFiles(node).files()
    ]
    return sorted(found, key=lambda file: (file.start, file.id), reverse=True)


def collected(settings: Settings, instance_id: str) -> set[str]:
    """Ids of the nodes of an instance whose entries are being collected."""
    folders = _folders(_folder(settings, instance_id))
    return {node.name for node in folders if NodeFiles(node).state() is not None}


def of_node(settings: Settings, instance_id: str, node_id: str) -> "NodeFiles":
    """The files of a node, be there any or not."""
    return NodeFiles(_folder(settings, instance_id) / node_id)


def expire(settings: Settings, instance_id: str, before: datetime) -> None:
    """Delete the files of an instance whose last entry is from before a time."""
    for file in of_instance(settings, instance_id):
        if file.end < before:
            file.path.unlink(missing_ok=True)


def remove(settings: Settings, instance_id: str) -> None:
    """No file of the instance is there any more."""
    shutil.rmtree(_folder(settings, instance_id), ignore_errors=True)


@dataclass(frozen=True)
class Sent:
    """How far an instance's entries have been sent elsewhere, since it was `begun`: by node, the id
    of a file and an offset in it. Of other nodes nothing has been sent yet."""

    begun: str
    positions: dict[str, tuple[str, int]]


def sent(settings: Settings, instance_id: str) -> Sent:
    """How far an instance's entries have been sent; where nothing was kept, sending begins behind
    what is there now."""
    folder = _folder(settings, instance_id)
    known = _read_sent(folder)
    if known is None:
        ends: dict[str, tuple[str, int]] = {}
        for file in of_instance(settings, instance_id):  # the newest first
            ends.setdefault(file.node_id, (file.id, file.size))
        known = Sent(datetime.now(UTC).isoformat(), ends)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(folder / _SENT, vars(known))
    return known


def keep_sent(settings: Settings, instance_id: str, now: Sent) -> None:
    """Remember how far entries have been sent, unless sending has ended, or begun anew, since."""
    folder = _folder(settings, instance_id)
    known = _read_sent(folder)
    if known is not None and known.begun == now.begun:
        _replace(folder / _SENT, vars(now))


def forget_sent(settings: Settings, instance_id: str) -> None:
    """Nothing is sent any more."""
    (_folder(settings, instance_id) / _SENT).unlink(missing_ok=True)


def begun(file_id: str) -> int:
    """When a file's first entry was made, in milliseconds since 1970; 0 for the empty id."""
    return int(file_id.rpartition("_")[2] or 0)


class NodeFiles:
    """The files of one node. One thread appends; others may read and delete meanwhile.

    Beside them lies a state: what the appending thread wants to find again after a crash, written
    together with the length of the file it appended to. What lies behind that length was not told
    in any state, and is written again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def files(self) -> list[AuditFile]:
        """The files, the oldest first."""
        found = []
        current, length = self._current()
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                status = path.stat()
            except FileNotFoundError:  # deleted meanwhile
                continue
            start = datetime.fromtimestamp(begun(path.name.removesuffix(SUFFIX)) / 1000, UTC)
            end = datetime.fromtimestamp(status.st_mtime, UTC)
            size = length if path.name == current else status.st_size
            found.append(AuditFile(path, self._folder.name, size, start, max(start, end)))
        return found

    def state(self) -> dict[str, Any] | None:
        """What was kept last; None where nothing was."""
        try:
            return dict(json.loads((self._folder / _STATE).read_bytes())["kept"])
        except FileNotFoundError:
            return None

    def begin(self, kept: Mapping[str, Any]) -> None:
        """Entries will be appended. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.append((), kept)

    def append(self, entries: Sequence[bytes], kept: Mapping[str, Any]) -> None:
        """Add entries, each a line of JSON with `ts`, and keep a state; both, or after a crash
        neither. Raises OSError, also where the instance was deleted meanwhile."""
        current, length = self._current()
        if entries:
            first, last = _moment(entries[0]), _moment(entries[-1])
            if not current or not self._goes_on(current, length, first):
                current, length = self._next(current, first), 0
            length = _write(self._folder / current, length, b"\n".join(entries) + b"\n", last)
        _replace(self._folder / _STATE, {"file": current, "length": length, "kept": kept})

    def end(self) -> None:
        """Nothing is appended any more."""
        current, length = self._current()
        path = self._folder / current
        if current and path.exists() and path.stat().st_size > length:
            os.truncate(path, length)
        (self._folder / _STATE).unlink(missing_ok=True)

    def _current(self) -> tuple[str, int]:
        try:
            state = json.loads((self._folder / _STATE).read_bytes())
        except FileNotFoundError:
            return "", 0
        return str(state["file"]), int(state["length"])

    def _goes_on(self, current: str, length: int, first: datetime) -> bool:
        """Whether an entry of that time belongs into the current file, if that is there."""
        start = datetime.fromtimestamp(begun(current.removesuffix(SUFFIX)) / 1000, UTC)
        same_hour = first - start < timedelta(hours=1) and first.hour == start.hour
        return same_hour and length < LARGEST and (self._folder / current).exists()

    def _next(self, current: str, first: datetime) -> str:
        """The name of the file after `current`. One that is there was begun before a crash, with
        the same entry, and is written again."""
        milliseconds = int(first.timestamp() * 1000)
        while (name := f"{self._folder.name}_{milliseconds}{SUFFIX}") == current:
            milliseconds += 1
        return name


def lines(file: AuditFile, offset: int) -> tuple[bytes, int]:
    """Whole entries of a file from `offset` on, a few megabytes at most, and the offset behind
    them; `offset` is 0 or one that came from here. Nothing where the file has no more, or is
    gone."""
    text, read = b"", b""
    with suppress(FileNotFoundError), file.path.open("rb") as opened:
        opened.seek(offset)
        # A piece that is longer than what is read at a time is read to its end.
        while not text and (more := opened.read(min(_PIECE, file.size - offset - len(read)))):
            read += more
            text, used = _members(read)
            offset += used
    return text, offset


def content(file: AuditFile) -> Iterator[bytes]:
    """The bytes of a file, as many as it had when it was found."""
    with file.path.open("rb") as opened:
        left = file.size
        while left and (piece := opened.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


def _members(content: bytes) -> tuple[bytes, int]:
    """What the whole members at the start of gzip data hold, and how long these are."""
    found, used = bytearray(), 0
    while used < len(content):
        member, text, end = zlib.decompressobj(wbits=31), bytearray(), used
        # In small steps: what lies behind a member is copied when its end is met.
        while not member.eof and end < len(content):
            step = content[end : end + _STEP]
            text += member.decompress(step)
            end += len(step)
        if not member.eof:
            break
        found += text
        used = end - len(member.unused_data)
    return bytes(found), used


def _write(path: Path, length: int, text: bytes, last: datetime) -> int:
    """Write a piece at `length`, in place of what may lie behind it; the length from then on."""
    piece = gzip.compress(text, _LEVEL)
    with path.open("r+b" if length else "wb") as file:
        file.truncate(length)
        file.seek(length)
        file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    os.utime(path, (last.timestamp(), last.timestamp()))
    return length + len(piece)


def _read_sent(folder: Path) -> Sent | None:
    try:
        known = json.loads((folder / _SENT).read_bytes())
    except FileNotFoundError:
        return None
    positions = {node: (file, offset) for node, (file, offset) in known["positions"].items()}
    return Sent(known["begun"], positions)


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file: readers, and a crash, find the old content or the new one, whole."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content))
    os.replace(new, path)


def _moment(line: bytes) -> datetime:
    return datetime.fromisoformat(json.loads(line)["ts"]["$date"]).astimezone(UTC)


def _folder(settings: Settings, instance_id: str) -> Path:
    return settings.data_dir / FOLDER / instance_id


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
