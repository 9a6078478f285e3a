"""A shard leaves the cluster and its processes end: nobody goes on asking for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shardhouse.mongo.admin import majority
from tests.router.cluster import TestCluster, until


@pytest.fixture
def three_shards(tmp_path: Path) -> Iterator[TestCluster]:
    started = TestCluster(tmp_path, shards=3)
    yield started
    started.stop()


def test_a_shard_that_others_still_know_is_not_asked(three_shards: TestCluster) -> None:
    """The config servers moved its data: neither the router nor a shard that had no part in it was
    told."""
    gone = three_shards.shards[2]
    with three_shards.client() as client, three_shards.config.client() as config:
        client.admin.command("enableSharding", "shop", primaryShard="s0")
        client.admin.command("shardCollection", "shop.orders", key={"k": 1})
        for k, shard in ((20, "s2"), (10, "s1")):
            client.admin.command("split", "shop.orders", middle={"k": k})
            client.admin.command("moveChunk", "shop.orders", find={"k": k}, to=shard)
        orders = client["shop"]["orders"]
        orders.insert_many({"_id": n, "k": n} for n in range(30))
        for _ in range(20):  # so that each shard has its turn
            assert len(list(orders.find())) == 30
            assert len(list(orders.aggregate([{"$group": {"_id": "$k"}}]))) == 30
        majority(config, "_configsvrRemoveShard", "s2")
        majority(
            config,
            "_configsvrMoveRange",
            "shop.orders",
            toShard="s1",
            min={"k": 20},
            forceJumbo=0,
            waitForDelete=False,
        )
        until(
            "s2 to be removed",
            lambda: majority(config, "_configsvrRemoveShard", "s2")["state"] == "completed",
        )
        gone.kill()
        for _ in range(10):
            assert len(list(orders.find())) == 30
            assert len(list(orders.aggregate([{"$group": {"_id": "$k"}}]))) == 30
            assert orders.update_many({}, {"$inc": {"n": 1}}).modified_count == 30
            assert client.admin.command("listDatabases")["ok"] == 1
            assert client["shop"].command("collStats", "orders")["count"] == 30
            assert list(client.admin.aggregate([{"$currentOp": {"allUsers": True}}]))
