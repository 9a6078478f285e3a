"""The real program `shardhouse`, run as a user runs it: as a process, with its own environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shardhouse.cli.installation import Installation

PROGRAM = (sys.executable, "-m", "shardhouse.cli.main")
SECONDS = 90


@dataclass(frozen=True)
class Program:
    """`shardhouse` for one data directory, which it is told by a variable."""

    data_dir: Path
    command: tuple[str, ...] = PROGRAM

    def run(
        self, *arguments: str, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=self._environment() | variables,
            check=False,
        )

    def piped(self, output: IO[bytes], *arguments: str) -> int:
        """Run one command to its end, its standard output into a file; its exit code."""
        command = [*self.command, *arguments]
        done = subprocess.run(
            command, stdout=output, timeout=SECONDS, env=self._environment(), check=False
        )
        return done.returncode

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return kept | {"SHARDHOUSE_DATA_DIR": str(self.data_dir)}

    def ok(self, *arguments: str, stdin: str = "", **variables: str) -> str:
        """Run a command that must succeed; its standard output."""
        done = self.run(*arguments, stdin=stdin, **variables)
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str, stdin: str = "", **variables: str) -> Any:
        """Run a command that must succeed with --json; what it printed."""
        return json.loads(self.ok(*arguments, "--json", stdin=stdin, **variables))

    def refused(self, *arguments: str, stdin: str = "", **variables: str) -> str:
        """Run a command that must fail as expected things do: exit code 1, no traceback."""
        done = self.run(*arguments, stdin=stdin, **variables)
        assert done.returncode == 1, f"{arguments}: {done.returncode} {done.stdout} {done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stderr


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Program]:
    """`shardhouse` beside a service that it started, on free ports, and that ends afterwards."""
    installation = Installation(folder)
    child = installation.start("--port=0", "--iam-port=0", *options)
    try:
        installation.await_answers(child, 60)
        yield Program(folder)
    finally:
        installation.stop()
        child.wait(10)
