"""What a container runs, with a script instead of the program."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.installation import until

RUN = Path(__file__).parents[2] / "contrib/container/run"
#: `serve` runs until it is told to end, or ends at once with code 3 as after a failure; `down`
#: fails beside it.
SHARDHOUSE = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
  "serve") trap 'exit 0' TERM; echo "$$" > "{log}.pid"; while :; do sleep 0.1; done;;
  "serve --fail") exit 3;;
  "down") test ! -e "{log}.pid" || ! kill -0 "$(cat "{log}.pid")" 2>/dev/null;;
esac
"""
#: Bash can be told just before it waits.
EARLY = """
wait() {
  until test -e "$LOG.pid"; do sleep 0.05; done
  kill -TERM "$$"
  builtin wait "$@"
}
"""


@contextmanager
def started(
    folder: Path, *options: str, bash: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The script, and where the calls of the program are written. Bash reads `bash` first."""
    log = folder / "calls"
    program = folder / "shardhouse"
    program.write_text(SHARDHOUSE.format(log=log))
    program.chmod(0o755)
    (folder / "functions").write_text(bash)
    variables = {"BASH_ENV": str(folder / "functions"), "LOG": str(log)}
    words = [*(["bash"] if bash else []), str(RUN), *options]
    child = subprocess.Popen(
        words, env=variables | {"PATH": f"{folder}:/usr/bin:/bin"}, start_new_session=True
    )
    try:
        yield child, log
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_databases_end_with_the_container(tmp_path: Path) -> None:
    with started(tmp_path) as (child, log):
        until("serve to run", log.with_suffix(".pid").exists)
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
        assert log.read_text().splitlines() == ["serve", "down"]


def test_who_tells_it_before_it_waits_is_heard(tmp_path: Path) -> None:
    with started(tmp_path, bash=EARLY) as (child, log):
        assert child.wait(20) == 0
        assert log.read_text().splitlines() == ["serve", "down"]


def test_a_failure_of_serve_is_the_container_s(tmp_path: Path) -> None:
    with started(tmp_path, "--fail") as (child, log):
        assert child.wait(20) == 3
        assert log.read_text().splitlines() == ["serve --fail", "down"]
