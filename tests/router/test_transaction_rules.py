"""What a router decides about transactions, on plain data: plan, label, session, division."""

from __future__ import annotations

import pytest
from bson import Int64, Timestamp

from shardhouse.router.errors import CommandError
from shardhouse.router.transactions.labels import RETRYABLE, TRANSIENT, label
from shardhouse.router.transactions.merging import (
    Division,
    divide,
    divide_find,
    find_as_pipeline,
    merge_stage,
)
from shardhouse.router.transactions.plan import CommitKind, CommitPlan, plan, recovery
from shardhouse.router.transactions.registry import FORGOTTEN_AFTER, Transactions, counts
from shardhouse.router.transactions.transaction import Phase, Transaction
from shardhouse.router.wire import raw

LOCAL = {"level": "local"}
SNAPSHOT = {"level": "snapshot"}
LSID = {"id": b"s" * 16, "uid": b"u" * 32}
NOW = Timestamp(100, 1)


@pytest.mark.parametrize(
    ("participants", "expected"),
    [
        ({}, CommitPlan(CommitKind.NO_SHARDS)),
        ({"a": True}, CommitPlan(CommitKind.SINGLE_SHARD, (("a",),))),
        ({"a": False}, CommitPlan(CommitKind.SINGLE_SHARD, (("a",),))),
        ({"a": None}, CommitPlan(CommitKind.SINGLE_SHARD, (("a",),))),
        ({"a": True, "b": True}, CommitPlan(CommitKind.READ_ONLY, (("a", "b"),))),
        (
            {"a": True, "b": False, "c": True},
            CommitPlan(CommitKind.SINGLE_WRITE_SHARD, (("a", "c"), ("b",))),
        ),
        (  # who has not said that it only read may have written
            {"a": None, "b": True},
            CommitPlan(CommitKind.SINGLE_WRITE_SHARD, (("b",), ("a",))),
        ),
        (  # the first participant coordinates even if it only read
            {"b": True, "a": False, "c": None},
            CommitPlan(CommitKind.TWO_PHASE, coordinator="b", members=("b", "a", "c")),
        ),
    ],
)
def test_the_plan_needs_as_few_messages_as_the_writes_allow(participants, expected):
    assert plan(participants) == expected


def test_a_recovery_asks_one_shard_and_tells_it_no_members():
    assert recovery("b") == CommitPlan(CommitKind.RECOVER, coordinator="b")


@pytest.mark.parametrize(
    ("command", "code", "alone", "retryable", "within"),
    [
        # code: outside of a transaction and unnumbered, as a retryable write, in a transaction
        ("update", 11000, None, None, None),
        ("update", 72, None, None, None),
        ("update", 20, None, None, None),
        ("update", 50, None, None, None),
        ("update", 6, None, RETRYABLE, TRANSIENT),
        ("update", 91, None, RETRYABLE, TRANSIENT),
        ("update", 10107, None, RETRYABLE, TRANSIENT),
        ("update", 112, None, None, TRANSIENT),
        ("update", 24, None, None, TRANSIENT),
        ("update", 251, None, None, TRANSIENT),
        ("update", 256, None, None, None),
        ("find", 133, None, None, TRANSIENT),
        ("find", 246, None, None, TRANSIENT),
        ("find", 13388, None, None, TRANSIENT),
        ("find", 249, None, None, TRANSIENT),
        # how it ended is unknown: RETRYABLE; it certainly did not happen: TRANSIENT
        ("commitTransaction", 6, RETRYABLE, RETRYABLE, RETRYABLE),
        ("commitTransaction", 133, RETRYABLE, RETRYABLE, RETRYABLE),
        ("commitTransaction", 251, TRANSIENT, TRANSIENT, TRANSIENT),
        ("commitTransaction", 112, TRANSIENT, TRANSIENT, TRANSIENT),
        ("commitTransaction", 256, None, None, None),
        ("abortTransaction", 11600, RETRYABLE, RETRYABLE, RETRYABLE),
        ("abortTransaction", 256, None, None, None),
    ],
)
def test_labels(command, code, alone, retryable, within):
    assert label(command, code, in_transaction=False, numbered=False) == alone
    assert label(command, code, in_transaction=False, numbered=True) == retryable
    assert label(command, code, in_transaction=True, numbered=True) == within


def begin(known, number, lsid=LSID):
    return known.begin(lsid, number, LOCAL)


def code_of(action, *arguments):
    with pytest.raises(CommandError) as refused:
        action(*arguments)
    return refused.value.code


def test_a_session_has_one_transaction_the_newest():
    known = Transactions()
    first, left = begin(known, 5)
    assert left is None
    assert known.current(LSID, 5) is first
    assert code_of(begin, known, 5) == 117
    assert code_of(begin, known, 4) == 225
    second, left = begin(known, 7)
    assert left is first
    assert known.open == [second]
    assert code_of(known.current, LSID, 5) == 225
    assert code_of(known.current, LSID, 8) == 251
    assert known.find(LSID, 8) is None
    assert known.started == 2


