"""What a container runs, with a script instead of the program."""

import signal
import subprocess
from pathlib import Path

from tests.installation import until

RUN = Path(__file__).parents[2] / "contrib/container/run"
#: `serve` runs until `down` ends it, or ends at once with code 3 as after a failure.
SHARDHOUSE = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
  "serve") echo "$$" > "{log}.pid"; while :; do sleep 0.1; done;;
  "serve --fail") exit 3;;
  "down") test ! -e "{log}.pid" || kill "$(cat "{log}.pid")";;
esac
"""


def start(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], Path]:
    log = folder / "calls"
    program = folder / "shardhouse"
    program.write_text(SHARDHOUSE.format(log=log))
    program.chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    return subprocess.Popen([RUN, *options], env={"PATH": path}, start_new_session=True), log


def test_databases_end_with_the_container(tmp_path: Path) -> None:
    child, log = start(tmp_path)
    until("serve to run", log.with_suffix(".pid").exists)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 128 + signal.SIGTERM
    assert log.read_text().splitlines() == ["serve", "down"]


def test_a_failure_of_serve_is_the_container_s(tmp_path: Path) -> None:
    child, log = start(tmp_path, "--fail")
    assert child.wait(20) == 3
    assert log.read_text().splitlines() == ["serve --fail", "down"]
