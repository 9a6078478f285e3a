"""What crashes or leaks in a shard, asked for by a client in every way there is."""

from __future__ import annotations

import uuid

import pytest
from bson import Binary, Int64, MaxKey, ObjectId, Timestamp

from tests.router.fuzz import census, runs
from tests.router.fuzz.wire import logged_in

DB = "fuzz0"
SESSION = {"id": Binary.from_uuid(uuid.UUID(int=77))}
FAR = Timestamp(0xFFFFFFF0, 1)


@pytest.fixture(scope="module", autouse=True)
def _prepared(fuzzed_root) -> None:
    runs.prepare(fuzzed_root)


def asked(cluster, *commands, db: str = DB) -> list[dict]:
    """The replies to commands on one connection; each is a server's reply."""
    with logged_in(cluster.router.port, 30) as wire:
        replies = [wire.ask(command, db) for command in commands]
    assert not [problem for reply in replies for problem in runs.problems(reply)]
    return replies


WRITES = [
    {"insert": "s", "documents": [{"_id": 5000, "k": 5}, {"_id": 5001, "k": 95}]},
    {"update": "s", "updates": [{"q": {}, "u": {"$set": {"z": 1}}, "multi": True}]},
    {"update": "s", "updates": [{"q": {"a": 1}, "u": {"$set": {"z": 1}}}]},
    {"update": "s", "updates": [{"q": {"_id": 1}, "u": {"$set": {"k": 99}}}]},
    {"delete": "s", "deletes": [{"q": {"a": 99}, "limit": 0}]},
    {"delete": "s", "deletes": [{"q": {"a": 99}, "limit": 1}]},
    {"insert": "ts", "documents": [{"t": 1}]},
    {"update": "v", "updates": [{"q": {}, "u": {"$set": {"z": 1}}}]},
    {"findAndModify": "s", "query": {"a": 1}, "update": {"$set": {"z": 1}}},
]
READS = [
    {"find": "s"},
    {"find": "v", "sort": {"a": 1}},
    {"aggregate": "s", "pipeline": [{"$group": {"_id": "$a"}}], "cursor": {}},
    {"aggregate": 1, "pipeline": [{"$currentOp": {}}], "cursor": {}},
    {"count": "v"},
    {"distinct": "v", "key": "a"},
]
NUMBERED = [
    {"txnNumber": Int64(1)},
    {"txnNumber": 1},
    {"txnNumber": Int64(2), "autocommit": False},
    {"txnNumber": Int64(3), "autocommit": False, "startTransaction": True},
    {"txnNumber": Int64(3), "autocommit": False},
    {"txnNumber": Int64(4), "autocommit": True},
    {"txnNumber": Int64(5), "startTransaction": True},
    {"txnNumber": Int64(6), "autocommit": False, "startTransaction": True, "coordinator": True},
    {"txnNumber": Int64(7), "stmtIds": [0], "stmtId": 0},
    {"autocommit": False},
    {"startTransaction": True},
    {"txnNumber": Int64(-1)},
]


@pytest.mark.parametrize("numbers", NUMBERED, ids=str)
def test_hazard_1_no_transaction_number_reaches_a_cluster_command(fuzzed, numbers):
    asked(fuzzed, *({**command, "lsid": SESSION, **numbers} for command in WRITES + READS))
    with_child = {**SESSION, "txnNumber": Int64(1), "txnUUID": Binary.from_uuid(uuid.UUID(int=1))}
    asked(fuzzed, *({**command, "lsid": with_child, **numbers} for command in WRITES + READS))
    asked(fuzzed, {"killSessions": [SESSION]})


STREAM = {"$changeStream": {}}
HIDDEN_STREAMS = [
    [{"$match": {}}, STREAM],
    [{"$facet": {"a": [STREAM]}}],
    [{"$unionWith": {"coll": "s", "pipeline": [STREAM]}}],
    [{"$lookup": {"from": "s", "pipeline": [STREAM], "as": "x"}}],
    [{"$lookup": {"from": "s", "pipeline": [{"$facet": {"a": [STREAM]}}], "as": "x"}}],
    [{"$merge": {"into": "s", "whenMatched": [STREAM]}}],
    [{"$changeStream": 5}],
    [{"$changeStream": {}, "$match": {}}],
    [{"$_internalChangeStreamOplogMatch": {}}],
    [{"$_internalChangeStreamTransform": {}}],
]


@pytest.mark.parametrize("pipeline", HIDDEN_STREAMS, ids=str)
def test_hazard_2_no_hidden_change_stream_is_opened(fuzzed, fuzzed_root, pipeline):
    for target in ("s", "u", "v", 1):
        command = {"aggregate": target, "pipeline": pipeline, "cursor": {"batchSize": 0}}
        (reply,) = asked(fuzzed, command)
        assert reply["ok"] == 0.0
        asked(fuzzed, {"explain": command}, {**command, "explain": True})
    view = {"create": f"hidden{uuid.uuid4().hex}", "viewOn": "s", "pipeline": pipeline}
    (made,) = asked(fuzzed, view)
    if made["ok"]:
        on_view = {"aggregate": view["create"], "pipeline": [], "cursor": {"batchSize": 0}}
        (reply,) = asked(fuzzed, on_view)
        assert reply["ok"] == 0.0


