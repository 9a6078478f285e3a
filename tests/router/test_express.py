"""The short way of frequent commands: what is sent, what is told, and what is left to the other."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from unittest.mock import Mock

import bson
import pytest
from bson import Binary, Int64, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument

from shardhouse.router.catalog.cache import Catalog
from shardhouse.router.clock import Clock
from shardhouse.router.commands import current_op, dispatch, express
from shardhouse.router.errors import NodeUnreachableError
from shardhouse.router.logs import Log
from shardhouse.router.options import parse
from shardhouse.router.router import Router
from shardhouse.router.server import ClientConnection
from shardhouse.router.session import ClientSession
from shardhouse.router.tls import Contexts
from shardhouse.router.upstream.client import Errand
from shardhouse.router.upstream.pool import Pool
from shardhouse.router.wire import messages, raw

EPOCH = ObjectId()
LSID = {"id": Binary(uuid.uuid4().bytes, 4)}
LAYOUT = {
    "databases": [
        {"_id": "shop", "primary": "s0", "version": {"uuid": Binary(b"u" * 16, 4), "lastMod": 1}}
    ],
    "collections": [
        {
            "_id": "shop.orders", "uuid": Binary(b"c" * 16, 4), "lastmodEpoch": EPOCH,
            "timestamp": Timestamp(1, 1), "key": {"k": 1},
        }
    ],
    "chunks": [
        {"min": {"k": bson.MinKey()}, "max": {"k": 50}, "shard": "s0", "lastmod": Timestamp(1, 0)},
        {"min": {"k": 50}, "max": {"k": bson.MaxKey()}, "shard": "s1", "lastmod": Timestamp(2, 0)},
    ],
}  # fmt: skip
SECRET = {"_id": 7, "purpose": "HMAC", "key": b"k" * 20, "expiresAt": Timestamp(10**9, 0)}
READ_WRITE = [{"resource": {"db": "shop", "collection": ""}, "actions": [
    "find", "insert", "update", "remove"]}]  # fmt: skip


class Node:
    """A shard's end of a connection: keeps what was sent, answers when told."""

    address = "a:1"

    def __init__(self):
        self.closed = None
        self.sent = None
        self.done = None

    def send(self, command, done):
        self.sent, self.done = command, done

    def close(self, reason):
        self.closed = reason
        self.done(NodeUnreachableError(self.address, reason))


class Ground:
    """A router that knows one user, one sharded and one unsharded collection."""

    def __init__(self, directory, privileges):
        key = directory / "key"
        key.write_text("secret-key")
        options = parse(["--configdb", "cfg/a:1", "--keyFile", str(key)])
        log = Log.to(str(directory / "log"), append=False)
        self.router = Router(options, b"secret-key", Contexts(options), log)
        self.node = Node()
        self.shard = None
        self.router.cluster.at_once = self._at_once
        self.session = ClientSession(1, "127.0.0.1:1", "127.0.0.1:2", identity=("admin", "ann"))
        self._privileges = privileges
        self.told = []

    def _at_once(self, shard):
        self.shard = shard
        return Errand(shard, Pool(None), self.node)

    def close(self):
        self.router.log.close()

    async def learn(self):
        async def ask(command):
            return {"users": [{
                "user": "ann", "db": "admin", "inheritedRoles": [],
                "inheritedPrivileges": self._privileges,
            }]}  # fmt: skip

        async def read(collection, query, sort=None):
            wanted = query.get("_id")
            names = wanted["$in"] if isinstance(wanted, dict) else [wanted]
            return [
                raw.shallow(bson.encode(document))
                for document in LAYOUT[collection]
                if "_id" not in document or document["_id"] in names
            ]

        self.router.users._ask = ask
        self.router.catalog = Catalog(read)
        await self.router.users.get("admin", "ann")
        for name in ("orders", "log"):
            await self.router.catalog.routing(f"shop.{name}")
        self.router.clock.advance(Timestamp(100, 5))
        self.router.clock.set_keys([SECRET])

    def start(self, command, sequence=None, flags=0):
        sequences = (
            []
            if sequence is None
            else [(sequence[0], b"".join(bson.encode(document) for document in sequence[1]))]
        )
        frame = messages.op_msg(9, 0, bson.encode(command), flags=flags, sequences=sequences)
        return express.start(
            self.router, self.session, frame, self.told.append, lambda: self.told.append("stop")
        )

    def answer(self, passage, reply):
        self.node.done(messages.op_msg(1, 9, bson.encode(reply)))
        return express.finish(self.router, self.session, passage, self.told.pop())

    @property
    def sent(self):
        return bson.decode(self.node.sent.body)