@pytest.mark.parametrize(
    ("phase", "code", "is_open"),
    [
        (Phase.OPEN, None, True),
        (Phase.COMMITTING, 256, True),
        (Phase.COMMITTED, 256, False),
        (Phase.ABORTED, 251, False),
    ],
)
def test_only_an_open_transaction_goes_on(phase, code, is_open):
    known = Transactions()
    transaction, _ = begin(known, 1)
    transaction.phase = phase
    if code is None:
        assert known.current(LSID, 1) is transaction
    else:
        assert code_of(known.current, LSID, 1) == code
    assert known.find(LSID, 1) is transaction
    assert known.open == ([transaction] if is_open else [])
    assert counts(known)["currentOpen"] == int(is_open)
    _, left = begin(known, 2)
    assert left is (transaction if phase is Phase.OPEN else None)


@pytest.mark.parametrize("name", ["id", "uid"])
def test_sessions_of_other_ids_and_users_are_others(name):
    known = Transactions()
    other = {**LSID, name: b"x" * len(LSID[name])}
    mine, _ = begin(known, 5)
    theirs, left = begin(known, 3, other)
    assert left is None
    assert known.current(LSID, 5) is mine
    assert known.current(other, 3) is theirs
    assert code_of(known.current, LSID, 6) == 251


def test_idle_transactions_are_forgotten():
    known = Transactions()
    transaction, _ = begin(known, 1)
    transaction.touched = 0.0
    known.forget_idle(FORGOTTEN_AFTER)
    assert known.find(LSID, 1) is transaction
    known.forget_idle(FORGOTTEN_AFTER + 1)
    assert known.find(LSID, 1) is None


def test_what_a_shards_first_and_later_statements_carry():
    transaction = Transaction(LSID, Int64(3), LOCAL)
    transaction.begin_statement(NOW)
    session = {"lsid": LSID, "txnNumber": 3, "autocommit": False}
    sent = {"find": "c", "readConcern": {"level": "majority"}, "writeConcern": {"w": 1}}
    first = {"find": "c", **session, "startTransaction": True, "readConcern": LOCAL}
    assert transaction.join("a", sent) == {**first, "coordinator": True}
    assert transaction.join("b", sent) == first
    assert transaction.join("a", sent) == {"find": "c", **session}
    assert transaction.participants == {"a": None, "b": None}


@pytest.mark.parametrize(
    ("concern", "expected"),
    [
        (LOCAL, LOCAL),
        (SNAPSHOT, {**SNAPSHOT, "atClusterTime": NOW}),
        ({**SNAPSHOT, "afterClusterTime": Timestamp(90, 1)}, {**SNAPSHOT, "atClusterTime": NOW}),
        (
            {**SNAPSHOT, "afterClusterTime": Timestamp(110, 1)},
            {**SNAPSHOT, "atClusterTime": Timestamp(110, 1)},
        ),
        (
            {**SNAPSHOT, "atClusterTime": Timestamp(50, 1)},
            {**SNAPSHOT, "atClusterTime": Timestamp(50, 1)},
        ),
    ],
)
def test_all_shards_of_a_snapshot_read_at_one_time(concern, expected):
    transaction = Transaction(LSID, 1, concern)
    transaction.begin_statement(NOW)
    assert transaction.join("a", {"find": "c"})["readConcern"] == expected
    transaction.begin_statement(Timestamp(200, 1))
    assert transaction.join("b", {"find": "c"})["readConcern"] == expected


def test_a_statement_that_met_only_new_shards_can_start_over():
    transaction = Transaction(LSID, 1, SNAPSHOT)
    transaction.begin_statement(NOW)
    transaction.join("a", {"find": "c"})
    assert transaction.can_start_over
    assert transaction.start_over() == ["a"]
    later = Timestamp(101, 1)
    transaction.begin_statement(later)
    again = transaction.join("a", {"find": "c"})
    assert (again["coordinator"], again["readConcern"]["atClusterTime"]) == (True, later)
    transaction.begin_statement(Timestamp(102, 1))
    transaction.join("b", {"find": "c"})
    assert transaction.can_start_over
    assert transaction.newcomers == ["b"]
    transaction.join("a", {"find": "c"})
    assert not transaction.can_start_over


def test_the_first_shard_that_wrote_knows_the_outcome():
    transaction = Transaction(LSID, 1, LOCAL)
    transaction.begin_statement(NOW)
    for shard in ("a", "b", "c"):
        transaction.join(shard, {"find": "c"})
    transaction.answered("a", True)
    assert transaction.recovery_token == {"recoveryShardId": "a"}
    transaction.answered("b", False)
    transaction.answered("c", False)
    transaction.answered("a", False)
    transaction.answered("b", None)
    assert transaction.recovery_token == {"recoveryShardId": "b"}
    assert transaction.participants == {"a": False, "b": False, "c": False}


