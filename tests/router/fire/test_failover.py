"""One failure at a time: what a client notices of it, and what it may not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shardhouse.router.upstream.pool import LIMIT
from tests.router.cluster import ADMIN, PASSWORD, until
from tests.router.fire.cluster import FireCluster, freeze, thaw

_CROWD = 500


@pytest.fixture(scope="module")
def burning(tmp_path_factory) -> Iterator[FireCluster]:
    started = FireCluster(tmp_path_factory.mktemp("failover"))
    with started.client() as client:
        client.admin.command("enableSharding", "f", primaryShard="s0")
    yield started
    started.stop()


@pytest.fixture
def client(burning) -> Iterator[MongoClient]:
    with burning.client(burning.routers[0]) as one:
        yield one


def test_retryable_operations_outlive_a_killed_primary(burning, client):
    """No error reaches the application, no write is done twice."""
    found = client.get_database("f", write_concern=WriteConcern("majority")).killed
    found.insert_one({"_id": 1, "n": 0})
    told, stop, errors = [0], threading.Event(), []

    def work() -> None:
        try:
            while not stop.is_set():
                found.update_one({"_id": 1}, {"$inc": {"n": 1}})
                told[0] += 1
                assert found.find_one({"_id": 1})["n"] == told[0]
        except Exception as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    group = burning.shards[0]
    until("some work", lambda: told[0] > 3)
    old = group.primary()
    old.kill()
    group.another_primary(old)
    after = told[0]
    until("work to go on", lambda: errors or told[0] > after + 3, 60)
    stop.set()
    worker.join()
    old.start()
    group.wait_whole()
    assert errors == []
    assert found.find_one({"_id": 1})["n"] == told[0]


@pytest.mark.soak
def test_a_frozen_primary_holds_up_nobody_and_acknowledges_nothing(burning, client):
    """Writes and reads go to its successor, also once it is back and believes it still leads."""
    db = client.f
    db.frozen.insert_one({"_id": 0})
    group = burning.shards[0]
    old = group.primary()
    freeze(old)
    try:
        # Sent while the router still takes the frozen one for the primary.
        db.frozen.insert_one({"_id": 1})
        assert db.frozen.find_one({"_id": 1}) == {"_id": 1}
        new = group.another_primary(old)
    finally:
        thaw(old)
    # w:1, so that an old primary could acknowledge it, and lose it again.
    weak = db.get_collection("frozen", write_concern=WriteConcern(1))
    for number in range(2, 50):
        weak.insert_one({"_id": number})
        assert db.frozen.find_one({"_id": number}) is not None
    group.wait_whole()
    strong = db.get_collection("frozen", read_concern=ReadConcern("majority"))
    until("all to be committed", lambda: strong.count_documents({}) == 50)
    assert new is not old


def test_a_frozen_secondary_is_left_out_of_reads(burning, client):
    client.f.apart.insert_one({"_id": 0})
    group = burning.shards[0]
    primary = group.primary()
    frozen = next(member for member in group.members if member is not primary)
    freeze(frozen)
    try:
        with burning.client(burning.routers[0], readPreference="secondary") as reading:
            for _ in range(10):
                assert reading.f.apart.find_one({"_id": 0}) == {"_id": 0}
    finally:
        thaw(frozen)
    group.wait_whole()


def test_a_shard_that_cannot_learn_new_routing_at_once_is_asked_again(burning, client):
    """As it answers a write to a collection that is resharded (ShardCannotRefreshDueToLocksHeld).

    It tries again once itself, so it has to fail twice."""
    found = client.f.refreshing
    found.insert_one({"_id": 0})
    with burning.shards[0].primary().client() as shard:
        busy = {
            "failCommands": ["update"],
            "errorCode": 343,
            "errorExtraInfo": {"nss": found.full_name},
        }
        shard.admin.command(
            "configureFailPoint", "failCommand", mode={"times": 2},
            data={**busy, "failInternalCommands": True, "namespace": found.full_name},
        )  # fmt: skip
        try:
            assert found.update_one({"_id": 0}, {"$set": {"n": 1}}).modified_count == 1
            left = shard.admin.command("configureFailPoint", "failCommand", mode="off")
            assert left["count"] >= 2
        finally:
            shard.admin.command("configureFailPoint", "failCommand", mode="off")


def test_a_crowd_before_a_slow_shard_waits_in_line(burning, client):
    """Many clients never mean more connections to a shard than the pool may have."""
    client.f.crowd.insert_one({"_id": 0})
    primary = burning.shards[0].primary()
    uri = f"mongodb://127.0.0.1:{burning.routers[0].port}"
    with primary.client() as shard:

        def connections() -> int:
            return int(shard.admin.command("serverStatus")["connections"]["current"])

        before, most, done = connections(), [0], threading.Event()

        def look() -> None:
            while not done.is_set():
                most[0] = max(most[0], connections() - before)

        slow = {"failCommands": ["find"], "blockConnection": True, "blockTimeMS": 300}
        shard.admin.command(
            "configureFailPoint", "failCommand", mode="alwaysOn",
            data={**slow, "failInternalCommands": True, "namespace": "f.crowd"},
        )  # fmt: skip
        looking = threading.Thread(target=look)
        looking.start()

        async def crowd() -> list[object]:
            async with AsyncMongoClient(
                uri, username=ADMIN, password=PASSWORD, maxPoolSize=_CROWD, minPoolSize=0
            ) as many:
                await many.admin.command("ping")
                reads = (many.f.crowd.find_one({"_id": 0}) for _ in range(_CROWD))
                return list(await asyncio.gather(*reads))

        try:
            found = asyncio.run(crowd())
        finally:
            done.set()
            looking.join()
            shard.admin.command("configureFailPoint", "failCommand", mode="off")
        assert found == [{"_id": 0}] * _CROWD
        assert LIMIT / 2 < most[0] <= LIMIT + 10  # others connect to it as well
