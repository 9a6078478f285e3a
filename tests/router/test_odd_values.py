"""Values few clients write, but servers store, come back byte by byte on every way through."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from shardhouse.router.wire import messages, raw
from tests.router.fuzz.wire import Wire, logged_in


def text(content: bytes) -> bytes:
    return struct.pack("<i", len(content) + 1) + content + b"\0"


def binary(subtype: int, content: bytes) -> bytes:
    return struct.pack("<iB", len(content), subtype) + content


def document(*fields: tuple[str, raw.Verbatim]) -> bytes:
    content = b"".join(bytes((v.kind,)) + name.encode() + b"\0" + v.value for name, v in fields)
    return struct.pack("<i", len(content) + 5) + content + b"\0"


INT = raw.Verbatim(0x10, struct.pack("<i", 1))
ODD = {
    "an empty UUID": raw.Verbatim(0x05, binary(4, b"")),
    "a short UUID": raw.Verbatim(0x05, binary(4, b"abc")),
    "an empty legacy UUID": raw.Verbatim(0x05, binary(3, b"")),
    "a legacy UUID": raw.Verbatim(0x05, binary(3, bytes(range(16)))),
    "old binary": raw.Verbatim(0x05, binary(2, struct.pack("<i", 3) + b"abc")),
    "old binary of a wrong size": raw.Verbatim(0x05, binary(2, struct.pack("<i", 9) + b"abc")),
    "old binary without a size": raw.Verbatim(0x05, binary(2, b"")),
    "a subtype of nobody": raw.Verbatim(0x05, binary(0x7F, b"abc")),
    "a subtype of the user's": raw.Verbatim(0x05, binary(0xFF, b"abc")),
    "a symbol": raw.Verbatim(0x0E, text(b"name")),
    "a DBPointer": raw.Verbatim(0x0C, text(b"db.c") + b"twelve bytes"),
    "undefined": raw.Verbatim(0x06, b""),
    "code": raw.Verbatim(0x0D, text(b"f()")),
    "code with a scope": raw.Verbatim(
        0x0F, struct.pack("<i", 4 + 8 + 12) + text(b"f()") + document(("a", INT))
    ),
    "text that is no UTF-8": raw.Verbatim(0x02, text(b"\xff\xfe\x80")),
    "a symbol that is no UTF-8": raw.Verbatim(0x0E, text(b"\xff")),
    "code that is no UTF-8": raw.Verbatim(0x0D, text(b"\xff")),
    "text with a zero": raw.Verbatim(0x02, text(b"a\0b")),
    "a date beyond the year 9999": raw.Verbatim(0x09, struct.pack("<q", 2**62)),
    "the first date": raw.Verbatim(0x09, struct.pack("<q", -(2**63))),
    "an expression with all flags": raw.Verbatim(0x0B, b"a\0imsux\0"),
    "a name given twice": raw.Verbatim(0x03, document(("a", INT), ("a", INT))),
    "a name that is no UTF-8": raw.Verbatim(0x03, b"\x09\0\0\0\x0a\xff\xfe\0\0"),
    "a reference": raw.Verbatim(0x03, bson.encode({"$ref": "c", "$id": 1, "$db": "d", "x": 1})),
    "a NaN with a payload": raw.Verbatim(0x01, b"\1\0\0\0\0\0\xf8\xff"),
    "an unusual Decimal128": raw.Verbatim(0x13, b"\1" * 8 + b"\x6c" * 8),
}


class Asker:
    """Sends commands of raw values; replies are read no further than their first level."""

    def __init__(self, wire: Wire, db: str) -> None:
        self.wire, self.db = wire, db

    def ask(self, command: Mapping[str, Any]) -> raw.Document:
        """The reply; AssertionError if it tells of an error."""
        reply = self.reply(command)
        assert reply["ok"] == 1.0, reply
        assert "writeErrors" not in reply, raw.deep(reply)
        return reply

    def reply(self, command: Mapping[str, Any]) -> raw.Document:
        """Whatever the router answers."""
        body = raw.encode({**command, "$db": self.db})
        self.wire.send(messages.op_msg(next(self.wire.numbers), 0, body))
        return raw.faithful(messages.parse(self.wire.frame()).body)

    def refused(self, command: Mapping[str, Any]) -> raw.Document:
        """The only error of a batch."""
        (error,) = self.reply(command)["writeErrors"]
        return raw.faithful(bytes(error.raw))

    def found(self, command: Mapping[str, Any]) -> list[bytes]:
        """All documents of a cursor."""
        cursor = self.cursor(self.ask(command))
        batch = list(cursor["firstBatch"])
        while cursor["id"]:
            more = {"getMore": cursor["id"], "collection": cursor["ns"].partition(".")[2]}
            more |= {n: command[n] for n in ("lsid", "txnNumber", "autocommit") if n in command}
            cursor = self.cursor(self.ask(more))
            batch += cursor["nextBatch"]
        return [bytes(one.raw) for one in batch]

    @staticmethod
    def cursor(reply: Mapping[str, Any]) -> raw.Document:
        return raw.shallow(bytes(reply["cursor"].raw))


@pytest.fixture(scope="module")
def collections(root) -> Iterator[Database]:
    """`accounts`, split at 50 over both shards, and the unsharded `log` and `sink`."""
    db = root["odd_values"]
    root.admin.command("enableSharding", db.name, primaryShard="s0")
    root.admin.command("shardCollection", f"{db.name}.accounts", key={"k": 1})
    root.admin.command("split", f"{db.name}.accounts", middle={"k": 50})
    root.admin.command("moveRange", f"{db.name}.accounts", min={"k": 50}, toShard="s1")
    yield db
    root.drop_database(db.name)


@pytest.fixture
def asker(cluster, collections) -> Iterator[Asker]:
    with logged_in(cluster.router.port, 30) as wire:
        yield Asker(wire, collections.name)
        wire.ask({"killAllSessions": []})  # with the transactions left open
    for name in ("accounts", "log", "sink"):
        collections[name].delete_many({})


def stored(number: int, odd: raw.Verbatim) -> RawBSONDocument:
    """A document of `accounts`; those above 49 are on the other shard."""
    fields = {"_id": number, "k": number, "odd": odd, "list": [odd, 1], "in": {"odd": odd}}
    return RawBSONDocument(raw.encode(fields), raw.RAW)


def in_transaction(number: int) -> dict[str, Any]:
    session = {"id": bson.Binary(struct.pack("<qq", number, time.time_ns()), 4)}
    return {"lsid": session, "txnNumber": bson.Int64(1), "autocommit": False}


@pytest.fixture(params=ODD, ids=list(ODD))
def odd(request) -> raw.Verbatim:
    return ODD[request.param]


def test_reads_give_what_was_inserted(asker, odd):
    both = [stored(1, odd), stored(90, odd)]
    as_stored = [bytes(one.raw) for one in both]
    assert asker.ask({"insert": "accounts", "documents": both})["n"] == 2
    sort = {"sort": {"k": 1}, "batchSize": 1}
    assert asker.found({"find": "accounts", "filter": {"k": 90}}) == as_stored[1:]
    assert asker.found({"find": "accounts", **sort}) == as_stored
    for pipeline in ([{"$sort": {"k": 1}}], [{"$sort": {"odd": 1, "k": 1}}]):
        command = {"aggregate": "accounts", "pipeline": pipeline, "cursor": {"batchSize": 1}}
        assert asker.found(command) == as_stored
        begun = {**command, **in_transaction(1), "startTransaction": True}
        assert asker.found(begun) == as_stored
    begun = {"find": "accounts", **sort, **in_transaction(2), "startTransaction": True}
    assert asker.found(begun) == as_stored
    if odd.kind != 0x06:  # a member's way of saying that a group has no such value
        group = [{"$group": {"_id": None, "all": {"$push": "$odd"}}}]
        (grouped,) = asker.found({"aggregate": "accounts", "pipeline": group, "cursor": {}})
        assert grouped.count(odd.value) >= 2


def test_distinct_gives_the_values(asker, odd):
    asker.ask({"insert": "accounts", "documents": [stored(1, odd), stored(90, odd)]})
    asker.ask({"insert": "log", "documents": [stored(1, odd)]})
    for command in (
        {"distinct": "accounts", "key": "in"},
        {"distinct": "accounts", "key": "in", "query": {"k": 1}},
        {"distinct": "accounts", "key": "in", "collation": {"locale": "en"}},
        {"distinct": "log", "key": "in"},
    ):
        (value,) = asker.ask(command)["values"]
        assert bytes(value.raw) == raw.encode({"odd": odd}), command
    for name in ("accounts", "log"):
        values = asker.ask({"distinct": name, "key": "odd"})["values"]
        assert raw.encode({"": values}) == raw.encode({"": [odd]})


def test_writes_keep_the_values(asker, odd):
    for name in ("accounts", "log"):
        for number in (1, 90):
            at = {"_id": number, "k": number}
            asker.ask({"insert": name, "documents": [at]})
            update = {"q": at, "u": {"$set": {"odd": odd, "list": [odd, 1], "in": {"odd": odd}}}}
            asker.ask({"update": name, "updates": [update]})
            replace = {"q": at, "u": stored(number, odd)}
            assert asker.ask({"update": name, "updates": [replace]})["n"] == 1
            change = {"query": at, "update": {"$set": {"odd": odd, "z": odd}}, "new": True}
            value = asker.ask({"findAndModify": name, **change})["value"]
            expected = raw.encode({**raw.faithful(bytes(stored(number, odd).raw)), "z": odd})
            assert bytes(value.raw) == expected
            removed = asker.ask({"findAndModify": name, "query": at, "remove": True})["value"]
            assert bytes(removed.raw) == expected


def test_a_filter_finds_them(asker, odd):
    asker.ask({"insert": "accounts", "documents": [stored(1, odd), stored(90, odd)]})
    query = {"in": {"odd": odd}}
    assert asker.ask({"count": "accounts", "query": query})["n"] == 2
    assert len(asker.found({"find": "accounts", "filter": query})) == 2
    if odd.kind not in (0x06, 0x0B):  # a filter may not ask for the one, the other is a pattern
        assert asker.ask({"count": "accounts", "query": {"odd": odd}})["n"] == 2
        asker.ask({"explain": {"find": "accounts", "filter": {"odd": odd}}})
    update = {"q": query, "u": {"$set": {"y": 1}}, "multi": True}
    assert asker.ask({"update": "accounts", "updates": [update]})["n"] == 2
    assert asker.ask({"delete": "accounts", "deletes": [{"q": query, "limit": 0}]})["n"] == 2


NO_IDENTITY = (0x06, 0x0B)
"""Kinds a server takes for no `_id`."""


def test_they_are_identities_and_shard_keys(asker, odd):
    if odd.kind in NO_IDENTITY or (odd.kind == 0x03 and b"$ref" in odd.value):
        pytest.skip("no _id of this kind")
    at = {"_id": odd, "k": 1}
    for name in ("accounts", "log"):
        upsert = {"q": at, "u": {"$set": {"x": 1}}, "upsert": True}
        (told,) = asker.ask({"update": name, "updates": [upsert]})["upserted"]
        assert bytes(told.raw) == raw.encode({"index": 0, "_id": odd})
        reply = asker.ask({"findAndModify": name, "query": at, "remove": True})
        assert bytes(reply["value"].raw) == raw.encode({**at, "x": 1})
        change = {"query": at, "update": {"$set": {"x": 1}}, "upsert": True, "new": True}
        reply = asker.ask({"findAndModify": name, **change})
        told = raw.faithful(bytes(reply["lastErrorObject"].raw))["upserted"]
        assert raw.encode({"": told}) == raw.encode({"": odd})
        refused = asker.refused({"insert": name, "documents": [at]})
        assert refused["code"] == 11000
    moved = {"q": at, "u": {"$set": {"k": 90}}}
    numbers = in_transaction(3)
    numbered = {name: numbers[name] for name in ("lsid", "txnNumber")}
    assert asker.ask({"update": "accounts", "updates": [moved], **numbered})["n"] == 1
    assert len(asker.found({"find": "accounts", "filter": {"k": 90}})) == 1
    for new in ({"k": odd}, {"k": {"a": odd}}):
        inserted = RawBSONDocument(raw.encode({"_id": "key", **new}), raw.RAW)
        asker.ask({"insert": "accounts", "documents": [inserted]})
        assert asker.found({"find": "accounts", "filter": new}) == [bytes(inserted.raw)]
        assert asker.ask({"delete": "accounts", "deletes": [{"q": new, "limit": 1}]})["n"] == 1


def test_merges_and_change_streams_carry_them(asker, odd):
    stream = {"aggregate": "accounts", "pipeline": [{"$changeStream": {}}], "cursor": {}}
    shown = [*stream["pipeline"], {"$project": {"odd": "$fullDocument.odd"}}]
    opened = [asker.cursor(asker.ask(one)) for one in (stream, {**stream, "pipeline": shown})]
    both = [stored(1, odd), stored(90, odd)]
    asker.ask({"insert": "accounts", "documents": both})
    for cursor in opened:
        events: list[bytes] = []
        while len(events) < 2:
            more = {"getMore": cursor["id"], "collection": "accounts", "maxTimeMS": 1000}
            events += [bytes(e.raw) for e in asker.cursor(asker.ask(more))["nextBatch"]]
        if cursor is opened[0]:
            documents = [raw.faithful(event)["fullDocument"] for event in events]
            assert [bytes(one.raw) for one in documents] == [bytes(one.raw) for one in both]
        elif odd.kind != 0x06:
            assert all(raw.encode({"odd": odd})[4:-1] in event for event in events)
    into = (
        [{"$merge": {"into": "sink", "whenMatched": "replace"}}],
        [{"$sort": {"k": 1}}, {"$out": "log"}],
    )
    for pipeline, target in zip(into, ("sink", "log"), strict=True):
        asker.ask({"aggregate": "accounts", "pipeline": pipeline, "cursor": {}})
        found = asker.found({"find": target, "sort": {"k": 1}})
        assert found == [bytes(one.raw) for one in both]


def test_they_may_stand_anywhere_in_a_command(asker, odd):
    asker.ask({"insert": "accounts", "documents": [stored(1, odd), stored(90, odd)]})
    for told in ({"comment": odd}, {"comment": [odd]}, {"comment": {"a": odd}}):
        asker.ask({"ping": 1, **told})
        asker.ask({"find": "accounts", **told})
        asker.ask({"find": "log", **told})
        asker.ask({"count": "accounts", **told})
        asker.ask({"aggregate": "accounts", "pipeline": [], "cursor": {}, **told})
    let = {"let": {"v": {"$literal": odd}}, "filter": {"$expr": {"$ne": ["$$v", 5]}}}
    assert len(asker.found({"find": "accounts", **let})) == 2


def test_collections_may_have_names_that_are_no_utf8(asker):
    name = "\udcff"
    asker.ask({"insert": name, "documents": [{"_id": number} for number in range(4)]})
    asker.ask({"insert": name, "documents": [{"_id": "a"}]})
    asker.ask({"update": name, "updates": [{"q": {"_id": "a"}, "u": {"$set": {"x": 1}}}]})
    assert asker.ask({"count": name})["n"] == 5
    for read in ({"find": name, "batchSize": 2}, {"find": name, "filter": {"_id": "a"}}):
        assert len(asker.found(read)) == (5 if "batchSize" in read else 1)
    assert len(asker.found({"aggregate": name, "pipeline": [], "cursor": {"batchSize": 2}})) == 5
    listed = [raw.faithful(one)["name"] for one in asker.found({"listCollections": 1})]
    assert name in listed
    asker.ask({"drop": name})
    assert asker.ask({"count": name})["n"] == 0


def test_databases_may_not(asker):
    """As the config servers say, who look for the name in any case."""
    reply = Asker(asker.wire, "odd_\udcff").reply({"insert": "log", "documents": [{"_id": 1}]})
    assert reply["code"] == 51091


def test_what_is_nested_too_deep_is_refused_on_every_way(asker):
    key = raw.encode({})
    for _ in range(900):
        key = raw.assembled([b"\x03a\0", key])
    nested = RawBSONDocument(key, raw.RAW)
    for name in ("accounts", "log"):
        asker.ask({"find": name, "filter": {"k": 1}})  # now all is known for the short way
        for command in (
            {"find": name, "filter": {"k": nested}},
            {"insert": name, "documents": [{"_id": 1, "k": nested}]},
            {"aggregate": name, "pipeline": [{"$match": {"k": nested}}], "cursor": {}},
        ):
            assert asker.reply(command)["code"] == 15, command


@pytest.mark.parametrize(
    "limit",
    ["x", None, True, 0.5, -1, -1.5, 2**31, float("nan"), bson.Decimal128("sNaN")],
)
def test_a_time_limit_that_is_none_is_refused_on_every_way(asker, limit):
    for command in (
        {"find": "log"},
        {"find": "accounts"},
        {"find": "accounts", "readConcern": {"level": "snapshot"}},
        {"count": "accounts"},
        {"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]},
        {"listCollections": 1},
        {"usersInfo": 1},
    ):
        assert asker.reply({**command, "maxTimeMS": limit})["code"] == 2, command


@pytest.mark.parametrize("limit", [0, 30_000, 30_000.0, bson.Decimal128("30000")])
def test_a_time_limit_may_be_any_whole_number(asker, limit):
    for more in ({}, {"readConcern": {"level": "snapshot"}}):
        asker.ask({"find": "accounts", "maxTimeMS": limit, **more})


def test_a_read_concern_of_null_is_none(asker):
    for command in (
        {"insert": "log", "documents": [{"_id": 1}]},
        {"delete": "accounts", "deletes": [{"q": {}, "limit": 0}]},
        {"find": "accounts"},
        {"listCollections": 1},
    ):
        asker.ask({**command, "readConcern": None})