M, S, G, P = {"$match": {"a": 1}}, {"$sort": {"a": 1}}, {"$group": {"_id": 1}}, {"$set": {"b": 1}}
BY_ID = {"$sort": {"_id": 1}}
K, L, NEAR = {"$skip": 2}, {"$limit": 3}, {"$geoNear": {"near": [0, 0], "distanceField": "d"}}


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ([], Division([], [])),
        ([M, P], Division([M, P], [])),
        ([M, P, G, M], Division([M, P], [G, M])),
        ([G], Division([], [G])),
        ([P, S, M], Division([P, S], [M], {"a": 1})),
        # no shard need give more than the limit, and what is skipped before it
        ([P, S, L, M], Division([P, S, L], [L, M], {"a": 1}, 3)),
        ([L], Division([L], [L], None, 3)),
        ([L, M, L], Division([BY_ID, L], [L, M, L], {"_id": 1}, 3)),
        ([L, S], Division([BY_ID, L], [L, S], {"_id": 1}, 3)),
        ([M, K, L, G], Division([M, BY_ID, {"$limit": 5}], [K, L, G], {"_id": 1}, 5)),
        ([M, K, L], Division([M, {"$limit": 5}], [K, L], None, 5)),
        ([S, K, L], Division([S, {"$limit": 5}], [K, L], {"a": 1}, 5)),
        ([K, M, L], Division([], [K, M, L])),
        ([{"$limit": 0}], Division([], [{"$limit": 0}])),
        ([{"$limit": "x"}], Division([], [{"$limit": "x"}])),
        ([G, L], Division([], [G, L])),
        ([NEAR, L], Division([NEAR], [{"$sort": {"d": 1}}, L])),
    ],
)
def test_a_pipeline_is_cut_where_all_documents_are_needed(pipeline, expected):
    assert divide([next(iter(stage.items())) for stage in pipeline]) == expected


@pytest.mark.parametrize(
    ("command", "shards", "rest", "sort"),
    [
        ({"limit": 5}, {"limit": 5}, [{"$limit": 5}], None),
        ({"skip": 2}, {}, [{"$skip": 2}], None),
        ({"skip": 2, "limit": 5}, {"limit": 7}, [{"$skip": 2}, {"$limit": 5}], None),
        ({"batchSize": 9}, {}, [], None),
        ({"batchSize": 9, "singleBatch": True}, {"limit": 9}, [{"$limit": 9}], None),
        ({"singleBatch": True}, {"limit": 101}, [{"$limit": 101}], None),
        ({"sort": {"$natural": 1}}, {"sort": {"$natural": 1}}, [], None),
        ({"sort": {}}, {"sort": {}}, [], None),
        (
            {"sort": {"a": -1}, "projection": {"a": 1}},
            {"sort": {"a": -1}, "projection": {"a": 1, "$sortKey": {"$meta": "sortKey"}}},
            [],
            {"a": -1},
        ),
    ],
)
def test_a_find_counts_what_all_shards_found(command, shards, rest, sort):
    divided = divide_find({"find": "c", "filter": {}, **command})
    assert divided.shards == {"find": "c", "filter": {}, **shards}
    assert (divided.rest, divided.sort) == (rest, sort)
    assert divided.bound == shards.get("limit")


@pytest.mark.parametrize(
    ("command", "pipeline", "hint"),
    [
        ({}, [], None),
        ({"filter": {}, "sort": {}, "skip": 0, "limit": 0, "projection": {}}, [], None),
        (
            {"projection": {"a": 1}, "limit": 3, "skip": 2, "sort": {"a": 1}, "filter": {"b": 1}},
            [
                {"$match": {"b": 1}}, {"$sort": {"a": 1}}, {"$skip": 2}, {"$limit": 3},
                {"$project": {"a": 1}},
            ],
            None,
        ),
        ({"hint": "a_1", "filter": {"a": 1}}, [{"$match": {"a": 1}}], "a_1"),
        ({"sort": {"$natural": -1}}, [], {"$natural": -1}),
        ({"singleBatch": True, "batchSize": 7}, [{"$limit": 7}], None),
        ({"singleBatch": True}, [{"$limit": 101}], None),
        ({"singleBatch": True, "limit": 1, "batchSize": 7}, [{"$limit": 1}], None),
    ],
)  # fmt: skip
def test_a_find_of_a_view_follows_the_views_pipeline(command, pipeline, hint):
    assert find_as_pipeline({"find": "v", **command}) == (pipeline, hint)


def test_the_merging_stage_names_every_cursor():
    cursors = [("a", "h:1", {"id": Int64(5)}), ("b", "h:2", {"id": Int64(6)})]
    fields = {"lsid": LSID, "txnNumber": Int64(1), "autocommit": False}
    plain = merge_stage("db.c", cursors, fields, None)["$mergeCursors"]
    assert "sort" not in plain
    assert plain.items() >= {**fields, "nss": "db.c"}.items()
    remotes = [(one["shardId"], one["hostAndPort"]) for one in plain["remotes"]]
    assert remotes == [("a", "h:1"), ("b", "h:2")]
    assert plain["remotes"][1]["cursorResponse"] == {"cursor": {"id": 6}, "ok": 1}
    ordered = merge_stage("db.c", cursors, fields, {"a": 1})["$mergeCursors"]
    assert ordered["sort"] == {"a": 1}
    assert raw.encode(ordered)
