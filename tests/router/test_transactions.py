"""Multi-document transactions over two shards, through one router and through two."""

from __future__ import annotations

import contextlib
import itertools
import threading

import pytest
from bson import Int64, MinKey
from pymongo import UpdateOne
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from tests.router.cluster import until

SNAPSHOT = ReadConcern("snapshot")


@pytest.fixture
def full(accounts):
    accounts.accounts.insert_many([{"_id": n, "k": n, "g": n % 3, "n": 100} for n in range(100)])
    return accounts


def total(db, **options) -> int:
    rows = list(db.accounts.aggregate([{"$group": {"_id": None, "n": {"$sum": "$n"}}}], **options))
    return rows[0]["n"] if rows else 0


def counts(client) -> dict:
    return client.admin.command("serverStatus")["transactions"]


def test_a_transaction_over_two_shards_and_an_unsharded_collection(root, full):
    before = counts(root)

    def work(session):
        full.accounts.update_one({"k": 1}, {"$inc": {"n": -10}}, session=session)
        full.accounts.update_one({"k": 90}, {"$inc": {"n": 10}}, session=session)
        full.accounts.insert_many([{"_id": k, "k": k, "n": 0} for k in (-5, 150)], session=session)
        full.log.insert_one({"moved": 10}, session=session)
        found = full.accounts.find({"n": {"$ne": 100}}, session=session).sort("k", -1)
        assert [(d["k"], d["n"]) for d in found] == [(150, 0), (90, 110), (1, 90), (-5, 0)]
        assert full.log.count_documents({}, session=session) == 1
        assert full.log.count_documents({}) == 0
        assert total(full, session=session) == 10_000
        groups = full.accounts.aggregate(
            [{"$group": {"_id": "$g", "c": {"$sum": 1}}}, {"$sort": {"_id": 1}}], session=session
        )
        assert [d["c"] for d in groups] == [2, 34, 33, 33]
        return "done"

    with root.start_session() as session:
        assert session.with_transaction(work) == "done"
    assert full.accounts.find_one({"k": 90})["n"] == 110
    assert full.log.count_documents({}) == 1
    after = counts(root)
    assert after["totalCommitted"] == before["totalCommitted"] + 1
    two_phase = "twoPhaseCommit"
    assert (
        after["commitTypes"][two_phase]["successful"]
        == before["commitTypes"][two_phase]["successful"] + 1
    )
    assert after["currentOpen"] == before["currentOpen"]


def test_reads_merge_as_outside(root, full):
    """The same reads, within a transaction and without one, give the same."""
    reads = [
        lambda **o: list(full.accounts.find({}, {"_id": 1}, **o).sort("k", -1).skip(7).limit(30)),
        lambda **o: list(full.accounts.find({"g": 1}, **o).sort([("g", 1), ("k", 1)])),
        lambda **o: sorted(d["k"] for d in full.accounts.find({}, batch_size=7, **o)),
        lambda **o: full.accounts.count_documents({"g": 2}, **o),
        lambda **o: full.accounts.find_one({"k": 77}, **o),
        lambda **o: full.accounts.find_one({"n": 100}, sort=[("k", -1)], **o),
        lambda **o: list(
            full.accounts.aggregate(
                [{"$match": {"g": 0}}, {"$sort": {"k": -1}}, {"$limit": 9}, {"$set": {"z": 1}}],
                **o,
            )
        ),
        lambda **o: list(
            full.accounts.aggregate(
                [{"$sort": {"k": 1}}, {"$project": {"k": 1}}], batchSize=11, **o
            )
        ),
        lambda **o: list(
            full.accounts.aggregate(
                [
                    {"$sort": {"k": 1}},
                    {"$limit": 3},
                    {"$lookup": {"from": "log", "localField": "k", "foreignField": "k", "as": "l"}},
                ],
                **o,
            )
        ),
        lambda **o: list(full.missing.find(**o)),
        lambda **o: full.log.distinct("k", **o),
    ]
    full.log.insert_many([{"_id": n, "k": n} for n in range(2)])
    for read in reads:
        with root.start_session() as session, session.start_transaction():
            assert read(session=session) == read()


