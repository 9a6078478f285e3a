"""Change streams over two shards: order, resuming elsewhere, scopes, images, invalidation."""

from __future__ import annotations

import contextlib

import pytest
from bson import MinKey, Timestamp
from pymongo.errors import OperationFailure

from tests.router.cluster import until


def drain(stream, count: int) -> list[dict]:
    """Exactly this many events, and no more ready."""
    found: list[dict] = []

    def more() -> bool:
        event = stream.try_next()
        if event is not None:
            found.append(event)
        return len(found) >= count

    until(f"{count} events, have {len(found)}", more, 30)
    return found


def test_events_of_two_shards_come_in_order_and_resume_anywhere(accounts, elsewhere):
    collection = accounts.accounts
    with collection.watch(max_await_time_ms=300) as stream:
        assert stream.try_next() is None
        for n in range(12):
            collection.insert_one({"_id": n, "k": n * 9})
        collection.update_one({"k": 9}, {"$set": {"x": 1}})
        collection.delete_one({"k": 90})
        events = drain(stream, 14)
        assert [e["documentKey"]["_id"] for e in events] == [*range(12), 1, 10]
        last = stream.resume_token
    there = elsewhere[accounts.name].accounts
    for position, event in enumerate(events):
        with there.watch(resume_after=event["_id"], max_await_time_ms=300) as resumed:
            following = drain(resumed, len(events) - position - 1)
            assert following == events[position + 1 :]
    with there.watch(resume_after=last, max_await_time_ms=100) as resumed:
        assert resumed.try_next() is None
        collection.insert_one({"_id": 50, "k": 50})
        assert drain(resumed, 1)[0]["documentKey"]["_id"] == 50
    start = events[5]["clusterTime"]
    with there.watch(start_at_operation_time=start, max_await_time_ms=100) as resumed:
        assert drain(resumed, 9)[0] == events[5]
    with there.watch(
        [{"$match": {"operationType": "delete"}}], resume_after=events[0]["_id"]
    ) as resumed:
        assert drain(resumed, 1) == [events[13]]


def test_one_by_one_is_as_all_at_once(accounts):
    with accounts.accounts.watch(batch_size=1, max_await_time_ms=200) as stream:
        accounts.accounts.insert_many([{"_id": n, "k": n * 9} for n in range(12)])
        assert sorted(e["documentKey"]["_id"] for e in drain(stream, 12)) == [*range(12)]


@pytest.mark.parametrize("scope", ["database", "cluster"])
def test_wider_scopes(root, accounts, scope):
    watched = {"database": accounts, "cluster": root}[scope]
    with watched.watch([{"$match": {"ns.db": accounts.name}}], max_await_time_ms=200) as stream:
        accounts.accounts.insert_one({"k": 1})
        accounts.log.insert_one({"n": 1})
        accounts.accounts.insert_one({"k": 99})
        names = [e["ns"]["coll"] for e in drain(stream, 3)]
        assert names == ["accounts", "log", "accounts"]


def test_a_transaction_over_shards_is_seen_once_and_whole(root, accounts):
    with accounts.watch(max_await_time_ms=200) as stream:
        with root.start_session() as session, session.start_transaction():
            accounts.accounts.insert_one({"k": 1}, session=session)
            accounts.accounts.insert_one({"k": 99}, session=session)
        with root.start_session() as session:
            session.start_transaction()
            accounts.accounts.insert_one({"k": 2}, session=session)
            session.abort_transaction()
        accounts.log.insert_one({})
        seen = [e["ns"]["coll"] for e in drain(stream, 3)]
        assert seen == ["accounts", "accounts", "log"]


def test_full_documents_and_images_before(accounts):
    accounts.command("collMod", "log", changeStreamPreAndPostImages={"enabled": True})
    accounts.log.insert_one({"_id": 1, "n": 1})
    options = {"full_document": "whenAvailable", "full_document_before_change": "whenAvailable"}
    with accounts.log.watch(max_await_time_ms=200, **options) as stream:
        accounts.log.update_one({"_id": 1}, {"$set": {"n": 2}})
        accounts.log.update_one({"_id": 1}, {"$set": {"n": 3}})
        events = drain(stream, 2)
    assert [(e["fullDocumentBeforeChange"]["n"], e["fullDocument"]["n"]) for e in events] == [
        (1, 2), (2, 3),
    ]  # fmt: skip
    accounts.accounts.insert_one({"_id": 9, "k": 90})
    with accounts.accounts.watch(full_document="updateLookup", max_await_time_ms=200) as stream:
        accounts.accounts.update_one({"k": 90}, {"$set": {"x": 1}})
        assert drain(stream, 1)[0]["fullDocument"] == {"_id": 9, "k": 90, "x": 1}


