"""The allow-list, and the five ways to hurt a shard, none of which can be encoded."""

from __future__ import annotations

import bson
import pytest
from bson import Int64, Timestamp

from shardhouse.router.upstream import encoder
from shardhouse.router.upstream.encoder import (
    ClusterCursorId,
    DirectCursorId,
    ForbiddenError,
    encode,
    kill,
    operation_time,
    splice,
)
from shardhouse.router.wire import raw

READ = {"readConcern": {"level": "local"}}
WRITE = {"writeConcern": {"w": 1}}


def test_an_allowed_command_is_encoded():
    encoded = encode({"find": "c", "filter": {"a": 1}, **READ}, "app")
    assert bson.decode(encoded.body) == {
        "find": "c", "filter": {"a": 1}, "readConcern": {"level": "local"}, "$db": "app",
    }  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"eval": "1"},
        {"shutdown": 1},
        {"replSetReconfig": {}},
        {"applyOps": []},
        {"clusterCommitTransaction": 1},
        {"find": "c", "unheardOf": 1, **READ},
        {"find": "c", "$tenant": 1, **READ},
        {"insert": "c", "fromMigrate": True, **WRITE},
    ],
)
def test_what_is_not_listed_cannot_be_sent(command):
    with pytest.raises(ForbiddenError):
        encode(command, "app")


def test_concerns_must_be_stated():
    with pytest.raises(ForbiddenError, match="readConcern"):
        encode({"find": "c"}, "app")
    with pytest.raises(ForbiddenError, match="writeConcern"):
        encode({"insert": "c"}, "app")


def test_a_sequence_must_be_a_field_of_its_command():
    with pytest.raises(ForbiddenError, match="sequence"):
        encode({"insert": "c", **WRITE}, "app", [("updates", b"")])


@pytest.mark.parametrize("name", ["clusterInsert", "clusterUpdate", "clusterDelete"])
@pytest.mark.parametrize(
    "field", ["txnNumber", "autocommit", "startTransaction", "coordinator", "stmtIds"]
)
def test_hazard_1_no_transaction_number_on_cluster_writes(name, field):
    encode({name: "c", **WRITE}, "app")
    with pytest.raises(ForbiddenError):
        encode({name: "c", field: 1, **WRITE}, "app")


@pytest.mark.parametrize("field", ["txnNumber", "autocommit"])
def test_hazard_1_no_transaction_number_on_cluster_reads(field):
    with pytest.raises(ForbiddenError):
        encode({"clusterFind": "c", field: 1, **READ}, "app")
    with pytest.raises(ForbiddenError):
        encode({"clusterAggregate": "c", "pipeline": [], field: 1, **READ, **WRITE}, "app")


def test_hazard_1_holds_even_if_the_allow_list_were_wrong(monkeypatch):
    """The check stands by itself, not on the list of fields alone."""
    loose = encoder.RULES["clusterInsert"]
    widened = encoder.Rule(
        loose.client | {"txnNumber"}, loose.internal, write_concern=True, cluster=True
    )
    monkeypatch.setattr(encoder, "RULES", {"clusterInsert": widened})
    with pytest.raises(ForbiddenError, match="transaction number"):
        encode({"clusterInsert": "c", "txnNumber": Int64(1), **WRITE}, "app")


def pieces(**fields):
    return {name: raw.element(name, value) for name, value in fields.items()}


WHOLE = {"insert": "c", "$db": "d", "writeConcern": {"w": 1}}


def test_encoded_fields_are_put_together():
    assert bson.decode(splice("insert", pieces(**WHOLE)).body) == WHOLE


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("insert", pieces(insert="c", writeConcern={}, autocommit=False)),
        ("insert", pieces(insert="c", writeConcern={}, startTransaction=True)),
        ("insert", pieces(insert="c", writeConcern={}, unheard=1)),
        ("insert", pieces(insert="c")),
        ("find", pieces(find="c")),
        ("insert", pieces(find="c", readConcern={})),
        ("clusterInsert", pieces(clusterInsert="c", writeConcern={})),
        ("clusterInsert", pieces(clusterInsert="c", writeConcern={}, txnNumber=1)),
        ("explain", pieces(explain={"clusterInsert": "c"})),
        ("getMore", pieces(getMore=1, collection="c")),
        ("aggregate", pieces(aggregate="c", pipeline=[], readConcern={}, writeConcern={})),
        ("_flushRoutingTableCacheUpdates", pieces(_flushRoutingTableCacheUpdates="c")),
    ],
)
def test_nothing_else_can_be_put_together(name, fields):
    with pytest.raises(ForbiddenError):
        splice(name, fields)