CASELESS = {"locale": "en", "strength": 2}


@pytest.fixture(params=[50, None], ids=["two shards", "all away from the primary shard"])
def caseless(request, root, db):
    """`words`, sharded, which compares without case, a view of it, and a view of the view."""
    namespace = f"{db.name}.words"
    db.create_collection("words", collation=CASELESS)
    db.words.create_index([("k", 1)], collation={"locale": "simple"})
    root.admin.command("shardCollection", namespace, key={"k": 1}, collation={"locale": "simple"})
    primary = root.config.databases.find_one({"_id": db.name})["primary"]
    other = next(s["_id"] for s in root.config.shards.find() if s["_id"] != primary)
    if request.param is not None:
        root.admin.command("split", namespace, middle={"k": request.param})
    low = request.param or MinKey()
    root.admin.command("moveRange", namespace, min={"k": low}, toShard=other)
    db.words.insert_many([{"_id": n, "k": n, "s": "aAbBcCdD"[n % 8]} for n in range(0, 100, 7)])
    db.log.insert_many([{"s": "A"}, {"s": "x"}])
    over = [{"$match": {"k": {"$gte": 10}}}, {"$set": {"v": 1}}]
    db.create_collection("view", viewOn="words", pipeline=over, collation=CASELESS)
    more = [{"$match": {"s": {"$ne": "D"}}}]
    db.create_collection("inner", viewOn="view", pipeline=more, collation=CASELESS)
    return db


def test_collations_and_views_read_as_outside(root, caseless):
    by_word = {"$sort": {"s": 1, "k": 1}}
    group = {"$group": {"_id": "$s", "n": {"$sum": 1}}}
    lookup = {"$lookup": {"from": "log", "localField": "s", "foreignField": "s", "as": "l"}}
    words, view, inner = caseless.words, caseless.view, caseless.inner

    def folded(documents):
        return sorted((d["_id"].lower(), d["n"]) for d in documents)

    reads = {
        "group": lambda **o: folded(words.aggregate([group], **o)),
        "sort": lambda **o: list(words.aggregate([by_word], **o)),
        "find": lambda **o: list(words.find({"s": "a"}, **o).sort([("s", 1), ("k", -1)])),
        "late match": lambda **o: list(
            words.aggregate([by_word, {"$limit": 9}, {"$match": {"s": "A"}}], **o)
        ),
        "lookup": lambda **o: list(words.aggregate([by_word, lookup, {"$match": {"s": "A"}}], **o)),
        "own collation": lambda **o: sorted(
            d["_id"] for d in words.aggregate([group], collation={"locale": "simple"}, **o)
        ),
        "a few": lambda **o: len(list(words.find({}, **o).skip(3).limit(5))),
        "a few of some": lambda **o: len(list(words.aggregate([{"$limit": 5}, by_word], **o))),
        "limited twice": lambda **o: len(
            list(words.aggregate([{"$limit": 9}, {"$skip": 2}, {"$limit": 5}], **o))
        ),
        "more than there are": lambda **o: len(list(words.find({}, **o).skip(12).limit(500))),
        "view": lambda **o: list(view.find({"s": "A"}, {"k": 1, "v": 1}, **o).sort("k", -1)),
        "part of it": lambda **o: list(view.find({}, **o).sort("k", 1).skip(2).limit(4)),
        "one": lambda **o: view.find_one({"k": 77}, **o),
        "stored order": lambda **o: view.find_one({"k": 77}, sort=[("$natural", 1)], **o),
        "view aggregated": lambda **o: folded(view.aggregate([group], **o)),
        "view and lookup": lambda **o: list(view.aggregate([by_word, lookup], **o)),
        "counted": lambda **o: view.count_documents({"s": "a"}, **o),
        "distinct": lambda **o: sorted(s.lower() for s in view.distinct("s", **o)),
        "in batches": lambda **o: sorted(d["k"] for d in inner.find({}, batch_size=2, **o)),
        "view of a view": lambda **o: list(inner.aggregate([by_word], batchSize=3, **o)),
    }
    assert [n for _, n in reads["group"]()] == [3, 4, 4, 4]
    assert len(reads["late match"]()) == 3
    for name, read in reads.items():
        with root.start_session() as session, session.start_transaction(read_concern=SNAPSHOT):
            assert read(session=session) == read(), name
    with root.start_session() as session, session.start_transaction():
        assert [read(session=session) for read in reads.values()] == [
            read() for read in reads.values()
        ]
        words.insert_one({"k": 33, "s": "a"}, session=session)
        words.insert_one({"k": 66, "s": "A"}, session=session)
        assert view.count_documents({"s": "a"}, session=session) == 4
        assert view.count_documents({"s": "a"}) == 2
    assert view.count_documents({"s": "a"}) == 4


