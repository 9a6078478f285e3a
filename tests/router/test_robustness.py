"""Garbage, dying shards, absent config servers, shutting down."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable

import bson
import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from shardhouse.router.wire import messages, raw
from tests.free_ports import free_port
from tests.router.cluster import ADMIN, PASSWORD, RouterProcess, until
from tests.router.fuzz.wire import Wire, logged_in


def talk(port: int, *frames: bytes, timeout: float = 10.0) -> bytes:
    """Send frames as they are; what came back until the router closed or fell silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        try:
            for frame in frames:
                connection.sendall(frame)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        except OSError:
            pass
    return received


def receive(connection: socket.socket) -> dict:
    head = b""
    while len(head) < 4:
        head += connection.recv(4 - len(head))
    size = struct.unpack("<i", head)[0]
    frame = head
    while len(frame) < size:
        frame += connection.recv(size - len(frame))
    request = messages.parse(frame)
    return {"flags": request.flags, **bson.decode(request.body)}


def code_of(operation: Callable[[], object]) -> int | None:
    """The error's number, None if there was no error."""
    try:
        operation()
    except PyMongoError as error:
        return getattr(error, "code", None)
    return None


PING = messages.op_msg(1, 0, raw.encode({"ping": 1, "$db": "admin"}))


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 64,
        b"\xff" * 64,
        struct.pack("<iiii", 48_000_001, 1, 0, 2013),
        struct.pack("<iiii", 16, 1, 0, 2013),
        struct.pack("<iiii", 30, 1, 0, 2012) + b"\xff" * 14,
        PING[:-3],
        messages.op_msg(1, 0, b"\x05\0\0\0\0"),
        messages.op_msg(1, 0, b"\x20\0\0\0" + b"\x03a\0\xff\xff\xff\x7f" + b"\0" * 21),
    ],
)
def test_garbage_ends_one_connection_only(cluster, root, garbage):
    talk(cluster.router.port, garbage)
    assert root.admin.command("ping")["ok"] == 1


def test_random_frames_do_no_harm(cluster, root):
    source = random.Random(1)
    body = raw.encode({"find": "c", "filter": {"a": [1, {"b": "text"}]}, "$db": "app"})
    for number in range(300):
        frame = bytearray(messages.op_msg(number, 0, body, flags=source.choice([0, 2, 1 << 16])))
        for _ in range(source.randint(1, 6)):
            frame[source.randrange(4, len(frame))] = source.randrange(256)
        talk(cluster.router.port, bytes(frame), timeout=2)
    assert root.admin.command("ping")["ok"] == 1
    until(
        "their connections to be gone",
        lambda: root.admin.command("serverStatus")["connections"]["current"] < 50,
    )


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, True, b"x", Int64(1), [{"a": 1}]])
@pytest.mark.parametrize(
    "command",
    [
        "find", "insert", "update", "delete", "aggregate", "count", "distinct", "findAndModify",
        "getMore", "killCursors", "explain", "create", "createIndexes", "drop", "listIndexes",
        "collStats", "usersInfo", "createUser", "killSessions", "shardCollection", "saslStart",
        "renameCollection", "enableSharding", "split", "moveRange", "listDatabases", "getParameter",
    ],
)  # fmt: skip
def test_nonsense_is_answered_with_an_error_or_done(root, cluster, db, command, value):
    for more in ({}, {"pipeline": value, "documents": value, "filter": value, "key": value}):
        # A TypeError is the driver's own: it does not send such documents.
        with contextlib.suppress(TypeError):
            code = code_of(lambda more=more: root.admin.command({command: value, **more}))
            assert code != 1, f"internal error for {command}: {value!r} {more}"


@pytest.mark.parametrize(
    ("preference", "code"),
    [
        ({"mode": {}}, 2), ({"mode": "nowhere"}, 2), ({}, 2),
        ({"mode": "nearest", "tags": "dc"}, 14), ({"mode": "nearest", "tags": ["dc"]}, 14),
        ({"mode": "nearest", "maxStalenessSeconds": "x"}, 14),
        ({"mode": "primary", "tags": [{"dc": "a"}]}, 2),
        ({"mode": "primary", "maxStalenessSeconds": 120}, 2),
    ],
)  # fmt: skip
def test_read_preferences_have_to_make_sense(cluster, preference, code):
    with logged_in(cluster.router.port, 10) as wire:
        reply = wire.ask({"find": "c", "$readPreference": preference}, db="app")
        assert reply.get("code") == code, reply


def test_moretocome_is_not_answered_and_checksums_are_returned(cluster):
    body = raw.encode({"ping": 1, "$db": "admin"})
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=5) as connection:
        connection.sendall(messages.op_msg(1, 0, body, flags=messages.MORE_TO_COME))
        connection.sendall(messages.op_msg(2, 0, body, flags=messages.CHECKSUM))
        reply = receive(connection)
        assert (reply["ok"], reply["flags"]) == (1.0, messages.CHECKSUM)


