"""What an installation for tests says when it cannot do what it should."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shardhouse import testing
from shardhouse.settings import Settings
from shardhouse.testing import guard, locks
from shardhouse.testing import installation as module


def test_a_creation_that_failed_says_why_and_keeps_its_logs(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SHARDHOUSE_MEMORY_RESERVE", str(10**9))
    # The tests' folder has a module with a name of Python's own.
    monkeypatch.chdir(tmp_path_factory.mktemp("tests"))
    Path("queue.py").write_text("raise SystemExit(f'imported from {__file__}')")
    # A store that serves others is not touched.
    monkeypatch.setenv("shardhouse_database_url", f"sqlite:///{tmp_path}/others.db")
    with testing.Installation() as service:
        with pytest.raises(
            testing.InstallationError, match=r"The job [\w-]+ failed: .*memory"
        ) as said:
            service.create("single")
        folder = service.data_dir
    assert str(folder / "serve.log") in said.value.message
    assert {path.name for path in folder.iterdir()} >= {"serve.log", "shardhouse.db"}
    assert not (tmp_path / "others.db").exists()


def test_a_temporary_installation_keeps_to_itself() -> None:
    assert {*guard.OUTSIDE} <= {*Settings.model_fields}
    outside = ("SHARDHOUSE_DATABASE_URL", "Shardhouse_backup__URL", "SHARDHOUSE_EVENTS")
    assert all(map(guard.leads_outside, outside))
    inside = ("SHARDHOUSE_DIALECT", "SHARDHOUSE_LOGS__DAYS", "SHARDHOUSE_METRICS_HOST", "BACKUP")
    assert not any(map(guard.leads_outside, inside))


def test_a_service_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SHARDHOUSE_HOST", "203.0.113.1")
    with pytest.raises(testing.InstallationError, match="Cannot listen on"):
        testing.Installation().__enter__()
    assert not [*tmp_path.iterdir()]


def test_without_mongodb_it_says_what_to_install(tmp_path: Path) -> None:
    service = testing.Installation(tmp_path)
    # What an installation without builds answers.
    service.__dict__["api"] = SimpleNamespace(region="local", dds=lambda *_: {"builds": []})
    with pytest.raises(testing.InstallationError, match="shardhouse engine add"):
        service.create()


def test_outside_of_its_block_there_is_no_installation() -> None:
    with pytest.raises(testing.InstallationError, match="does not run"):
        _ = testing.Installation().data_dir


def test_a_seeded_instance_of_a_killed_session_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    service = testing.Installation(tmp_path)
    service.__dict__["api"] = SimpleNamespace(
        instances=lambda name: [{"id": f"left-{name}"}], dds=lambda *call: done.append(call)
    )

    def create(_: object, **order: Any) -> AbstractContextManager[None]:
        done.append(order["name"])
        return nullcontext()

    monkeypatch.setattr(testing.Installation, "create", create)
    seed = tmp_path / "seed.snapshot"
    with service.lease(snapshot=seed), service.lease(snapshot=seed):
        pass
    first, second = done[1::2]
    assert re.fullmatch("pytest-[0-9a-f]{8}-1", str(first))
    assert second == f"{str(first)[:-1]}2"
    assert done[::2] == [("DELETE", f"instances/left-{name}") for name in (first, second)]


@pytest.mark.parametrize("named", [False, True])
def test_a_leased_instance_has_a_name_by_itself(tmp_path: Path, named: bool) -> None:
    service = testing.Installation(tmp_path if named else None)
    with (
        pytest.raises(testing.InstallationError, match="not 'mine'"),
        service.lease(name="mine"),
    ):
        pass


def test_a_password_is_that_of_an_instance_that_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, str]] = []

    def again(_: object, name: str, password: str) -> object:
        given.append((name, password))
        return SimpleNamespace()

    monkeypatch.setattr(testing.Installation, "_again", again)
    service = testing.Installation(tmp_path)
    with service.lease(password="Given-1"), service.lease():
        pass
    (first, password), (second, other) = given
    assert password == "Given-1" != other
    # They are of the same order.
    assert first[:-1] == second[:-1]


def test_a_lock_that_is_given_back_is_free_though_a_child_has_it(tmp_path: Path) -> None:
    lock = locks.take(tmp_path / "locks" / "one")
    assert lock is not None
    of_a_child = os.dup(lock)
    try:
        assert locks.take(tmp_path / "locks" / "one") is None
        locks.release(lock)
        again = locks.take(tmp_path / "locks" / "one")
        assert again is not None
        locks.release(again)
    finally:
        os.close(of_a_child)


@pytest.fixture
def guarded() -> Iterator[testing.Installation]:
    """One whose guard is busy for ever."""
    program = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    service = testing.Installation()
    pipe = subprocess.PIPE
    with subprocess.Popen(program, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        service._guard = process
        assert process.stdout
        process.stdout.readline()
        yield service
        process.kill()


def test_a_guard_that_was_killed_is_told(guarded: testing.Installation) -> None:
    assert guarded._guard
    guarded._guard.kill()
    with pytest.raises(testing.InstallationError, match=r"killed by SIGKILL.*shardhouse down"):
        guarded.__exit__()


def test_a_guard_that_does_not_end_is_ended(
    guarded: testing.Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = guarded._guard
    assert process
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    with pytest.raises(testing.InstallationError, match="shardhouse down"):
        guarded.__exit__()
    assert process.poll() == -signal.SIGKILL
