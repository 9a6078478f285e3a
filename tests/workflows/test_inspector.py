"""When a repair is asked for: twice the same finding, and never in a loop."""

from itertools import pairwise
from typing import Any

import pytest

from shardhouse import error_codes as codes
from shardhouse.domain.model import Status
from shardhouse.errors import DdsError
from shardhouse.workflows import inspector
from shardhouse.workflows.inspector import ABNORMAL_INTERVAL, BACK_OFF, INTERVAL, SOON, Inspector


class Scene:
    """An instance whose findings and clock a test sets."""

    id = "instance"
    action = ""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 1000.0
        self.status = Status.NORMAL
        self.found: tuple[str, ...] = ()
        self.asked: list[float] = []
        self.looks = 0
        self.busy = False
        monkeypatch.setattr(inspector, "find", self._find)
        monkeypatch.setattr(inspector.time, "monotonic", lambda: self.time)
        self.inspector = Inspector(self._request)

    def _find(self, *_: Any) -> tuple[str, ...]:
        self.looks += 1
        return self.found

    def _request(self, _: Any) -> None:
        if self.busy:
            raise DdsError(codes.BUSY, "busy")
        self.asked.append(self.time)

    def run(self, seconds: float) -> None:
        """The monitor's looks, one each second."""
        for _ in range(int(seconds)):
            self.inspector.inspect(self, None)  # type: ignore[arg-type]
            self.time += 1


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_a_sound_instance_is_looked_at_rarely(scene: Scene) -> None:
    scene.run(10 * INTERVAL)
    assert scene.looks == 10
    assert not scene.asked


def test_an_instance_that_becomes_abnormal_is_looked_at_soon(scene: Scene) -> None:
    scene.run(3)
    looks = scene.looks
    scene.status = Status.ABNORMAL
    scene.run(SOON + 1)
    assert scene.looks == looks + 1
    scene.run(10 * ABNORMAL_INTERVAL)
    assert scene.looks == looks + 11


def test_what_passes_by_itself_is_not_repaired(scene: Scene) -> None:
    scene.found = ("replica: electing",)
    scene.run(1)
    scene.found = ()
    scene.run(5 * INTERVAL)
    assert not scene.asked


def test_a_finding_that_stays_is_repaired_after_growing_delays(scene: Scene) -> None:
    scene.found = ("replica: a member is missing",)
    start = scene.time
    scene.run(2 * 3600)
    gaps = [later - earlier for earlier, later in pairwise(scene.asked)]
    assert scene.asked[0] - start <= SOON + 1
    assert len(scene.asked) <= 5
    assert all(gap >= INTERVAL for gap in gaps)
    assert all(later >= earlier * (BACK_OFF - 1) for earlier, later in pairwise(gaps))


def test_damage_that_comes_back_is_repaired_at_most_once_an_interval(scene: Scene) -> None:
    for _ in range(10):
        scene.found = ("replica: damaged again",)
        scene.run(10)
        scene.found = ()
        scene.run(10)
    assert 1 <= len(scene.asked) <= 200 / INTERVAL + 1


def test_a_busy_instance_is_asked_for_again(scene: Scene) -> None:
    scene.found, scene.busy = ("replica: damaged",), True
    scene.run(10)
    scene.busy = False
    scene.run(INTERVAL)
    assert len(scene.asked) == 1


def test_an_instance_with_a_job_is_left_to_it(scene: Scene) -> None:
    scene.found, scene.action = ("replica: forming",), "CREATE"
    scene.run(INTERVAL)
    assert not scene.looks