@pytest.fixture
def ground(tmp_path):
    with contextlib.closing(Ground(tmp_path, READ_WRITE)) as made:
        asyncio.run(made.learn())
        yield made


def nested(depth):
    """A document in a document, and so on: more than the interpreter follows."""
    encoded = raw.encode({})
    for _ in range(depth):
        encoded = raw.assembled([b"\x03a\0", encoded])
    return RawBSONDocument(encoded)


def find(**more):
    return {"find": "orders", "filter": {"k": 1}, "lsid": LSID, "$db": "shop", **more}


TIME = Timestamp(100, 9)


def gossip():
    return {
        "$configTime": Timestamp(90, 1), "$topologyTime": Timestamp(80, 1),
        "$clusterTime": {"clusterTime": TIME, "signature": {"hash": b"\0" * 20, "keyId": Int64(0)}},
        "operationTime": TIME,
    }  # fmt: skip


def test_a_find_is_sent_with_what_a_shard_must_know(ground):
    assert ground.start(find(limit=1, comment="hi")) is not None
    sent = ground.sent
    assert next(iter(sent)) == "find"
    assert ground.shard == "s0"
    assert sent["shardVersion"] == {"e": EPOCH, "t": Timestamp(1, 1), "v": Timestamp(1, 0)}
    assert sent["readConcern"] == {"level": "local"}
    assert sent["lsid"] == {
        "id": LSID["id"],
        "uid": ground.router.users.known("admin", "ann").digest,
    }
    assert sent["$audit"]["$impersonatedUsers"] == [{"user": "ann", "db": "admin"}]
    assert sent["$clusterTime"]["clusterTime"] == Timestamp(100, 5)
    assert (sent["filter"], sent["limit"], sent["comment"]) == ({"k": 1}, 1, "hi")


@pytest.mark.parametrize(
    ("command", "sequence", "shard"),
    [
        (find(filter={"k": 70}), None, "s1"),
        (find(find="log", filter={}), None, "s0"),
        ({"insert": "orders"}, ("documents", [{"_id": 1, "k": 99}]), "s1"),
        ({"insert": "orders", "documents": [{"_id": 1, "k": 99}]}, None, "s1"),
        ({"update": "orders"}, ("updates", [{"q": {"k": 50}, "u": {"$inc": {"n": 1}}}]), "s1"),
        ({"delete": "orders"}, ("deletes", [{"q": {"k": {"$eq": 3}}, "limit": 1}]), "s0"),
        ({"delete": "log"}, ("deletes", [{"q": {}, "limit": 0}]), "s0"),
    ],
)
def test_it_goes_to_the_shard_that_owns_it(ground, command, sequence, shard):
    numbered = {"lsid": LSID, "txnNumber": Int64(1)} if "find" not in command else {}
    assert ground.start({**command, "$db": "shop", **numbered}, sequence) is not None
    assert ground.shard == shard
    assert ("databaseVersion" in ground.sent) == (next(iter(command.values())) == "log")
    if sequence:
        assert ground.node.sent.sequences[0][0] == sequence[0]
        assert ground.sent["writeConcern"] == {"w": "majority", "wtimeout": 0}


