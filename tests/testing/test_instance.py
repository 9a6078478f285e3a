"""What breaks nodes, on processes that stand for those of MongoDB."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from shardhouse import testing
from shardhouse.nodes.local import processes
from shardhouse.nodes.runtime import Command
from shardhouse.testing import instance as module
from tests.installation import until

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[testing.Instance]:
    """One whose nodes are all in the zone `one`."""
    made = testing.Instance.__new__(testing.Instance)
    made.id, made.name = "instance", "orders"
    made._installation = SimpleNamespace(data_dir=tmp_path)  # type: ignore[assignment]
    nodes = [testing.Node(name, name, "replica", "", "normal", "one") for name in NAMES]
    monkeypatch.setattr(testing.Instance, "nodes", nodes)
    monkeypatch.setattr(testing.Instance, "await_normal", lambda _: None)
    children = []
    for node in nodes:
        folder = made._folder(node)
        (folder / "log").mkdir(parents=True)
        program = (sys.executable, "-c", "import time; time.sleep(600)", f"{folder}/data")
        children.append(processes.spawn(folder, Command(program, os.environ)))
    yield made
    for child in children:
        child.kill()
        child.wait()


def process(instance: testing.Instance, number: int) -> psutil.Process:
    found = processes.find(instance._folder(instance.nodes[number]))
    assert found
    return found


def refuse(pid: int, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What psutil does to this process is not permitted."""
    done = getattr(psutil.Process, name)

    def refused(one: psutil.Process, *given: Any) -> Any:
        if one.pid == pid:
            raise psutil.AccessDenied(pid)
        return done(one, *given)

    monkeypatch.setattr(psutil.Process, name, refused)


def test_all_nodes_of_a_zone_are_resumed_though_one_is_gone_and_one_refuses(
    instance: testing.Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, killed, refusing, last = (process(instance, number) for number in range(4))
    refuse(refusing.pid, monkeypatch, "resume")
    others = (first, last)
    with (  # noqa: PT012
        pytest.raises(testing.InstallationError, match="The process of c"),
        instance.cut_zone("one") as nodes,
    ):
        assert [node.name for node in nodes] == [*NAMES]
        until("them to stop", lambda: all(one.status() == psutil.STATUS_STOPPED for one in others))
        killed.kill()
    until("them to go on", lambda: all(one.status() != psutil.STATUS_STOPPED for one in others))


def test_a_node_that_cannot_be_killed_is_told(
    instance: testing.Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = instance.nodes[0]
    refuse(process(instance, 0).pid, monkeypatch, "kill")
    with pytest.raises(testing.InstallationError, match="The process of a"):
        instance.kill(node)


def test_a_node_that_does_not_end_is_told(
    instance: testing.Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil.Process, "kill", lambda _: None)
    monkeypatch.setattr(module, "_KILL_SECONDS", 0.1)
    with pytest.raises(testing.InstallationError, match="The process of a"):
        instance.kill(instance.nodes[0])
