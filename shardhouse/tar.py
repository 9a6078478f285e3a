"""Files as one stream: a GNU tar archive, never held as a whole."""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from shardhouse.errors import BackupError, CorruptBackupError

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1024**2
_LONGEST_NAME = 4096
END = 2 * _BLOCK
"""Bytes behind the last file."""


@dataclass(frozen=True)
class DataFile:
    """A file of a node's data, or another: its path below the folder, its size in bytes, its
    content in pieces."""

    name: str
    size: int
    chunks: Iterable[bytes]


@dataclass(frozen=True)
class PackedFile:
    """A file in an archive: its bytes, and their SHA-256 (hexadecimal)."""

    name: str
    size: int
    sha256: str


def pack(files: Iterable[DataFile]) -> Iterator[bytes]:
    """The archive in pieces. Raises BackupError where a file is not as long as it says."""
    for file in files:
        header = tarfile.TarInfo(file.name)
        header.size = file.size
        header.mode = 0o600
        yield header.tobuf(tarfile.GNU_FORMAT, "utf-8")
        written = 0
        for chunk in file.chunks:
            written += len(chunk)
            yield chunk
        if written != file.size:
            raise BackupError(f"{file.name} has {written} bytes, not {file.size}: it was changed.")
        yield bytes(-file.size % _BLOCK)
    yield bytes(END)


def size_of_entry(name: str, size: int) -> int:
    """Bytes of an archive that a file of `size` bytes takes, whose name has at most 99."""
    assert len(name) < tarfile.LENGTH_NAME
    return _BLOCK + size + -size % _BLOCK


def unpack(chunks: Iterable[bytes]) -> Iterator[DataFile]:
    """The files of an archive that `pack` wrote. A file's content can be read until the next one is
    asked for. `chunks` are read to their end, which is soon behind that of the archive.

    Raises CorruptBackupError where the archive is cut or holds anything but files below a folder.
    """
    source = _Source(chunks)
    long_name = None
    while header := _header(source.exactly(_BLOCK)):
        is_name = header.type == tarfile.GNUTYPE_LONGNAME and long_name is None
        if is_name and 0 < header.size <= _LONGEST_NAME:
            long_name = source.exactly(header.size).rstrip(b"\0").decode("utf-8", "replace")
        else:
            _check(header, name := long_name or header.name)
            long_name = None
            content = source.part(header.size)
            yield DataFile(name, header.size, content)
            for _ in content:
                pass
        source.exactly(-header.size % _BLOCK)
    behind = 0
    for chunk in source.rest():
        behind += len(chunk)
        if any(chunk) or behind > tarfile.RECORDSIZE:  # programs fill a record with zeros
            raise _corrupt("something follows its end")


def listed(files: Iterable[DataFile], into: list[PackedFile]) -> Iterator[DataFile]:
    """The same files; each that was read to its end is put on the list."""
    for file in files:
        digest = hashlib.sha256()
        yield replace(file, chunks=digested(digest, file.chunks))
        into.append(PackedFile(file.name, file.size, digest.hexdigest()))


def digested(digest: "hashlib._Hash", chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Passes chunks on through a hash."""
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


class _Source:
    """A stream of pieces, read in amounts of one's own."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = memoryview(b"")

    def part(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes in pieces."""
        while size:
            piece = self._next(min(size, _CHUNK))
            if not piece:
                raise _corrupt("it is cut")
            size -= len(piece)
            yield piece

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        return b"".join(self.part(size))

    def rest(self) -> Iterator[bytes]:
        """All that follows, in pieces."""
        return iter(lambda: self._next(_CHUNK), b"")

    def _next(self, limit: int) -> bytes:
        """At most `limit` bytes, none at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = memoryview(chunk)
        piece, self._left = self._left[:limit], self._left[limit:]
        return bytes(piece)


def _header(block: bytes) -> tarfile.TarInfo | None:
    """The header of the next file, None at the end."""
    if not any(block):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.HeaderError as error:
        raise _corrupt(str(error)) from None


def _check(header: tarfile.TarInfo, name: str) -> None:
    """Whether it is a file that would be written below the folder, wherever that is."""
    if header.type != tarfile.REGTYPE or header.size < 0:
        raise _corrupt(f"{name!r} is not a file")
    if any(part in {"", ".", ".."} for part in name.split("/")) or "\0" in name:
        raise _corrupt(f"{name!r} is not a path below a folder")


def _corrupt(reason: str) -> CorruptBackupError:
    return CorruptBackupError(f"The tar archive is damaged: {reason}.")
