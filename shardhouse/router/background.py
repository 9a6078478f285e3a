"""`--fork`: the router goes on in a child process; who started it learns whether it listens."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

_READY = b"1"


def run(work: Callable[[Callable[[], None]], int]) -> int:
    """Do `work` in a child in a session of its own, which calls what it is given once it is ready.

    Returns in both processes: in the child the exit status of `work`, in the parent 0 as soon as
    the child is ready, its exit status (never 0) if it ended before. Until then the child says on
    our standard error what is wrong. The lines are mongos's: programs wait for them.
    """
    print("about to fork child process, waiting until server is ready for connections.", flush=True)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.setsid()
        return work(partial(_ready, writing))
    os.close(writing)
    print(f"forked process: {child}", flush=True)
    with open(reading, "rb") as pipe:
        told = pipe.read(len(_READY))  # nothing, if the child ended
    if told:
        print("child process started successfully, parent exiting")
        return 0
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    print(f"ERROR: child process failed, exited with {code}")
    return code if code > 0 else 1


def _ready(pipe: int) -> None:
    """Let go of the terminal, then tell the parent; the pipe may be a shell's as well."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    os.write(pipe, _READY)
    os.close(pipe)