@pytest.mark.parametrize(
    "command",
    [
        find(filter={"other": 1}),
        find(filter={"k": {"$gt": 1}}),
        find(filter={"$or": [{"k": 1}, {"k": 2}]}),
        find(collation={"locale": "de"}),
        find(tailable=True),
        find(unheard=1),
        find(apiVersion="1"),
        find(maxTimeMS=-1),
        find(maxTimeMS=1.5),
        find(readConcern={"level": "snapshot"}),
        find(readConcern={"afterClusterTime": Timestamp(1, 1)}),
        find(writeConcern={"w": 1}),
        find(lsid={"id": Binary(b"short", 4)}),
        find(lsid={"id": LSID["id"], "uid": b"\0" * 32}),
        find(txnNumber=Int64(1)),
        find(txnNumber=Int64(1), autocommit=False, startTransaction=True),
        find(**{"$readPreference": {"mode": "secondary"}}),
        find(**{"$clusterTime": {"clusterTime": Timestamp(101, 0)}}),
        find(**{"$db": "other"}),
        find(**{"$db": "admin"}),
        find(**{"$db": "config"}),
        find(find="system.views"),
        find(find=""),
        find(find=1),
        find(filter=1),
        find(find="unknown"),
        {"count": "orders", "$db": "shop"},
        {"insert": "orders", "documents": [{"k": 1}], "$db": "shop"},
        {"insert": "orders", "documents": [{"_id": 1}, {"_id": 2}], "$db": "shop"},
        {"insert": "orders", "documents": [], "$db": "shop"},
        {"insert": "orders", "$db": "shop"},
        {"insert": "orders", "documents": [{"_id": 1, "k": [1]}], "$db": "shop"},
        {"insert": "log", "documents": [{"_id": 1}], "txnNumber": Int64(1), "$db": "shop"},
        {"insert": "log", "documents": [{"_id": 1}], "lsid": LSID, "txnNumber": None,
         "$db": "shop"},
        find(filter={"k": nested(900)}),
        {"insert": "log", "documents": [{"_id": 1}], "writeConcern": {"j": True}, "$db": "shop"},
        {"insert": "log", "documents": [{"_id": 1}], "writeConcern": 1, "$db": "shop"},
        {"update": "orders", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}],
         "$db": "shop"},
        {"delete": "orders", "deletes": [{"q": {"k": "a"}, "limit": 1,
                                          "collation": {"locale": "de"}}], "$db": "shop"},
        {"delete": "orders", "deletes": [{"limit": 1}], "$db": "shop"},
    ],
)  # fmt: skip
def test_what_is_not_simple_is_left_alone(ground, command):
    assert ground.start(command) is None
    assert ground.node.sent is None
    assert not ground.router.operations.list()


def test_messages_that_are_not_simple_are_left_alone(ground):
    assert ground.start(find(), flags=messages.CHECKSUM) is None
    assert ground.start(find(), flags=messages.MORE_TO_COME) is None
    assert ground.start(find(), flags=messages.EXHAUST_ALLOWED) is None
    for name in ("other", ""):
        assert ground.start(find(), (name, [{}])) is None
    twice = raw.assembled([*raw.pieces(bson.encode(find())).values(), raw.element("limit", 1)] * 2)
    assert (
        express.start(ground.router, ground.session, messages.op_msg(1, 0, twice), print, print)
        is None
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda ground: setattr(ground.session, "identity", None),
        lambda ground: setattr(ground.session, "user_id", "another"),
        lambda ground: ground.router.users.forget(),
        lambda ground: ground.router.catalog.forget_collection("shop.orders"),
        lambda ground: ground.router.catalog.forget_database("shop"),
        lambda ground: ground.router.stopping.set(),
        lambda ground: ground.router.fail_points.configure("failCommand", "alwaysOn", {}),
        lambda ground: setattr(ground.router.cluster, "at_once", lambda shard: None),
    ],
)
def test_it_ends_with_what_it_rests_on(ground, change):
    assert ground.start(find()) is not None
    change(ground)
    assert ground.start(find()) is None


@pytest.mark.parametrize("missing", ["find", "insert", "update", "remove"])
def test_only_who_is_allowed_goes_this_way(tmp_path, missing):
    granted = [action for action in READ_WRITE[0]["actions"] if action != missing]
    ground = Ground(tmp_path, [{**READ_WRITE[0], "actions": granted}])
    asyncio.run(ground.learn())
    ground.close()
    one = {"$db": "shop"}
    commands = {
        "find": {"find": "log", **one},
        "insert": {"insert": "log", "documents": [{"_id": 1}], **one},
        "update": {"update": "log", "updates": [{"q": {}, "u": {"a": 1}}], **one},
        "remove": {"delete": "log", "deletes": [{"q": {}, "limit": 1}], **one},
    }
    # An update may insert: who may not is judged by the ordinary way, which looks closer.
    refused = {missing} | ({"update"} if missing == "insert" else set())
    assert {name for name, command in commands.items() if ground.start(command) is None} == refused


