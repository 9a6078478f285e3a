"""What holds for all commands: options, and how they fail."""

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from shardhouse.cli import call, client, commands
from shardhouse.client import orders
from shardhouse.client.errors import UnreachableError
from shardhouse.contract.call import Call
from shardhouse.contract.table import CALLS
from tests.cli.conftest import PASSWORD

#: Commands of calls to the APIs, with arguments for them.
ARGUMENTS = {
    "open": ["--print"],
    "restore": ["x", "--backup", "x", "--yes"],
    "instance clone": ["x", "new", "--backup", "x"],
    "instance advise": ["x"],
    "instance create": ["x"],
    "instance list": [],
    "instance show": ["x"],
    "instance delete": ["x", "--yes"],
    "instance upgrade": ["x"],
    "instance uri": ["x"],
    "instance connect": ["x"],
    "backup create": ["x", "made"],
    "backup list": [],
    "backup show": ["x"],
    "backup delete": ["x", "--yes"],
    "backup stop": ["x"],
    "backup policy": ["x", "--keep-days", "0"],
    "backup times": ["x"],
    "backup export": ["x", "FOLDER", "--format", "mongodump"],
    "backup verify": ["x", "--no-wait"],
    "backup import": ["DUMP", "x"],
    "snapshot save": ["x", "--to", "FOLDER"],
    "snapshot load": ["SNAPSHOT"],
    "parameter list": ["x"],
    "parameter set": ["x", "name=1"],
    "job show": ["x"],
    "job cancel": ["x"],
    "event list": [],
    "iam user create": ["x"],
    "iam user list": [],
    "iam user show": ["x"],
    "iam user password": ["x"],
    "iam user delete": ["x", "--yes"],
    "iam project create": ["x"],
    "iam project list": [],
    "iam project show": ["x"],
    "iam project delete": ["x", "--yes"],
    "iam key create": [],
    "iam key list": [],
    "iam key show": ["x"],
    "iam key enable": ["x"],
    "iam key disable": ["x"],
    "iam key delete": ["x", "--yes"],
    "iam role list": [],
    "iam role show": ["x"],
    "iam role grant": ["x", "x"],
    "iam role revoke": ["x", "x"],
}
#: Commands about this machine.
LOCAL = {
    *("init", "serve", "up", "status", "down", "demo", "doctor", "env", "router"),
    "snapshot show",
    *("engine list", "engine add", "engine remove"),
    *("service install", "service uninstall", "service status", "service print"),
}
#: They become, or are, other programs whose output is their own.
OTHER_PROGRAMS = {"serve", "router", "instance connect"}
#: What it started is fetched when it has ended; there is nothing to do before.
ALWAYS_WAITS = {"backup export", "snapshot save"}
PASSWORDS = {"SHARDHOUSE_INSTANCE_PASSWORD": PASSWORD, "SHARDHOUSE_USER_PASSWORD": PASSWORD}
INSTANCE = {
    "id": "i",
    "name": "x",
    "mode": "Single",
    "availability_zone": "z",
    **dict.fromkeys(orders._NETWORK, ""),
    "groups": [{"type": "single", "nodes": [{"id": "n", "spec_code": "s"}]}],
}
BACKUP = {
    "id": "b",
    "name": "x",
    "begin_time": "t",
    "instance_id": "i",
    "instance_name": "x",
    "instance_mode": "Single",
}
UPLOAD = {"upload_link": "http://dds.test/v3/backup-files/u", "backup_id": "b"}
SNAPSHOT = {
    "format": 1,
    "begin": "2026-01-01T00:00:00Z",
    "end": "2026-01-01T00:00:00Z",
    "consistent_at": "0" * 16,
    "instance": {
        "name": "saved",
        "mode": "Single",
        "version": "6.0",
        "storage_engine": "wiredTiger",
        "engine_version": "6.0.27",
        "engine_build": "b",
        "ssl": False,
        "backup_strategy": {"start_time": "", "keep_days": 0, "period": ""},
        "groups": [
            {
                "name": "single",
                "type": "single",
                "spec_code": "dds.mongodb.s2.medium.4.single",
                "size": 10,
                "nodes": 1,
            }
        ],
    },
    "sets": [
        {
            "name": "single",
            "type": "single",
            "top": "0" * 16,
            "data": {"size": 0, "plain_size": 0},
            "namespaces": {"size": 0, "plain_size": 0},
            "files": {"size": 0, "number": 0, "total": 0},
        }
    ],
}
ROWS = {call._kebab(row.operation): row for row in CALLS}


