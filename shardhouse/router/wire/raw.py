"""Reading and changing BSON without decoding it: what the hot path does to documents.

Layout of BSON as published at bsonspec.org. Input may come from anyone: every length is checked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import bson
from bson import Binary, Code
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.errors import InvalidBSON, InvalidDocument
from bson.raw_bson import RawBSONDocument

Document = dict[str, Any]

_INT32 = struct.Struct("<i")
_int32 = _INT32.unpack_from

EXACT: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_MS
)

_FIXED = {
    0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16,
    0x7F: 0, 0xFF: 0,
}  # fmt: skip
_PREFIXED = {0x02: 4, 0x0D: 4, 0x0E: 4, 0x03: 0, 0x04: 0, 0x0F: 0, 0x05: 5, 0x0C: 16}
"""Bytes that an int32 at the value's start does not count."""

_LEAST = {0x02: 1, 0x0D: 1, 0x0E: 1, 0x03: 5, 0x04: 5, 0x0F: 5, 0x05: 0, 0x0C: 1}
"""The least that int32 may say."""


_ODD = -100
_SIZES = [_FIXED.get(kind, -1 - _PREFIXED.get(kind, -1 - _ODD)) for kind in range(256)]
"""By type: the value's size; if negative, -1 less what the int32 at its start does not count."""


_STRING, _OBJECT, _ARRAY, _BINARY = 0x02, 0x03, 0x04, 0x05
_UNFAITHFUL = frozenset({0x06, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F})
"""Undefined, regular expressions, DBPointers, code and symbols: they decode to something else, or
lose flags."""


class Element(NamedTuple):
    """One field: its BSON type byte, its name, the bytes of its value."""

    kind: int
    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A value without a faithful Python type: its BSON type byte and bytes, to be sent on as is."""

    kind: int
    value: bytes


class _CodeDecoder(TypeDecoder):
    """JavaScript, which Python's BSON library decodes to a kind of `str`: here it is no text."""

    bson_type = Code

    def transform_bson(self, value: Code) -> Verbatim:
        encoded = encode({"": value})
        return Verbatim(encoded[4], encoded[6:-1])


RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    type_registry=TypeRegistry([_CodeDecoder()]),
)


def text(encoded: bytes) -> str:
    """Text of a name or a string. What is no UTF-8, which servers store and use as names, becomes
    surrogates, which `octets` makes the same bytes again."""
    return encoded.decode("utf-8", "surrogateescape")


def octets(content: str) -> bytes:
    """The bytes of a text that came from `text`, or from anywhere else."""
    return content.encode("utf-8", "surrogateescape")


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
        name = text(document[position + 1 : stop])
        start = stop + 1
        end = start + _value_size(kind, document, start, last)
        if end > last:
            raise InvalidBSON(f"field {name!r} is longer than its document")
        yield kind, name, start, end
        position = end


def _value_size(kind: int, document: bytes, start: int, last: int) -> int:
    prefix = _PREFIXED.get(kind)
    if prefix is not None and start + 4 <= last:
        length: int = _int32(document, start)[0]
        if length >= _LEAST[kind]:
            return prefix + length
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed
    if kind == 0x0B:  # two C strings
        first = document.find(b"\0", start, last)
        second = document.find(b"\0", first + 1, last) if first >= 0 else -1
        if second < 0:
            raise InvalidBSON("regular expression without end")
        return second + 1 - start
    raise InvalidBSON(f"value of type {kind:#x} is cut off or has no valid length")


def pieces(document: bytes) -> dict[str, bytes]:
    """The top fields as they are encoded (type, name, value), by name; InvalidBSON as `fields`.

    One loop without calls, because this is done to every message of the most frequent commands.
    """
    found: dict[str, bytes] = {}
    last = len(document) - 1
    if last < 4 or _int32(document)[0] != last + 1 or document[last] != 0:
        raise InvalidBSON("document length does not match its bytes")
    begin, count, find = 4, 0, document.find
    while begin < last:
        kind = document[begin]
        stop = find(0, begin + 1, last)
        if stop < 0:
            raise InvalidBSON("field name without end")
        size = _SIZES[kind]
        if size == _ODD:
            size = _value_size(kind, document, stop + 1, last)
        elif size < 0:
            if stop + 5 > last:
                raise InvalidBSON("value is cut off")
            length = _int32(document, stop + 1)[0]
            if length < 0:
                raise InvalidBSON("value has a negative length")
            size = length - size - 1
        end = stop + 1 + size
        if end > last:
            raise InvalidBSON("a field is longer than its document")
        found[text(document[begin + 1 : stop])] = document[begin:end]
        count += 1
        begin = end
    if len(found) != count:
        raise InvalidBSON("a field is given twice")
    return found