def test_hello_waits_and_streams(cluster):
    with socket.create_connection(("127.0.0.1", cluster.router.port), timeout=5) as connection:
        connection.sendall(messages.op_msg(1, 0, raw.encode({"hello": 1, "$db": "admin"})))
        version = receive(connection)["topologyVersion"]
        waiting = {"hello": 1, "topologyVersion": version, "maxAwaitTimeMS": 100, "$db": "admin"}
        began = time.monotonic()
        connection.sendall(messages.op_msg(2, 0, raw.encode(waiting)))
        assert receive(connection)["isWritablePrimary"]
        assert time.monotonic() - began >= 0.09
        connection.sendall(messages.op_msg(3, 0, raw.encode(waiting), flags=1 << 16))
        assert [receive(connection)["flags"] for _ in range(3)] == [messages.MORE_TO_COME] * 3


def test_old_hello_is_answered_and_other_old_queries_are_not(cluster):
    def query(body):
        content = struct.pack("<i", 0) + b"admin.$cmd\0" + struct.pack("<ii", 0, -1)
        content += raw.encode(body)
        return struct.pack("<iiii", 16 + len(content), 5, 0, 2004) + content

    answers = talk(
        cluster.router.port, query({"isMaster": 1, "helloOk": True}), query({"find": "c"})
    )
    size = struct.unpack_from("<i", answers)[0]
    first, second = bson.decode(answers[36:size]), bson.decode(answers[size + 36 :])
    assert (first["ismaster"], first["helloOk"]) == (True, True)
    assert second["code"] == 352


def test_a_killed_shard_comes_back(cluster, root, db):
    root.admin.command("shardCollection", f"{db.name}.h", key={"k": "hashed"})
    db.h.insert_many([{"_id": n, "k": n} for n in range(100)])
    victim = cluster.shards[1]
    victim.kill()
    began = time.monotonic()
    with pytest.raises(PyMongoError) as lost:
        db.h.count_documents({}, maxTimeMS=700)
    assert lost.value.code in (6, 50, 133)
    assert time.monotonic() - began < 12
    victim.start()
    until("all documents to be readable", lambda: db.h.count_documents({}) == 100)
    db.h.insert_many([{"_id": n, "k": n} for n in range(100, 200)])
    assert db.h.count_documents({}) == 200


def test_a_primary_that_steps_down_is_followed(cluster, root, db):
    db.c.insert_one({"_id": 0})
    for shard in cluster.shards:
        with shard.client() as client:
            client.admin.command("replSetStepDown", 1, force=True)
    for number in range(1, 20):
        db.c.insert_one({"_id": number})
    assert db.c.count_documents({}) == 20


def test_without_config_servers_it_greets_refuses_and_stops(cluster, tmp_path):
    began = time.monotonic()
    router = RouterProcess(tmp_path, f"cfg/127.0.0.1:{free_port()}", cluster.key_file)
    try:
        with router.stranger() as client:
            assert until("a greeting", lambda: client.admin.command("hello")["msg"]) == "isdbgrid"
            assert time.monotonic() - began < 12
            with pytest.raises(PyMongoError):
                client.admin.command("find", "c")
    finally:
        assert router.stop() == 0
    assert "Member does not answer" in router.log.read_text()


def test_a_stop_is_clean_and_the_log_keeps_secrets(cluster, db):
    router = cluster.start_router()
    with router.client() as client:
        client[db.name].c.insert_one({"secret": "do-not-log-me"})
        client.admin.command("createUser", f"x{db.name}", pwd="hush-hush", roles=[])
    assert router.stop() == 0
    log = router.log.read_text()
    assert "Router stopped" in log
    assert "hush-hush" not in log
    assert "do-not-log-me" not in log


def test_wrong_options_end_with_a_readable_message(tmp_path, cluster):
    router = RouterProcess(tmp_path, "nonsense", cluster.key_file)
    assert router.process.wait(timeout=10) == 2


def test_a_stranger_cannot_have_much_remembered_of_himself(cluster):
    told = {"driver": {"name": "d" * 10**6, "version": "1"}, "os": {"type": "Linux"}}
    with Wire(cluster.router.port) as stranger:
        for command in ("hello", "isMaster"):
            assert stranger.ask({command: 1, "client": told})["code"] == 185
        assert stranger.ask({"hello": 1})["ok"] == 1


def test_a_driver_says_only_once_what_it_is(cluster):
    told = {"driver": {"name": "d", "version": "1"}, "os": {"type": "Linux"}}
    for port in (cluster.shards[0].port, cluster.router.port):  # a server's answer and ours
        with Wire(port) as stranger:
            assert stranger.ask({"hello": 1, "client": told})["ok"] == 1
            again = stranger.ask({"hello": 1, "client": told})
            assert (again["code"], again["codeName"]) == (186, "ClientMetadataCannotBeMutated")


def test_a_log_that_nobody_reads_any_more_stops_nothing(cluster):
    config = f"cfg/{cluster.config.address}"
    port = free_port()
    router = subprocess.Popen(
        [sys.executable, "-m", "shardhouse.router", "--configdb", config,
         "--keyFile", cluster.key_file, "--port", str(port)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert any('"id":23016' in line for line in router.stdout)
    router.stdout.close()
    where = {"username": ADMIN, "password": PASSWORD}
    with MongoClient("127.0.0.1", port, **where) as client:
        assert client.admin.command("ping")["ok"] == 1
    router.terminate()
    assert router.wait(30) == 0
