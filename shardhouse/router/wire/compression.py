"""OP_COMPRESSED's compressors: snappy, zstd, zlib.

They serve clients that ask for them. Towards shards nothing is compressed: the processor time would
be the router's, which is scarcer than the network next to it.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from shardhouse.router.errors import ProtocolError

IDS: Mapping[str, int] = {"snappy": 1, "zstd": 3, "zlib": 2}
"""In the order of a server's default `--networkMessageCompressors`."""

_NOOP, _SNAPPY, _ZLIB, _ZSTD = 0, 1, 2, 3


def agreed(offered: object, enabled: Sequence[str]) -> list[str]:
    """What of a client's offer is enabled here, in the client's order, as servers answer."""
    wanted = offered if isinstance(offered, list) else []
    return [name for name in wanted if isinstance(name, str) and name in enabled]


def decompress(compressor: int, data: bytes, size: int) -> bytes:
    """Unpack to exactly `size` bytes; ProtocolError for anything else, before memory is used up."""
    try:
        content = _decompress(compressor, data, size)
    except ProtocolError:
        raise
    except Exception as error:  # each library has its own exception types
        raise ProtocolError(f"message does not decompress: {error}") from error
    if len(content) != size:
        raise _wrong_size()
    return content


def _decompress(compressor: int, data: bytes, size: int) -> bytes:
    if compressor == _NOOP:
        return data
    if compressor == _ZLIB:
        return _bounded(zlib.decompressobj(), data, size)
    if compressor == _SNAPPY:
        if _snappy_size(data) != size:
            raise _wrong_size()
        return bytes(_snappy().uncompress(data))
    if compressor == _ZSTD:
        return _bounded(_zstd().ZstdDecompressor(), data, size)
    raise ProtocolError(f"there is no compressor {compressor}")


def _bounded(decompressor: Any, data: bytes, size: int) -> bytes:
    # One byte more than claimed is enough to see that the claim was wrong.
    content = bytes(decompressor.decompress(data, size + 1))
    if not decompressor.eof:
        raise _wrong_size()
    return content


def _wrong_size() -> ProtocolError:
    return ProtocolError("compressed message has another size than it claims")


def _snappy_size(data: bytes) -> int:
    """The uncompressed length a snappy block states: a little-endian base-128 number."""
    size = 0
    for index, byte in enumerate(data[:5]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return size
    raise ProtocolError("snappy block without length")


def compress(compressor: int, content: bytes) -> bytes:
    """Pack `content`."""
    if compressor == _ZLIB:
        return zlib.compress(content)
    if compressor == _SNAPPY:
        return bytes(_snappy().compress(content))
    if compressor == _ZSTD:
        return bytes(_zstd().compress(content))
    return content


@cache
def _snappy() -> Any:
    import snappy  # type: ignore[import-untyped]  # it has no types; who uses it pays for it

    return snappy


@cache
def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
