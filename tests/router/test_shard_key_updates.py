"""Updates that give a document a shard key of the other shard: keys below 50, and from 50 on."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading

import pytest
from bson import Int64, MinKey
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from tests.router.cluster import until

_NUMBERS = itertools.count(1)
AWAY = {"$set": {"k": 91}}
IN_A_BATCH = (
    "Document shard key value updates that cause the doc to move shards must be sent with write"
    " batch of size 1"
)
CONVERTED = (
    "Update operation was converted into a distributed transaction because the document being"
    " updated would move shards and that transaction failed. :: caused by :: "
)
INSERTING = "During insert stage of updating a shard key :: caused by :: "
ID_TAKEN = (
    "Failed to update document's shard key field. There is either an orphan for this document or"
    " _id for this collection is not globally unique. :: caused by :: "
)


@pytest.fixture
def full(accounts):
    accounts.accounts.insert_many([{"_id": n, "k": n, "n": 0} for n in range(0, 100, 5)])
    return accounts


@pytest.fixture(scope="module")
def numbered(cluster):
    """A session in which the tests number the writes, at a client that is used for nothing else."""
    with cluster.router.client() as client, client.start_session() as session:
        yield session


@pytest.fixture(params=[False, True], ids=["retryable write", "transaction"])
def run(request, full, numbered):
    """Runs a command as a retryable write, or in a transaction that is then committed."""
    db = numbered.client[full.name]

    def command(body):
        number = {"txnNumber": Int64(next(_NUMBERS))}
        if not request.param:
            return db.command({**body, **number}, session=numbered)
        number["autocommit"] = False
        reply = db.command({**body, **number, "startTransaction": True}, session=numbered)
        if not reply.get("writeErrors"):
            numbered.client.admin.command({"commitTransaction": 1, **number}, session=numbered)
        return reply

    command.in_transaction = request.param
    return command


def update(query, change, **more):
    return {"update": "accounts", "updates": [{"q": query, "u": change, **more}]}


def modify(query, change, **more):
    return {"findAndModify": "accounts", "query": query, "update": change, **more}


def everywhere(db, identifier):
    """All documents of this `_id`, of whichever shard."""
    return list(db.accounts.find({"_id": identifier}).sort("k", 1))


@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"k": 91}, "$inc": {"n": 1}},
        {"_id": 10, "k": 91, "n": 1},
        [{"$set": {"k": {"$add": ["$k", 81]}, "n": 1}}],
    ],
    ids=["operators", "replacement", "pipeline"],
)
def test_an_update_moves_its_document(full, run, change):
    reply = run(update({"k": 10}, change))
    assert (reply["n"], reply["nModified"], "upserted" in reply) == (1, 1, False)
    assert everywhere(full, 10) == [{"_id": 10, "k": 91, "n": 1}]
    assert full.accounts.count_documents({}) == 20


def test_hashed_keys(root, db):
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": "hashed"})
    db.c.insert_many([{"_id": n, "k": n} for n in range(10)])
    for n in range(10):  # some of them move
        assert db.c.update_one({"k": n}, {"$inc": {"k": 100}}).modified_count == 1
    assert sorted(found["k"] for found in db.c.find()) == list(range(100, 110))


def test_keys_of_several_fields_some_missing(root, db):
    root.admin.command("shardCollection", f"{db.name}.c", key={"a.b": 1, "c": 1})
    middle = {"a.b": 10, "c": MinKey()}
    root.admin.command("split", f"{db.name}.c", middle=middle)
    home = root.config.databases.find_one({"_id": db.name})["primary"]
    other = next(s["_id"] for s in root.config.shards.find() if s["_id"] != home)
    root.admin.command("moveRange", f"{db.name}.c", min=middle, toShard=other)
    db.c.insert_many([{"_id": 1, "a": {"b": 5}, "c": 1}, {"_id": 2}, {"_id": 3, "a": {"b": 20}}])
    db.c.update_one({"a.b": 5, "c": 1}, {"$set": {"a": {"b": 30}}})
    db.c.update_one({"a.b": None, "c": None}, {"$set": {"a.b": 31}})
    db.c.update_one({"a.b": 20, "c": None}, {"$unset": {"a": 1}})
    rows = list(db.c.find({}, sort=[("_id", 1)]))
    assert rows == [{"_id": 1, "a": {"b": 30}, "c": 1}, {"_id": 2, "a": {"b": 31}}, {"_id": 3}]


def test_who_may_update_may_move(root, cluster, full):
    allowed = {"resource": {"db": full.name, "collection": "accounts"}, "actions": ["update"]}
    full.command("createRole", "updater", privileges=[allowed], roles=[])
    full.command("createUser", "updater", pwd="updates", roles=["updater"])
    with cluster.router.client("updater", "updates", authSource=full.name) as client:
        changed = client[full.name].accounts.update_one({"k": 10}, AWAY)
        assert changed.modified_count == 1
    assert everywhere(full, 10)[0]["k"] == 91


def test_moves_that_collide_through_two_routers(root, elsewhere, full):
    """What is counted as done was done, once, wherever the documents went."""
    done, failures = [], []

    def work(seed, client):
        chance = random.Random(seed)
        there = client[full.name].accounts
        try:
            for _ in range(40):
                identifier = chance.choice([0, 5, 95])
                known = there.find_one({"_id": identifier})
                if known is None:
                    continue  # on its way: one shard was asked before, the other after
                change = {"$set": {"k": chance.randrange(100)}, "$inc": {"n": 1}}
                query = {"_id": identifier, "k": known["k"]}
                if chance.random() < 0.5:
                    done.append(there.update_one(query, change).modified_count)
                else:
                    done.append(int(there.find_one_and_update(query, change) is not None))
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(seed, (root, elsewhere)[seed % 2])) for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    rows = list(full.accounts.find())
    assert sorted(row["_id"] for row in rows) == list(range(0, 100, 5))
    assert sum(row["n"] for row in rows) == sum(done) > 0


def test_an_upsert_inserts_where_its_new_key_belongs(full, run):
    change = {"$set": {"k": 91}, "$setOnInsert": {"n": 7}}
    reply = run(update({"k": 12, "_id": "new"}, change, upsert=True))
    assert (reply["n"], reply["nModified"]) == (1, 0)
    assert reply["upserted"] == [{"index": 0, "_id": "new"}]
    assert everywhere(full, "new") == [{"_id": "new", "k": 91, "n": 7}]


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize(
    "fields", [{}, {"_id": 0, "k": 1}, {"k": {"$add": ["$k", 0]}, "seen": {"$literal": 1}}]
)
def test_find_and_modify_answers_as_always(full, run, new, fields):
    """What it says is the same for a document that moves and one that stays."""
    options = {"new": new} | ({"fields": fields} if fields else {})
    moved = run(modify({"k": 10}, {"$set": {"k": 91}}, **options))
    stayed = run(modify({"k": 15}, {"$set": {"k": 16}}, **options))
    assert (
        moved["lastErrorObject"] == stayed["lastErrorObject"] == {"n": 1, "updatedExisting": True}
    )
    assert moved["value"].keys() == stayed["value"].keys()
    assert moved["value"]["k"] == (91 if new else 10)
    assert everywhere(full, 10) == [{"_id": 10, "k": 91, "n": 0}]


def test_find_and_modify_shows_what_its_query_matched(full, run):
    full.accounts.update_one({"k": 10}, {"$set": {"a": [{"x": 1}, {"x": 2}]}})
    reply = run(modify({"k": 10, "a.x": 2}, AWAY, fields={"a.$": 1}))
    assert reply["value"] == {"_id": 10, "a": [{"x": 2}]}


@pytest.mark.parametrize("new", [False, True])
def test_find_and_modify_upserts(full, run, new):
    reply = run(modify({"k": 12, "_id": 1000}, AWAY, upsert=True, new=new))
    assert reply["lastErrorObject"] == {"n": 1, "updatedExisting": False, "upserted": 1000}
    assert reply["value"] == ({"_id": 1000, "k": 91} if new else None)
    assert everywhere(full, 1000) == [{"_id": 1000, "k": 91}]


def test_another_document_of_the_same_id_is_in_the_way(full, run):
    full.accounts.insert_one({"_id": 10, "k": 99})
    for command, context in (
        (update({"k": 10}, AWAY), ID_TAKEN),
        (modify({"k": 10}, AWAY), f"findAndModify :: caused by :: {ID_TAKEN}"),
    ):
        failed = refusal(run, command)
        assert failed["code"] == 11000
        assert failed["errmsg"].startswith(f"{context}{INSERTING}E11000 duplicate key error")
        assert (failed["keyPattern"], failed["keyValue"]) == ({"_id": 1}, {"_id": 10})
        assert [found["k"] for found in everywhere(full, 10)] == [10, 99]


def refusal(run, command):
    """The error of a command. An update that is no transaction tells it of its statement."""
    if "update" in command and "updates" in command and not run.in_transaction:
        reply = run(command)
        assert (reply["n"], reply["nModified"], len(reply["writeErrors"])) == (0, 0, 1)
        assert reply["writeErrors"][0]["index"] == 0
        return reply["writeErrors"][0]
    with pytest.raises(OperationFailure) as refused:
        run(command)
    return refused.value.details


def test_another_unique_index_is_in_the_way(root, full, run):
    full.accounts.create_index([("k", 1), ("u", 1)], unique=True)
    full.accounts.insert_one({"_id": 1, "k": 91})
    converted = "" if run.in_transaction else CONVERTED
    failed = refusal(run, update({"k": 10}, AWAY))
    assert failed["errmsg"].startswith(f"{converted}{INSERTING}E11000")
    failed = refusal(run, modify({"k": 10}, AWAY))
    assert failed["errmsg"].startswith(f"{converted}findAndModify :: caused by :: {INSERTING}")
    assert failed["codeName"] == "DuplicateKey"
    assert "errorLabels" not in failed


def test_a_repeated_write_is_not_done_twice(full, numbered):
    """The answer is a 6.0 mongos's."""
    db = numbered.client[full.name]
    for command in (update({"k": 10}, AWAY), modify({"k": 15}, AWAY)):
        command["txnNumber"] = Int64(next(_NUMBERS))
        db.command(command, session=numbered)
        full.accounts.update_one({"k": 91}, {"$set": {"k": 92}})
        with pytest.raises(OperationFailure) as refused:
            db.command(command, session=numbered)
        assert refused.value.code == 217
        assert "has been converted into a transaction" in refused.value.details["errmsg"]
        assert full.accounts.count_documents({"k": 92}) == 1
        full.accounts.delete_one({"k": 92})


