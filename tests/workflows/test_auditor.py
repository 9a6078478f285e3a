"""Whose turn it is to be audited: an instance whose nodes are silent keeps no other one waiting."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from shardhouse.workflows import auditor, processes
from shardhouse.workflows.auditor import Auditor
from tests.installation import until


@dataclass
class World:
    """Two instances, and an auditor that stays with `silent` until that answers."""

    auditor: Auditor
    found: dict[str, Any]
    answers: Event = field(default_factory=Event)
    seen: list[tuple[str, int]] = field(default_factory=list)

    def attend(self, instance: Any, patience: float = 0.0) -> None:
        if instance.id == "silent":
            self.answers.wait()
        self.seen.append((instance.id, instance.revision))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found = {id: SimpleNamespace(id=id, revision=1, nodes=()) for id in ("silent", "other")}
    context: Any = SimpleNamespace(instance=found.__getitem__)
    monkeypatch.setattr(auditor, "INTERVAL", 0.01)
    monkeypatch.setattr(processes, "serving", lambda _context: list(found.values()))
    made = World(Auditor(context), found)
    monkeypatch.setattr(made.auditor, "_attend", made.attend)
    made.auditor.start()
    yield made
    made.answers.set()
    made.auditor.close()


def test_a_silent_instance_keeps_no_other_waiting(world: World) -> None:
    until("the other one to be read again", lambda: world.seen.count(("other", 1)) >= 3)
    world.auditor.refresh("other")
    assert ("silent", 1) not in world.seen
    world.answers.set()
    until("the silent one to be read", lambda: ("silent", 1) in world.seen)


def test_a_policy_that_was_replaced_is_not_acted_on(world: World) -> None:
    old = world.found["other"]
    world.found["other"] = SimpleNamespace(id="other", revision=2, nodes=())
    world.auditor.refresh("other")
    begun = len(world.seen)
    world.auditor._take_turn(old)
    assert ("other", 1) not in world.seen[begun:]
