"""A process beside the tests that starts an installation in a folder and removes all of it when its
standard input ends: when the tests close it, or end in any way, be it by SIGKILL.

It writes `ready` when the APIs answer. If anything is written to it, the folder stays.
"""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from shardhouse.cli.installation import Installation
from shardhouse.cli.output import CliError

READY = "ready"
START_SECONDS = 120.0
_PREFIX = "SHARDHOUSE_"
#: Settings, or groups of them, that lead out of the folder: stores whose content would be taken
#: over, where backups, logs and messages go, addresses and ports of another installation.
OUTSIDE = (
    "alarm_webhook",
    "backup",
    "database_url",
    "dds_endpoint",
    "events",
    "iam_endpoint",
    "lts",
    "metrics_port",
    "router_metrics_port",
    "workflow_database_url",
)


def leads_outside(variable: str) -> bool:
    """Whether an environment variable is one of these, in any case, as settings are read."""
    name = variable.upper()
    setting = name.removeprefix(_PREFIX).partition("__")[0]
    return name.startswith(_PREFIX) and setting.lower() in OUTSIDE


def main(folder: Path) -> str | None:
    """Run until standard input ends; what went wrong, in words."""
    for name in filter(leads_outside, [*os.environ]):
        del os.environ[name]
    installation = Installation(folder)
    serve = installation.start("--port=0", "--iam-port=0")
    problem, keep = None, False
    try:
        installation.await_answers(serve, START_SECONDS)
        with suppress(BrokenPipeError):  # the tests may have ended meanwhile
            os.write(sys.stdout.fileno(), f"{READY}\n".encode())
        keep = bool(sys.stdin.read())
    except CliError as error:
        problem = error.message
    finally:
        # By its handle, as long as its lock file may not name it yet.
        serve.kill()
        serve.wait()
        try:
            installation.stop(grace=0)
        except CliError as error:
            problem, keep = error.message, True
        if not keep:
            shutil.rmtree(folder)
    return problem


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
