"""Every answer of the router is a replica set's answer, or differs in a way that is listed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pymongo import MongoClient

from tests.router.cluster import ADMIN, PASSWORD, Mongod, TestCluster
from tests.router.differential.comparison import equal, seen
from tests.router.differential.lawful import LAWFUL, lawful
from tests.router.differential.operations import Operation, odd_operations, sequences
from tests.router.differential.sides import MISSING, NAME, Answer, Side

SETTINGS = settings(
    deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
IN_CI = settings(SETTINGS, derandomize=True, max_examples=150, phases=[Phase.generate])
SOAKING = settings(SETTINGS, max_examples=20_000, phases=[Phase.generate, Phase.shrink])


@dataclass
class Pair:
    """Both sides, and what the last example has changed on them."""

    here: Side
    there: Side
    changed: set[str] = field(default_factory=set)
    made: bool = False

    def reset(self) -> None:
        """Undo what the last example did."""
        for name in sorted(self.changed):
            self.here.reset(name)
            self.there.reset(name)
        self.changed.clear()
        if self.made:
            self.here.client.drop_database(MISSING)
            self.there.client.drop_database(MISSING)
            self.made = False

    def compare(self, operation: Operation) -> None:
        """Run an operation on both sides; AssertionError if the answers differ unlawfully."""
        if operation.db == MISSING:
            self.made = self.made or bool(operation.changes)
        else:
            self.changed.update(operation.changes)
        here, there = (
            side.run(operation.command, operation.way, operation.db)
            for side in (self.here, self.there)
        )
        if equal(operation, here, there):
            return
        assert lawful(operation, here, there), _described(operation, here, there)
        self.reset()  # what comes next starts from the same content again

    def compare_content(self, operation: Operation) -> None:
        """The collections an operation changed must be equal too."""
        for name in operation.changes:
            find = Operation({"find": name})
            here, there = (
                side.run(find.command, db=operation.db) for side in (self.here, self.there)
            )
            assert equal(find, here, there), f"after {operation}: {_described(find, here, there)}"


def _described(operation: Operation, here: Answer, there: Answer) -> str:
    lines = [f"{operation.way}, {operation.db}: {operation.command}"]
    for name, answer in (("router", here), ("replica set", there)):
        lines.append(f"  {name}: {seen(operation, answer)} {answer.message}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def pair(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The cluster, and a replica set of one member with the same administrator."""
    node = Mongod(tmp_path_factory.mktemp("set"), None, "rs", cluster.key_file)
    try:
        node.initiate(config=False)
        with node.client() as client:
            client.admin.command("createUser", ADMIN, pwd=PASSWORD, roles=["root"])
        direct = MongoClient(node.address, username=ADMIN, password=PASSWORD, directConnection=True)
        with direct, cluster.router.client() as routed:
            found = Pair(Side(routed, sharded=True), Side(direct, sharded=False))
            for side in (found.here, found.there):
                side.set_up()
            yield found
            routed.drop_database(NAME)
    finally:
        node.kill()


def run(pair: Pair, operations: Sequence[Operation]) -> None:
    pair.reset()
    for operation in operations:
        pair.compare(operation)
        pair.compare_content(operation)


@pytest.mark.timeout(300)
def test_generated_operations_are_answered_as_by_a_replica_set(pair):
    @IN_CI
    @given(sequences)
    def check(operations: Sequence[Operation]) -> None:
        run(pair, operations)

    check()


@pytest.mark.timeout(300)
def test_odd_commands_are_answered_as_by_a_replica_set(pair):
    differing = []
    for operation in odd_operations:
        pair.reset()
        try:
            run(pair, [operation])
        except AssertionError as error:
            differing.append(str(error))
    assert not differing, "\n".join(differing)


def test_every_lawful_difference_says_why():
    assert len({one.name for one in LAWFUL}) == len(LAWFUL)
    assert all(one.why and one.mongos for one in LAWFUL)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_soak(pair):
    number = random.randrange(2**32)
    print(f"seed {number}")

    @seed(number)
    @SOAKING
    @given(sequences)
    def check(operations: Sequence[Operation]) -> None:
        run(pair, operations)

    check()


WRITES: Sequence[dict[str, Any]] = [
    {"insert": [{"_id": 101, "k": 1}, {"_id": 102, "k": 102}]},
    {"insert": [{"_id": 103, "k": 103}, {"_id": 103, "k": 103}, {"_id": 104, "k": 104}]},
    {"update": [{"q": {"_id": 2, "k": 100}, "u": {"$inc": {"n": 1}}}]},
    {"update": [{"q": {}, "u": {"$inc": {"n": 1}}, "multi": True}]},
    {"update": [
        {"q": {"_id": 104, "k": 104}, "u": {"$set": {"n": 4}}, "upsert": True},
        {"q": {"_id": 1, "k": 1}, "u": {"$bad": 1}},
        {"q": {"_id": 2, "k": 100}, "u": {"$set": {"n": 5}}},
    ]},
    {"delete": [{"q": {"_id": 2, "k": 100}, "limit": 1}]},
    {"delete": [{"q": {"k": {"$gt": 0}}, "limit": 0}]},
    {"findAndModify": {"k": 100}, "update": {"$inc": {"n": 1}}, "new": True},
    {"findAndModify": {"k": 1}, "remove": True},
    {"findAndModify": {"k": 105}, "update": {"$set": {"n": 1}}, "upsert": True},
]  # fmt: skip
_FIELDS = {
    "insert": "documents", "update": "updates", "delete": "deletes", "findAndModify": "query",
}  # fmt: skip


def _moved(admin: MongoClient, *, sharded: bool) -> None:
    if sharded:
        namespace = admin.config.collections.find_one({"_id": f"{NAME}.changing"})
        chunk = {"uuid": namespace["uuid"], "min": {"k": 50}}
        goal = {"s0": "s1", "s1": "s0"}[admin.config.chunks.find_one(chunk)["shard"]]
        admin.admin.command("moveRange", f"{NAME}.changing", min={"k": 50}, toShard=goal)


def _dropped(admin: MongoClient, *, sharded: bool) -> None:
    admin[NAME].changing.drop()


def _made_anew(admin: MongoClient, *, sharded: bool) -> None:
    admin[NAME].changing.drop()
    if sharded:
        admin.admin.command("shardCollection", f"{NAME}.changing", key={"k": 1})
        admin.admin.command("split", f"{NAME}.changing", middle={"k": 50})


@pytest.mark.parametrize("concern", [{"w": 0}, {"w": 1}, {"w": "majority"}], ids=str)
@pytest.mark.parametrize("change", [_moved, _dropped, _made_anew])
def test_writes_go_where_another_router_put_their_namespace(pair, elsewhere, change, concern):
    """What a shard calls stale is done again, whatever the client wants to know of it."""
    here, there = pair.here.db.changing, pair.there.db.changing
    for write in WRITES:
        name, content = next(iter(write.items()))
        command = {name: "changing", _FIELDS[name]: content, "writeConcern": concern}
        operation = Operation({**command, **write, name: "changing"}, changes=("changing",))
        _made_anew(elsewhere, sharded=True)
        _made_anew(pair.there.client, sharded=False)
        for collection in (here, there):
            collection.insert_many([{"_id": 1, "k": 1}, {"_id": 2, "k": 100}])
        change(elsewhere, sharded=True)
        change(pair.there.client, sharded=False)
        pair.compare(operation)
        pair.compare_content(operation)
    pair.changed.clear()
    here.drop()
    there.drop()