@pytest.mark.parametrize("multi", [False, True])
def test_neither_retryable_nor_in_a_transaction_it_is_refused(full, multi):
    reply = full.command(update({"k": 10}, AWAY, multi=multi))
    failed = reply["writeErrors"][0]
    assert (failed["index"], failed["code"]) == (0, 72 if multi else 20)
    expected = "Multi-update" if multi else "Must run update to shard key field in a multi-st"
    assert failed["errmsg"].startswith(expected)
    with pytest.raises(OperationFailure) as refused:
        full.command(modify({"k": 10}, AWAY))
    assert refused.value.code == 20
    assert everywhere(full, 10)[0]["k"] == 10


@pytest.mark.parametrize("ordered", [True, False])
def test_in_a_batch_only_the_statement_that_moves_is_refused(full, numbered, ordered):
    grow = {"$inc": {"n": 1}}
    command = {
        "update": "accounts",
        "updates": [
            {"q": {"k": 0}, "u": grow},
            {"q": {"k": 5}, "u": grow},
            {"q": {"k": 10}, "u": AWAY},
            {"q": {"k": 15}, "u": {"$set": {"k": 16}}},
            {"q": {"k": 20}, "u": grow},
            {"q": {"k": 60}, "u": grow},
        ],
        "ordered": ordered,
        "txnNumber": Int64(next(_NUMBERS)),
    }
    db = numbered.client[full.name]
    for _ in range(2):  # said again, nothing is done again
        reply = db.command(command, session=numbered)
        done = 2 if ordered else 5
        assert (reply["n"], reply["nModified"]) == (done, done)
        assert reply["writeErrors"] == [{"index": 2, "code": 72, "errmsg": IN_A_BATCH}]
        rows = full.accounts.find({"_id": {"$in": [0, 5, 10, 15, 20, 60]}}).sort("_id", 1)
        moved = [(row["k"], row["n"]) for row in rows]
        rest = [(15, 0), (20, 0), (60, 0)] if ordered else [(16, 0), (20, 1), (60, 1)]
        assert moved == [(0, 1), (5, 1), (10, 0), *rest]


