"""Processes of nodes: spawn detached, recognise, search, end. Part of the local driver."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from shardhouse.nodes.local import folders
from shardhouse.nodes.runtime import Command

PID_FILE = "process.json"
OUTPUT = "output.log"
_CLOCK_STEP = 2.0
"""Seconds a creation time may seem to move: it is derived from a boot time that clocks adjust."""


def spawn(folder: Path, command: Command) -> subprocess.Popen[bytes]:
    """Start `command` in its own session, output to `log/output.log`, and record it in `folder`.

    If we die before the record is written, `search` finds the process by its command line.
    """
    with (folder / "log" / OUTPUT).open("ab") as output:
        child = subprocess.Popen(
            command.argv,
            env=dict(command.environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            umask=0o077,
        )
    with suppress(psutil.NoSuchProcess):
        record(folder, psutil.Process(child.pid))
    return child


def record(folder: Path, process: psutil.Process) -> None:
    """Write pid and creation time, by which `recorded` knows the process again."""
    content = {"pid": process.pid, "created": process.create_time()}
    folders.write(folder / PID_FILE, json.dumps(content).encode())


def recorded(folder: Path) -> psutil.Process | None:
    """The process on record, if it still is that one: pid, creation time and command line."""
    try:
        content = json.loads((folder / PID_FILE).read_bytes())
        process = psutil.Process(int(content["pid"]))
        same = abs(process.create_time() - float(content["created"])) < _CLOCK_STEP
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if same and _belongs(process, folder) else None


def search(folder: Path) -> psutil.Process | None:
    """Look through all processes for the node's own, and put it on record if it is found."""
    for process in psutil.process_iter():
        if _belongs(process, folder):
            with suppress(OSError, psutil.NoSuchProcess):  # the next search finds it as well
                record(folder, process)
            return process
    return None


def _belongs(process: psutil.Process, folder: Path) -> bool:
    """Whether it is alive, leads its own session (an editor or `tail` on a log of the node leads
    none) and names the node's folder."""
    prefix = f"{folder}{os.sep}"
    try:
        if os.getsid(process.pid) != process.pid:
            return False
        return any(prefix in part for part in process.cmdline()) and (
            process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        )
    except (OSError, psutil.Error):
        return False


def end(process: psutil.Process, grace: float, reap: Callable[[], object]) -> bool:
    """SIGTERM and wait up to `grace` seconds, then SIGKILL it and what it left. False if it stays.

    `reap` collects it where it is our child, else it would stay a zombie and seem alive.
    """
    with suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        if grace > 0:
            process.terminate()
            if _gone(process, grace, reap):
                family = family[1:]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
    return _gone(process, 10, reap)


def _gone(process: psutil.Process, seconds: float, reap: Callable[[], object]) -> bool:
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    finally:
        os.close(descriptor)
        reap()


def forget(folder: Path) -> None:
    """Drop the record of an ended process."""
    (folder / PID_FILE).unlink(missing_ok=True)


def describe(code: int) -> str:
    """An exit status in words; negative is the signal that ended it."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