def test_a_merge_that_has_enough_leaves_the_transaction_alone(root, full):
    """The shard it does not wait for any longer must not be interrupted: it would abort."""
    reads = [
        lambda s: full.accounts.find_one({"n": 100}, session=s),
        lambda s: list(full.accounts.find({}, session=s).skip(3).limit(7)),
        lambda s: list(full.accounts.aggregate([{"$limit": 3}, {"$set": {"z": 1}}], session=s)),
    ]
    for _ in range(10):
        with root.start_session() as session, session.start_transaction():
            assert [len(read(session)) for read in reads] == [4, 7, 3]


def test_views_refuse_what_they_refuse_outside(root, caseless):
    for options, code in (
        ({"returnKey": True}, 168),
        ({"collation": {"locale": "fr"}}, 167),
    ):
        command = {"find": "view", **options}
        with pytest.raises(OperationFailure) as outside:
            caseless.command(command)
        with root.start_session() as session, session.start_transaction():
            with pytest.raises(OperationFailure) as inside:
                caseless.command(command, session=session)
            session.abort_transaction()
        assert outside.value.code == inside.value.code == code
        assert outside.value.details["errmsg"] == inside.value.details["errmsg"]


def test_distinct_of_a_sharded_collection_is_refused(root, accounts):
    with root.start_session() as session, session.start_transaction():
        with pytest.raises(OperationFailure) as refused:
            accounts.accounts.distinct("k", session=session)
        assert refused.value.code == 263
        assert "on a sharded collection in a multi-document" in refused.value.details["errmsg"]
        session.abort_transaction()


def test_an_abort_leaves_nothing(root, full):
    with root.start_session() as session:
        session.start_transaction()
        full.accounts.insert_one({"k": -1}, session=session)
        full.accounts.insert_one({"k": 101}, session=session)
        session.abort_transaction()
    assert full.accounts.count_documents({}) == 100


def test_an_error_ends_the_transaction_everywhere(root, full):
    with root.start_session() as session:
        session.start_transaction()
        full.accounts.insert_one({"_id": 500, "k": 500}, session=session)
        with pytest.raises(PyMongoError):
            full.accounts.insert_one({"_id": 1, "k": 1}, session=session)
        with pytest.raises(OperationFailure) as after:
            full.accounts.insert_one({"k": 3}, session=session)
        assert after.value.code == 251
        assert after.value.has_error_label("TransientTransactionError")
        with pytest.raises(OperationFailure) as commit:
            session.commit_transaction()
        assert commit.value.code == 251
    assert full.accounts.count_documents({}) == 100


def test_a_write_conflict_is_transient_and_retried(root, full):
    with root.start_session() as one, root.start_session() as two:
        one.start_transaction()
        full.accounts.update_one({"k": 1}, {"$inc": {"n": 1}}, session=one)
        two.start_transaction()
        with pytest.raises(OperationFailure) as conflict:
            full.accounts.update_one({"k": 1}, {"$inc": {"n": 1}}, session=two)
        assert conflict.value.code == 112
        assert conflict.value.has_error_label("TransientTransactionError")
        one.commit_transaction()
        two.abort_transaction()
        two.with_transaction(
            lambda s: full.accounts.update_one({"k": 1}, {"$inc": {"n": 1}}, session=s)
        )
    assert full.accounts.find_one({"k": 1})["n"] == 102