def test_a_drop_invalidates(accounts):
    accounts.log.insert_one({"_id": 0})
    with accounts.log.watch(max_await_time_ms=200) as stream:
        accounts.log.insert_one({"_id": 1})
        accounts.log.drop()
        events = drain(stream, 3)
        assert [e["operationType"] for e in events] == ["insert", "drop", "invalidate"]
        until("the stream to end", lambda: stream.try_next() is None and not stream.alive)
    with pytest.raises(OperationFailure) as refused:
        accounts.log.watch(resume_after=events[2]["_id"])
    assert refused.value.code == 260
    with accounts.log.watch(start_after=events[2]["_id"], max_await_time_ms=200) as stream:
        accounts.log.insert_one({"_id": 2})
        assert drain(stream, 1)[0]["documentKey"] == {"_id": 2}


def test_expanded_events(accounts):
    with accounts.watch(show_expanded_events=True, max_await_time_ms=200) as stream:
        accounts.create_collection("made")
        accounts.made.create_index("x")
        kinds = [e["operationType"] for e in drain(stream, 2)]
    assert kinds == ["create", "createIndexes"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"resume_after": {"_data": "zz"}}, 260),
        ({"resume_after": {"_data": "82"}}, 260),
    ],
)
def test_what_cannot_be_resumed(accounts, options, code):
    with pytest.raises(OperationFailure) as refused, accounts.accounts.watch(**options) as stream:
        stream.try_next()
    assert refused.value.code == code


def test_a_token_that_never_was(accounts):
    with accounts.accounts.watch() as stream:
        accounts.accounts.insert_one({"k": 1})
        event = drain(stream, 1)[0]
    data = event["_id"]["_data"]
    forged = {"_data": data[:17] + ("1" if data[17] != "1" else "2") + data[18:]}
    with pytest.raises(OperationFailure) as refused:
        accounts.accounts.watch(resume_after=forged)
    assert refused.value.code == 280


@pytest.mark.parametrize("stage", [{"allowToRunOnConfigDB": True}, {"showSystemEvents": True}])
def test_internal_options_are_refused(accounts, stage):
    with pytest.raises(OperationFailure) as refused:
        accounts.accounts.aggregate([{"$changeStream": stage}])
    assert refused.value.code == 40415


def test_streams_are_closed_everywhere(root, accounts, cluster):
    def open_cursors() -> list[int]:
        return [
            client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
            for client in clients
        ]

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(shard.client()) for shard in cluster.shards]
        before = open_cursors()
        streams = [accounts.accounts.watch(max_await_time_ms=50) for _ in range(3)]
        for stream in streams:
            stream.try_next()
        assert sum(open_cursors()) >= sum(before) + 6
        for stream in streams:
            stream.close()
        until("the shards' cursors to be closed", lambda: sum(open_cursors()) <= sum(before))


def test_privileges_of_each_scope(root, accounts, cluster):
    root.admin.command(
        "createUser", "stream_watcher", pwd="w", roles=[{"role": "read", "db": accounts.name}]
    )
    with cluster.router.client("stream_watcher", "w") as client:
        with client[accounts.name].accounts.watch(), client[accounts.name].watch():
            pass
        for wider in (client, client.other):
            with pytest.raises(OperationFailure) as refused:
                wider.watch()
            assert refused.value.code == 13


def test_a_busy_shard_is_heard_while_the_other_is_idle(accounts):
    with accounts.accounts.watch(max_await_time_ms=100) as stream:
        for n in range(5):
            accounts.accounts.insert_one({"_id": n, "k": 1})
            assert drain(stream, 1)[0]["documentKey"]["_id"] == n


def test_tokens_of_points_in_time_resume_on_another_router(accounts, elsewhere):
    there = elsewhere[accounts.name].accounts
    with accounts.accounts.watch(max_await_time_ms=100) as stream:
        assert stream.try_next() is None
        quiet = stream.resume_token
    for n in range(4):
        accounts.accounts.insert_one({"_id": n, "k": n * 30})
    for option in ("resume_after", "start_after"):
        with there.watch(**{option: quiet}, max_await_time_ms=100) as resumed:
            assert [e["documentKey"]["_id"] for e in drain(resumed, 4)] == [0, 1, 2, 3]
            last = resumed.resume_token
    with accounts.accounts.watch(resume_after=last, max_await_time_ms=100) as resumed:
        accounts.accounts.insert_one({"_id": 9, "k": 99})
        assert drain(resumed, 1)[0]["documentKey"]["_id"] == 9


