"""An installation on this machine, looked at from outside: its `serve` and its nodes' processes."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from shardhouse.cli import credentials
from shardhouse.cli.output import CliError
from shardhouse.doctor import running

LOG_NAME = "serve.log"
CONFIG_SERVER = "--configsvr"
GRACE = 30.0
"""Seconds that `serve`, and then its nodes, have to end cleanly before they are killed."""
_INTERVAL = 0.05


@dataclass(frozen=True)
class Installation:
    """Everything below one data directory."""

    data_dir: Path

    @property
    def log_file(self) -> Path:
        """Where a `serve` that was started in the background writes."""
        return self.data_dir / LOG_NAME

    def serve(self) -> psutil.Process | None:
        """The `serve` of this folder: the process that its lock file names and that has it open."""
        return running.serve(self.data_dir)

    def nodes(self) -> list[psutil.Process]:
        """Node processes, whoever started them."""
        return running.nodes(self.data_dir)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start `serve` in the background, detached, with its log in `serve.log`."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        # -P: modules of the folder where it is called are none of ours, whatever their names.
        command = [sys.executable, "-P", "-m", "shardhouse.cli.main", "serve"]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [*command, "--data-dir", str(self.data_dir), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_answers(self, child: subprocess.Popen[bytes] | None, seconds: float) -> None:
        """Return when both APIs answer. Raises CliError when `child` ends, or at the deadline."""
        if self.comes_up(lambda: child is not None and child.poll() is not None, seconds):
            return
        problem = f"The APIs did not answer within {seconds:.0f} s."
        if child is not None and child.returncode is not None:
            problem = f"`shardhouse serve` ended with exit code {child.returncode}."
        raise CliError(f"{problem} The end of {self.log_file}:\n{self._log_tail()}")

    def comes_up(self, ended: Callable[[], bool], seconds: float) -> bool:
        """Whether both APIs answer within that time, and before the service has `ended`."""
        deadline = time.monotonic() + seconds
        while not self.answers():
            if ended() or time.monotonic() > deadline:
                return False
            time.sleep(_INTERVAL)
        return True

    def answers(self) -> bool:
        """Whether `serve` runs and both APIs answer at the addresses it wrote down. Nothing is
        sent, so certificates are not checked: a client that logs in says what is wrong with them.
        """
        import httpx

        if self.serve() is None:
            return False
        try:
            known = credentials.read_admin_file(self.data_dir)
            for address in (known["dds_endpoint"], known["iam_endpoint"]):
                httpx.get(f"{address}/", timeout=5, trust_env=False, verify=False)  # noqa: S501
        except (CliError, KeyError, httpx.HTTPError):
            return False
        return True

    def stop(self, grace: float = GRACE) -> tuple[int, int]:
        """End `serve`, then the nodes it would otherwise bring back; how many there were of each.
        Without `grace` they are killed at once, which is for data that nobody wants any more.

        Raises CliError that lists what is left, if anything is.
        """
        serve = self.serve()
        if serve is not None:
            _end([serve], grace)
        nodes = self.nodes()
        # A shard that ends asks its config servers for a last time, and waits for them if they
        # are gone.
        config = [node for node in nodes if CONFIG_SERVER in running.command(node)]
        for wave in ([node for node in nodes if node not in config], config):
            _end([process for node in wave for process in (node, *_children(node))], grace)
        left = [process for process in (self.serve(), *self.nodes()) if process is not None]
        if left:
            pids = ", ".join(str(process.pid) for process in left)
            raise CliError(f"These processes of {self.data_dir} are still there: {pids}")
        return int(serve is not None), len(nodes)

    def _log_tail(self) -> str:
        with suppress(OSError):
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-15:])
        return "(it cannot be read)"


def _end(processes: list[psutil.Process], grace: float) -> None:
    if grace:
        for process in processes:
            with suppress(psutil.Error):
                process.terminate()
    for process in _await_end(processes, grace):
        with suppress(psutil.Error):
            process.kill()
    _await_end(processes, GRACE)


def _await_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that are still alive after that time."""
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if running.alive(process)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(_INTERVAL)
    return left


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children(recursive=True)
    return []
