"""A client's command as received: its name, its database, its fields. Reading it is pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bson import Decimal128
from bson.raw_bson import RawBSONDocument

from shardhouse.router.errors import CommandError, bad_value, negative, wrong_type
from shardhouse.router.wire import raw

_BAD_IN_DATABASE = frozenset('/\\. "$\0')


def truncated(value: float | Decimal) -> int:
    """A number without its fraction, within 64 bits; 0 if it is NaN."""
    nothing = value.is_nan() if isinstance(value, Decimal) else math.isnan(value)
    return 0 if nothing else int(max(-(2**63), min(value, 2**63 - 1)))


@dataclass(slots=True)
class Command:
    """`body` is decoded at its top level only, `sequences` (of documents) not at all."""

    name: str
    db: str
    body: raw.Document
    sequences: Mapping[str, bytes] = field(default_factory=dict)
    wants_no_reply: bool = False
    _statements: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        """What follows the command's name."""
        return next(iter(self.body.values()))

    @property
    def collection(self) -> str:
        """The collection the command names first; InvalidNamespace (73) if that is no name."""
        name = self.value
        if not isinstance(name, str):
            code = 73 if self.name in _LENIENT else 14 if self.name == "aggregate" else 2
            if code == 14 and isinstance(name, int | float):
                code = 9  # neither a name nor 1
            raise CommandError(code, f"collection name has invalid type for command {self.name}")
        if not name or "\0" in name or name.startswith(".") or len(name) > 235:
            raise CommandError(73, f"Invalid namespace specified '{self.db}.{name}'")
        return name

    @property
    def namespace(self) -> str:
        """`database.collection` of the collection named first."""
        return f"{self.db}.{self.collection}"

    def namespace_argument(self) -> tuple[str, str]:
        """Database and collection from a command that is given a whole namespace."""
        text = self.value
        if not isinstance(text, str):
            raise CommandError(73, f"namespace has invalid type for command {self.name}")
        database, dot, collection = text.partition(".")
        if not dot or not collection:
            raise CommandError(73, f"Invalid namespace specified '{text}'")
        check_database(database)
        return database, collection

    def get(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """A field of a given type, or the default; TypeMismatch (14) for another type."""
        value = self.body.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            expected = kind.__name__ if isinstance(kind, type) else kind[0].__name__
            raise wrong_type(f"{self.name}.{name}", expected)
        return value

    def whole(self, name: str) -> int:
        """A number without its fraction, within 64 bits; 0 if it is missing, NaN, or null."""
        value = self.body.get(name)
        if isinstance(value, Decimal128):
            value = value.to_decimal()
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            if (self.name, name) == ("count", "limit"):
                raise bad_value("limit value is not a valid number")
            raise wrong_type(f"{self.name}.{name}", "long")
        return truncated(value)

    def write_concern(self) -> raw.Document:
        """The write concern as the client gave it, empty if it gave none."""
        given = self.get("writeConcern", RawBSONDocument)
        return {} if given is None else raw.shallow(bytes(given.raw))

    @property
    def unacknowledged(self) -> bool:
        """Whether it is a write whose outcome the client does not want to know (`w: 0`)."""
        concern = self.write_concern()
        w = concern.get("w")
        if isinstance(w, Decimal128):
            w = w.to_decimal()
        if not isinstance(w, int | float | Decimal) or concern.get("j") or concern.get("fsync"):
            return False
        return truncated(w) == 0

    def time_limit(self) -> float | None:
        """`maxTimeMS` in seconds, None if there is none; BadValue (2) if it is no such number."""
        value = self.body.get("maxTimeMS", 0)
        if isinstance(value, Decimal128):
            decimal = value.to_decimal()
            value = math.nan if decimal.is_nan() else decimal
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise bad_value("maxTimeMS must be a number")
        limit = truncated(value)
        if not 0 <= limit < 2**31:
            raise bad_value(f"{limit} value for maxTimeMS is out of range")
        if limit != value:
            raise bad_value("maxTimeMS has non-integral value")
        return limit / 1000 if limit else None

    def counts(self, *names: str) -> dict[str, int]:
        """Those of the fields that are given, as numbers not below zero."""
        found = {name: self.whole(name) for name in names if name in self.body}
        for name, number in found.items():
            if number < 0:
                raise negative(name, number)
        return found

    def document(self, name: str) -> bytes:
        """The bytes of an embedded document; of an empty one if it is missing."""
        value = self.get(name, RawBSONDocument)
        return _EMPTY if value is None else bytes(value.raw)

    def documents(self, name: str) -> list[bytes]:
        """A list of documents, be it a sequence or an array in the body."""
        if name not in self._statements:
            self._statements[name] = self._read_documents(name)
        return self._statements[name]

    def _read_documents(self, name: str) -> list[bytes]:
        payload = self.sequences.get(name)
        if payload is not None:
            return raw.documents(payload)
        listed = self.get(name, list)
        if listed is None:
            raise CommandError(40414, f"BSON field '{self.name}.{name}' is missing but required")
        if not all(isinstance(item, RawBSONDocument) for item in listed):
            raise wrong_type(f"{self.name}.{name}", "object")
        return [bytes(item.raw) for item in listed]


_EMPTY = raw.encode({})
_LENIENT = frozenset({"count", "distinct", "find", "mapReduce"})
"""Commands to which a collection's name of a wrong type is a bad name, to others a bad value."""


def read(body: bytes, sequences: Mapping[str, bytes]) -> Command:
    """A command from an OP_MSG; InvalidBSON or CommandError if it is none."""
    fields = raw.shallow(body)
    name = next(iter(fields), "")
    db = fields.get("$db")
    if not isinstance(db, str):
        raise CommandError(40571, "OP_MSG requests require a $db argument")
    check_database(db)
    if not sequences.keys().isdisjoint(fields):
        raise bad_value("a field is given both in the command and as a document sequence")
    return Command(name, db, fields, sequences)


def check_database(name: str) -> None:
    """InvalidNamespace (73) unless the text can name a database."""
    if name == "$external":  # where users live whom something else authenticates
        return
    if not 0 < len(name) < 64 or not _BAD_IN_DATABASE.isdisjoint(name):
        raise CommandError(73, f"Invalid database name: '{name}'")