def test_in_a_batch_it_ends_a_transaction(root, full):
    updates = [{"q": {"k": k}, "u": AWAY} for k in (10, 60)]
    with root.start_session() as session, session.start_transaction():
        with pytest.raises(OperationFailure) as refused:
            full.command({"update": "accounts", "updates": updates}, session=session)
        assert (refused.value.code, refused.value.details["errmsg"]) == (72, IN_A_BATCH)
        assert not refused.value.has_error_label("TransientTransactionError")
        with pytest.raises(OperationFailure) as over:
            full.accounts.find_one({}, session=session)
        assert over.value.code == 251
        session.abort_transaction()


def test_a_transaction_goes_on_and_may_be_aborted(root, full):
    with root.start_session() as session:
        session.start_transaction()
        full.accounts.update_one({"k": 10}, AWAY, session=session)
        full.accounts.update_one({"k": 91}, {"$set": {"k": 11}}, session=session)
        assert full.accounts.find_one({"_id": 10}, session=session)["k"] == 11
        full.accounts.update_one({"k": 11}, AWAY, session=session)
        full.log.insert_one({"moved": 10}, session=session)
        session.abort_transaction()
    assert everywhere(full, 10) == [{"_id": 10, "k": 10, "n": 0}]


def test_a_conflict_in_a_transaction_is_transient(root, full):
    with root.start_session() as holder, root.start_session() as session:
        with holder.start_transaction():
            full.accounts.insert_one({"_id": 10, "k": 95}, session=holder)
            session.start_transaction()
            with pytest.raises(OperationFailure) as conflict:
                full.accounts.update_one({"k": 10}, AWAY, session=session)
            assert conflict.value.code == 112
            assert conflict.value.has_error_label("TransientTransactionError")
            session.abort_transaction()
            holder.abort_transaction()
        session.with_transaction(lambda s: full.accounts.update_one({"k": 10}, AWAY, session=s))
    assert everywhere(full, 10)[0]["k"] == 91


