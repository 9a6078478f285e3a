"""Compressed messages on the wire: what is agreed, what is refused, what is counted."""

from __future__ import annotations

import socket
import struct

import pytest

from shardhouse.router.options import OptionError, parse
from shardhouse.router.wire import compression, messages, raw
from tests.frames import answer, overlong_frame

PING = messages.op_msg(7, 0, raw.encode({"ping": 1, "$db": "admin"}))


def exchange(port, frame):
    """The reply to one frame, nothing if the connection was closed instead."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(frame)
        received = b""
        while len(received) < 4 or len(received) < messages.frame_size(received):
            try:
                more = client.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return b""
            received += more
        return received


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_reply_is_compressed_as_its_request_was(cluster, number):
    reply = exchange(cluster.router.port, messages.compressed(PING, number))
    assert messages.parse(reply).compressor == number
    assert raw.deep(messages.parse(reply).body)["ok"] == 1


@pytest.mark.parametrize(
    ("size", "number"), [(49_000_000, 2), (-1, 2), (2**31 - 1, 1), (30, 77), (0, 3)]
)
def test_a_frame_that_lies_ends_its_connection_only(cluster, root, size, number):
    content = struct.pack("<iiB", messages.OP_MSG, size, number) + compression.compress(2, PING)
    frame = struct.pack("<iiii", 16 + len(content), 1, 0, messages.OP_COMPRESSED) + content
    assert exchange(cluster.router.port, frame) == b""
    assert root.admin.command("ping")["ok"] == 1


@pytest.mark.parametrize("claimed", [64, 200, 1_000, 8_000, 60_000])
def test_an_overlong_frame_is_answered_with_nothing(cluster, claimed):
    assert answer(f"127.0.0.1:{cluster.router.port}", overlong_frame(claimed)) == b""


def test_what_is_agreed(cluster, root):
    def agreed(offer):
        return root.admin.command("hello", compression=offer).get("compression")

    assert agreed(["zlib", "lz4", "snappy"]) == ["zlib", "snappy"]
    assert agreed(["zstd"]) == ["zstd"]
    assert agreed(["lz4"]) is None


def test_compressors_can_be_chosen(cluster):
    router = cluster.start_router("--networkMessageCompressors", "zlib")
    try:
        with router.client() as client:
            offer = client.admin.command("hello", compression=["snappy", "zlib"])
            assert offer["compression"] == ["zlib"]
        assert exchange(router.port, messages.compressed(PING, 2))
        assert exchange(router.port, messages.compressed(PING, 3)) == b""
    finally:
        assert router.stop() == 0


def test_bytes_are_counted_as_sent_and_as_meant(cluster, db):
    router = cluster.start_router()
    try:
        with router.client(compressors="snappy") as client:
            client[db.name].c.insert_many([{"text": "x" * 10_000} for _ in range(50)])
            assert len(list(client[db.name].c.find())) == 50
            network = client.admin.command("serverStatus")["network"]
        assert network["bytesIn"] > 500_000 > 5 * network["physicalBytesIn"]
        assert network["bytesOut"] > 500_000 > 5 * network["physicalBytesOut"]
    finally:
        assert router.stop() == 0


def test_options(tmp_path):
    key = tmp_path / "key"
    key.write_text("secret")
    basics = ["--configdb", "c/h:1", "--keyFile", str(key), "--networkMessageCompressors"]
    assert parse([*basics, "disabled"]).compressors == ()
    assert parse([*basics, "zlib,snappy"]).compressors == ("zlib", "snappy")
    with pytest.raises(OptionError):
        parse([*basics, "lz4"])
