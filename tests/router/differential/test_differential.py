"""Every answer of the router is a replica set's answer, or differs in a way that is listed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pymongo import MongoClient

from tests.router.cluster import ADMIN, PASSWORD, Mongod, TestCluster
from tests.router.differential.comparison import equal, seen
from tests.router.differential.lawful import LAWFUL, lawful
from tests.router.differential.operations import Operation, odd_operations, sequences
from tests.router.differential.sides import NAME, Answer, Side

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

    def reset(self) -> None:
        """Undo what the last example did."""
        for name in sorted(self.changed):
            self.here.reset(name)
            self.there.reset(name)
        self.changed.clear()

    def compare(self, operation: Operation) -> None:
        """Run an operation on both sides; AssertionError if the answers differ unlawfully."""
        self.changed.update(operation.changes)
        here, there = (
            side.run(operation.command, operation.way) for side in (self.here, self.there)
        )
        if equal(operation, here, there):
            return
        assert lawful(operation, here, there), _described(operation, here, there)
        self.reset()  # what comes next starts from the same content again

    def compare_content(self, operation: Operation) -> None:
        """The collections an operation changed must be equal too."""
        for name in operation.changes:
            find = Operation({"find": name})
            here, there = (side.run(find.command) for side in (self.here, self.there))
            assert equal(find, here, there), f"after {operation}: {_described(find, here, there)}"


def _described(operation: Operation, here: Answer, there: Answer) -> str:
    lines = [f"{operation.way}: {operation.command}"]
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
