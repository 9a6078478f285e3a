"""The process that tests fork services from."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.forking import Forked, _Parent


def test_an_exit_code_is_told_to_all_who_ask(tmp_path: Path) -> None:
    child = Forked("raise SystemExit(7)", "", {}, tmp_path / "log")
    assert child.wait(20) == 7
    child.returncode = None  # as in a second thread that asked at the same time
    assert child.poll() == 7


def test_a_parent_that_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = subprocess.Popen
    program = [sys.executable, "-c", "input(); raise SystemExit(3)"]
    monkeypatch.setattr(subprocess, "Popen", lambda _command, **pipes: made(program, **pipes))
    parent = _Parent()
    with parent._process, pytest.raises(RuntimeError, match="exit code 3"):
        parent.ask({})
