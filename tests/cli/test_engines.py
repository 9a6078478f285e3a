"""`shardhouse engine`: builds are listed with what they serve, added from folders, and removed."""

import json
from pathlib import Path

import pytest

from tests.builds import under_test
from tests.cli.program import Program
from tests.engines import programs


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program with a folder of builds of its own."""
    monkeypatch.setenv("SHARDHOUSE_ENGINE_DIR", str(tmp_path / "engines"))
    monkeypatch.setenv("SHARDHOUSE_ENGINES", "[]")
    return Program(tmp_path / "data")


def test_a_folder_is_added_listed_and_removed(own: Program, tmp_path: Path) -> None:
    programs.program(tmp_path / "mine/mongod", programs.mongod("7.0.1", "linux"))
    (added,) = own.json("engine", "add", str(tmp_path / "mine"))
    assert added == {"name": "7.0.1-linux", "version": "7.0.1"}
    listed = own.json("engine", "list")
    (build,) = [one for one in listed["builds"] if one["name"] == "7.0.1-linux"]
    assert (build["serves_new_instances"], build["used_by"]) == (True, [])
    assert listed["served_by"]["7.0"] == {"ReplicaSet": "7.0.1", "Single": "7.0.1"}
    assert "4.4.2-ubuntu1804" in listed["available"]
    assert "7.0.1-linux" in own.ok("engine", "list")
    own.ok("engine", "remove", "7.0.1")
    assert "There is no build 7.0.1" in own.refused("engine", "remove", "7.0.1")


def test_an_unknown_name_is_refused_with_the_known_ones(own: Program) -> None:
    assert "6.0.27, 6.0.5, 5.0.32, 4.4.2" in own.refused("engine", "add", "3.9")


def test_doctor_says_which_build_is_the_default_and_why(own: Program, tmp_path: Path) -> None:
    programs.program(tmp_path / "mine/mongod", programs.mongod("6.0.3", "linux"))
    own.ok("engine", "add", str(tmp_path / "mine"))
    variables = {"SHARDHOUSE_PORT": "0", "SHARDHOUSE_IAM_PORT": "0"}
    chosen = json.loads(
        own.run(
            "doctor",
            "--json",
            **variables | {"SHARDHOUSE_ENGINES": '["6.0.3"]'},
        ).stdout
    )
    (check,) = [one for one in chosen if one["name"] == "Default build"]
    assert check["found"] == "6.0.3-linux: the setting `engines` names 6.0.3"


def test_what_runs_is_not_removed(program: Program, instance: dict[str, object]) -> None:
    told = program.refused("engine", "remove", under_test().name)
    assert f"used by instance {instance['name']}" in told
