"""What a driver says of itself in its first hello, judged as a server judges it. Pure.

Sizes, needed fields and error codes are those of the handshake specification and of 6.0.5. They
count: any stranger may send this, and it is kept, logged, and told to every shard.
"""

from __future__ import annotations

from bson.raw_bson import RawBSONDocument

from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

_MOST = 512
"""Bytes of the document; a shard takes 1024, so that the router can add its own part."""

_LONGEST_NAME = 128
"""Bytes of the application's name."""

_NEEDED = {"driver": ("name", "version"), "os": ("type",)}


def read(told: object) -> raw.Document:
    """The metadata, fully decoded; CommandError if a server would refuse it."""
    if not isinstance(told, RawBSONDocument):
        raise _wrong_type("client", "a document")
    if len(told.raw) > _MOST:
        raise CommandError(185, f"The client metadata is larger than {_MOST} bytes")
    metadata = raw.deep(told)
    for part, names in _NEEDED.items():
        fields = _part(metadata, part)
        if fields is None:
            raise CommandError(183, f"The client metadata has no '{part}'")
        for name in names:
            if name not in fields:
                raise CommandError(183, f"The client metadata has no '{part}.{name}'")
            if not isinstance(fields[name], str):
                raise _wrong_type(f"{part}.{name}", "a string")
    name = (_part(metadata, "application") or {}).get("name", "")
    if not isinstance(name, str):
        raise _wrong_type("application.name", "a string")
    if len(raw.octets(name)) > _LONGEST_NAME:
        raise CommandError(184, f"The application's name is longer than {_LONGEST_NAME} bytes")
    return metadata


def application(metadata: raw.Document) -> str:
    """The application's name in metadata that was read; empty if there is none."""
    return str((_part(metadata, "application") or {}).get("name", ""))


def _part(metadata: raw.Document, name: str) -> raw.Document | None:
    part = metadata.get(name)
    if name in metadata and not isinstance(part, dict):
        raise _wrong_type(name, "a document")
    return part


def _wrong_type(field: str, expected: str) -> CommandError:
    return CommandError(14, f"The client metadata's '{field}' must be {expected}")
