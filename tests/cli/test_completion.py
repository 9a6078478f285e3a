"""What shells offer when a key is pressed, asked as their scripts ask."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from shardhouse.cli import completion
from tests.cli.conftest import NAME
from tests.cli.program import Program

SHARDHOUSE = Path(sys.executable).with_name("shardhouse")


def offered(data_dir: Path, line: str, shell: str = "bash") -> list[str]:
    """Candidates for the last word of a command line, and nothing else is printed."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    done = subprocess.run(
        [SHARDHOUSE],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=kept
        | asked[shell]
        | {"_SHARDHOUSE_COMPLETE": f"complete_{shell}", "SHARDHOUSE_DATA_DIR": str(data_dir)},
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("shardhouse inst", {"instance"}),
        ("shardhouse backup ex", {"export"}),
        ("shardhouse call upg", {"upgrade-database-version"}),
        ("shardhouse call upgrade-database-version x --is", {"--is-delayed"}),
        ("shardhouse call upgrade-database-version x --is-delayed ", {"true", "false"}),
        ("shardhouse instance show ", set()),
        ("shardhouse job show ", set()),
    ],
)
def test_words_are_offered_without_a_service(tmp_path: Path, line: str, wanted: set[str]) -> None:
    assert set(offered(tmp_path, line)) == wanted


def test_who_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    names = ("user_name", "password", "domain_name", "project_id", "project_name", "region")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        place = {"iam_endpoint": f"http://127.0.0.1:{mute.getsockname()[1]}"}
        (tmp_path / "admin.json").write_text(json.dumps(dict.fromkeys(names, "x") | place))
        assert offered(tmp_path, "shardhouse iam user show ") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_what_others_write_is_text_for_every_shell(program: Program, shell: str) -> None:
    free = "$(touch made) `x` [/x] it's"
    known = program.json("iam", "project", "create", "local_free", "--description", free)
    try:
        (line,) = offered(program.data_dir, "shardhouse iam project show local_f", shell)
        assert "touch made x /x its" in line
        assert not set("$`[") & set(line)
    finally:
        program.ok("iam", "project", "delete", known["id"], "--yes")


def test_a_name_that_a_shell_would_change_is_offered_by_its_id(
    fake_apis: Callable[[Any], None],
) -> None:
    names = {"u1": "bob", "u2": "$(x) [/b]"}
    users = [{"id": id, "name": name, "description": "it"} for id, name in names.items()]
    fake_apis(lambda request: httpx.Response(200, json={"users": users, "links": {}}))
    found = completion.names(completion.users)(Mock(params={}), "")
    assert found == [("bob", "it"), ("u2", "x /b it")]


def test_names_are_offered(program: Program, instance: dict[str, Any]) -> None:
    made = program.json("backup", "create", NAME, "offered", "--wait")
    folder = program.data_dir
    try:
        assert NAME in offered(folder, "shardhouse instance show ")
        assert offered(folder, f"shardhouse instance show {NAME[:3]}") == [NAME]
        assert offered(folder, f"shardhouse restore {instance['id'][:8]}") == [instance["id"]]
        assert offered(folder, "shardhouse backup show off") == ["offered"]
        assert made["id"] in offered(folder, "shardhouse call show-backup-dump-link ")
        assert offered(folder, "shardhouse iam user show ad") == ["admin"]
        assert "readonly" in offered(folder, "shardhouse iam role grant ")
        assert len(offered(folder, "shardhouse job show ")) >= 2
        assert offered(folder, f"shardhouse instance connect --data-dir {folder} {NAME[:3]}")
        assert NAME in offered(folder, "shardhouse call restart-instance ")
        assert len(offered(folder, "shardhouse call show-configuration-parameter ")) > 1
        assert f'"{NAME}":"Single, normal"' in " ".join(
            offered(folder, "shardhouse instance show jou", "zsh")
        )
        assert offered(folder, "shardhouse instance show jou", "fish") == [
            f"{NAME}\tSingle, normal"
        ]
    finally:
        program.ok("backup", "delete", "offered", "--yes", "--wait")