def test_a_whole_answer_is_passed_on_signed(ground):
    passage = ground.start(find())
    cursor = {"firstBatch": [{"_id": 1, "k": 1}], "id": Int64(0), "ns": "shop.orders"}
    reply = ground.answer(passage, {"cursor": cursor, "ok": 1.0, **gossip()})
    assert isinstance(reply, bytes)
    decoded = bson.decode(reply)
    assert list(decoded) == ["cursor", "ok", "operationTime", "$clusterTime"]
    assert decoded["cursor"] == cursor
    assert decoded["operationTime"] == Timestamp(100, 9)
    assert decoded["$clusterTime"] == ground.router.clock.for_client()
    assert ground.router.statistics.commands["find"].total == 1
    assert ground.router.clock.config_time == Timestamp(90, 1)
    assert not ground.router.operations.list()


@pytest.mark.parametrize(
    "cursor",
    [
        {"firstBatch": [], "id": Int64(5), "ns": "shop.orders"},
        {"firstBatch": [], "id": Int64(0), "ns": "shop.system.other"},
        {"firstBatch": [{"id": Int64(0), "ns": "shop.orders"}]},
    ],
)
def test_a_cursor_that_stays_open_is_finished_elsewhere(ground, cursor):
    rest = ground.answer(ground.start(find()), {"cursor": cursor, "ok": 1.0, **gossip()})
    assert isinstance(rest, express.Rest)
    assert rest.handler is not None


def write(ground, reply, *, numbered):
    more = {"lsid": LSID, "txnNumber": Int64(1)} if numbered else {}
    command = {"insert": "orders", "documents": [{"_id": 1, "k": 1}], **more, "$db": "shop"}
    return ground.answer(ground.start(command), {**reply, **gossip()})


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("code", [13388, 249, 283])
def test_a_write_refused_for_its_routing_begins_anew(ground, code, numbered):
    whole = write(ground, {"ok": 0.0, "code": code, "errmsg": ""}, numbered=numbered)
    one = write(
        ground, {"ok": 1.0, "n": 0, "writeErrors": [{"index": 0, "code": code}]}, numbered=numbered
    )
    assert whole == one == express.Rest(None)


@pytest.mark.parametrize("reply", [
    {"ok": 0.0, "code": 10107, "errmsg": "not primary"},
    {"ok": 0.0, "code": 11600, "errmsg": "shutting down"},
])  # fmt: skip
def test_only_a_numbered_write_begins_anew_after_a_change_of_primary(ground, reply):
    assert write(ground, reply, numbered=True) == express.Rest(None)
    assert write(ground, reply, numbered=False).handler is not None


