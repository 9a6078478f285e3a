"""Reading and changing BSON without decoding it: what the hot path does to documents.

Layout of BSON as published at bsonspec.org. Input may come from anyone: every length is checked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument

Document = dict[str, Any]

_INT32 = struct.Struct("<i")

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS
)
EXACT: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_MS
)

_FIXED = {
    0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16,
    0x7F: 0, 0xFF: 0,
}  # fmt: skip
_STRINGS = frozenset({0x02, 0x0D, 0x0E})  # int32 length, bytes, NUL
_SIZED = frozenset({0x03, 0x04, 0x0F})  # int32 total length, itself included


class Element(NamedTuple):
    """One field: its BSON type byte, its name, the bytes of its value."""

    kind: int
    name: str
    value: bytes


def elements(document: bytes) -> Iterator[tuple[int, str, int, int]]:
    """Yield `(type, name, start, end)` of each field's value; InvalidBSON if lengths do not fit."""
    size = len(document)
    if size < 5 or _INT32.unpack_from(document)[0] != size or document[-1] != 0:
        raise InvalidBSON("document length does not match its bytes")
    position, last = 4, size - 1
    while position < last:
        kind = document[position]
        stop = document.find(b"\0", position + 1, last)
        if stop < 0:
            raise InvalidBSON("field name without end")
        name = document[position + 1 : stop].decode("utf-8", "surrogateescape")
        start = stop + 1
        end = start + _value_size(kind, document, start, last)
        if end > last:
            raise InvalidBSON(f"field {name!r} is longer than its document")
        yield kind, name, start, end
        position = end


def _value_size(kind: int, document: bytes, start: int, last: int) -> int:
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed
    if kind == 0x0B:  # two C strings
        first = document.find(b"\0", start, last)
        second = document.find(b"\0", first + 1, last) if first >= 0 else -1
        if second < 0:
            raise InvalidBSON("regular expression without end")
        return second + 1 - start
    if start + 4 > last:
        raise InvalidBSON("value is cut off")
    length: int = _INT32.unpack_from(document, start)[0]
    if kind in _SIZED and length >= 5:
        return length
    if kind in _STRINGS and length >= 1:
        return 4 + length
    if kind == 0x05 and length >= 0:
        return 5 + length
    if kind == 0x0C and length >= 1:
        return 16 + length
    raise InvalidBSON(f"value of type {kind:#x} has no valid length")


def find(document: bytes, name: str) -> Element | None:
    """The field `name` at the top of the document."""
    for kind, found, start, end in elements(document):
        if found == name:
            return Element(kind, found, document[start:end])
    return None


def fields(document: bytes) -> dict[str, Element]:
    """All top fields. A name given twice is refused: two readers might each believe another."""
    found: dict[str, Element] = {}
    for kind, name, start, end in elements(document):
        if name in found:
            raise InvalidBSON(f"field {name!r} is given twice")
        found[name] = Element(kind, name, document[start:end])
    return found


def documents(payload: bytes) -> list[bytes]:
    """Cut a run of documents (the body of a document sequence) apart."""
    found = []
    position, size = 0, len(payload)
    while position < size:
        if size - position < 5:
            raise InvalidBSON("document sequence is cut off")
        length: int = _INT32.unpack_from(payload, position)[0]
        if length < 5 or length > size - position:
            raise InvalidBSON("document in sequence has a wrong length")
        found.append(payload[position : position + length])
        position += length
    return found


def shallow(document: bytes) -> Document:
    """Decode the top level only; documents inside stay raw bytes and travel on unchanged."""
    return dict(RawBSONDocument(document, RAW).items())


def deep(document: bytes | RawBSONDocument | Mapping[str, Any]) -> Document:
    """Decode everything into dictionaries, dates as milliseconds (they may lie beyond Python's)."""
    if isinstance(document, RawBSONDocument):
        return bson.decode(bytes(document.raw), EXACT)
    if isinstance(document, bytes):
        return bson.decode(document, EXACT)
    return bson.decode(bson.encode(document, codec_options=EXACT), EXACT)


def encode(document: Mapping[str, Any]) -> bytes:
    """Encode; raw documents inside are copied as they are."""
    return bson.encode(document, codec_options=EXACT)


def with_first(document: bytes, field: bytes) -> bytes:
    """The document with one encoded field (type, name, value) put before the others."""
    return _INT32.pack(len(document) + len(field)) + field + document[4:]
