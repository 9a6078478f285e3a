"""Messages and documents up to the last byte that a server allows: the router adds to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bson
import pytest
from bson import Binary, Int64
from pymongo import MongoClient, ReturnDocument
from pymongo.database import Database
from pymongo.errors import OperationFailure

from shardhouse.router.commands.writes import MAX_STATEMENTS
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.encoder import MAX_PAYLOAD, ForbiddenError, encode
from shardhouse.router.wire import messages
from tests.router.cluster import RouterProcess, TestCluster
from tests.router.fuzz.wire import Wire, logged_in

LARGEST_DOCUMENT = 16 << 20
LARGEST_COMMAND = LARGEST_DOCUMENT + (16 << 10)
COUNT = 48


@pytest.fixture(autouse=True, scope="module")
def _room(cluster: TestCluster) -> None:
    """Shards refuse transactions that do not fit their caches, which are small in tests."""
    for shard in cluster.shards:
        with shard.client() as direct:
            larger = {"wiredTigerEngineRuntimeConfig": "cache_size=1GB"}
            direct.admin.command("setParameter", 1, **larger)


def message(command: Mapping[str, Any], field: str, statements: Sequence[dict[str, Any]]) -> bytes:
    payload = b"".join(map(bson.encode, statements))
    return messages.op_msg(1, 0, bson.encode(command), sequences=[(field, payload)])


def filled(command: Mapping[str, Any], field: str, statements: Sequence[dict[str, Any]]) -> bytes:
    """A message of all bytes allowed: each statement's empty text is made long, wherever it is."""
    room = messages.MAX_MESSAGE - len(message(command, field, statements))
    for number, statement in enumerate(statements):
        grown = room // len(statements) + (number < room % len(statements))
        _pad(statement, "x" * grown)
    whole = message(command, field, statements)
    assert len(whole) == messages.MAX_MESSAGE
    return whole


def _pad(document: dict[str, Any], content: str) -> None:
    for name, value in document.items():
        if value == "":
            document[name] = content
        elif isinstance(value, dict):
            _pad(value, content)


def documents() -> list[dict[str, Any]]:
    return [{"_id": n, "k": 97 * (n % 2) + n, "pad": ""} for n in range(COUNT)]


def _collection(kind: str, root: MongoClient, db: Database) -> str:
    if kind == "sharded":
        root.admin.command("enableSharding", db.name, primaryShard="s0")
        root.admin.command("shardCollection", f"{db.name}.sharded", key={"k": 1})
        root.admin.command("split", f"{db.name}.sharded", middle={"k": 97})
        root.admin.command("moveRange", f"{db.name}.sharded", min={"k": 97}, toShard="s1")
    else:
        db.create_collection("unsharded")
    return kind


@pytest.fixture(params=["unsharded", "sharded"])
def c(request: pytest.FixtureRequest, root: MongoClient, db: Database) -> str:
    """The name of a collection; if it is sharded, even keys are on one shard, odd on the other."""
    return _collection(request.param, root, db)


@pytest.fixture(params=["unsharded plain", "sharded retryable"])
def kind(request: pytest.FixtureRequest, root: MongoClient, db: Database) -> tuple[str, str]:
    """The name of a collection, and the way to write into it."""
    name, _, way = request.param.partition(" ")
    return _collection(name, root, db), way


@pytest.fixture
def wire(cluster) -> Iterator[Wire]:
    with logged_in(cluster.router.port, 120) as opened:
        yield opened


def session(way: str) -> dict[str, Any]:
    """What a command carries beside its content, in a session of its own."""
    if way == "plain":
        return {}
    numbered = {"lsid": {"id": Binary.from_uuid(uuid.uuid4())}, "txnNumber": Int64(1)}
    if way == "retryable":
        return numbered
    return {**numbered, "autocommit": False, "startTransaction": True}


def asked(wire: Wire, whole: bytes) -> dict[str, Any]:
    wire.send(whole)
    return wire.reply()


@pytest.mark.parametrize(
    ("way", "ordered"), [("plain", True), ("retryable", False), ("transaction", True)]
)
def test_every_write_may_fill_its_message(wire, db, c, way, ordered):

    def run(command: str, field: str, statements: Sequence[dict[str, Any]]) -> None:
        body = {command: c, "ordered": ordered, "$db": db.name, **session(way)}
        reply = asked(wire, filled(body, field, statements))
        assert (reply["ok"], reply.get("n")) == (1, COUNT), reply
        if way == "transaction":
            ending = {name: body[name] for name in ("lsid", "txnNumber", "autocommit")}
            assert wire.ask({"commitTransaction": 1, **ending})["ok"] == 1

    rows = documents()
    run("insert", "documents", rows)
    assert db[c].count_documents({}) == COUNT
    changes = [{"q": {"k": r["k"]}, "u": {"$set": {"new": 1, "pad": ""}}} for r in documents()]
    run("update", "updates", changes)
    assert db[c].count_documents({"new": 1}) == COUNT
    ends = [{"q": {"k": row["k"], "pad": {"$ne": ""}}, "limit": 1} for row in rows]
    run("delete", "deletes", ends)
    assert db[c].count_documents({}) == 0