@pytest.mark.parametrize("reply", [
    {"ok": 1.0, "n": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": ""}]},
    {"ok": 1.0, "n": 1, "writeConcernError": {"code": 64, "errmsg": ""}},
    {"ok": 0.0, "code": 13, "errmsg": ""},
])  # fmt: skip
def test_a_write_that_may_have_been_done_never_begins_anew(ground, reply):
    for numbered in (True, False):
        assert write(ground, reply, numbered=numbered).handler is not None


def told(ground, passage, rest):
    """What the ordinary way makes of the rest."""
    command = dispatch.read(passage.request)

    async def answered():
        return await dispatch.answer(
            ground.router, ground.session, command, rest.handler, rest.user
        )

    return asyncio.run(answered())


@pytest.mark.parametrize(
    "change",
    [
        lambda router: router.stopping.set(),
        lambda router: router.users.forget(),
        lambda router: router.fail_points.configure(
            "failCommand", "alwaysOn", {"failCommands": ["find", "insert"], "errorCode": 1}
        ),
    ],
)
def test_what_was_done_is_told_whatever_changed_meanwhile(ground, change):
    find_passage = ground.start(find())
    cursor = {"firstBatch": [], "id": Int64(5), "ns": "shop.orders"}
    opened = ground.answer(find_passage, {"cursor": cursor, "ok": 1.0, **gossip()})
    insert = {"insert": "orders", "documents": [{"_id": 1, "k": 1}], "$db": "shop"}
    insert_passage = ground.start(insert)
    failed = {"index": 0, "code": 11000, "errmsg": "duplicate"}
    refused = ground.answer(
        insert_passage, {"ok": 1.0, "n": 0, "writeErrors": [failed], **gossip()}
    )
    ground.router.users._ask = None
    change(ground.router)
    (error,) = told(ground, insert_passage, refused)["writeErrors"]
    assert error["code"] == 11000
    number = raw.shallow(bytes(told(ground, find_passage, opened)["cursor"].raw))["id"]
    remembered = ground.router.cursors.get(number)
    assert remembered.owner == ("admin", "ann")
    assert remembered.session_id == bytes(LSID["id"])


def test_a_cluster_time_that_is_news_needs_its_proof(ground):
    ahead = Clock()
    ahead.set_keys([SECRET])
    ahead.advance(Timestamp(200, 1))
    told = ahead.for_client()
    forged = {**told, "clusterTime": Timestamp(10**6, 1)}
    assert ground.start(find(**{"$clusterTime": forged})) is None
    assert ground.router.clock.now == Timestamp(100, 5)
    assert ground.start(find(**{"$clusterTime": told})) is not None
    assert ground.sent["$clusterTime"]["clusterTime"] == Timestamp(200, 1)


def test_a_lost_node_is_told_or_tried_again(ground):
    insert = {"insert": "orders", "documents": [{"_id": 1, "k": 1}], "$db": "shop"}
    numbered = {**insert, "lsid": LSID, "txnNumber": Int64(1)}
    for command, again in ((find(), True), (insert, False), (numbered, True)):
        passage = ground.start(command)
        ground.node.close("gone")
        rest = express.finish(ground.router, ground.session, passage, ground.told.pop())
        assert (rest == express.Rest(None)) is again
        ground.node.closed = None


def test_an_answer_nobody_can_read_is_an_error(ground):
    for frame in (b"\0" * 30, messages.op_msg(1, 9, b"\x06\0\0\0\x01\0")):
        passage = ground.start(find())
        ground.node.done(frame)
        rest = express.finish(ground.router, ground.session, passage, ground.told.pop())
        assert isinstance(rest, express.Rest)
        assert rest.handler is not None


def test_a_passage_given_up_says_so_and_leaves_nothing(ground):
    passage = ground.start(find())
    assert express.give_up(ground.router, passage).handler is not None
    assert ground.node.closed is not None
    assert ground.told == []
    assert not ground.router.operations.list()


def test_an_operation_can_be_seen_and_ended(ground):
    ground.start(find())
    (operation,) = ground.router.operations.list()
    assert operation.command.namespace == "shop.orders"
    assert isinstance(operation.command.body["filter"], RawBSONDocument)
    shown = current_op.described(operation, "host:1", truncate=False)
    assert shown["effectiveUsers"] == [{"user": "ann", "db": "admin"}]
    assert shown["lsid"] == {"id": LSID["id"], "uid": operation.user.digest}
    ground.router.operations.kill(operation)
    assert ground.told == ["stop"]


def test_a_mistake_with_an_answer_ends_the_clients_connection_alone(ground, tmp_path):
    def broken(*_, **__):
        raise OSError("no space left")

    async def scenario():
        transport = Mock()
        transport.get_extra_info.return_value = None
        connection = ClientConnection(ground.router, 1, set())
        connection.connection_made(transport)
        connection._session.identity = ("admin", "ann")
        connection.data_received(messages.op_msg(9, 0, bson.encode(find())))
        ground.router.slow_log.milliseconds = -1
        ground.router.slow_log.report = broken
        cursor = {"firstBatch": [], "id": Int64(0), "ns": "shop.orders"}
        reply = {"cursor": cursor, "ok": 1.0, **gossip()}
        ground.node.done(messages.op_msg(1, 9, bson.encode(reply)))
        transport.abort.assert_called()
        await connection.task

    asyncio.run(scenario())
    assert ground.node.closed is None
    assert "OSError" in (tmp_path / "log").read_text()
