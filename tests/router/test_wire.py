"""Frames and raw BSON: what goes in comes out, and nothing malformed gets through."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import bson
import pytest
from bson.errors import InvalidBSON

from shardhouse.router.errors import ProtocolError
from shardhouse.router.wire import compression, messages, raw

BODY = raw.encode({"ping": 1, "$db": "admin"})


def test_op_msg_with_sequences_and_checksum_is_read_back():
    documents = b"".join(raw.encode({"_id": n}) for n in range(3))
    frame = messages.op_msg(
        7, 0, BODY, flags=messages.CHECKSUM, sequences=[("documents", documents)]
    )
    assert messages.frame_size(frame) == len(frame)
    request = messages.parse(frame)
    assert request.request_id == 7
    assert request.body == BODY
    assert [bson.decode(d)["_id"] for d in raw.documents(request.sequences["documents"])] == [
        0, 1, 2,
    ]  # fmt: skip


def test_a_wrong_checksum_is_refused():
    frame = bytearray(messages.op_msg(7, 0, BODY, flags=messages.CHECKSUM))
    frame[-6] ^= 1
    with pytest.raises(ProtocolError, match="checksum"):
        messages.parse(bytes(frame))


def test_compressed_message_is_read_back():
    request = messages.parse(messages.compressed(messages.op_msg(3, 0, BODY), 2))
    assert (request.request_id, request.body, request.compressor) == (3, BODY, 2)


@pytest.mark.parametrize("claimed", [len(BODY) - 1, 5, 47_000_000])
def test_compressed_message_must_have_the_size_it_claims(claimed):
    content = struct.pack("<iiB", 2013, claimed, 2) + zlib.compress(BODY * 100)
    frame = struct.pack("<iiii", 16 + len(content), 1, 0, 2012) + content
    with pytest.raises(ProtocolError):
        messages.parse(frame)


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack("<iiii", 16, 1, 0, 2013),
        struct.pack("<iiiiI", 20, 1, 0, 2013, 0),
        struct.pack("<iiiiI", 20, 1, 0, 2013, 1 << 3) + b"\0" + BODY,
        struct.pack("<iiiiI", 20, 1, 0, 9999, 0),
        struct.pack("<iiiiI", 25, 1, 0, 2013, 0) + b"\0" + struct.pack("<i", 999),
        struct.pack("<iiiiI", 25, 1, 0, 2013, 0) + b"\x05" + BODY,
        struct.pack("<iiiiI", 21 + 2 * len(BODY), 1, 0, 2013, 0) + (b"\0" + BODY) * 2,
        struct.pack("<iiiiI", 30, 1, 0, 2004, 0) + b"no end",
        struct.pack("<iiii", 16, 1, 0, 2012),
    ],
)
def test_malformed_frames_are_refused(frame):
    with pytest.raises(ProtocolError):
        messages.parse(frame)


@pytest.mark.parametrize("size", [0, 15, -1, 48_000_001])
def test_impossible_sizes_are_refused_before_the_rest_arrives(size):
    with pytest.raises(ProtocolError):
        messages.frame_size(struct.pack("<i", size))


def test_op_query_hello_is_read():
    body = raw.encode({"isMaster": 1})
    content = struct.pack("<i", 0) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + body
    frame = struct.pack("<iiii", 16 + len(content), 9, 0, 2004) + content
    request = messages.parse(frame)
    assert (request.query_namespace, request.body) == ("admin.$cmd", body)


def test_only_compressors_both_sides_have_are_agreed():
    enabled = ("snappy", "zlib")
    assert compression.agreed(["zlib", "unheard-of", "zstd", "snappy"], enabled) == [
        "zlib",
        "snappy",
    ]
    assert compression.agreed("zlib", enabled) == []
    assert compression.agreed([1, None], enabled) == []
    assert compression.agreed(None, enabled) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_compressor_reads_what_it_wrote_and_nothing_else(number):
    content = BODY * 1000
    packed = compression.compress(number, content)
    assert compression.decompress(number, packed, len(content)) == content
    for data, size in (
        (packed, len(content) - 1),
        (packed, len(content) + 1),
        (packed, 0),
        (packed[:-3], len(content)),
        (b"\xff" * 20, 100),
        (b"", 1),
    ):
        with pytest.raises(ProtocolError):
            compression.decompress(number, data, size)


def test_a_bomb_is_refused_before_it_unfolds():
    zeros = bytes(200_000_000)
    bombs = [(number, compression.compress(number, zeros)) for number in (1, 2, 3)]
    del zeros
    for number, data in bombs:
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            compression.decompress(number, data, 1000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()


@pytest.mark.parametrize("number", [4, 99, 255])
def test_an_unknown_compressor_is_refused(number):
    with pytest.raises(ProtocolError):
        compression.decompress(number, b"abc", 3)


VALUES = {
    "double": 1.5, "string": "text", "object": {"a": 1}, "array": [1, {"b": 2}],
    "binary": b"\0\1", "id": bson.ObjectId(), "bool": True, "null": None,
    "regex": bson.Regex("a+", "i"), "code": bson.Code("f()"), "scoped": bson.Code("f()", {"x": 1}),
    "int": 5, "long": bson.Int64(5), "decimal": bson.Decimal128("1.5"),
    "timestamp": bson.Timestamp(1, 2), "min": bson.MinKey(), "max": bson.MaxKey(),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_every_type_is_found_with_its_exact_bytes(name):
    document = raw.encode({"before": 1, name: VALUES[name], "after": 2})
    element = raw.find(document, name)
    rebuilt = raw.with_first(
        b"\5\0\0\0\0", bytes([element.kind]) + name.encode() + b"\0" + element.value
    )
    assert bson.decode(rebuilt)[name] == bson.decode(document)[name]


@pytest.mark.parametrize("cut", range(1, 60, 3))
def test_cut_documents_are_refused(cut):
    document = raw.encode(VALUES)
    with pytest.raises(InvalidBSON):
        list(raw.elements(document[:-cut]))


def test_a_field_given_twice_is_refused_where_it_matters():
    document = b"\x13\0\0\0" + b"\x10a\0\1\0\0\0" + b"\x10a\0\2\0\0\0" + b"\0"
    with pytest.raises(InvalidBSON, match="twice"):
        raw.fields(document)


def test_shallow_decoding_leaves_inner_documents_untouched():
    inner = {"b": bson.Int64(2**40), "a": [1, 2]}
    document = raw.encode({"find": "c", "filter": inner})
    shallow = raw.shallow(document)
    assert raw.encode(shallow) == document
    assert raw.deep(shallow["filter"]) == inner
