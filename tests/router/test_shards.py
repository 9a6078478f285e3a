"""Shards come and go while clients work: added, drained by the balancer, removed, added again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.router.cluster import Mongod, RouterProcess, TestCluster, until
from tests.router.test_change_streams import drain

PATIENCE = 120.0
"""Seconds; the balancer works in rounds of ten."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    """A cluster of this module's own: its shards change."""
    started = TestCluster(tmp_path_factory.mktemp("shards"))
    for shard in started.shards:
        clean_at_once(shard)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def spare(own: TestCluster) -> Iterator[Mongod]:
    """A shard that does not belong to the cluster yet."""
    node = Mongod(own.directory, "--shardsvr", "spare", own.key_file)
    node.initiate(config=False)
    clean_at_once(node)
    yield node
    node.kill()


@pytest.fixture(scope="module")
def client(own: TestCluster) -> Iterator[MongoClient]:
    with own.router.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def warm(own: TestCluster) -> Iterator[tuple[RouterProcess, MongoClient]]:
    """Another router, whose knowledge grows old."""
    router = own.start_router()
    with router.client() as opened:
        yield router, opened
    assert router.stop() == 0


def clean_at_once(shard: Mongod) -> None:
    """By default a range that left cannot come back for a quarter of an hour."""
    with shard.client() as direct:
        direct.admin.command("setParameter", 1, orphanCleanupDelaySecs=0)


def code_of(run) -> int | None:
    with pytest.raises(OperationFailure) as error:
        run()
    return error.value.code


def add(admin, node: Mongod) -> dict:
    return admin.command("addShard", f"spare/{node.address}", name="extra")


def logged(router: RouterProcess, severities: str = "IWE") -> list[str]:
    """The last messages of a router's log since a shard came to it."""
    lines = [json.loads(line) for line in router.log.read_text().splitlines()]
    lines = [line for line in lines if line["s"] in severities]
    added = [at for at, line in enumerate(lines) if line["msg"] == "Shard joined the cluster"]
    return [line["msg"] for line in lines[added[-1] if added else 0 :]]


class Writer(threading.Thread):
    """Inserts, reads back and updates by key and everywhere, as long as its context lasts.

    What went wrong here is told whatever else does: the rest may only have followed from it."""

    def __init__(self, collection) -> None:
        super().__init__(daemon=True)
        self._collection, self._over = collection, threading.Event()
        self.written = 0
        self.error: Exception | None = None

    def __enter__(self) -> Writer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        if self.error is not None:
            raise self.error

    def reaches(self, number: int) -> None:
        """Wait until so many were written; the error if that failed."""
        until("the writer", lambda: self.error or self.written >= number, PATIENCE)
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        try:
            while not self._over.wait(0.01):
                key = self.written
                self._collection.insert_one({"_id": key, "k": key % 100})
                assert self._collection.find_one({"_id": key, "k": key % 100}) is not None
                assert self._collection.update_one(
                    {"k": key % 100, "_id": key}, {"$set": {"x": 1}}
                ).modified_count
                self.written += 1
                assert self._collection.count_documents({}) == self.written
        except Exception as error:
            self.error = error


@pytest.mark.timeout(600)
def test_a_shard_is_added_drained_removed_and_added_again(own, spare, client, warm):
    admin, (warm_router, warm_client) = client.admin, warm
    assert add(admin, spare)["shardAdded"] == "extra"
    listed = {one["_id"]: one for one in admin.command("listShards")["shards"]}
    assert set(listed) == {"s0", "s1", "extra"}
    assert (listed["extra"]["host"], listed["extra"]["state"]) == (f"spare/{spare.address}", 1)

    admin.command("enableSharding", "app", primaryShard="s0")
    admin.command("enableSharding", "homed", primaryShard="extra")
    client.homed.plain.insert_many([{"_id": n} for n in range(5)])
    admin.command("shardCollection", "app.c", key={"k": 1})
    for middle in (30, 60):
        admin.command("split", "app.c", middle={"k": middle})
    admin.command("addShardToZone", "extra", zone="far")
    admin.command("updateZoneKeyRange", "app.c", min={"k": 60}, max={"k": 1000}, zone="far")
    admin.command("moveRange", "app.c", min={"k": 30}, max={"k": 60}, toShard="extra")
    admin.command("moveRange", "app.c", min={"k": 60}, toShard="extra")
    assert warm_client.app.c.find_one({"k": 60}) is None
    assert warm_client.homed.plain.count_documents({}) == 5

    def remaining():
        return admin.command("removeShard", "extra")["remaining"]

    with Writer(warm_client.app.c) as writer:
        admin.command("balancerStart")
        assert code_of(lambda: admin.command("removeShard", "extra")) == 163  # the zone needs it
        admin.command("addShardToZone", "s1", zone="far")
        started = admin.command("removeShard", "extra")
        assert (started["state"], started["dbsToMove"]) == ("started", ["homed"])
        assert "note" in started
        ongoing = admin.command("removeShard", "extra")
        assert ongoing["state"] == "ongoing"
        assert {"chunks", "dbs", "jumboChunks"} == set(ongoing["remaining"])
        assert ongoing["dbsToMove"] == ["homed"]
        assert client.config.shards.find_one({"_id": "extra"})["draining"] is True
        assert [s["_id"] for s in admin.command("listShards")["shards"] if s.get("draining")] == [
            "extra"
        ]

        until("the balancer to drain it", lambda: remaining()["chunks"] == 0, PATIENCE)
        admin.command("movePrimary", "homed", to="s1")
        until(
            "the draining to end",
            lambda: admin.command("removeShard", "extra")["state"] == "completed",
            PATIENCE,
        )
        zoned = client.config.chunks.find({"min.k": 60})
        assert [chunk["shard"] for chunk in zoned] == ["s1"]
        assert client.config.shards.count_documents({}) == 2
        spare.kill()
        assert warm_client.homed.plain.count_documents({}) == 5
        writer.reaches(71)
        assert warm_client.app.c.find_one({"_id": 70, "k": 70}) is not None
    assert writer.written == client.app.c.count_documents({})

    spare.start()
    clean_at_once(spare)
    # What a drained shard keeps, empty, is in the way until it is dropped there.
    until("it to lead", lambda: code_of(lambda: add(admin, spare)) == 96, PATIENCE)
    with spare.client() as direct:
        for left in ("app", "homed"):
            direct.drop_database(left)
    add(admin, spare)
    admin.command("moveRange", "app.c", min={"k": 60}, toShard="extra")
    assert warm_client.app.c.count_documents({}) == writer.written
    assert client.app.c.find_one({"_id": 70, "k": 70}) is not None
    for router in (own.router, warm_router):
        assert not logged(router, "E")


