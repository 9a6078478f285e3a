"""Frames no client should send: what a mongod does with them, the router does."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
import zlib
from collections.abc import Iterator

import bson
import pytest

from shardhouse.router.wire import messages
from tests.router.fuzz import census, runs
from tests.router.fuzz.test_commands import complaints
from tests.router.fuzz.wire import ClosedError, Wire, logged_in

PING = bson.encode({"ping": 1, "$db": "admin"})
FIND = bson.encode({"find": "s", "filter": {"a": [1, {"b": "text"}]}, "$db": "fuzz0"})
INSERT = bson.encode({"insert": "u", "ordered": True, "$db": "fuzz0"})
DOCUMENTS = b"".join(bson.encode({"n": n}) for n in range(3))


def frame(opcode: int, content: bytes, size: int | None = None) -> bytes:
    length = 16 + len(content) if size is None else size
    return struct.pack("<iiii", length, 7, 0, opcode) + content


def msg(sections: bytes, flags: int = 0) -> bytes:
    return frame(2013, struct.pack("<I", flags) + sections)


def sequence(name: bytes, content: bytes, size: int | None = None) -> bytes:
    length = 4 + len(name) + 1 + len(content) if size is None else size
    return b"\1" + struct.pack("<i", length) + name + b"\0" + content


def packed(content: bytes, size: int, compressor: int = 2, opcode: int = 2013) -> bytes:
    return frame(2012, struct.pack("<iiB", opcode, size, compressor) + content)


def nested(depth: int) -> bytes:
    document = b"\5\0\0\0\0"
    for _ in range(depth):
        document = struct.pack("<i", len(document) + 8) + b"\3a\0" + document + b"\0"
    return document


PLAIN = struct.pack("<I", 0) + b"\0" + PING
FRAMES = {
    "size 0": struct.pack("<iiii", 0, 1, 0, 2013),
    "size 15": struct.pack("<iiii", 15, 1, 0, 2013),
    "negative size": struct.pack("<iiii", -1, 1, 0, 2013),
    "size above the limit": struct.pack("<iiii", 48_000_001, 1, 0, 2013),
    "largest size": struct.pack("<iiii", 2**31 - 1, 1, 0, 2013),
    "no sections": msg(b""),
    "header alone": frame(2013, b""),
    "unknown opcode": frame(9999, PLAIN),
    "old insert": frame(2002, struct.pack("<i", 0) + b"fuzz0.u\0" + bson.encode({"a": 1})),
    "reply opcode": frame(1, PLAIN),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "required flag": msg(b"\0" + PING, 1 << 3),
    "optional flag": msg(b"\0" + PING, 1 << 20),
    "no checksum where one is claimed": msg(b"\0" + PING, 1),
    "wrong checksum": msg(b"\0" + PING + b"abcd", 1),
    "two bodies": msg((b"\0" + PING) * 2),
    "section of kind 2": msg(b"\0" + PING + b"\2" + PING),
    "body too long": msg(b"\0" + struct.pack("<i", len(PING) + 9) + PING[4:]),
    "body too short": msg(b"\0" + struct.pack("<i", len(PING) - 3) + PING[4:]),
    "body of size 4": msg(b"\0" + struct.pack("<i", 4)),
    "bytes after the body": msg(b"\0" + PING + b"\0\0"),
    "empty document": msg(b"\0" + bson.encode({})),
    "no database": msg(b"\0" + bson.encode({"ping": 1})),
    "sequence alone": msg(sequence(b"documents", DOCUMENTS)),
    "sequence too long": msg(b"\0" + INSERT + sequence(b"documents", DOCUMENTS, 999)),
    "sequence of size 0": msg(b"\0" + INSERT + sequence(b"documents", DOCUMENTS, 0)),
    "sequence given twice": msg(b"\0" + INSERT + sequence(b"documents", DOCUMENTS) * 2),
    "garbage opcode in compressed": packed(zlib.compress(PLAIN), len(PLAIN), opcode=9999),
    "compressed within compressed": packed(zlib.compress(PLAIN), len(PLAIN), opcode=2012),
    "unknown compressor": packed(PLAIN, len(PLAIN), compressor=77),
    "compressed garbage": packed(b"\xff" * 40, 400),
    "compressed claims too little": packed(zlib.compress(PLAIN), len(PLAIN) - 4),
    "compressed claims too much": packed(zlib.compress(PLAIN), len(PLAIN) + 4),
    "compressed claims a negative size": packed(zlib.compress(PLAIN), -5),
    "compression bomb": packed(zlib.compress(b"\0" * 200_000_000, 9), 1000),
    "bomb that tells its size": packed(zlib.compress(b"\0" * 200_000_000, 9), 200_000_000),
    "old query cut off": frame(2004, struct.pack("<i", 0) + b"admin.$cmd"),
    "old query without document": frame(2004, struct.pack("<i", 0) + b"admin.$cmd\0" + b"\0" * 8),
}  # fmt: skip


CLOSED_BY_US = {
    "body too short",
    "section of kind 2",
    "compressed within compressed",
    "compressed claims too much",
    "old query without document",
}
"""A mongod answers these, or falls silent; to end the connection is as safe, and simpler."""


def outcome(port: int, sent: bytes) -> str:
    """What becomes of a connection: closed, a reply and its code, or a reply and then closed."""
    with Wire(port, 5) as wire:
        try:
            wire.send(sent)
            reply = wire.reply()
            told = f"answered {reply.get('code', 'ok')}"
            return told if wire.ask(PING) else ""
        except ClosedError:
            return "closed"
        except TimeoutError:
            return "silent"


@pytest.fixture(scope="module", autouse=True)
def _prepared(fuzzed_root) -> None:
    runs.prepare(fuzzed_root)


@pytest.mark.parametrize("name", FRAMES)
def test_a_malformed_frame_is_treated_as_a_mongod_treats_it(fuzzed, fuzzed_root, name):
    ours = outcome(fuzzed.router.port, FRAMES[name])
    theirs = outcome(fuzzed.shards[0].port, FRAMES[name])
    assert ours == ("closed" if name in CLOSED_BY_US else theirs)
    assert fuzzed_root.admin.command("ping")["ok"] == 1.0


@pytest.mark.parametrize("depth", [50, 150, 250, 5000, 20_000])
def test_deep_documents_do_no_harm(fuzzed, fuzzed_root, depth):
    inner = nested(depth)
    for name in (b"filter", b"hint", b"lsid", b"$client", b"readConcern", b"comment"):
        head = FIND[4:-1].replace(b"\3filter\0", b"\3f1lter\0") if name == b"filter" else FIND[4:-1]
        content = head + b"\3" + name + b"\0" + inner + b"\0"
        body = struct.pack("<i", len(content) + 4) + content
        for connect in (Wire, logged_in):
            with contextlib.suppress(ClosedError), connect(fuzzed.router.port, 10) as wire:
                assert not list(runs.problems(wire.ask(body)))
    assert fuzzed_root.admin.command("ping")["ok"] == 1.0


def spoilt(source: random.Random) -> Iterator[bytes]:
    """A valid frame with some bytes or a length changed, cut, or doubled."""
    base = source.choice(
        (
            msg(b"\0" + FIND),
            msg(b"\0" + INSERT + sequence(b"documents", DOCUMENTS)),
            messages.op_msg(1, 0, PING, flags=messages.CHECKSUM),
            packed(zlib.compress(PLAIN), len(PLAIN)),
            frame(2004, struct.pack("<i", 0) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1) + PING),
        )
    )
    data = bytearray(base)
    for _ in range(source.choice((1, 1, 2, 6))):
        way = source.random()
        place = source.randrange(4 if way < 0.9 else 0, len(data))
        if way < 0.5:
            data[place] = source.choice((0, 1, 3, 4, 0x10, 0x7F, 0x80, 0xFF, source.randrange(256)))
        elif way < 0.7:
            number = source.choice((0, -1, 4, 5, 2**31 - 1, -(2**31), source.randrange(1000)))
            data[place : place + 4] = struct.pack("<i", number)
        elif way < 0.8:
            del data[place:]
        else:
            data[place:place] = data[place : place + source.randrange(20)]
        if len(data) < 20:
            break
    if source.random() < 0.8 and len(data) >= 4:
        data[:4] = struct.pack("<i", len(data))
    yield bytes(data)


def bombard(cluster, seed: int, seconds: float) -> int:
    """Spoilt frames for a while, half of them from who is logged in; how many there were."""
    source = random.Random(seed)
    deadline = time.monotonic() + seconds
    wire: Wire | None = None
    number = 0
    while time.monotonic() < deadline:
        number += 1
        if wire is None:
            connect = logged_in if source.random() < 0.5 else Wire
            wire = connect(cluster.router.port, 10)
        (data,) = spoilt(source)
        try:
            wire.send(data)
            wire.send(msg(b"\0" + PING))
            wire.timeout = 0.05
            wire.socket.settimeout(0.05)
            reply = wire.reply()
            found = list(runs.problems(reply))
            assert not found, f"seed {seed}, frame {number}: {data!r}: {complaints(cluster)}"
        except (ClosedError, TimeoutError):
            wire.socket.close()
            wire = None
        else:
            if source.random() < 0.3:
                wire.socket.close()
                wire = None
    if wire is not None:
        wire.socket.close()
    return number


def attack(cluster, root, seed: int, seconds: float) -> None:
    before = census.take(cluster, root)
    print(f"seed {seed}: {bombard(cluster, seed, seconds)} frames")
    census.returns_to(before, cluster, root)
    assert complaints(cluster) == []


def test_random_frames_do_no_harm(fuzzed, fuzzed_root):
    attack(fuzzed, fuzzed_root, random.SystemRandom().randrange(2**32), 8)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_many_random_frames_do_no_harm(fuzzed, fuzzed_root, seed):
    attack(fuzzed, fuzzed_root, seed, 60)


def test_slow_and_silent_senders_hold_up_nobody(fuzzed, fuzzed_root):
    before = census.take(fuzzed, fuzzed_root)
    ping = msg(b"\0" + PING)
    wires = [Wire(fuzzed.router.port, 10) for _ in range(30)]
    for number, wire in enumerate(wires):
        wire.send(ping[: number % len(ping)])
    assert fuzzed_root.admin.command("ping")["ok"] == 1.0
    slow = wires[0]
    for byte in ping:
        slow.send(bytes([byte]))
    assert slow.reply()["ok"] == 1.0
    for wire in wires[1:15]:
        wire.socket.shutdown(socket.SHUT_WR)
    for wire in wires:
        wire.socket.close()
    census.returns_to(before, fuzzed, fuzzed_root)


def test_who_does_not_read_is_not_waited_for_in_memory(fuzzed, fuzzed_root):
    """Replies pile up at a client that never reads: the router stops reading its requests."""
    before = census.take(fuzzed, fuzzed_root)
    with logged_in(fuzzed.router.port, 2) as wire:
        asking = msg(b"\0" + bson.encode({"listCommands": 1, "$db": "admin"}))
        with pytest.raises(TimeoutError):
            wire.send(asking * 200_000)
        assert fuzzed_root.admin.command("ping")["ok"] == 1.0
    census.returns_to(before, fuzzed, fuzzed_root)