@pytest.mark.parametrize("target", ["s", "u", 1])
def test_hazard_2_an_idle_change_stream_is_asked_again_and_again(fuzzed, target):
    with logged_in(fuzzed.router.port, 30) as wire:
        opened = wire.ask({"aggregate": target, "pipeline": [STREAM], "cursor": {}}, DB)
        more = {"getMore": opened["cursor"]["id"], "collection": opened["cursor"]["ns"][6:]}
        for _ in range(5):
            assert wire.ask({**more, "maxTimeMS": 20}, DB)["ok"] == 1.0
        wire.ask({"killCursors": more["collection"], "cursors": [more["getMore"]]}, DB)


@pytest.mark.parametrize("collection", ["s", "h", "u", "v", "cap", "ts"])
def test_hazard_2_tailing_is_refused_or_harmless(fuzzed, collection):
    for flags in ({"tailable": True, "awaitData": True}, {"tailable": True}, {"awaitData": True}):
        with logged_in(fuzzed.router.port, 30) as wire:
            reply = wire.ask({"find": collection, **flags, "batchSize": 1}, DB)
            asked(fuzzed, {"explain": {"find": collection, **flags}})
            for _ in range(8):
                if not reply["ok"] or not reply["cursor"]["id"]:
                    break
                number = reply["cursor"]["id"]
                more = {"getMore": number, "collection": collection, "maxTimeMS": 20}
                reply = wire.ask(more if flags.get("awaitData") else {**more, "maxTimeMS": 0}, DB)


@pytest.mark.parametrize("verbosity", ["queryPlanner", "executionStats", "allPlansExecution"])
def test_hazard_3_no_cluster_write_is_explained(fuzzed, verbosity):
    for write in WRITES:
        asked(fuzzed, {"explain": write, "verbosity": verbosity})
        asked(fuzzed, {"explain": {"explain": write}, "verbosity": verbosity})
        name, value = next(iter(write.items()))
        cluster = {**write, f"cluster{name[0].upper()}{name[1:]}": value}
        del cluster[name]
        inside = {list(cluster)[-1]: value, **cluster}
        (plain, explained) = asked(fuzzed, inside, {"explain": inside, "verbosity": verbosity})
        assert (plain["ok"], explained["ok"]) == (0.0, 0.0)


def test_hazard_4_cluster_cursors_leave_nothing_behind(fuzzed, fuzzed_root):
    before = census.take(fuzzed, fuzzed_root)
    ways = [
        {"find": "s", "batchSize": 0},
        {"find": "s", "batchSize": 1, "noCursorTimeout": True},
        {"find": "v", "sort": {"a": 1}, "batchSize": 1},
        {"aggregate": "s", "pipeline": [{"$sort": {"a": 1}}], "cursor": {"batchSize": 1}},
        {"aggregate": "s", "pipeline": [STREAM], "cursor": {}},
        {"listCollections": 1, "cursor": {"batchSize": 1}},
    ]
    with logged_in(fuzzed.router.port, 30) as wire:
        for end in ("kill", "kill twice", "killSessions", "killAllSessions", "pattern"):
            session = wire.ask({"startSession": 1})["id"]
            own = {} if end.startswith("kill t") or end == "kill" else {"lsid": session}
            for way in ways:
                cursor = wire.ask({**way, **own}, DB)["cursor"]
                name = cursor["ns"].partition(".")[2]
                if end.startswith("kill") and not own:
                    for _ in end.split():
                        wire.ask({"killCursors": name, "cursors": [cursor["id"]]}, DB)
            if end == "killSessions":
                wire.ask({"killSessions": [session]})
            elif end == "killAllSessions":
                wire.ask({"killAllSessions": []})
            elif end == "pattern":
                wire.ask({"killAllSessionsByPattern": []})
    census.returns_to(before, fuzzed, fuzzed_root)


def test_hazard_5_what_was_written_can_be_read_at_its_operation_time(fuzzed):
    with logged_in(fuzzed.router.port, 30) as wire:
        for number in range(40):
            query = {"q": {"a": number % 7}, "u": {"$set": {"n": number}}, "multi": True}
            wrote = wire.ask({"update": "s", "updates": [query]}, DB)
            concern = {"level": "majority", "afterClusterTime": wrote["operationTime"]}
            read = {"find": "s", "filter": {"a": number % 7}, "readConcern": concern}
            found = wire.ask(read, DB)["cursor"]["firstBatch"]
            assert found
            assert {one["n"] for one in found} == {number}


