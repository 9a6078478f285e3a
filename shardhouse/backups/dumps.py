"""Dumps as mongodump writes and mongorestore reads them: folders and archives, plain or gzipped.

A folder holds `<database>/<collection>.bson` with the documents one after another, and beside each
`<collection>.metadata.json`: options and indexes as Extended JSON. An archive (`--archive`) begins
with a magic number and a header; then comes the metadata of all collections, then blocks of
documents, each of one collection, those of several collections in turns. Both layouts as the
MongoDB Database Tools describe them (`common/archive` there).
"""

import gzip
import hashlib
import io
import os
import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote_plus, unquote_plus

import bson
from bson import Int64, json_util
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from shardhouse.errors import BackupError

MAGIC = 0x8199E26D
BUCKETS = "system.buckets."
VIEW, TIME_SERIES = "view", "timeseries"
_TERMINATOR = b"\xff\xff\xff\xff"
_GZIP = b"\x1f\x8b"
_SMALLEST, _LARGEST = 5, 64 * 1024**2
"""Bytes of a BSON document; entries of an oplog may be larger than documents of clients."""
_CHUNK = 1024**2
_CANONICAL = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, document_class=dict)
_BSON, _METADATA = ".bson", ".metadata.json"
_VERSION, _TOOL_VERSION = "0.1", "100"
_LONGEST_NAME, _CUT_NAME = 238, 208
"""Characters of a file's name: one that were longer ends with a digest instead."""


@dataclass(frozen=True)
class DumpedCollection:
    """A collection or view of a dump: how it is to be made."""

    database: str
    name: str
    kind: str = "collection"
    options: dict[str, Any] = field(default_factory=dict)
    indexes: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    @property
    def stored(self) -> str:
        """The collection that has its documents: the measurements of a time series are in
        buckets."""
        return f"{BUCKETS if self.kind == TIME_SERIES else ''}{self.name}"


Documents = Callable[[DumpedCollection], Iterable[bytes]]
"""The documents of a collection, in pieces of whole ones as BSON."""


@dataclass(frozen=True)
class Block:
    """Documents of one collection, and how many bytes of the dump's files were read with them."""

    database: str
    collection: str
    documents: tuple[RawBSONDocument, ...]
    read: int


@dataclass(frozen=True)
class Dump:
    """A dump that can be read; `size` is that of its files, in bytes."""

    path: Path
    size: int
    collections: tuple[DumpedCollection, ...]
    _archive: bool

    def blocks(self) -> Iterator[Block]:
        """All documents. Raises BackupError for what is cut off or damaged."""
        yield from _archive_blocks(self.path) if self._archive else _folder_blocks(self.path)


def read(path: Path) -> Dump:
    """What a dump holds, without its documents. Raises BackupError for what is no dump."""
    try:
        if path.is_dir():
            files = _documents(path)
            found = tuple(_from_folder(path).values())
            if not found:
                raise BackupError(
                    f"{path} holds no <database>/<collection>.bson: name the folder that mongodump "
                    "wrote, `dump` by default."
                )
            return Dump(path, sum(file.stat().st_size for file in files), found, False)
        with _opened(path) as file:
            return Dump(path, path.stat().st_size, tuple(_prelude(path, file)), True)
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror or error}.") from None


def archive(
    collections: Sequence[DumpedCollection], documents: Documents, server_version: str
) -> Iterator[bytes]:
    """A dump as an archive, in pieces."""
    from fastcrc import crc64  # what only reads dumps does without it

    yield struct.pack("<I", MAGIC) + bson.encode(
        {
            "concurrent_collections": 1,
            "version": _VERSION,
            "server_version": server_version,
            "tool_version": _TOOL_VERSION,
        }
    )
    for item in collections:
        place = {"db": item.database, "collection": item.name}
        yield bson.encode({**place, "metadata": _metadata(item), "size": 0, "type": item.kind})
    yield _TERMINATOR
    for item in collections:
        place = {"db": item.database, "collection": item.stored}
        checksum = 0
        for piece in documents(item) if item.kind != VIEW else ():
            checksum = crc64.xz(piece, checksum)
            yield bson.encode({**place, "EOF": False, "CRC": Int64(0)})
            yield piece
            yield _TERMINATOR
        (signed,) = struct.unpack("<q", struct.pack("<Q", checksum))
        yield bson.encode({**place, "EOF": True, "CRC": Int64(signed)}) + _TERMINATOR


def unpack(name: str, chunks: Iterable[bytes], folder: Path, *, zipped: bool) -> None:
    """Make a folder of a plain archive that comes in pieces; `name` is what errors call it. Files
    are for our user alone. Raises BackupError for an archive that is cut off or damaged."""
    where, file = Path(name), io.BufferedReader(_Stream(chunks), _CHUNK)
    suffix = ".gz" if zipped else ""
    files = {}
    for item in _prelude(where, file):
        place = folder / item.database
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _append(place / f"{_stem(item.name)}{_METADATA}{suffix}", _metadata(item).encode())
        if item.kind != VIEW:
            path = place / f"{_stem(item.stored)}{_BSON}{suffix}"
            _append(path, b"")
            files[item.database, item.stored] = path
    for namespace, documents in _blocks(where, file):
        _append(files[namespace], b"".join(one.raw for one in documents))


class _Stream(io.RawIOBase):
    """Pieces, read as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some of what comes next; nothing at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


def _append(path: Path, content: bytes) -> None:
    """Add to a file, which is made where it is missing. Parts may be zipped each by itself."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        file.write(gzip.compress(content) if path.suffix == ".gz" else content)


