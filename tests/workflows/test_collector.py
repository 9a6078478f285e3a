"""Whose turn it is to be measured, and what becomes of what was measured within a step."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from shardhouse.domain.model import Group, GroupType, Mode, Node, Role, Status
from shardhouse.nodes.runtime import ProcessUse
from shardhouse.workflows import collector
from shardhouse.workflows.collector import (
    ASKERS,
    GRACE,
    SPREAD,
    Collector,
    Measured,
    summarised,
    turn,
)
from tests.installation import until

NODES = [f"{number:032x}no02" for number in range(200)]


@pytest.mark.parametrize("interval", [5, 60])
def test_each_node_has_one_turn_in_an_interval(interval: int) -> None:
    start = 1_800_000_000.0
    for node in NODES:
        turns = [turn(node, interval, start + tenth / 10) for tenth in range(interval * 10)]
        changes = [at for at in range(1, len(turns)) if turns[at] != turns[at - 1]]
        assert len(changes) <= 1
        assert turn(node, interval, start + interval) == turns[0] + 1
        # A step ends after the last of its turns began, and their answers came.
        assert not changes or changes[0] / 10 <= SPREAD * interval + 0.1
    assert GRACE > 0


def test_nodes_are_spread() -> None:
    def asked(second: int) -> int:
        at = 1_800_000_000 + second
        return sum(turn(node, 60, at) != turn(node, 60, at - 1) for node in NODES)

    assert max(asked(second) for second in range(60)) < len(NODES) / 6


def measured(node: str, values: dict[str, float], **more: object) -> Measured:
    return Measured("cluster", node, 0.0, values, more.get("whole", {}), bool(more.get("router")))


def test_a_step_is_summarised() -> None:
    found = summarised(
        [
            measured("r1", {"mongo003_insert_ps": 1, "mongo007_connections": 5}, router=True),
            measured("r1", {"mongo003_insert_ps": 3, "mongo007_connections": 5}, router=True),
            measured("r2", {"mongo003_insert_ps": 4}, router=True),
            measured("s1", {"mongo003_insert_ps": 100}),
            measured("c1", {"mongo003_insert_ps": 100}, whole={"mongo007_chunk_num1": 2}),
            measured("dead", {}),
        ],
        ["cluster", "other"],
    )
    assert dict(found) == {
        "r1": {"mongo003_insert_ps": 2, "mongo007_connections": 5},
        "r2": {"mongo003_insert_ps": 4},
        "s1": {"mongo003_insert_ps": 100},
        "c1": {"mongo003_insert_ps": 100},
        "cluster": {
            "mongo003_insert_ps": 6,
            "mongo008_connections": 5,
            "mongo007_chunk_num1": 2,
        },
    }


class Fleet:
    """One instance of many nodes, without any process: what is asked of them is `asked`, the node
    `frozen` answers nobody until it is let go."""

    def __init__(self, count: int) -> None:
        flavor = "dds.mongodb.s2.medium.4.repset"
        self.nodes = tuple(
            Node(f"n{n}", "i", "g", n, f"n{n}", flavor, "z", f"127.9.9.{n}", 1, Status.NORMAL,
                 Role.SECONDARY)
            for n in range(count)
        )  # fmt: skip
        group = Group("g", "i", GroupType.REPLICA, 1, "replica", flavor, 20, self.nodes)
        self.instance = SimpleNamespace(
            id="i", mode=Mode.REPLICA_SET, groups=(group,), nodes=self.nodes, policies={}
        )
        self.asked: list[str] = []
        self.frozen = self.nodes[0].host
        self.let_go = threading.Event()

    def status(self, host: str) -> dict[str, Any]:
        self.asked.append(host)
        if host == self.frozen:
            self.let_go.wait(60)
        return {"uptimeMillis": 1, "connections": {"current": 1, "available": 3}}


class Ring:
    """A ring that keeps nothing."""

    def write(self, rows: object) -> None:
        pass

    def forget(self, now: float) -> None:
        pass


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    made = Fleet(40)
    monkeypatch.setattr(collector.processes, "serving", lambda context: [made.instance])
    monkeypatch.setattr(collector, "accepts", lambda host: True)
    monkeypatch.setattr(collector.measuring, "status", made.status)
    monkeypatch.setattr(collector.measuring, "replication", lambda client, status: {})
    yield made
    made.let_go.set()


def test_a_node_that_does_not_answer_holds_up_nobody(fleet: Fleet) -> None:
    hosts = {node.host: node.host for node in fleet.nodes}
    context: Any = SimpleNamespace(
        settings=SimpleNamespace(memory_scale=1.0, volume_scale=1.0),
        runtime=SimpleNamespace(process_use=lambda ref: ProcessUse(0, 0, 0, 1, 0, 0)),
        reserve=SimpleNamespace(disk_is_full=False),
    )
    connections: Any = SimpleNamespace(of=lambda instance: hosts)
    ring: Any = Ring()
    made = Collector(context, connections, ring)
    made.start()
    try:
        others = {node.id for node in fleet.nodes[1:]}
        until("all others to be measured", lambda: made.latest().keys() == others)
        usage = {one.values["mongo007_connections_usage"] for one in made.latest().values()}
        assert usage == {25}
        threads = [one for one in threading.enumerate() if one.name.startswith("collector")]
        assert len(threads) <= ASKERS + 1
        assert fleet.asked.count(fleet.frozen) == 1
        fleet.let_go.set()
        until("the last one to be measured", lambda: len(made.latest()) == len(fleet.nodes))
    finally:
        fleet.let_go.set()
        made.close()