_NUMBERS = itertools.count(1_000_000)


def raw_statement(db, session, number, command, **more):
    return db.command(
        {**command, "txnNumber": Int64(number), "autocommit": False, **more}, session=session
    )


@pytest.fixture
def shared(cluster, second_router):
    """One logical session, as seen by a client at each router; its numbers are ours to choose."""
    options = {"causal_consistency": False}
    with (
        cluster.router.client() as one,
        second_router.client() as two,
        one.start_session(**options) as here,
        two.start_session(**options) as there,
    ):
        one.admin.command("ping", session=here)
        two.admin.command("ping", session=there)
        there._server_session.session_id = here._server_session.session_id
        yield here, there


def test_another_router_commits_with_the_recovery_token(full, shared):
    here, there = shared
    root, elsewhere = here.client, there.client
    for keys in ((10,), (11, 91)):
        number = next(_NUMBERS)
        first = {"startTransaction": True}
        for key in keys:
            update = {"q": {"k": key}, "u": {"$set": {"n": 7}}}
            command = {"update": "accounts", "updates": [update]}
            reply = raw_statement(root[full.name], here, number, command, **first)
            first = {}
        token = reply["recoveryToken"]
        assert token["recoveryShardId"]
        ending = {"commitTransaction": 1, "recoveryToken": token}
        raw_statement(root.admin, here, number, ending)
        for _ in range(2):  # the outcome is told as often as one asks
            raw_statement(elsewhere.admin, there, number, ending)
        assert full.accounts.count_documents({"n": 7, "k": {"$in": list(keys)}}) == len(keys)
    empty = {"commitTransaction": 1, "recoveryToken": {}}
    with pytest.raises(OperationFailure) as unknown:
        raw_statement(elsewhere.admin, there, next(_NUMBERS), empty)
    assert unknown.value.code == 251
    assert unknown.value.has_error_label("TransientTransactionError")


def test_a_transaction_unknown_to_a_router_is_transient(full, shared):
    """As after a restart: the driver starts the whole transaction again."""
    here, there = shared
    root, elsewhere = here.client, there.client
    number = next(_NUMBERS)
    insert = {"insert": "accounts", "documents": [{"k": 2}]}
    raw_statement(root[full.name], here, number, insert, startTransaction=True)
    with pytest.raises(OperationFailure) as unknown:
        raw_statement(elsewhere[full.name], there, number, insert)
    assert unknown.value.code == 251
    assert unknown.value.has_error_label("TransientTransactionError")
    raw_statement(root.admin, here, number, {"abortTransaction": 1})


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"find": "accounts", "txnNumber": Int64(1), "autocommit": True}, 72),
        ({"find": "accounts", "autocommit": False, "startTransaction": True}, 72),
        ({"find": "accounts", "txnNumber": Int64(1), "autocommit": False}, 251),
        (
            {"count": "accounts", "txnNumber": Int64(1), "autocommit": False,
             "startTransaction": True}, 263,
        ),
        (
            {"find": "accounts", "txnNumber": Int64(1), "autocommit": False,
             "startTransaction": True, "readConcern": {"level": "linearizable"}}, 72,
        ),
        (
            {"insert": "accounts", "documents": [{"k": 1}], "writeConcern": {"w": 1},
             "txnNumber": Int64(1), "autocommit": False, "startTransaction": True}, 72,
        ),
    ],
)  # fmt: skip
def test_misuse_is_refused(shared, accounts, command, code):
    if "txnNumber" in command:
        command = {**command, "txnNumber": Int64(next(_NUMBERS))}
    with pytest.raises(OperationFailure) as refused:
        shared[0].client[accounts.name].command(command, session=shared[0])
    assert refused.value.code == code


def test_a_snapshot_is_of_one_moment_on_all_shards(root, elsewhere, full):
    there = elsewhere[full.name].accounts
    with root.start_session() as session, session.start_transaction(read_concern=SNAPSHOT):
        assert full.accounts.find_one({"k": 1}, session=session)["n"] == 100
        there.update_many({}, {"$inc": {"n": 1}})
        assert total(full, session=session) == 10_000
    assert total(full) == 10_100