def leaves(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All commands with their names."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        if hasattr(command, "list_commands"):
            yield from leaves(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


ALL = dict(leaves(typer.main.get_command(commands.app)))
HAND_MADE = {name: one for name, one in ALL.items() if not name.startswith("call ")}


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def run(tmp_path: Path, name: str, arguments: list[str]) -> Any:
    dump = tmp_path / "dump"
    (dump / "shop").mkdir(parents=True)
    (dump / "shop" / "orders.bson").write_bytes(b"")
    snapshot = tmp_path / "x.snapshot"
    with tarfile.open(snapshot, "w") as archive:
        head = json.dumps(SNAPSHOT).encode()
        member = tarfile.TarInfo("snapshot.json")
        member.size = len(head)
        archive.addfile(member, io.BytesIO(head))
    places = {
        "FOLDER": str(tmp_path / "folder"),
        "DUMP": str(dump),
        "SNAPSHOT": str(snapshot),
    }
    words = [*name.split(), *(places.get(one, one) for one in arguments)]
    # Whatever a command does, it does it nowhere else.
    variables = PASSWORDS | {"SHARDHOUSE_DATA_DIR": str(tmp_path / "data")}
    return CliRunner().invoke(commands.app, words, env=variables)


def test_all_commands_are_known_here() -> None:
    assert HAND_MADE.keys() == ARGUMENTS.keys() | LOCAL
    assert {f"call {name}" for name in ROWS} == ALL.keys() - HAND_MADE.keys()


@pytest.mark.parametrize("name", ALL)
def test_commands_take_json(name: str) -> None:
    row = ROWS.get(name.removeprefix("call "))
    other = name in OTHER_PROGRAMS or (row is not None and call.answers_file(row))
    assert ("--json" in options(ALL[name])) != other


@pytest.mark.parametrize("row", CALLS, ids=lambda row: row.operation)
def test_calls_whose_answer_names_a_job_wait_for_it(row: Call) -> None:
    name = f"call {call._kebab(row.operation)}"
    names_one = "job_id" in row.answer.model_fields or row.operation.startswith("BatchUpgrade")
    assert ("--wait" in options(ALL[name])) == names_one


@pytest.mark.parametrize("name", ARGUMENTS)
def test_commands_that_start_a_job_wait_for_it(
    name: str, fake_apis: Callable[[Any], None], tmp_path: Path
) -> None:
    started: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        row = _row(request)
        if row is not None and call.starts_jobs(row):
            started.append(row.operation)
            return httpx.Response(500, json={"error_msg": "enough"})
        found: dict[str, Any] = {"instances": [], "backups": [BACKUP], "total_count": 1}
        if request.url.params.get("name") != "saved":
            found["instances"] = [INSTANCE]
        found |= UPLOAD
        return httpx.Response(200, json=found)

    fake_apis(answer)
    run(tmp_path, name, ARGUMENTS[name])
    assert ("--wait" in options(HAND_MADE[name]) or name in ALWAYS_WAITS) == bool(started)


def _row(request: httpx.Request) -> Call | None:
    """The call that a request is."""
    for row in CALLS:
        place = re.sub(r"{\w+}", "[^/]+", row.path)
        if row.method == request.method and re.fullmatch(place, request.url.path):
            return row
    return None


@pytest.mark.parametrize("name", sorted(ALL.keys() - LOCAL))
def test_without_a_service_there_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def connect(_data_dir: Any) -> Any:
        raise UnreachableError("Nobody answers.")

    monkeypatch.setattr(client, "connect", connect)
    required = ["x" for one in ALL[name].params if one.required]
    done = run(tmp_path, name, ARGUMENTS.get(name, required))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: Nobody answers.\n"
    assert isinstance(done.exception, SystemExit)


def test_jobs_of_several_instances_are_all_followed(fake_apis: Callable[[Any], None]) -> None:
    job = {"name": "Upgrade", "status": "Completed", "steps": [], "created": "", "ended": ""}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            results = [{"instance_id": "i", "job_id": "a"}, {"instance_id": "j", "job_id": "b"}]
            return httpx.Response(200, json={"upgrade_results": results})
        known = {"id": request.url.params["id"], "instance": {"name": "x"}}
        return httpx.Response(200, json={"job": job | known})

    fake_apis(answer)
    words = ["call", "batch-upgrade-database-version", "--instance-ids", "i,j", "--wait"]
    done = CliRunner().invoke(commands.app, words)
    assert done.stderr.count("Upgrade x: Completed") == 2
    assert done.stdout == ""
    done = CliRunner().invoke(commands.app, [*words, "--json"])
    assert [job["id"] for job in json.loads(done.stdout)] == ["a", "b"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    "name", [*sorted(HAND_MADE.keys() - {"router"}), "call update-instance-name"]
)
def test_help_shows_all_that_is_written(name: str) -> None:
    command = ALL[name]
    words = [*name.split(), "--help"]
    done = CliRunner().invoke(commands.app, words, env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    shown = letters(done.output)
    helps = [one.help for one in command.params if getattr(one, "help", None)]
    missing = [one for one in (command.help, *helps) if letters(one) not in shown]
    assert not missing
    if "--data-dir" in options(command):
        assert letters("SHARDHOUSE_DATA_DIR; default: ~/.local/share/shardhouse") in shown


def letters(text: str) -> str:
    """A text whatever is around and between its words."""
    return re.sub(r"[\W_]", "", text)
