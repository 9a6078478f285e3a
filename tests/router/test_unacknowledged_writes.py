"""Writes with `w: 0`: nobody is told what becomes of them, so they have to be done."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId, Timestamp
from pymongo import DeleteOne, InsertOne, MongoClient, UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from shardhouse.router.wire import messages
from tests.router.cluster import RouterProcess, TestCluster, until
from tests.router.fuzz.wire import Wire, logged_in

W0 = {"writeConcern": {"w": 0}}
_NUMBERS = itertools.count(1000)


def silent(collection: Collection) -> Collection:
    return collection.with_options(write_concern=WriteConcern(w=0))


def frame(db: Database, command: Mapping[str, Any], flags: int = messages.MORE_TO_COME) -> bytes:
    body = bson.encode({**command, "$db": db.name})
    return messages.op_msg(next(_NUMBERS), 0, body, flags=flags)


def insert(number: int, **more: Any) -> dict[str, Any]:
    return {"insert": "c", "documents": [{"_id": number, **more}], **W0}


def identities(collection: Collection) -> list[Any]:
    return sorted(one["_id"] for one in collection.find())


WRITES: Mapping[str, tuple[Callable[[int], dict[str, Any]], Callable[[Any], bool]]] = {
    "insert": (
        lambda k: {"insert": "c", "documents": [{"_id": "new", "k": k}]},
        lambda found: "new" in found,
    ),
    "update": (
        lambda k: {"update": "c", "updates": [{"q": {"k": k}, "u": {"$set": {"x": 1}}}]},
        lambda found: found["old"].get("x") == 1,
    ),
    "update all": (
        lambda k: {"update": "c", "updates": [{"q": {}, "u": {"$set": {"x": 1}}, "multi": True}]},
        lambda found: found["old"].get("x") == 1,
    ),
    "upsert": (
        lambda k: {
            "update": "c",
            "updates": [{"q": {"_id": "new", "k": k}, "u": {"$set": {"x": 1}}, "upsert": True}],
        },
        lambda found: "new" in found,
    ),
    "delete": (
        lambda k: {"delete": "c", "deletes": [{"q": {"k": k}, "limit": 1}]},
        lambda found: "old" not in found,
    ),
    "findAndModify": (
        lambda k: {"findAndModify": "c", "query": {"k": k}, "update": {"$set": {"x": 1}}},
        lambda found: found["old"].get("x") == 1,
    ),
    "batch": (
        lambda k: {"insert": "c", "documents": [{"_id": one, "k": one} for one in (k, k - 50)]},
        lambda found: len(found) == 3,
    ),
}
"""By name: the command, for a shard key, and how to see that it was done."""


def test_a_shard_does_not_tell_a_silent_writer_that_its_routing_is_old(cluster, db):
    version = {"e": ObjectId(), "t": Timestamp(1, 1), "v": Timestamp(1, 0)}
    command = {"insert": "c", "documents": [{"_id": 1}], "shardVersion": version}
    with cluster.shards[0].client() as direct:
        where = direct[db.name]
        assert where.command({**command, **W0})["n"] == 0
        told = where.command({**command, "writeConcern": {"w": 1}})
        assert [error["code"] for error in told["writeErrors"]] == [13388]


@pytest.fixture
def moved(root: MongoClient, elsewhere: MongoClient, db: Database) -> Database:
    """`c` with one document, which has left the shard where the other router saw it."""
    root.admin.command("enableSharding", db.name, primaryShard="s0")
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": 1})
    root.admin.command("split", f"{db.name}.c", middle={"k": 50})
    there = elsewhere[db.name]
    there.c.insert_one({"_id": "old", "k": 70})
    root.admin.command("moveRange", f"{db.name}.c", min={"k": 50}, toShard="s1")
    return there


@pytest.mark.parametrize("told", [True, False], ids=["answered", "silent"])
@pytest.mark.parametrize("name", WRITES)
def test_writes_follow_a_chunk_that_moved(second_router, db, moved, name, told):
    command, done = WRITES[name]
    with logged_in(second_router.port) as wire:
        if told:
            assert wire.ask({**command(70), **W0}, db.name)["ok"] == 1
        else:
            wire.send(frame(db, {**command(70), **W0}))
    until("it to be done", lambda: done({one["_id"]: one for one in db.c.find()}))


@pytest.mark.parametrize("told", [True, False], ids=["answered", "silent"])
@pytest.mark.parametrize("name", ["insert", "upsert", "batch"])
def test_writes_make_namespaces(cluster, root, db, name, told):
    root.admin.command("enableSharding", db.name, primaryShard="s1")
    command, _ = WRITES[name]
    with logged_in(cluster.router.port) as wire:
        if told:
            assert wire.ask({**command(70), **W0}, db.name)["ok"] == 1
        else:
            wire.send(frame(db, {**command(70), **W0}))
    until("it to be done", lambda: db.c.count_documents({}))


def test_drivers_write_without_acknowledgement(db, elsewhere):
    here, there = silent(db.c), silent(elsewhere[db.name].c)
    here.insert_one({"_id": 1})
    until("the first", lambda: db.c.count_documents({}) == 1)
    db.c.drop()
    there.insert_many([{"_id": n} for n in range(1000)])
    until("all", lambda: db.c.count_documents({}) == 1000)
    elsewhere[db.name].c.drop()
    here.bulk_write(
        [InsertOne({"_id": 1}), UpdateOne({"_id": 1}, {"$set": {"x": 1}}), InsertOne({"_id": 2})]
    )
    until("the update", lambda: db.c.find_one({"_id": 1, "x": 1}) and db.c.find_one({"_id": 2}))
    there.bulk_write([DeleteOne({"_id": 1}), InsertOne({"_id": 1, "again": True})])
    until("the exchange", lambda: db.c.find_one({"_id": 1, "again": True}))
    there.find_one_and_update({"_id": 2}, {"$set": {"y": 1}})
    here.delete_many({"again": True})
    until("the end", lambda: list(db.c.find()) == [{"_id": 2, "y": 1}])


def test_writes_go_to_a_new_primary(tmp_path):
    cluster = TestCluster(tmp_path, shards=1)
    try:
        with cluster.client() as client, cluster.shards[0].client() as direct:
            client.admin.command("shardCollection", "app.c", key={"_id": 1})
            client.app.c.insert_one({"_id": 0})
            direct.admin.command("replSetStepDown", 1, force=True)
            until("it to lead", lambda: direct.admin.command("hello")["isWritablePrimary"])
            until("the router to see it", lambda: client.app.other.find_one() is None)
            silent(client.app.c).insert_one({"_id": 1})
            until("the write", lambda: client.app.c.count_documents({}) == 2)
    finally:
        cluster.stop()


@pytest.mark.parametrize(
    "concern",
    [
        {"w": 0}, {"w": Int64(0)}, {"w": 0.0}, {"w": -0.0}, {"w": 0.5}, {"w": Decimal128("0.0")},
        {"w": 0, "j": False}, {"w": 0, "wtimeout": 100},
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_tells_nothing_but_errors_of_the_whole_command(root, db, concern):
    db.c.insert_one({"_id": 1})
    known = ("n", "nModified", "writeErrors", "ok")

    def answer(command: dict[str, Any]) -> dict[str, Any]:
        reply = db.command({**command, "writeConcern": concern})
        return {name: reply[name] for name in known if name in reply}

    assert answer({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]}) == {"n": 0, "ok": 1}
    update = {"update": "c", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]}
    assert answer(update) == {"n": 0, "nModified": 0, "ok": 1}
    assert answer({"delete": "c", "deletes": [{"q": {}, "limit": 1}]}) == {"n": 0, "ok": 1}
    assert db.c.count_documents({}) == 0


@pytest.mark.parametrize("more", [{"j": True}, {"fsync": True}], ids=str)
def test_waiting_for_the_journal_is_an_acknowledgement(db, more):
    db.c.insert_one({"_id": 1})
    reply = db.command({**insert(1), "writeConcern": {"w": 0, **more}})
    assert reply["writeErrors"][0]["code"] == 11000


@pytest.fixture
def blocked(root: MongoClient, db: Database) -> Iterator[tuple[bytes, Callable[[], None]]]:
    """An update that has to wait, and what lets it go on."""
    db.held.insert_one({"_id": 1})
    with root.start_session() as session:
        session.start_transaction()
        db.held.update_one({"_id": 1}, {"$set": {"by": "a transaction"}}, session=session)
        update = {"update": "held", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 1}}}], **W0}
        yield frame(db, update), session.abort_transaction


def begun(wire: Wire, client: MongoClient, db: Database) -> None:
    """Wait until the blocked update is under way."""
    query = [{"$currentOp": {"localOps": True}}, {"$match": {"ns": f"{db.name}.held"}}]
    until("the update to begin", lambda: list(client.admin.aggregate(query)))


def test_what_was_sent_before_a_client_closed_is_done_in_its_order(cluster, root, db, blocked):
    held, let_go = blocked
    wire = logged_in(cluster.router.port)
    later = [frame(db, insert(number)) for number in range(100)]
    later.append(frame(db, {"delete": "c", "deletes": [{"q": {}, "limit": 0}], **W0}))
    later.append(frame(db, insert(7, last=True)))
    wire.send(held + b"".join(later))
    begun(wire, root, db)
    wire.socket.close()
    let_go()
    until("the last", lambda: list(db.c.find()) == [{"_id": 7, "last": True}])
    assert db.held.find_one() == {"_id": 1, "x": 1}


def test_a_read_that_nobody_waits_for_stands_in_no_writes_way(cluster, root, db):
    db.held.insert_one({"_id": 1})
    find = {"find": "held", "filter": {"$where": "sleep(600000) || true"}}
    wire = logged_in(cluster.router.port)
    wire.send(frame(db, find, 0) + frame(db, insert(1)) + frame(db, find, 0) + frame(db, insert(2)))
    begun(wire, root, db)
    wire.socket.close()
    until("both writes", lambda: identities(db.c) == [1, 2])


def test_acknowledged_writes_are_done_though_their_client_left(cluster, root, db, blocked):
    held, let_go = blocked
    wire = logged_in(cluster.router.port)
    wire.send(held + frame(db, {**insert(1), "writeConcern": {"w": 1}}, 0))
    begun(wire, root, db)
    wire.socket.close()
    let_go()
    until("the write", lambda: identities(db.c) == [1])


def test_a_router_that_stops_does_what_it_was_sent(cluster, db, blocked):
    held, let_go = blocked
    router: RouterProcess = cluster.start_router(
        "--setParameter", "mongosShutdownTimeoutMillisForSignaledShutdown=60000"
    )
    try:
        with router.listening().client() as client, logged_in(router.port) as wire:
            wire.send(held + b"".join(frame(db, insert(number)) for number in range(50)))
            begun(wire, client, db)
            router.process.send_signal(signal.SIGTERM)
            until("the router to stop", lambda: "Router stopping" in router.log.read_text())
            wire.send(frame(db, insert(50)))
            let_go()
            assert router.process.wait(timeout=30) == 0
    finally:
        router.kill()
    assert identities(db.c) == list(range(51))


def test_a_malformed_message_that_wants_no_answer_gets_none(cluster):
    with logged_in(cluster.router.port) as wire:
        body = bson.encode({"ping": 1, "$db": "admin"})
        twice = messages.op_msg(1, 0, body + b"\0" + body, flags=messages.MORE_TO_COME)
        wire.send(twice)
        assert wire.ask({"ping": 1})["ok"] == 1
