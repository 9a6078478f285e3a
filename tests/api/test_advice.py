"""Advice, compared with what was done to databases and what their servers say."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.installation import Installation, until, uri
from tests.slow_operations import all_is_slow

Made = dict[str, Any]
DATABASE = "advised"
SECRET = "a-value-of-a-client"
DOCUMENTS = 3000


def advice(installation: Installation, made: Made, **query: Any) -> dict[str, Any]:
    answer = installation.call("GET", f"/instances/{made['id']}/advice", params=query)
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    return answer.json()


def of(answer: dict[str, Any], kind: str, namespace: str) -> list[dict[str, Any]]:
    return [
        one
        for one in answer["findings"]
        if one["kind"] == kind and one["namespace"] in (namespace, "")
    ]


def fill(client: MongoClient[Any], name: str) -> None:
    client[DATABASE][name].insert_many(
        {"who": f"{SECRET}-{i % 300}", "when": i, "state": i % 2, "tags": [i], "more": [i]}
        for i in range(DOCUMENTS)
    )


def test_of_a_replica_set(installation: Installation, shared_replica: Made) -> None:
    with MongoClient(uri(shared_replica), w="majority") as client:
        orders = client[DATABASE]["orders"]
        try:
            fill(client, "orders")
            orders.create_index("state")
            orders.create_index([("state", 1), ("when", 1)])
            hidden_has_them(installation, shared_replica)
            with all_is_slow(installation, shared_replica):
                for i in range(3):
                    list(orders.find({"who": f"{SECRET}-{i}"}).sort("when", -1))
                orders.update_one({"who": SECRET, "when": {"$gt": 5}}, {"$set": {"x": 1}})
                list(orders.find({"tags": 5}).hint({"$natural": 1}))
                list(orders.find({"tags": 7, "more": 7, "when": {"$ne": 0}}))
                list(orders.find({"who": {"$in": [f"{SECRET}-{i}" for i in range(2000)]}}))
                orders.count_documents({"state": 0, "when": 4})
                list(orders.find({"flag": None}).limit(5).batch_size(5).skip(DOCUMENTS))
            answer = advice(installation, shared_replica, unused_days=0)
            check_queries(of(answer, "slow_query", f"{DATABASE}.orders"))
            (redundant,) = of(answer, "redundant_index", f"{DATABASE}.orders")
            assert redundant["index"]["covered_by"] == "state_1_when_1"
            assert redundant["command"].endswith('.dropIndex("state_1")')
            # One that was used is not unused, and none is before its time.
            assert not of(answer, "unused_index", f"{DATABASE}.orders")
            assert answer["not_judged"] == []
            orders.create_index("x")
            orders.create_index("y", unique=True, sparse=True)
            hidden_has_them(installation, shared_replica)
            answer = advice(installation, shared_replica, unused_days=0)
            (unused,) = of(answer, "unused_index", f"{DATABASE}.orders")
            assert (unused["index"]["name"], unused["index"]["operations"]) == ("x_1", 0)
            assert unused["index"]["size"] > 0
            answer = advice(installation, shared_replica)
            assert not of(answer, "unused_index", f"{DATABASE}.orders")
        finally:
            client.drop_database(DATABASE)


def test_an_instance_is_advised_once_at_a_time(
    installation: Installation, shared_replica: Made
) -> None:
    def ask(_number: int) -> httpx.Response:
        return installation.call("GET", f"/instances/{shared_replica['id']}/advice")

    def refused() -> httpx.Response | None:
        answers = list(threads.map(ask, range(4)))
        assert {one.status_code for one in answers} <= {200, 403}
        assert 200 in {one.status_code for one in answers}
        return next((one for one in answers if one.status_code == 403), None)

    with ThreadPoolExecutor(4) as threads:
        assert until("a refusal", refused).json()["error_code"] == "DBS.200019"
    assert ask(0).status_code == 200


def hidden_has_them(installation: Installation, made: Made) -> None:
    """Wait until all members have what the primary has."""
    with installation.system(made) as clients:

        def same() -> bool:
            told = [
                (
                    collection.estimated_document_count(),
                    sorted(collection.index_information()),
                )
                for node in made["groups"][0]["nodes"]
                for collection in [clients[node["host"]][DATABASE]["orders"]]
            ]
            return all(one == told[0] for one in told)

        until("all members to have all", same)


def check_queries(found: list[dict[str, Any]]) -> None:
    queries = {(one["query"]["command"], one["query"]["shape"]): one for one in found}
    sorting = queries["find", "{who: ###}"]
    assert sorting["severity"] == "warning"
    assert sorting["command"] == (
        f'db.getSiblingDB("{DATABASE}").getCollection("orders")'
        '.createIndex({"who": 1, "when": -1})'
    )
    evidence = sorting["query"]
    assert (evidence["operations"], evidence["documents_examined"]) == (3, 3 * DOCUMENTS)
    assert (evidence["documents_returned"], evidence["plan"]) == (30, "COLLSCAN")
    assert evidence["sorted_in_memory"]
    before, after = evidence["before"], evidence["after"]
    assert before["summary"] == "COLLSCAN"
    assert (before["documents_examined"], before["documents_returned"]) == (DOCUMENTS, 10)
    assert after["sampled"] == 2000
    assert after["documents_examined"] <= DOCUMENTS / 10
    update = queries["update", "{when: {$gt: ###}, who: ###}"]
    assert '{"who": 1, "when": 1}' in update["command"]
    # Two arrays are no index, a hint leaves no choice, all of it is too much.
    for shape, reason in (
        ("{more: ###, tags: ###, when: {$ne: ###}}", "arrays"),
        ("{tags: ###}", "hint"),
        ("{flag: ###}", f"{DOCUMENTS} would still"),
        ("{}", "only a part"),
    ):
        assert not queries["find", shape]["command"]
        assert reason in queries["find", shape]["message"]


def test_of_a_cluster(installation: Installation, shared_cluster: Made) -> None:
    with MongoClient(uri(shared_cluster), w="majority") as client:
        try:
            client.admin.command("enableSharding", DATABASE)
            client.admin.command("shardCollection", f"{DATABASE}.spread", key={"_id": "hashed"})
            fill(client, "spread")
            fill(client, "whole")
            client[DATABASE]["spread"].create_index("state")
            with all_is_slow(installation, shared_cluster):
                list(client[DATABASE]["spread"].find({"who": f"{SECRET}-3"}))
                for _ in range(20):
                    list(client[DATABASE]["whole"].find({"who": f"{SECRET}-3"}))
            answer = advice(
                installation, shared_cluster, unused_days=0, big_megabytes=0, hot_operations=1
            )
        finally:
            client.drop_database(DATABASE)
    # Each shard has examined its part; one that knows of the sharding only now refused once.
    (spread,) = of(answer, "slow_query", f"{DATABASE}.spread")
    shards = [group for group in shared_cluster["groups"] if group["type"] == "shard"]
    assert spread["query"]["operations"] >= len(shards)
    assert spread["query"]["documents_examined"] == DOCUMENTS
    assert 0 < spread["query"]["before"]["documents_examined"] < DOCUMENTS
    assert '.createIndex({"who": 1})' in spread["command"]
    (unsharded,) = of(answer, "unsharded_collection", f"{DATABASE}.whole")
    assert unsharded["command"] == f'sh.shardCollection("{DATABASE}.whole", {{"_id": "hashed"}})'
    assert unsharded["collection"]["documents"] == DOCUMENTS
    assert not of(answer, "unsharded_collection", f"{DATABASE}.spread")
    (unused,) = of(answer, "unused_index", f"{DATABASE}.spread")
    assert unused["index"]["name"] == "state_1"
    # One has the whole collection, and as much of the other as the others.
    (hot,) = [
        one
        for one in of(answer, "hot_shard", "")
        if one["shard"]["size"] > 2 * one["shard"]["others_size"]
    ]
    assert hot["shard"]["name"] == unsharded["collection"]["shard"]


@pytest.mark.parametrize(
    "wrong", [{"hours": 0}, {"hours": 745}, {"limit": 101}, {"unused_days": -1}, {"hours": "x"}]
)
def test_queries_that_are_refused(
    installation: Installation, shared_replica: Made, wrong: Any
) -> None:
    answer = installation.call("GET", f"/instances/{shared_replica['id']}/advice", params=wrong)
    assert answer.status_code == 400