def test_after_an_invalidation_a_sharded_collection_starts_again_elsewhere(
    root, accounts, elsewhere
):
    with accounts.accounts.watch(max_await_time_ms=100) as stream:
        accounts.accounts.insert_one({"_id": 1, "k": 1})
        accounts.accounts.drop()
        kinds: list[str] = []

        def over() -> bool:
            event = stream.try_next()
            if event is not None:
                kinds.append(event["operationType"])
            return not stream.alive

        until("the stream to end", over)
        token = stream.resume_token
    assert (kinds[0], kinds[-1]) == ("insert", "invalidate")
    root.admin.command("shardCollection", f"{accounts.name}.accounts", key={"k": 1})
    accounts.accounts.insert_one({"_id": 2, "k": 90})
    there = elsewhere[accounts.name].accounts
    told: list[dict] = []

    def arrived() -> bool:
        # Each shard drops its part, and each of these drops invalidates.
        nonlocal token
        with there.watch(start_after=token, max_await_time_ms=100) as resumed:
            while resumed.alive:
                event = resumed.try_next()
                told.extend([event] if event is not None else [])
                if told and told[-1]["operationType"] == "insert":
                    return True
            token = resumed.resume_token
        return False

    until("the insert", arrived)
    assert [e["documentKey"] for e in told if e["operationType"] == "insert"] == [
        {"k": 90, "_id": 2}
    ]


def test_lookups_follow_a_chunk_that_moved(root, accounts):
    namespace = f"{accounts.name}.accounts"
    accounts.accounts.insert_one({"_id": 1, "k": 10})
    accounts.accounts.update_one({"k": 10}, {"$set": {"x": 1}})
    with accounts.accounts.watch(full_document="updateLookup", max_await_time_ms=100) as stream:
        accounts.accounts.update_one({"k": 10}, {"$set": {"x": 2}})
        other = next(
            s["_id"]
            for s in root.config.shards.find()
            if s["_id"] != root.config.databases.find_one({"_id": accounts.name})["primary"]
        )
        root.admin.command("split", namespace, middle={"k": 20})
        root.admin.command("moveRange", namespace, min={"k": MinKey()}, toShard=other)
        accounts.accounts.update_one({"k": 10}, {"$set": {"x": 3}})
        events = drain(stream, 2)
    assert [e["updateDescription"]["updatedFields"]["x"] for e in events] == [2, 3]
    assert [e["fullDocument"] for e in events] == [{"_id": 1, "k": 10, "x": 3}] * 2


def test_sharding_administration_is_told_with_expanded_events(root, accounts):
    with accounts.watch(show_expanded_events=True, max_await_time_ms=100) as stream:
        root.admin.command("shardCollection", f"{accounts.name}.new", key={"k": 1})
        accounts.new.create_index([("k", 1), ("v", 1)])
        root.admin.command("refineCollectionShardKey", f"{accounts.name}.new", key={"k": 1, "v": 1})
        accounts.new.insert_one({"_id": 1, "k": 1, "v": 1})
        told: list[dict] = []
        while not told or told[-1]["operationType"] != "insert":
            told += drain(stream, 1)
    kinds = {event["operationType"] for event in told}
    assert {"create", "shardCollection", "createIndexes", "insert"} <= kinds


def test_a_stream_that_fails_on_one_shard_leaves_no_cursor_on_another(cluster, root, db):
    root.admin.command("enableSharding", db.name, primaryShard="s0")
    db.create_collection("shown", viewOn="c")  # only its primary shard knows it for a view
    long_ago = {"startAtOperationTime": Timestamp(1, 1)}
    for _ in range(10):
        with pytest.raises(OperationFailure):
            db.command("aggregate", "shown", pipeline=[{"$changeStream": long_ago}], cursor={})
    with cluster.shards[1].client() as shard:
        idle = [{"$currentOp": {"allUsers": True, "idleCursors": True}}, {"$match": {
            "type": "idleCursor", "ns": f"{db.name}.shown"}}]  # fmt: skip
        assert list(shard.admin.aggregate(idle)) == []
