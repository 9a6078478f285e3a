"""Entries of an oplog as raw BSON, one after another."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from shardhouse.errors import CorruptBackupError

_LENGTH = 4
_LONGEST = 16 * 1024**2 + 64 * 1024
"""Bytes of an entry: a document's, and the fields around it."""
#: Only the fields of the entry itself are decoded: what it holds may be large, and anything.
_OPTIONS: CodecOptions[RawBSONDocument] = CodecOptions(RawBSONDocument, tz_aware=True)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JOINED = b"config.shards\0"


def split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Entries of a stream, whose pieces may end anywhere. Raises CorruptBackupError for one that
    ends within an entry, and for an entry that is longer than any can be."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        start = 0
        while len(data) - start >= _LENGTH:
            end = start + _length(data, start)
            if end > len(data):
                if end - start > _LONGEST:
                    raise CorruptBackupError("An archived entry of an oplog is too long.")
                break
            yield data[start:end]
            start = end
        rest = data[start:]
    if rest:
        raise CorruptBackupError("Archived entries of an oplog end in the middle of one.")


def first(batch: bytes) -> bytes:
    """The first entry of a batch of whole ones."""
    return batch[: _length(batch, 0)]


def last(batch: bytes) -> bytes:
    """The last entry of a batch of whole ones."""
    start = end = 0
    while end < len(batch):
        start, end = end, end + _length(batch, end)
    return batch[start:]


def position(entry: bytes) -> Timestamp:
    """Where in the oplog an entry stands."""
    found = RawBSONDocument(entry, _OPTIONS)["ts"]
    assert isinstance(found, Timestamp)
    return found


def wall(entry: bytes) -> int:
    """When an entry was written, by its member's clock: milliseconds since 1970."""
    found = RawBSONDocument(entry, _OPTIONS)["wall"]
    assert isinstance(found, datetime)
    return (found - _EPOCH) // timedelta(milliseconds=1)


def shards_joined(batch: bytes) -> list[Timestamp]:
    """The positions in a batch of a config server's entries at which a shard joins the cluster."""
    if _JOINED not in batch:
        return []
    return [position(entry) for entry in split([batch]) if _JOINED in entry and _joins(entry)]


def _joins(entry: bytes) -> bool:
    decoded: Any = RawBSONDocument(entry, _OPTIONS)
    within = decoded["o"].get("applyOps", []) if decoded["op"] == "c" else []
    return any(one["op"] == "i" and one["ns"] == "config.shards" for one in (decoded, *within))


def _length(data: bytes, start: int) -> int:
    return max(_LENGTH, int.from_bytes(data[start : start + _LENGTH], "little"))
