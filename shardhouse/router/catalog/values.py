"""Shard key values as raw BSON: their order among each other, and their hash.

Values are handled as `(BSON type byte, value bytes)`, so nothing is lost in decoding. The order is
MongoDB's documented comparison order; the hash equals `_hashBSONElement` (compared on 6.0.5).
"""

from __future__ import annotations

import hashlib
import math
import struct
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from bson.decimal128 import Decimal128

from shardhouse.router.wire import raw

NULL = 0x0A
INT64 = 0x12

_CANONICAL = {
    0xFF: -1, 0x06: 0, 0x0A: 5, 0x01: 10, 0x10: 10, 0x12: 10, 0x13: 10, 0x02: 15, 0x0E: 15,
    0x03: 20, 0x04: 25, 0x05: 30, 0x07: 35, 0x08: 40, 0x09: 45, 0x11: 47, 0x0B: 50, 0x0C: 55,
    0x0D: 60, 0x0F: 65, 0x7F: 127,
}  # fmt: skip
_NUMBERS = frozenset({0x01, 0x10, 0x12, 0x13})
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_HEAD = struct.Struct("<i")

SortKey = tuple[Any, ...]


def sort_key(kind: int, value: bytes) -> SortKey:
    """A tuple that compares with others as MongoDB compares the values (simple collation)."""
    canonical = _CANONICAL[kind]
    if kind in _NUMBERS:
        number = _number(kind, value)
        return (canonical, 0, 0) if _is_nan(number) else (canonical, 1, number)
    if kind in (0x03, 0x04):
        return (canonical, tuple(_members(kind, value)))
    if kind in (0x02, 0x0E):
        return (canonical, value[4:-1])
    if kind == 0x05:
        return (canonical, len(value) - 5, value[4], value[5:])
    if kind == 0x09:
        return (canonical, struct.unpack("<q", value)[0])
    if kind == 0x11:
        return (canonical, struct.unpack("<Q", value)[0])
    if kind == 0x0B:
        return (canonical, *value[:-1].split(b"\0", 1))
    return (canonical, value)


def _members(kind: int, value: bytes) -> list[SortKey]:
    found = []
    for child, name, start, end in raw.elements(value):
        label = () if kind == 0x04 else (raw.octets(name),)
        found.append((_CANONICAL[child], *label, sort_key(child, value[start:end])))
    return found


def _number(kind: int, value: bytes) -> int | float | Decimal:
    if kind == 0x10:
        return int(struct.unpack("<i", value)[0])
    if kind == 0x12:
        return int(struct.unpack("<q", value)[0])
    if kind == 0x01:
        return float(struct.unpack("<d", value)[0])
    return Decimal128.from_bid(value).to_decimal()


def _is_nan(number: float | Decimal) -> bool:
    # A signaling NaN, which can be stored, is nothing `math` takes.
    return number.is_nan() if isinstance(number, Decimal) else math.isnan(number)


def hashed(kind: int, value: bytes) -> tuple[int, bytes]:
    """The hashed index key of a value, as a raw int64."""
    digest = hashlib.md5(_HEAD.pack(0) + _hash_input(kind, b"", value), usedforsecurity=False)
    return INT64, digest.digest()[:8]


def _hash_input(kind: int, name: bytes, value: bytes) -> bytes:
    head = _HEAD.pack(_CANONICAL[kind]) + name
    if kind in _NUMBERS:
        return head + struct.pack("<q", _as_int64(_number(kind, value)))
    if kind in (0x03, 0x04):
        return head + _hash_members(value)
    if kind == 0x0F:
        size = _HEAD.unpack_from(value, 4)[0]
        return head + value[8 : 8 + size] + _hash_members(value[8 + size :])
    return head + value


def _hash_members(document: bytes) -> bytes:
    parts = []
    for kind, name, start, end in raw.elements(document):
        label = raw.octets(name) + b"\0"
        parts.append(_hash_input(kind, label, document[start:end]))
    return b"".join(parts) + _HEAD.pack(0)


def _as_int64(number: float | Decimal) -> int:
    if isinstance(number, int):
        return number
    if _is_nan(number):
        return 0
    if isinstance(number, float):
        if number == 2.0**63:  # the server's cast overflows here, and stored hashes rely on it
            return _INT64_MIN
        return (
            int(max(min(number, _INT64_MAX), _INT64_MIN))
            if math.isfinite(number)
            else (_INT64_MAX if number > 0 else _INT64_MIN)
        )
    if number.is_infinite():
        return _INT64_MAX if number > 0 else _INT64_MIN
    rounded = int(number.to_integral_value(ROUND_HALF_EVEN))
    return max(min(rounded, _INT64_MAX), _INT64_MIN)