def _stem(name: str) -> str:
    """How mongodump calls a collection's files, but for what they end with."""
    escaped = quote_plus(name, safe="")
    if len(escaped) <= _LONGEST_NAME:
        return escaped
    digest = hashlib.sha1(name.encode(), usedforsecurity=False).digest()
    return f"{escaped[:_CUT_NAME]}%24{urlsafe_b64encode(digest).decode().rstrip('=')}"


def _metadata(item: DumpedCollection) -> str:
    described = {
        "options": item.options,
        "indexes": list(item.indexes),
        "collectionName": item.name,
        "type": item.kind,
    }
    return json_util.dumps(described, json_options=_CANONICAL)


def _documents(folder: Path) -> list[Path]:
    """Files of documents in a folder of a dump. An oplog beside the databases is not one."""
    return sorted(file for suffix in (_BSON, _BSON + ".gz") for file in folder.glob(f"*/*{suffix}"))


def _from_folder(folder: Path) -> dict[tuple[str, str], DumpedCollection]:
    """What a folder holds, by database and file: a name that is too long for a file's stands in
    the metadata."""
    described = {
        _plain(file, _METADATA): file
        for suffix in (_METADATA, _METADATA + ".gz")
        for file in folder.glob(f"*/*{suffix}")
    }
    found = {}
    for database, name in sorted(described.keys() | {_plain(f, _BSON) for f in _documents(folder)}):
        metadata = described.get((database, name))
        if metadata is None:
            found[database, name] = DumpedCollection(database, name)
        else:
            with _opened(metadata) as file:
                found[database, name] = _described(database, name, file.read(), metadata)
    return found


def _plain(file: Path, suffix: str) -> tuple[str, str]:
    """Database and collection of a file; mongodump escapes what a file's name cannot have."""
    name = file.name.removesuffix(".gz").removesuffix(suffix)
    return file.parent.name, unquote_plus(name)


def _described(database: str, name: str, text: bytes | str, where: Path) -> DumpedCollection:
    """Raises BackupError for what is no Extended JSON."""
    try:
        metadata = json_util.loads(text, json_options=_CANONICAL) if text else {}
        options = dict(metadata.get("options") or {})
        indexes = tuple(dict(index) for index in metadata.get("indexes") or ())
        default = VIEW if "viewOn" in options else "collection"
        kind = str(metadata.get("type") or default)
        name = str(metadata.get("collectionName") or name)
    except (ValueError, TypeError, AttributeError, BSONError) as error:
        raise BackupError(f"{where}: the metadata of {database}.{name}: {error}.") from None
    return DumpedCollection(database, name, kind, options, indexes)


def _folder_blocks(folder: Path) -> Iterator[Block]:
    known = _from_folder(folder)
    for path in _documents(folder):
        place = known[_plain(path, _BSON)]
        before = 0
        with path.open("rb") as raw, _unpacked(raw) as file:
            while document := _document(path, file):
                position = raw.tell()
                yield Block(place.database, place.name, (document,), position - before)
                before = position


def _archive_blocks(path: Path) -> Iterator[Block]:
    before = 0
    with path.open("rb") as raw, _unpacked(raw) as file:
        for _ in _prelude(path, file):
            pass
        for place, documents in _blocks(path, file):
            position = raw.tell()
            yield Block(*place, documents, position - before)
            before = position


def _blocks(
    path: Path, file: IO[bytes]
) -> Iterator[tuple[tuple[str, str], tuple[RawBSONDocument, ...]]]:
    """What follows the metadata in an archive: documents, and where they belong."""
    unfinished: set[tuple[str, str]] = set()
    while header := _document(path, file):
        place = _place(path, header)
        documents = tuple(_until_terminator(path, file))
        if header.get("EOF"):
            unfinished.discard(place)
            continue
        unfinished.add(place)
        yield place, documents
    if unfinished:
        raise BackupError(f"{path} is cut off or damaged.")


def _prelude(path: Path, file: IO[bytes]) -> Iterator[DumpedCollection]:
    """The metadata at the head of an archive."""
    if file.read(4) != struct.pack("<I", MAGIC):
        raise BackupError(
            f"{path} is neither an archive of mongodump nor a folder. "
            f"`mongodump --archive={path.name}` writes one."
        )
    if _document(path, file) is None:
        raise BackupError(f"{path} has no header.")
    for entry in _until_terminator(path, file):
        yield _described(*_place(path, entry), entry.get("metadata") or "", path)


def _until_terminator(path: Path, file: IO[bytes]) -> Iterator[RawBSONDocument]:
    while (document := _document(path, file, ends_with=(_TERMINATOR,))) is not None:
        yield document


def _place(path: Path, header: RawBSONDocument) -> tuple[str, str]:
    """Database and collection that a header names."""
    try:
        return str(header["db"]), str(header["collection"])
    except (KeyError, BSONError) as error:
        raise BackupError(f"{path} is damaged: {error}.") from None


def _document(
    path: Path, file: IO[bytes], ends_with: tuple[bytes, ...] = (b"", _TERMINATOR)
) -> RawBSONDocument | None:
    """The next document; None at the end. Raises BackupError for what is cut off or damaged."""
    try:
        head = file.read(4)
        if head in ends_with:
            return None
        size = int.from_bytes(head, "little")
        if len(head) == 4 and _SMALLEST <= size <= _LARGEST:
            content = head + file.read(size - 4)
            if len(content) == size:
                return RawBSONDocument(content)
    except (OSError, EOFError, BSONError) as error:
        raise BackupError(f"{path} is damaged: {error}.") from None
    raise BackupError(f"{path} is cut off or damaged.")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw, _unpacked(raw) as file:
        yield file


@contextmanager
def _unpacked(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """A file's content, gzipped or not."""
    start = raw.read(2)
    raw.seek(0)
    if start == _GZIP:
        with gzip.GzipFile(fileobj=raw) as file:
            yield file  # type: ignore[misc]
    else:
        yield raw