def value_of(name: str, piece: bytes) -> bytes:
    """The value in one of `pieces`, for a name in ASCII."""
    return piece[len(name) + 2 :]


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
    """Decode the top level only; documents inside stay raw bytes and travel on unchanged.

    What Python has no value for is read by `faithful`."""
    try:
        return dict(RawBSONDocument(document, RAW).items())
    except InvalidBSON:
        return faithful(document)


def faithful(document: bytes) -> Document:
    """As `shallow`, slower, and every value can be encoded again to the bytes it was."""
    return {
        name: _faithful(kind, document[start:end]) for kind, name, start, end in elements(document)
    }


def _faithful(kind: int, value: bytes) -> Any:
    if kind == _OBJECT:
        return RawBSONDocument(value, RAW)
    if kind == _ARRAY:
        return [
            Verbatim(inner, value[start:end])
            if inner == _ARRAY
            else _faithful(inner, value[start:end])
            for inner, _, start, end in elements(value)
        ]
    if kind == _STRING:
        return text(value[4:-1])
    if kind in _UNFAITHFUL:
        return Verbatim(kind, value)
    try:
        return bson.decode(assembled([bytes((kind, 0)), value]), EXACT)[""]
    except InvalidBSON:
        if kind != _BINARY:  # servers store those of wrong sizes, too, which nothing decodes
            raise
        return Verbatim(kind, value)


def deep(document: bytes | RawBSONDocument | Mapping[str, Any]) -> Document:
    """Decode everything into dictionaries, dates as milliseconds (they may lie beyond Python's)."""
    if isinstance(document, RawBSONDocument):
        document = bytes(document.raw)
    elif not isinstance(document, bytes):
        document = encode(document)
    try:
        return bson.decode(document, EXACT)
    except InvalidBSON:
        return {name: _deep(value) for name, value in faithful(document).items()}


def _deep(value: Any) -> Any:
    if isinstance(value, RawBSONDocument):
        return deep(value)
    if isinstance(value, list):
        return [_deep(item) for item in value]
    if isinstance(value, Verbatim) and value.kind == _ARRAY:
        return _deep(_faithful(_ARRAY, value.value))
    return value


def encode(document: Mapping[str, Any]) -> bytes:
    """Encode; raw documents inside are copied as they are."""
    try:
        return bson.encode(document, codec_options=EXACT)
    except (InvalidDocument, UnicodeEncodeError, SystemError):
        return assembled(_element(name, value) for name, value in document.items())


def _element(name: object, value: Any) -> bytes:
    if not isinstance(name, str) or "\0" in name:
        raise InvalidDocument(f"{name!r} is no name of a field")
    label = octets(name) + b"\0"
    if isinstance(value, Verbatim):
        return bytes((value.kind,)) + label + value.value
    if type(value) is str:
        content = octets(value) + b"\0"
        return bytes((_STRING,)) + label + _INT32.pack(len(content)) + content
    if isinstance(value, list | tuple):
        items = (_element(str(number), item) for number, item in enumerate(value))
        return bytes((_ARRAY,)) + label + assembled(items)
    if isinstance(value, Mapping) and not isinstance(value, RawBSONDocument):
        return bytes((_OBJECT,)) + label + encode(value)
    if isinstance(value, Binary) and value.subtype == 0xFF:
        # pymongo's encoder takes this subtype for a failure of its own: a SystemError.
        return bytes((_BINARY,)) + label + _INT32.pack(len(value)) + b"\xff" + value
    encoded = bson.encode({"": value}, codec_options=EXACT)
    return encoded[4:5] + label + encoded[6:-1]


def element(name: str, value: Any) -> bytes:
    """One field encoded: its type, its name, its value."""
    return encode({name: value})[4:-1]


def assembled(encoded: Iterable[bytes]) -> bytes:
    """A document of fields that are encoded already."""
    content = b"".join(encoded)
    return _INT32.pack(len(content) + 5) + content + b"\0"


def with_first(document: bytes, field: bytes) -> bytes:
    """The document with one encoded field (type, name, value) put before the others."""
    return _INT32.pack(len(document) + len(field)) + field + document[4:]
