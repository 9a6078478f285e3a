"""`shardhouse call`: commands made from rows."""

import json
from typing import Any

import httpx
from typer.testing import CliRunner

from shardhouse.cli.commands import app
from shardhouse.contract.table import CALLS
from tests.cli.conftest import NAME
from tests.cli.program import Program


def test_every_row_is_a_command_with_its_help() -> None:
    runner = CliRunner()
    listed = runner.invoke(app, ["call", "--help"], env={"COLUMNS": "300"})
    text = " ".join(listed.output.split())
    for call in CALLS:
        assert call.summary.replace("`", "") in text  # which are for names, and not shown
    shown = runner.invoke(app, ["call", "upgrade-database-version", "--help"])
    assert "--upgrade-mode" in shown.output


def test_a_call_is_made_by_the_instance_s_name(program: Program, instance: dict[str, Any]) -> None:
    duration = json.loads(program.ok("call", "show-upgrade-duration", NAME))
    assert duration["strategies"]
    listed = json.loads(program.ok("call", "list-instances", "--name", NAME))
    assert [one["id"] for one in listed["instances"]] == [instance["id"]]


def test_options_and_body_make_one_body(fake_apis: Any) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.method == "GET":
            found = [{"id": "i1", "name": "shop"}]
            return httpx.Response(200, json={"instances": found, "total_count": 1})
        return httpx.Response(202, json={"job_id": "j1"})

    fake_apis(answer)
    words = ["--is-delayed", "true", "--body", '{"version": "6.0.27"}']
    done = CliRunner().invoke(app, ["call", "upgrade-database-version", "shop", *words])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"job_id": "j1"}
    assert sent[-1].url.path == "/v3/p1/instances/i1/db-upgrade"
    assert json.loads(sent[-1].content) == {"is_delayed": True, "version": "6.0.27"}


def test_what_is_no_json_is_told(fake_apis: Any) -> None:
    fake_apis(lambda _request: None)
    done = CliRunner().invoke(app, ["call", "create-instance", "--body", "{"])
    assert done.exit_code == 1
    assert "--body is not JSON" in done.output


def test_fields_of_an_object_are_options() -> None:
    shown = CliRunner().invoke(app, ["call", "add-sharding-node", "--help"])
    assert "--volume.size" in shown.output


def test_a_file_that_a_link_names_is_written(fake_apis: Any) -> None:
    fake_apis(lambda request: httpx.Response(200, content=b"\0" + request.url.query))
    words = ["call", "download-backup-file", "b", "g", "--expires", "1", "--signature", "s"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert done.stdout_bytes == b"\0expires=1&signature=s"