def test_a_moved_chunk_starts_the_first_statement_over(root, elsewhere, full):
    there = elsewhere[full.name]
    assert there.accounts.find_one({"k": 1})["_id"] == 1
    shards = {s["_id"] for s in root.config.shards.find()}
    primary = root.config.databases.find_one({"_id": full.name})["primary"]
    other = (shards - {primary}).pop()
    root.admin.command("split", f"{full.name}.accounts", middle={"k": 10})
    root.admin.command("moveRange", f"{full.name}.accounts", min={"k": 10}, toShard=other)
    with elsewhere.start_session() as session, session.start_transaction():
        there.accounts.update_one({"k": 20}, {"$set": {"n": 0}}, session=session)
        there.accounts.update_one({"k": 2}, {"$set": {"n": 0}}, session=session)
        assert total(there, session=session) == 9_800


def test_transfers_keep_the_sum(root, elsewhere, full):
    """Two routers, threads that collide, and readers that must always see the same sum."""
    failures: list[BaseException] = []

    def transfer(client, seed):
        db = client[full.name]

        def work(session, source, target):
            db.accounts.update_one({"k": source}, {"$inc": {"n": -1}}, session=session)
            db.accounts.update_one({"k": target}, {"$inc": {"n": 1}}, session=session)
            db.log.insert_one({"from": source}, session=session)

        try:
            with client.start_session() as session:
                for n in range(15):
                    source, target = (seed + n) % 3, 97 + (seed * 7 + n) % 3
                    pair = (source, target) if n % 2 else (target, source)
                    session.with_transaction(lambda s, pair=pair: work(s, *pair))
                    with session.start_transaction(read_concern=SNAPSHOT):
                        assert total(db, session=session) == 10_000
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=transfer, args=((root, elsewhere)[n % 2], n)) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert total(full) == 10_000
    assert full.log.count_documents({}) == 60


def test_a_shard_killed_around_a_commit_commits_all_or_nothing(root, cluster, full):
    victim = cluster.shards[1]
    for number in range(3):
        with root.start_session() as session:
            session.start_transaction()
            full.accounts.bulk_write(
                [UpdateOne({"k": k}, {"$set": {"mark": number}}) for k in (5, 95)], session=session
            )

            def crash():
                victim.kill()
                victim.start()

            killer = threading.Timer(0.002 * number, crash)
            killer.start()
            outcome: PyMongoError | None = None
            try:
                session.commit_transaction()
            except PyMongoError as error:
                outcome = error
            killer.join()
            until("the shard to serve", lambda: total(full) == 10_000, 40)
            if outcome is not None and outcome.has_error_label("UnknownTransactionCommitResult"):
                with contextlib.suppress(AssertionError):
                    until("the outcome", lambda: session.commit_transaction() or True)
                    outcome = None
            elif outcome is not None:
                assert outcome.has_error_label("TransientTransactionError")
        marked = until(
            "both halves to agree",
            lambda n=number: (
                [full.accounts.count_documents({"mark": n})]
                if (full.accounts.count_documents({"mark": n}) in (0, 2))
                else None
            ),
        )
        assert marked == ([2] if outcome is None else [0])


def test_writes_are_seen_through_the_other_router(root, elsewhere, full):
    """Causal consistency: a session's times, carried by hand from one router to the other."""
    there = elsewhere[full.name].accounts.with_options(read_concern=ReadConcern("majority"))
    with root.start_session() as here, elsewhere.start_session() as session:
        for n in range(10):
            full.accounts.update_one({"k": 90}, {"$set": {"n": n}}, session=here)
            session.advance_cluster_time(here.cluster_time)
            session.advance_operation_time(here.operation_time)
            assert there.find_one({"k": 90}, session=session)["n"] == n
            assert there.count_documents({"n": n, "k": {"$gte": 0}}, session=session) >= 1
