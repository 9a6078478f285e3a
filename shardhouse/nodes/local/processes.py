"""Processes of nodes: spawn detached, recognise, search, end. Part of the local driver."""

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from shardhouse.nodes.local import folders
from shardhouse.nodes.runtime import Command, Connection, Endpoint, ProcessUse

PID_FILE = "process.json"
OUTPUT = "output.log"
_SHOWN_SECONDS = 5.0
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
        process = psutil.Process(child.pid)
        record(folder, process)
        _shown(child, process, folder)
    return child


def _shown(child: subprocess.Popen[bytes], process: psutil.Process, folder: Path) -> None:
    """Wait until the kernel shows the new command line: that comes a moment after the program was
    found, and until then nobody recognises the process, who might start a second one."""
    end = time.monotonic() + _SHOWN_SECONDS
    while child.poll() is None and not _belongs(process, folder) and time.monotonic() < end:
        time.sleep(0.001)


def record(folder: Path, process: psutil.Process) -> None:
    """Write pid and creation time, by which `recorded` knows the process again."""
    content = {"pid": process.pid, "created": process.create_time()}
    folders.write(folder / PID_FILE, json.dumps(content).encode())


def find(folder: Path) -> psutil.Process | None:
    """The process of the node with this folder, if it runs."""
    return recorded(folder) or search(folder)


def recorded(folder: Path) -> psutil.Process | None:
    """The process on record, if it still is that one: pid, creation time and command line."""
    try:
        content = json.loads((folder / PID_FILE).read_bytes())
        process = psutil.Process(int(content["pid"]))
        same = abs(process.create_time() - float(content["created"])) < _CLOCK_STEP
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if same and _belongs(process, folder) else None


def started_at(process: psutil.Process) -> datetime | None:
    """When it was started, to a hundredth of a second; None if it has ended. The kernel counts that
    from the boot, whose own time psutil has in whole seconds only."""
    try:
        since_boot = process.create_time() - psutil.boot_time()
    except psutil.Error:
        return None
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot
    return datetime.fromtimestamp(time.time() - age, UTC)


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


def send_signal(process: psutil.Process, number: signal.Signals) -> bool:
    """Send a signal to a process that has a handler for it; whether it has. Others would end."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
        if caught is None or not int(caught[1], 16) >> (number - 1) & 1:
            return False
        process.send_signal(number)
    except (OSError, psutil.Error):
        return False
    return True


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


def connections(process: psutil.Process) -> list[Connection]:
    """Its TCP connections; none if it has ended."""
    try:
        found = process.net_connections("tcp")
    except psutil.Error:
        return []
    return [
        Connection(Endpoint(*one.laddr), Endpoint(*one.raddr))
        for one in found
        if one.status == psutil.CONN_ESTABLISHED and one.raddr
    ]


def use(process: psutil.Process) -> ProcessUse | None:
    """What it uses; None if it has ended."""
    try:
        times, disk = process.cpu_times(), process.io_counters()
        status = Path(f"/proc/{process.pid}/status").read_text()
        return ProcessUse(
            cpu=times.user + times.system,
            read=disk.read_bytes,
            written=disk.write_bytes,
            resident=process.memory_info().rss,
            swapped=_swapped(status),
            swap=psutil.swap_memory().total,
        )
    except (OSError, psutil.Error):
        return None


def _swapped(status: str) -> int:
    """Bytes, from the kernel's description of a process; psutil adds them up page by page."""
    line = next((one for one in status.splitlines() if one.startswith("VmSwap:")), "")
    return int(line.split()[1]) * 1024 if line else 0


def forget(folder: Path) -> None:
    """Drop the record of an ended process."""
    (folder / PID_FILE).unlink(missing_ok=True)


def describe(code: int) -> str:
    """An exit status in words; negative is the signal that ended it."""
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
