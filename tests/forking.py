"""Processes of Python that have loaded the service already: forks of one that did so once.

Loading takes most of the time in which `serve` starts, and the tests start it often. What a fork
runs is its own: environment, output, signals. (`tests/cli` starts the program as users do.)
"""

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

_INTERVAL = 0.02


class Forked:
    """A child that runs a program: what tests need of `subprocess.Popen`."""

    def __init__(
        self, program: str, argument: str, environment: Mapping[str, str], log: Path
    ) -> None:
        self.args = program
        self.returncode: int | None = None
        wanted = {"program": program, "argument": argument, "environment": dict(environment)}
        self.pid: int = _parent().ask(wanted | {"log": str(log)})

    def poll(self) -> int | None:
        """Its exit code, of a signal the negative number of that; None while it runs."""
        if self.returncode is None:
            self.returncode = _parent().ask({"pid": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The same, when it has ended. Raises TimeoutExpired after as many seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(_INTERVAL)
        return code

    def terminate(self) -> None:
        """SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        # Until its end has been asked for, nobody else has its number.
        if self.poll() is None:
            os.kill(self.pid, number)


class _Parent:
    """The process that forks, which ends with this one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._lock = Lock()

    def ask(self, question: Mapping[str, Any]) -> Any:
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        with self._lock:
            requests.write(json.dumps(question).encode() + b"\n")
            requests.flush()
            answer = answers.readline()
        if not answer:
            code = self._process.wait()
            raise RuntimeError(f"The process that forks ended, exit code {code}; see its output.")
        return json.loads(answer)


@cache
def _parent() -> _Parent:
    return _Parent()


def _serve() -> dict[str, Any] | None:
    """Answer questions until there are no more: None. In a child: what it shall run."""
    codes: dict[int, int] = {}  # the kernel tells each once, and two threads may ask
    for line in sys.stdin.buffer:
        question = json.loads(line)
        answer: int | None
        if "pid" in question:
            answer = _code(question["pid"], codes)
        else:
            answer = os.fork()
            if answer == 0:
                return question
            codes.pop(answer, None)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return None


def _code(pid: int, codes: dict[int, int]) -> int | None:
    """A child's exit code; None while it runs."""
    if pid not in codes:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            codes[pid] = os.waitstatus_to_exitcode(status)
    return codes.get(pid)


def _become(wanted: Mapping[str, Any]) -> None:
    log = os.open(wanted["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv = ["-c", wanted["argument"]]
    exec(compile(wanted["program"], "<forked>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    importlib.import_module("shardhouse.server")
    gc.freeze()
    if task := _serve():
        _become(task)
