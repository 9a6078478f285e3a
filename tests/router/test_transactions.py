"""Multi-document transactions over two shards, through one router and through two."""

from __future__ import annotations

import contextlib
import itertools
import threading

import pytest
from bson import Int64
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