def test_a_shard_that_left_is_no_longer_watched(own, spare, client, warm):
    warm_router, warm_client = warm
    client.admin.command("moveRange", "app.c", min={"k": 60}, toShard="s1")
    assert warm_client.app.c.count_documents({}) > 70
    client.admin.command("removeShardFromZone", "extra", zone="far")
    until(
        "the draining to end",
        lambda: client.admin.command("removeShard", "extra")["state"] == "completed",
        PATIENCE,
    )
    for router, asking in ((own.router, client), warm):
        until("it to be noticed", lambda router=router: "Shard left the cluster" in logged(router))
        assert spare.address not in asking.admin.command("connPoolStats")["hosts"]
    assert code_of(lambda: client.admin.command("removeShard", "extra")) == 70
    assert code_of(lambda: client.admin.command("movePrimary", "app", to="extra")) == 70
    before = warm_router.log.read_text().count(spare.address)
    spare.kill()
    assert warm_client.app.c.count_documents({}) > 70
    assert warm_router.log.read_text().count(spare.address) == before


@pytest.mark.parametrize("scope", ["cluster", "database", "collection"])
def test_change_streams_follow_shards_that_come_and_go(own, client, tmp_path_factory, scope):
    name = f"late_{scope}"
    node = Mongod(own.directory, "--shardsvr", name, own.key_file)
    try:
        node.initiate(config=False)
        clean_at_once(node)
        database = client[name]
        client.admin.command("enableSharding", name, primaryShard="s0")
        client.admin.command("shardCollection", f"{name}.c", key={"k": 1})
        client.admin.command("split", f"{name}.c", middle={"k": 50})
        watched = {"cluster": client, "database": database, "collection": database.c}[scope]
        ours = [{"$match": {"ns.db": name}}]
        options = {"max_await_time_ms": 100, "full_document": "updateLookup"}
        with watched.watch(ours, **options) as stream:
            database.c.insert_many([{"_id": n, "k": n * 10} for n in range(10)])
            client.admin.command("addShard", f"{name}/{node.address}", name=name)
            client.admin.command("moveRange", f"{name}.c", min={"k": 50}, toShard=name)
            for n in range(10):
                database.c.insert_one({"_id": 10 + n, "k": n * 10})
            database.c.update_one({"_id": 9, "k": 90}, {"$set": {"x": 1}})
            events = drain(stream, 21)
            assert [e["documentKey"]["_id"] for e in events] == [*range(20), 9]
            assert events[-1]["fullDocument"] == {"_id": 9, "k": 90, "x": 1}
            client.admin.command("moveRange", f"{name}.c", min={"k": 50}, toShard="s1")
            until(
                "the draining to end",
                lambda: client.admin.command("removeShard", name)["state"] == "completed",
                PATIENCE,
            )
            node.kill()
            database.c.update_one({"_id": 9, "k": 90}, {"$set": {"x": 2}})
            database.c.insert_one({"_id": 30, "k": 0})
            assert [e["documentKey"]["_id"] for e in drain(stream, 2)] == [9, 30]
        with watched.watch(ours, resume_after=events[0]["_id"], **options) as resumed:
            found = [e["documentKey"]["_id"] for e in drain(resumed, 1)]
            assert found == [1]
    finally:
        node.kill()
