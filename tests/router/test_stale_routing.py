"""What one router changes is seen by another that already knew how it was before."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from bson import MinKey
from pymongo import MongoClient
from pymongo.database import Database


def rename_sharded(root: MongoClient, db: Database) -> None:
    db.c.rename("old")
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": "hashed"})


def rename_over(root: MongoClient, db: Database) -> None:
    root.admin.command("shardCollection", f"{db.name}.new", key={"z": 1})
    root.admin.command("renameCollection", f"{db.name}.new", to=f"{db.name}.c", dropTarget=True)


def recreate_unsharded(root: MongoClient, db: Database) -> None:
    db.c.drop()
    db.create_collection("c")


def recreate_on_another_shard(root: MongoClient, db: Database) -> None:
    db.c.drop()
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": 1})
    root.admin.command("split", f"{db.name}.c", middle={"k": 20})
    root.admin.command("moveRange", f"{db.name}.c", min={"k": MinKey()}, toShard="s1")


def drop_database(root: MongoClient, db: Database) -> None:
    root.drop_database(db.name)
    root.admin.command("enableSharding", db.name, primaryShard="s1")


def drop_database_and_shard(root: MongoClient, db: Database) -> None:
    drop_database(root, db)
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": 1})


def move_primary(root: MongoClient, db: Database) -> None:
    db.c.drop()
    root.admin.command("movePrimary", db.name, to="s1")
    db.create_collection("c")


def reads(collection) -> tuple:
    return (
        collection.find_one({"k": 10}, {"_id": 1}),
        collection.count_documents({}),
        collection.estimated_document_count(),
        sorted(collection.distinct("k")),
        [one["k"] for one in collection.find().sort("k", 1)],
        list(collection.aggregate([{"$group": {"_id": None, "n": {"$sum": 1}}}])),
    )


def writes(collection, key: int) -> tuple:
    """Targeted and broadcast ones; their counts."""
    inserted = collection.insert_many([{"_id": n, "k": n} for n in (key, key + 50)]).inserted_ids
    updated = collection.update_many({}, {"$inc": {"n": 1}}).modified_count
    one = collection.update_one({"k": key}, {"$set": {"x": 1}}).modified_count
    by_id = collection.update_one({"_id": key + 50}, {"$set": {"x": 2}}).modified_count
    changed = collection.find_one_and_update({"k": key}, {"$set": {"y": 1}})["_id"]
    deleted = collection.delete_one({"k": key}).deleted_count
    return inserted, updated, one, by_id, changed, deleted


CHANGES = [
    rename_sharded, rename_over, recreate_unsharded, recreate_on_another_shard, drop_database,
    drop_database_and_shard, move_primary,
]  # fmt: skip


@pytest.fixture
def known(root: MongoClient, elsewhere: MongoClient, db: Database) -> Database:
    """`c` over two shards, with 2 documents, well known to the other router."""
    root.admin.command("enableSharding", db.name, primaryShard="s0")
    root.admin.command("shardCollection", f"{db.name}.c", key={"k": 1})
    root.admin.command("split", f"{db.name}.c", middle={"k": 50})
    root.admin.command("moveRange", f"{db.name}.c", min={"k": 50}, toShard="s1")
    there = elsewhere[db.name]
    there.c.insert_many([{"_id": 10, "k": 10}, {"_id": 60, "k": 60}])
    assert reads(there.c)[:2] == ({"_id": 10}, 2)
    return there


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_reads_come_from_what_is_there_now(root, db, known, change):
    change(root, db)
    assert reads(known.c) == (None, 0, 0, [], [], [])
    db.c.insert_many([{"_id": "a", "k": 10, "z": 1}, {"_id": "b", "k": 70, "z": 2}])
    assert reads(known.c) == (
        {"_id": "a"}, 2, 2, [10, 70], [10, 70], [{"_id": None, "n": 2}],
    )  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_writes_go_to_what_is_there_now(root, db, known, change):
    change(root, db)
    if change is rename_over:  # another key: its values have to be given
        assert known.c.insert_one({"_id": 1, "k": 1, "z": 1}).inserted_id == 1
        assert known.c.update_many({}, {"$set": {"x": 1}}).modified_count == 1
        assert known.c.delete_one({"z": 1}).deleted_count == 1
    else:
        assert writes(known.c, 10) == ([10, 60], 2, 1, 1, 10, 1)
    assert reads(db.c) == reads(known.c)


def test_cursors_and_transactions_after_a_change(root, db, known):
    recreate_on_another_shard(root, db)
    with known.client.start_session() as session, session.start_transaction():
        known.c.insert_one({"_id": 10, "k": 10}, session=session)
        known.c.insert_one({"_id": 60, "k": 60}, session=session)
    cursor = known.c.find({}, batch_size=1).sort("k", 1)
    assert next(cursor)["_id"] == 10
    root.admin.command("moveRange", f"{db.name}.c", min={"k": 20}, toShard="s1")
    assert [one["_id"] for one in cursor] == [60]
    assert known.c.count_documents({}) == 2


def test_what_another_router_dropped_can_be_dropped_again(root, db, known):
    root.drop_database(db.name)
    known.client.drop_database(db.name)
    known.c.insert_one({"_id": 1})
    assert db.c.count_documents({}) == 1
    root.drop_database(db.name)
    known.c.drop()


def test_numbers_of_a_database_are_there_while_its_primary_moves(
    root: MongoClient, db: Database
) -> None:
    """A shard that gives a database up calls every version stale for a moment."""
    db.c.insert_many([{"n": number} for number in range(100)])
    moved = threading.Event()

    def ask() -> int:
        asked = 0
        while not moved.is_set():
            assert db.command("dbStats")["objects"] >= 100  # both shards have some for a while
            asked += 1
        return asked

    with ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        try:
            for shard in ("s1", "s0", "s1"):
                root.admin.command("movePrimary", db.name, to=shard)
        finally:
            moved.set()
    assert all(one.result() for one in asking)
