"""What fails in its middle leaves nothing behind, and what had begun to move comes back."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests import requests
from tests.installation import Installation, until, uri
from tests.load import load
from tests.workflows.test_crash import check_nothing_is_orphaned
from tests.workflows.test_scaling import MONGOS, REPLICA, SHARD, call, done, groups, nodes, refused

SHARDS_ADDED = "shardhouse.operations.tasks.shards:add"
ROUTERS_ANSWER = "shardhouse.operations.tasks.members:answer"
NODES_DISCARDED = "shardhouse.operations.tasks.members:discard"
VERIFIED = "shardhouse.operations.tasks.verify:majority_write"
DATABASE_MOVED = "shardhouse.mongo.draining:_move_primary"
#: `serve` in which the function that is named in a file does its work and then fails.
UNLUCKY = """
import importlib, json, pathlib, sys
from shardhouse.errors import MongoError
from shardhouse.server import serve
from shardhouse.settings import load

settings = json.loads(sys.argv[1])
failing = pathlib.Path(settings["data_dir"] + ".failing")

def unlucky(place):
    module, name = place.split(":")
    module = importlib.import_module(module)
    real = getattr(module, name)

    def call(*given, **options):
        result = real(*given, **options)
        if failing.exists() and failing.read_text() == place:
            raise MongoError("It failed, for this test.")
        return result

    setattr(module, name, call)

for place in PLACES:
    unlucky(place)
serve(load(**settings))
""".replace(
    "PLACES", repr((SHARDS_ADDED, ROUTERS_ANSWER, NODES_DISCARDED, VERIFIED, DATABASE_MOVED))
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("failing") / "data", dialect="huawei")
    try:
        made.start(UNLUCKY)
        yield made
    finally:
        made.destroy()


def failed(
    own: Installation, failing: str, instance: dict[str, Any], *asked: Any, **body: Any
) -> dict[str, Any]:
    """Have a call's job fail; the instance as listed then."""
    named = own.data_dir.with_name(f"{own.data_dir.name}.failing")
    named.write_text(failing)
    with load(instance):
        answer = call(own, instance, *asked, **body)
        assert answer.status_code == 202, answer.text
        job = own.wait_job(answer.json()["job_id"], 300)
    assert job["status"] == "Failed", job
    assert "for this test" in job["fail_reason"]
    assert "rolled back" not in job["fail_reason"]
    named.unlink()
    listed = own.instance(instance["id"])
    assert listed is not None
    assert listed["actions"] == []
    check_nothing_is_orphaned(own)
    with MongoClient(uri(listed)) as client:
        client["shop"].drop_collection("orders")
    return listed


@pytest.mark.soak
def test_a_failed_shard_leaves_and_the_next_attempt_succeeds(own: Installation) -> None:
    made = own.make(requests.cluster(name="failing-cluster"))
    body = {"type": "shard", "spec_code": SHARD, "num": 1, "volume": {"size": 20}}
    listed = failed(own, SHARDS_ADDED, made, "POST", "enlarge", **body)
    assert listed["status"] == "enlargefail"
    assert len(groups(listed, "shard")) == 2
    resized = call(own, made, "POST", "enlarge-volume", volume={"size": 10})
    refused(resized, 400, "DBS.200001")  # the state allows it, the size does not
    until("a look of the monitor", lambda: own.instance(made["id"])["status"] == "enlargefail")
    grown = done(own, made, call(own, made, "POST", "enlarge", **body))
    assert len(groups(grown, "shard")) == 3

    listed = failed(
        own, ROUTERS_ANSWER, grown, "POST", "enlarge",
        type="mongos", spec_code=MONGOS, num=1,
    )  # fmt: skip
    assert (listed["status"], len(nodes(listed, "mongos"))) == ("enlargefail", 2)

    with MongoClient(uri(grown)) as client:
        client.admin.command("balancerStop")
        client.admin.command("enableSharding", "kept", primaryShard="shard_3")
        client["kept"]["things"].insert_many({"_id": number} for number in range(50))
        client.admin.command("shardCollection", "kept.hashed", key={"_id": "hashed"})
        client["kept"]["hashed"].insert_many({"_id": number} for number in range(50))
    last = groups(grown, "shard")[2]["id"]
    asked = (grown, "POST", "shards/batch-delete")
    failed(own, DATABASE_MOVED, *asked, ids=[last])
    with MongoClient(uri(grown)) as client:
        assert client["config"]["shards"].count_documents({"draining": True}) == 0
        client["kept"]["things"].insert_one({"_id": 50})
    # A replica of a shard follows it and leaves it again, and the shard itself goes.
    body = {"spec_code": REPLICA, "num": 1, "group_id": last}
    refused(call(own, made, "POST", "readonly-node", **body | {"delay": 5}), 400, "DBS.200001")
    refused(call(own, made, "POST", "readonly-node", spec_code=REPLICA, num=1), 400, "DBS.200001")
    grown = done(own, made, call(own, made, "POST", "readonly-node", **body))
    (replica,) = nodes(grown, "shard_readonly")
    assert (replica["role"], replica["status"]) == ("Secondary", "normal")
    with load(grown):
        left = done(own, made, call(own, made, "POST", "shards/batch-delete", ids=[last]))
    assert not groups(left, "shard_readonly")
    with MongoClient(uri(left)) as client:
        assert client["kept"]["things"].count_documents({}) == 51
        assert client["kept"]["hashed"].count_documents({}) == 50
        assert client["config"]["shards"].count_documents({}) == 2


@pytest.mark.soak
def test_a_failed_change_of_members_is_undone(own: Installation) -> None:
    made = own.make(requests.replica_set(name="failing-set"))
    grow = (made, "POST", "replicaset-node")
    listed = failed(own, VERIFIED, *grow, num=2)
    assert (listed["status"], len(nodes(listed, "replica"))) == ("normal", 3)
    grown = done(own, made, call(own, *grow, num=2))
    shrink = (grown, "DELETE", "nodes")
    listed = failed(own, NODES_DISCARDED, *shrink, num=2)
    until("five members again", lambda: len(nodes(own.instance(made["id"]), "replica")) == 5)
    until("all to be well", lambda: own.instance(made["id"])["status"] == "normal")
    roles = sorted(node["role"] for node in nodes(own.instance(made["id"]), "replica"))
    assert roles == ["Hidden", "Primary", "Secondary", "Secondary", "Secondary"]
    # What fails after the nodes are gone brings none of them back.
    listed = failed(own, VERIFIED, *shrink, num=2)
    assert len(nodes(listed, "replica")) == 3
