"""Dumps of mongodump: its folders and its archives, plain or gzipped.

A folder holds `<database>/<collection>.bson` with the documents one after another, and beside each
`<collection>.metadata.json`: options and indexes as Extended JSON. An archive (`--archive`) begins
with a magic number and a header; then comes the metadata of all collections, then blocks of
documents, each of one collection, those of several collections in turns. Both layouts as the
MongoDB Database Tools describe them (`common/archive` there).
"""

import gzip
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from bson import json_util
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from shardhouse.errors import BackupError

MAGIC = 0x8199E26D
_TERMINATOR = b"\xff\xff\xff\xff"
_GZIP = b"\x1f\x8b"
_SMALLEST, _LARGEST = 5, 64 * 1024**2
"""Bytes of a BSON document; entries of an oplog may be larger than documents of clients."""
_CANONICAL = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, document_class=dict)
_BSON, _METADATA = ".bson", ".metadata.json"


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
    return file.parent.name, unquote(name)


def _described(database: str, name: str, text: bytes | str, where: Path) -> DumpedCollection:
    """Raises BackupError for what is no Extended JSON."""
    try:
        metadata = json_util.loads(text, json_options=_CANONICAL) if text else {}
        options = dict(metadata.get("options") or {})
        indexes = tuple(dict(index) for index in metadata.get("indexes") or ())
        default = "view" if "viewOn" in options else "collection"
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
    unfinished: set[tuple[str, str]] = set()
    with path.open("rb") as raw, _unpacked(raw) as file:
        for _ in _prelude(path, file):
            pass
        while header := _document(path, file):
            place = _place(path, header)
            documents = tuple(_until_terminator(path, file))
            if header.get("EOF"):
                unfinished.discard(place)
                continue
            unfinished.add(place)
            position = raw.tell()
            yield Block(*place, documents, position - before)
            before = position
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
