"""serverStatus: its numbers are those of what was done."""

from __future__ import annotations

import pytest
from pymongo.errors import OperationFailure

from tests.router.cluster import PASSWORD


@pytest.fixture
def fresh(cluster):
    router = cluster.start_router()
    with router.client() as client:
        yield client, router
    assert router.stop() == 0


def test_statements_and_commands_are_counted(fresh, accounts):
    client, _ = fresh
    collection = client[accounts.name].accounts
    collection.insert_many([{"_id": k, "k": k} for k in range(6)])
    collection.update_one({"k": 1}, {"$set": {"a": 1}})
    collection.delete_many({"k": 2})
    cursor = collection.find(batch_size=2)
    next(cursor)
    with pytest.raises(OperationFailure):
        client.admin.command("nonsense")
    with pytest.raises(OperationFailure):
        client[accounts.name].command("count", "accounts", query=1)
    status = client.admin.command("serverStatus")
    counted = status["opcounters"]
    assert [counted[n] for n in ("insert", "update", "delete", "query")] == [6, 1, 1, 1]
    commands = status["metrics"]["commands"]
    assert commands["insert"] == {"failed": 0, "total": 1}
    assert commands["count"] == {"failed": 1, "total": 1}
    assert commands["<UNKNOWN>"] == 1
    assert status["metrics"]["cursor"]["open"] == {"total": 1, "pinned": 0, "noTimeout": 0}
    cursor.close()
    catalog = status["shardingStatistics"]["catalogCache"]
    assert catalog["countFullRefreshesStarted"] >= 1
    assert catalog["numDatabaseEntries"] >= 1
    assert catalog["numCollectionEntries"] >= 1
    assert status["network"]["numRequests"] > 6
    assert status["asserts"]["user"] >= 2


def test_logins_are_counted(fresh):
    client, router = fresh
    client.admin.command("ping")

    def mechanism():
        status = client.admin.command("serverStatus")["security"]["authentication"]
        return status["mechanisms"]["SCRAM-SHA-256"]

    before = mechanism()
    assert before["authenticate"]["successful"] > 0
    assert before["speculativeAuthenticate"]["successful"] > 0
    wrong = router.client(password=f"not {PASSWORD}")
    with wrong, pytest.raises(OperationFailure):
        wrong.admin.command("ping")
    after = mechanism()
    assert after["authenticate"]["received"] > before["authenticate"]["received"]
    assert after["authenticate"]["successful"] == before["authenticate"]["successful"]


def test_a_section_can_be_left_out(root):
    assert "metrics" not in root.admin.command("serverStatus", metrics=0)