@pytest.mark.parametrize("flags", [{"tailable": True}, {"awaitData": True}])
def test_hazard_2_no_tailable_cluster_cursor(flags):
    encode({"find": "c", **flags, **READ}, "app")
    with pytest.raises(ForbiddenError, match="tailable"):
        encode({"clusterFind": "c", **flags, **READ}, "app")


@pytest.mark.parametrize(
    "pipeline",
    [
        [{"$changeStream": {}}],
        [{"$changeStream": {"fullDocument": "updateLookup"}}, {"$match": {}}],
        [{"$facet": {"a": [{"$changeStream": {}}]}}],
        [{"$unionWith": {"coll": "x", "pipeline": [{"$changeStream": {}}]}}],
    ],
)
def test_hazard_2_no_change_stream_under_a_cluster_command(pipeline):
    command = {"clusterAggregate": "c", "pipeline": pipeline, "cursor": {}, **READ, **WRITE}
    with pytest.raises(ForbiddenError, match="change stream"):
        encode(command, "app")
    with pytest.raises(ForbiddenError, match="change stream"):
        encode({"explain": {k: v for k, v in command.items() if k != "writeConcern"}}, "app")


@pytest.mark.parametrize("name", ["clusterUpdate", "clusterDelete", "clusterInsert", "getMore"])
def test_hazard_3_no_explain_of_cluster_writes(name):
    with pytest.raises(ForbiddenError, match="explain"):
        encode({"explain": {name: "c"}, "verbosity": "queryPlanner"}, "app")


def test_hazard_4_cursors_are_ended_in_the_way_of_their_kind():
    direct, cluster = DirectCursorId(5), ClusterCursorId(6)
    lsid = {"id": b"1"}
    assert kill(direct, "c", lsid) == {"killCursors": "c", "cursors": [direct], "lsid": lsid}
    ended = kill(cluster, "c", None)
    assert ended == {"clusterGetMore": cluster, "collection": "c", "maxTimeMS": 1}
    encode(ended, "app")
    for number in (cluster, Int64(5), 5):
        with pytest.raises(ForbiddenError):
            encode({"killCursors": "c", "cursors": [number]}, "app")
        with pytest.raises(ForbiddenError):
            encode({"getMore": number, "collection": "c"}, "app")
    with pytest.raises(ForbiddenError):
        encode({"clusterGetMore": direct, "collection": "c"}, "app")


def test_hazard_5_the_time_of_a_cluster_reply_is_the_cluster_time():
    reply = {"operationTime": Timestamp(5, 1), "$clusterTime": {"clusterTime": Timestamp(9, 1)}}
    assert operation_time("clusterInsert", reply) == Timestamp(9, 1)
    assert operation_time("insert", reply) == Timestamp(5, 1)
    assert operation_time("clusterFind", {"operationTime": Timestamp(5, 1)}) is None


TXN = {"lsid": {"id": b"1"}, "txnNumber": Int64(1), "autocommit": False}


def test_a_transactions_first_statement_alone_brings_the_read_concern():
    encode({"find": "c", **TXN, "startTransaction": True, "coordinator": True, **READ}, "app")
    encode({"find": "c", **TXN}, "app")
    encode({"commitTransaction": 1, **TXN, **WRITE}, "admin")
    for wrong in (
        {"find": "c", **TXN, **READ},
        {"find": "c", **TXN, "startTransaction": True},
        {"find": "c", **TXN, "coordinator": True},
        {"insert": "c", **TXN, **WRITE},
        {"commitTransaction": 1, **TXN},
        {"find": "c", "autocommit": False},
        {"clusterFind": "c", **TXN, **READ},
    ):
        with pytest.raises(ForbiddenError):
            encode(wrong, "app")
