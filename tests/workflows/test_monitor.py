"""Each instance is looked at at its own interval."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import requests
from tests.installation import Installation, until


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    """Looks at an instance again only after an hour, if nothing else asks for more."""
    made = Installation(tmp_path / "data", monitor_interval=3600)
    try:
        made.start()
        yield made
    finally:
        made.destroy()


def status(own: Installation, made: dict[str, Any]) -> str:
    listed = own.instance(made["id"])
    assert listed is not None
    return listed["status"]


def test_monitoring_by_seconds_finds_what_is_frozen(own: Installation) -> None:
    watched = own.make(requests.single(name="watched"))
    other = own.make(requests.single(name="other"))
    path = f"/instances/{watched['id']}/monitoring-by-seconds/switch"
    assert own.call("GET", path).json() == {"enabled": False}
    answer = own.call("PUT", path, json={"enabled": True})
    assert (answer.status_code, answer.content) == (204, b"")
    assert own.call("GET", path).json() == {"enabled": True}
    # Both have been looked at once when the first change is seen: the other not again for an hour.
    send(own, watched, signal.SIGSTOP)
    until("it to be abnormal", lambda: status(own, watched) == "abnormal", 60)
    send(own, other, signal.SIGSTOP)
    send(own, watched, signal.SIGCONT)
    until("it to be normal again", lambda: status(own, watched) == "normal", 60)
    send(own, watched, signal.SIGSTOP)
    until("it to be abnormal again", lambda: status(own, watched) == "abnormal", 60)
    assert status(own, other) == "normal"


def send(own: Installation, made: dict[str, Any], signal_number: int) -> None:
    for process in own.nodes(made["id"]):
        process.send_signal(signal_number)
