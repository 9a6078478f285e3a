"""Resume tokens: what can be read out of their `_data`. Pure.

Source: tokens of 6.0.5. The hexadecimal text sorts as the events do. It begins with a timestamp
(`82`, eight digits of seconds, eight of increment), then numbers: the version, the kind (0 for a
mere point in time, 128 for an event), the position within a transaction; then whether it stands
for an invalidation (`6F`, else `6E`). A number is `29` if zero, else `2B` plus its length less one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bson import Timestamp
from bson.raw_bson import RawBSONDocument

from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

_SHAPE = re.compile(r"82[0-9A-F]{16}(?:[0-9A-F]{2})*")
_ZERO, _ONE_BYTE, _LONGEST = 0x29, 0x2B, 0x32
_INVALIDATION = 0x6F


class Token(NamedTuple):
    """A parsed token. `is_event`: it stands for an event, not merely for a point in time."""

    data: str
    time: Timestamp
    is_event: bool
    is_invalidation: bool


def parse(document: Any) -> Token:
    """A client's resume token; InvalidResumeToken (260) if it is none."""
    fields: Mapping[str, Any] = {}
    if isinstance(document, RawBSONDocument):
        fields = raw.shallow(bytes(document.raw))
    data = fields.get("_data")
    if not isinstance(data, str) or not _SHAPE.fullmatch(data):
        raise CommandError(260, "a resume token is {_data: <text>} as a change stream gave it")
    return read(data)


def read(data: str) -> Token:
    """A token from its text; InvalidResumeToken (260) if it is cut off."""
    content = bytes.fromhex(data)
    time = Timestamp(int(data[2:10], 16), int(data[10:18], 16))
    position = 9
    numbers = []
    try:
        for _ in range(3):
            width = 0 if content[position] == _ZERO else content[position] - _ONE_BYTE + 1
            if not 0 <= width <= _LONGEST - _ONE_BYTE + 1:
                raise CommandError(260, "the resume token is of an unknown version")
            numbers.append(any(content[position + 1 : position + 1 + width]))
            position += 1 + width
        return Token(data, time, numbers[1], content[position] == _INVALIDATION)
    except IndexError:
        raise CommandError(260, "the resume token is cut off") from None


def of_event(event: bytes) -> str:
    """The token text an event carries as its `_id`."""
    identifier = raw.find(event, "_id")
    data = raw.find(identifier.value, "_data") if identifier is not None else None
    return "" if data is None else raw.text(data.value[4:-1])
