"""Which processes of an installation run on this machine, seen from outside."""

import os
from contextlib import suppress
from pathlib import Path

import psutil

LOCK_NAME = "serve.lock"


def serve(data_dir: Path) -> psutil.Process | None:
    """The `serve` of this folder: the process that its lock file names and that has it open."""
    lock = data_dir / LOCK_NAME
    try:
        process = psutil.Process(int(lock.read_text()))
        opened = {os.path.realpath(file.path) for file in process.open_files()}
    except (OSError, ValueError, psutil.Error):
        return None
    return process if os.path.realpath(lock) in opened else None


def nodes(data_dir: Path) -> list[psutil.Process]:
    """Node processes, whoever started them: each leads its session and names its folder."""
    prefix = f"{data_dir / 'instances'}{os.sep}"
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            named = any(prefix in part for part in command(process))
            if named and os.getsid(process.pid) == process.pid and alive(process):
                found.append(process)
    return found


def command(process: psutil.Process) -> list[str]:
    """The words of a process's command line; none where it has ended."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def alive(process: psutil.Process) -> bool:
    """Whether a process runs. A zombie, which only its parent can remove, has ended."""
    with suppress(psutil.Error):
        dead = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return process.is_running() and not dead
    return False