def test_a_passing_conflict_of_a_retryable_write_stays_inside(root, full):
    aborted = lambda: root.admin.command("serverStatus")["transactions"]["totalAborted"]  # noqa: E731
    before = aborted()
    with root.start_session() as holder, holder.start_transaction():
        full.accounts.insert_one({"_id": 10, "k": 95}, session=holder)
        results = []
        mover = threading.Thread(
            target=lambda: results.append(full.accounts.update_one({"k": 10}, AWAY))
        )
        mover.start()
        until("a conflict", lambda: aborted() > before)
        holder.abort_transaction()
        mover.join()
    assert results[0].modified_count == 1
    assert everywhere(full, 10) == [{"_id": 10, "k": 91, "n": 0}]


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_router_with_old_routing(root, elsewhere, full, in_transaction):
    there = elsewhere[full.name].accounts
    assert there.find_one({"k": 41}) is None
    home = root.config.databases.find_one({"_id": full.name})["primary"]
    other = next(s["_id"] for s in root.config.shards.find() if s["_id"] != home)
    root.admin.command("split", f"{full.name}.accounts", middle={"k": 40})
    root.admin.command("moveRange", f"{full.name}.accounts", min={"k": 40}, toShard=other)
    change = {"$set": {"k": 41}}
    with elsewhere.start_session() as session:
        if in_transaction:
            session.with_transaction(lambda s: there.update_one({"k": 10}, change, session=s))
        else:
            assert there.update_one({"k": 10}, change).modified_count == 1
    assert everywhere(full, 10) == [{"_id": 10, "k": 41, "n": 0}]


def test_write_concern_errors_are_told(full, numbered):
    command = {
        **update({"k": 10}, AWAY),
        "writeConcern": {"w": 5, "wtimeout": 100},
        "txnNumber": Int64(next(_NUMBERS)),
    }
    client = numbered.client[full.name]
    reply = client.command(command, session=numbered, parse_write_concern_error=False)
    assert (reply["n"], reply["writeConcernError"]["code"]) == (1, 100)
    assert everywhere(full, 10)[0]["k"] == 91


def test_documents_are_neither_lost_nor_doubled_while_a_shard_dies(cluster, full):
    victim = cluster.shards[1]
    identifiers = range(0, 100, 5)
    stop = threading.Event()

    def move():
        while not stop.is_set():
            for identifier in identifiers:
                known = {"_id": identifier}
                with contextlib.suppress(PyMongoError):
                    for key in (identifier, 99 - identifier):
                        change = {"$set": {"k": 99 - key}, "$inc": {"n": 1}}
                        full.accounts.update_one({**known, "k": key}, change)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(2):
            before = until("a move", lambda: full.accounts.count_documents({"n": {"$gt": 0}}), 60)
            assert before
            victim.kill()
            victim.start()
    finally:
        stop.set()
        mover.join()
    rows = until(
        "the shard to serve",
        lambda: sorted(row["_id"] for row in full.accounts.find({}, {"_id": 1})),
        60,
    )
    assert rows == list(identifiers)


def test_a_duplicate_is_what_drivers_take_it_for(full):
    full.accounts.insert_one({"_id": 10, "k": 99})
    with pytest.raises(DuplicateKeyError):
        full.accounts.find_one_and_update({"k": 10}, AWAY)
    with pytest.raises(DuplicateKeyError):
        full.accounts.update_one({"k": 10}, AWAY)