KEYS = [{}, {"z": 1}, {"k": 1, "z": 1}, {"k": 50}, {"k": MaxKey()}, {"k": {"a": 1}}, {"k": [1]}]
BOUNDS = [{}, *({name: key} for name in ("min", "max") for key in KEYS)]
BOUNDS += [{"min": {"k": 1}, "max": key} for key in KEYS] + [{"min": {}, "max": {}}]


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_hazard_6_no_bound_ends_the_config_servers(fuzzed, bounds):
    moves = [{"moveRange": f"{DB}.{name}", "toShard": "s1", **bounds} for name in "shu"]
    for move, reply in zip(moves, asked(fuzzed, *moves, db="admin"), strict=True):
        if "min" not in bounds or move["moveRange"] == f"{DB}.u":
            assert not reply["ok"]
    chunks = [
        {name: f"{DB}.s", **more}
        for name in ("moveChunk", "clearJumboFlag", "split", "mergeChunks")
        for more in (
            {"bounds": [bounds.get("min"), bounds.get("max")], "to": "s1"},
            {"find": bounds.get("min"), "to": "s1"},
            {"middle": bounds.get("max")},
        )
    ]
    asked(fuzzed, *chunks, db="admin")


INTERNAL_FIELDS = {
    "fromMongos": True, "needsMerge": True, "fromMigrate": True, "coordinator": True,
    "exchange": {"policy": "roundrobin", "consumers": 2, "bufferSize": 1024},
    "shardVersion": {"e": ObjectId("0" * 16 + "f" * 8), "t": FAR, "v": Timestamp(0, 0)},
    "databaseVersion": {"uuid": Binary.from_uuid(uuid.UUID(int=1)), "timestamp": FAR, "lastMod": 1},
    "$_requestReshardingResumeToken": True, "$_requestResumeToken": True, "use44SortKeys": True,
    "runtimeConstants": {"localNow": 1}, "isTimeseriesNamespace": True, "term": Int64(1),
    "readConcern": {"afterClusterTime": FAR}, "$replData": 1, "mayBypassWriteBlocking": True,
    "$clusterTime": {"clusterTime": FAR, "signature": {"hash": b"\0" * 20, "keyId": Int64(0)}},
    "$configTime": FAR, "$topologyTime": FAR, "$tenant": ObjectId(),
    "$audit": {"$impersonatedUsers": [], "$impersonatedRoles": []},
    "$client": {"application": {"name": "x"}}, "internalClient": {"maxWireVersion": 99},
}  # fmt: skip


@pytest.mark.parametrize("field", INTERNAL_FIELDS)
def test_members_own_fields_do_no_harm(fuzzed, fuzzed_root, field):
    before = fuzzed_root.admin.command("ping")["$clusterTime"]["clusterTime"]
    extra = {field: INTERNAL_FIELDS[field]}
    asked(fuzzed, *({**command, **extra} for command in WRITES + READS))
    asked(fuzzed, *({"explain": {**command, **extra}} for command in WRITES + READS))
    asked(fuzzed, *({"explain": command, **extra} for command in WRITES + READS))
    after = fuzzed_root.admin.command("ping")["$clusterTime"]["clusterTime"]
    assert after.time - before.time < 3600, "a forged cluster time was believed"


@pytest.mark.parametrize(
    "name",
    [
        "clusterInsert", "clusterUpdate", "clusterDelete", "clusterFind", "clusterAggregate",
        "clusterGetMore", "clusterCommitTransaction", "clusterAbortTransaction",
        "applyOps", "coordinateCommitTransaction", "prepareTransaction", "replSetStepDown",
        "_configsvrRemoveShard", "_shardsvrDropDatabase", "_flushRoutingTableCacheUpdates",
        "_recvChunkStart", "splitChunk", "_mergeAuthzCollections", "crash",
    ],
)  # fmt: skip
def test_members_own_commands_do_not_exist(fuzzed, name):
    for db in (DB, "admin", "config"):
        (reply,) = asked(fuzzed, {name: 1, "documents": [{}], "data": {}}, db=db)
        assert reply["code"] == 59


@pytest.mark.parametrize(
    "stage",
    [
        "$_internalInhibitOptimization", "$_internalSplitPipeline", "$_internalUnpackBucket",
        "$_internalShardServerInfo", "$_internalReshardingOwnershipMatch",
        "$_addReshardingResumeId",
        "$_internalAllCollectionStats", "$_internalApplyOplogUpdate", "$mergeCursors", "$queue",
        "$backupCursor", "$listCatalog", "$_internalFindAndModifyImageLookup",
    ],
)  # fmt: skip
def test_members_own_stages_do_not_exist(fuzzed, stage):
    bare = [{stage: {}}]
    for pipeline in (
        bare,
        [{"$facet": {"a": bare}}],
        [{"$unionWith": {"coll": "u", "pipeline": bare}}],
        [{"$lookup": {"from": "u", "pipeline": bare, "as": "x"}}],
    ):
        for target in ("s", "u", 1):
            command = {"aggregate": target, "pipeline": pipeline, "cursor": {}}
            for db in (DB, "admin"):
                assert {reply["ok"] for reply in asked(fuzzed, command, db=db)} == {0.0}
