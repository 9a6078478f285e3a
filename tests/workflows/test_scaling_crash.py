"""`kill -9` of the service at the boundaries of the steps of operations that grow and shrink."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from shardhouse.operations import enlarge_volume, grow, shrink
from shardhouse.workflows.operation import Operation
from tests import requests
from tests.installation import Installation, until, uri
from tests.workflows.test_crash import (
    DYING,
    boundaries,
    check_nothing_is_orphaned,
    die_through,
)

MONGOS = "dds.mongodb.s2.medium.4.mongos"
SHARD = "dds.mongodb.s2.medium.4.shard"
REPLICA = "dds.mongodb.s2.medium.4.rr"
SHARDS = {"type": "shard", "spec_code": SHARD, "num": 1, "volume": {"size": 20}}
ROUTERS = {"type": "mongos", "spec_code": MONGOS, "num": 1}


@dataclass(frozen=True)
class Case:
    """A call that is interrupted: of `operation`, on an instance made by `made`, after the calls of
    `before`. `skipped` are the steps that this call does not take; `body` may look at the instance.
    """

    operation: Operation[Any]
    made: dict[str, Any]
    method: str
    path: str
    body: Any
    skipped: tuple[str, ...] = ()
    before: tuple[tuple[str, dict[str, Any]], ...] = ()
    counts: dict[str, int] = field(default_factory=dict)


def last(kind: str, key: str) -> Any:
    """A body that names the last node of a type, or with `ids` the last group."""

    def make(instance: dict[str, Any]) -> dict[str, Any]:
        group = [group for group in instance["groups"] if group["type"] == kind][-1]
        if key == "ids":
            return {"ids": [group["id"]]}
        return {key: [group["nodes"][-1]["id"]]}

    return make


SET = requests.replica_set(name="crashed-set")
CLUSTER = requests.cluster(name="crashed-cluster")
CASES = {
    "shard": Case(grow.GROW_SHARDS, CLUSTER, "POST", "enlarge", SHARDS, counts={"shard": 9}),
}
RARE = {
    "members": Case(
        grow.GROW_SET,
        SET,
        "POST",
        "replicaset-node",
        {"num": 2},
        skipped=(grow.ANSWER,),
        counts={"replica": 5},
    ),
    "routers": Case(
        grow.GROW_ROUTERS,
        CLUSTER,
        "POST",
        "enlarge",
        ROUTERS,
        skipped=(grow.JOIN,),
        counts={"mongos": 3},
    ),
    "read-replicas": Case(
        grow.ADD_READ_REPLICAS,
        SET,
        "POST",
        "readonly-node",
        {"spec_code": REPLICA, "num": 1},
        counts={"replica": 3, "readonly": 1},
    ),
    "fewer-members": Case(
        shrink.SHRINK_SET,
        SET,
        "DELETE",
        "nodes",
        {"num": 2},
        before=(("replicaset-node", {"num": 2}),),
        counts={"replica": 3},
    ),
    "fewer-routers": Case(
        shrink.SHRINK_ROUTERS,
        CLUSTER,
        "DELETE",
        "mongos-node",
        last("mongos", "node_list"),
        skipped=(shrink.LEAVE,),
        before=(("enlarge", ROUTERS),),
        counts={"mongos": 2},
    ),
    "fewer-shards": Case(
        shrink.SHRINK_SHARDS,
        CLUSTER,
        "POST",
        "shards/batch-delete",
        last("shard", "ids"),
        before=(("enlarge", SHARDS),),
        counts={"shard": 6},
    ),
    "fewer-read-replicas": Case(
        shrink.REMOVE_READ_REPLICAS,
        SET,
        "DELETE",
        "readonly-node",
        last("readonly", "node_list"),
        before=(("readonly-node", {"spec_code": REPLICA, "num": 1}),),
        counts={"replica": 3, "readonly": 0},
    ),
    "volume": Case(enlarge_volume.ENLARGE, SET, "POST", "enlarge-volume", {"volume": {"size": 30}}),
}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data", dialect="huawei")
    try:
        yield made
    finally:
        made.destroy()


def interrupt(own: Installation, case: Case, sides: tuple[str, ...] = ("before", "after")) -> None:
    """Make the call, and have the service die once on these sides of each step."""
    own.start()
    made = own.make(case.made)
    path = f"/instances/{made['id']}/"
    with MongoClient(uri(made)) as client:
        client["shop"]["orders"].insert_many({"_id": number} for number in range(100))
    for prior, body in case.before:
        answer = own.call("POST", path + prior, json=body)
        assert own.wait_job(answer.json()["job_id"], 300)["status"] == "Completed"
    listed = own.instance(made["id"])
    body = case.body(listed) if callable(case.body) else case.body
    own.kill()
    own.start(DYING, {"DIE_AT": "stored"})
    with pytest.raises(httpx.HTTPError):
        own.call(case.method, path + case.path, json=body)
    assert own.wait_end() == -9
    moments = [moment.split(":") for moment in boundaries(case.operation)]
    taken = [(side, step) for side, step in moments if step not in case.skipped and side in sides]
    die_through(own, [":".join(moment) for moment in taken])
    own.start()
    until("the instance to be idle", lambda: not own.instance(made["id"])["actions"], 120)
    until("all to be normal", lambda: own.instance(made["id"])["status"] == "normal", 60)
    listed = own.instance(made["id"])
    for kind, number in case.counts.items():
        found = [n for g in listed["groups"] if g["type"] == kind for n in g["nodes"]]
        assert len(found) == number
    with MongoClient(uri(listed)) as client:
        assert client["shop"]["orders"].count_documents({}) == 100
    check_nothing_is_orphaned(own)


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_growing_survives_a_crash_after_every_step(own: Installation, name: str) -> None:
    interrupt(own, CASES[name], ("after",))


@pytest.mark.soak
@pytest.mark.parametrize("name", CASES | RARE)
def test_scaling_survives_a_crash_at_every_boundary(own: Installation, name: str) -> None:
    interrupt(own, (CASES | RARE)[name])