def test_errors_are_numbered_as_the_client_numbers(wire, db, kind):
    c, way = kind
    rows = documents()
    for twice in (5, 30, 44):
        rows[twice] = dict(rows[twice - 2])
    insert = {"insert": c, "$db": db.name, **session(way)}
    unordered = asked(wire, filled({**insert, "ordered": False}, "documents", rows))
    assert unordered["n"] == COUNT - 3
    assert [error["index"] for error in unordered["writeErrors"]] == [5, 30, 44]
    assert {error["code"] for error in unordered["writeErrors"]} == {11000}
    db[c].delete_many({})
    rows = documents()
    rows[29] = dict(rows[27])
    insert = {"insert": c, "$db": db.name, **session(way)}
    ordered = asked(wire, filled({**insert, "ordered": True}, "documents", rows))
    assert (ordered["n"], [e["index"] for e in ordered["writeErrors"]]) == (29, [29])
    assert db[c].count_documents({}) == 29


def test_a_repeated_message_is_done_once(wire, db, c):
    insert = {"insert": c, "$db": db.name, **session("retryable")}
    whole = filled(insert, "documents", documents())
    assert asked(wire, whole)["n"] == COUNT
    again = asked(wire, whole)
    assert (again["n"], again["retriedStmtIds"]) == (COUNT, list(range(COUNT)))
    assert "writeErrors" not in again
    assert db[c].count_documents({}) == COUNT


def test_upserts_tell_their_places_and_the_write_concern_its_error(wire, db, c):
    rows = documents()
    updates = [
        {"q": {"_id": r["_id"], "k": r["k"]}, "u": {"$set": {"pad": ""}}, "upsert": True}
        for r in rows
    ]
    update = {"update": c, "$db": db.name, "writeConcern": {"w": 2}}
    reply = asked(wire, filled(update, "updates", updates))
    assert reply["upserted"] == [{"index": n, "_id": n} for n in range(COUNT)]
    # A shard that asks several for it puts their errors together.
    assert reply["writeConcernError"]["code"] == (64 if c == "sharded" else 100)


def test_as_many_documents_as_are_allowed_fill_a_message(wire, db):
    rows = [{"_id": n, "pad": ""} for n in range(MAX_STATEMENTS)]
    insert = {"insert": "c", "$db": db.name, **session("retryable")}
    whole = filled(insert, "documents", rows)
    assert asked(wire, whole)["n"] == MAX_STATEMENTS
    assert asked(wire, whole)["retriedStmtIds"] == list(range(MAX_STATEMENTS))
    assert db.c.estimated_document_count() == MAX_STATEMENTS


def largest(identity: int) -> dict[str, Any]:
    document = {"_id": identity, "k": identity, "pad": ""}
    document["pad"] = "x" * (LARGEST_DOCUMENT - len(bson.encode(document)))
    return document


def test_documents_may_have_their_full_size(cluster, db, kind):
    c, way = kind
    router: RouterProcess = cluster.router
    with router.client(retryWrites=way == "retryable") as client:
        collection = client[db.name][c]
        for identity in (1, 100):
            collection.insert_one(largest(identity))
        query = {"_id": 1, "k": 1}
        assert collection.replace_one(query, {**largest(1), "k": 1}).matched_count == 1
        found = collection.find_one_and_replace(
            query, largest(1), return_document=ReturnDocument.AFTER
        )
        assert len(bson.encode(found)) == LARGEST_DOCUMENT
        with pytest.raises(OperationFailure) as refused:
            collection.update_one(query, {"$set": {"more": 1}})
        assert refused.value.code == 17419


def test_a_command_may_have_its_full_size(wire, db, kind):
    """Some drivers put the documents into the command."""
    c, way = kind
    rows = [{"_id": n, "k": n * 60, "pad": ""} for n in range(3)]
    insert = {"insert": c, "documents": rows, "$db": db.name, **session(way)}
    room = LARGEST_COMMAND - len(bson.encode(insert))
    for row in rows:
        row["pad"] = "x" * (room // 3)
    rows[0]["pad"] += "x" * (LARGEST_COMMAND - len(bson.encode(insert)))
    reply = wire.ask(bson.encode(insert))
    assert (reply["ok"], reply["n"]) == (1, 3)
    reply = wire.ask(bson.encode({"insert": c, "documents": [largest(4)], "$db": db.name}))
    assert (reply["ok"], reply["n"]) == (1, 1)


def test_a_statement_may_be_larger_than_its_document(wire, db, c):
    document = largest(1)
    db[c].insert_one({"_id": 1, "k": 1})
    for command in (
        {"update": c, "updates": [{"q": {"_id": 1, "k": 1}, "u": document}]},
        {"findAndModify": c, "query": {"_id": 1, "k": 1}, "update": document},
    ):
        comment = "x" * 12_000
        reply = wire.ask({**command, "comment": comment}, db.name)
        assert reply["ok"] == 1, reply
    assert len(bson.encode(db[c].find_one())) == LARGEST_DOCUMENT


def test_too_much_is_refused_before_a_node_closes_its_connection():
    insert = {"insert": "c", "writeConcern": {"w": 1}, "comment": "x" * LARGEST_COMMAND}
    with pytest.raises(CommandError) as refused:
        encode(insert, "app")
    assert refused.value.code == 10334
    insert["comment"] = ""
    with pytest.raises(ForbiddenError):
        encode(insert, "app", [("documents", bytes(MAX_PAYLOAD + 1))])
    largest = encode(insert, "app", [("documents", bytes(MAX_PAYLOAD))])
    frame = messages.op_msg(1, 0, b"x" * LARGEST_COMMAND, sequences=largest.sequences)
    assert len(frame) <= messages.MAX_MESSAGE
