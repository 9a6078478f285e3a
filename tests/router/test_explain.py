"""Plans look as a mongos shows them: by shard, under its own name, with the client's command."""

from __future__ import annotations

import pytest

COMMANDS = {
    "find": {"find": "{c}", "filter": {"k": 1}},
    "find everywhere": {"find": "{c}", "filter": {}},
    "sorted": {"find": "{c}", "filter": {}, "sort": {"k": 1}},
    "count": {"count": "{c}", "query": {"k": 1}},
    "count everywhere": {"count": "{c}", "query": {"x": 1}},
    "distinct": {"distinct": "{c}", "key": "x", "query": {}},
    "update": {"update": "{c}", "updates": [{"q": {"k": 1}, "u": {"$set": {"x": 1}}}]},
    "delete": {"delete": "{c}", "deletes": [{"q": {"k": 1}, "limit": 1}]},
    "findAndModify": {"findAndModify": "{c}", "query": {"k": 1}, "remove": True},
}
STAGES = {
    "find": "SINGLE_SHARD", "find everywhere": "SHARD_MERGE", "sorted": "SHARD_MERGE_SORT",
    "count": "SINGLE_SHARD", "count everywhere": "SHARD_MERGE", "distinct": "SHARD_MERGE",
    "update": "SHARD_WRITE", "delete": "SHARD_WRITE", "findAndModify": "SHARD_WRITE",
}  # fmt: skip


def check_frame(plan, command, cluster, db) -> None:
    assert plan["serverInfo"]["port"] == cluster.router.port
    assert plan["serverInfo"]["version"] == "6.0.5"
    assert len(plan["serverInfo"]["gitVersion"]) == 40
    assert plan["command"] == {**command, "$db": db.name}
    assert plan["serverParameters"]["internalQueryFacetBufferSizeBytes"] > 0
    assert "cluster" not in str(plan["command"])


@pytest.mark.parametrize("verbosity", ["queryPlanner", "executionStats"])
@pytest.mark.parametrize("name", COMMANDS)
def test_over_shards_and_on_one(accounts, cluster, name, verbosity):
    for collection in ("accounts", "log"):
        template = COMMANDS[name]
        first = next(iter(template))
        command = {**template, first: collection}
        plan = accounts.command("explain", command, verbosity=verbosity)
        check_frame(plan, command, cluster, accounts)
        planner = plan["queryPlanner"]
        assert planner["mongosPlannerVersion"] == 1
        winning = planner["winningPlan"]
        writes = STAGES[name] == "SHARD_WRITE"
        here = "SINGLE_SHARD" if collection == "log" and not writes else STAGES[name]
        assert winning["stage"] == here
        assert len(winning["shards"]) == (2 if here.startswith("SHARD_MERGE") else 1)
        for shard in winning["shards"]:
            assert shard["connectionString"].startswith(f"{shard['shardName']}/")
            assert shard["namespace"] == f"{accounts.name}.{collection}"
            assert "stage" in shard["winningPlan"]
        if verbosity == "executionStats":
            stages = plan["executionStats"]["executionStages"]
            assert stages["stage"] == here
            assert {"nReturned", "totalKeysExamined", "totalDocsExamined"} <= set(stages)
            assert "totalChildMillis" in stages
            assert len(stages["shards"]) == len(winning["shards"])


def test_aggregations(accounts, cluster):
    command = {"aggregate": "accounts", "pipeline": [{"$group": {"_id": "$k"}}], "cursor": {}}
    plan = accounts.command("explain", command, verbosity="queryPlanner")
    check_frame(plan, command, cluster, accounts)
    assert plan["mergeType"] in ("mongos", "anyShard", "primaryShard")
    assert set(plan["shards"]) == {"s0", "s1"}
    assert plan["splitPipeline"]["shardsPart"]
    command["aggregate"] = "log"
    plan = accounts.command("explain", command, verbosity="queryPlanner")
    check_frame(plan, command, cluster, accounts)
