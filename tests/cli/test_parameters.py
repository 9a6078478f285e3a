"""`shardhouse parameter`, on a real instance."""

from typing import Any

from typer.testing import CliRunner

from shardhouse.cli.commands import app
from tests.cli.conftest import NAME
from tests.cli.program import Program

SLOW = "operationProfiling.slowOpThresholdMs"
MODE = "operationProfiling.mode"


def test_parameters_are_set_and_listed(program: Program, instance: dict[str, Any]) -> None:
    done = program.run("parameter", "set", NAME, f"{SLOW}=250", f"{MODE}=all", "--wait")
    assert done.returncode == 0
    assert "after a restart" in done.stderr
    listed = program.json("parameter", "list", NAME, "--part", instance["id"])
    found = {one["name"]: one for one in listed}
    assert (found[SLOW]["value"], found[MODE]["value"]) == ("250", "off")
    assert found[MODE]["pending_value"] == "all"
    program.ok("parameter", "set", NAME, f"{SLOW}=100", f"{MODE}=off", "--wait")


def test_what_is_no_pair_is_told() -> None:
    done = CliRunner().invoke(app, ["parameter", "set", NAME, SLOW])
    assert done.exit_code == 1
    assert "NAME=VALUE" in done.output
