"""OP_COMPRESSED's compressors: zlib always, snappy and zstd where their library is installed."""

from __future__ import annotations

import importlib
import importlib.util
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from shardhouse.router.errors import ProtocolError

IDS: Mapping[str, int] = {"snappy": 1, "zlib": 2, "zstd": 3}
_MODULES = {"snappy": "snappy", "zlib": "zlib", "zstd": "zstandard"}
_NAMES = {number: name for name, number in IDS.items()}


def available() -> list[str]:
    """Names of the compressors this installation can use, best first, as offered in hello."""
    order = ("snappy", "zstd", "zlib")
    return [name for name in order if importlib.util.find_spec(_MODULES[name])]


def agreed(offered: object) -> list[str]:
    """What of a client's offer is usable here, in our order."""
    wanted = offered if isinstance(offered, Sequence) else ()
    return [name for name in available() if name in wanted]


def decompress(compressor: int, data: bytes, size: int) -> bytes:
    """Unpack to exactly `size` bytes; ProtocolError for anything else, before memory is used up."""
    try:
        content = _decompress(compressor, data, size)
    except ProtocolError:
        raise
    except Exception as error:  # each library has its own exception types
        raise ProtocolError(f"message does not decompress: {error}") from error
    if len(content) != size:
        raise ProtocolError("compressed message has another size than it claims")
    return content


def _decompress(compressor: int, data: bytes, size: int) -> bytes:
    if compressor == 0:
        return data
    if compressor == 2:
        # One byte more than claimed is enough to see that the claim was wrong.
        return zlib.decompressobj().decompress(data, size + 1)
    library = _library(compressor)
    if compressor == 1:
        if _snappy_size(data) != size:
            raise ProtocolError("compressed message has another size than it claims")
        return bytes(library.decompress(data))
    return bytes(library.ZstdDecompressor().decompress(data, max_output_size=size))


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
    if compressor == 0:
        return content
    if compressor == 2:
        return zlib.compress(content)
    library = _library(compressor)
    if compressor == 1:
        return bytes(library.compress(content))
    return bytes(library.ZstdCompressor().compress(content))


def _library(compressor: int) -> Any:
    name = _NAMES.get(compressor)
    if name is None or name not in available():
        raise ProtocolError(f"compressor {compressor} is not available")
    return importlib.import_module(_MODULES[name])
