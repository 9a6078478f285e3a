"""The steps of contrib/ for GitHub and GitLab are run as their runners would; a script in place of
Python tells what would be installed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo import MongoClient

from shardhouse.cli.installation import Installation as Local
from tests.installation import Installation
from tests.testing import seeds

CONTRIB = Path(__file__).parents[2] / "contrib"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the installation lies; what runs of it ends with the test."""
    data_dir = tmp_path / "shardhouse"
    yield data_dir
    Local(data_dir).stop(grace=0)


@pytest.fixture
def runner() -> dict[str, str]:
    """The environment of a job that has `shardhouse`."""
    programs = Path(sys.executable).parent
    return os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SHARDHOUSE_PORT": "0",
        "SHARDHOUSE_IAM_PORT": "0",
    }


def test_the_action_of_github(runner: dict[str, str], tmp_path: Path, folder: Path) -> None:
    action = yaml.safe_load((CONTRIB / "github-action" / "action.yml").read_text())
    _, *steps = action["runs"]["steps"]
    inputs = {name: one.get("default", "") for name, one in action["inputs"].items()}
    variables, output = tmp_path / "variables", tmp_path / "output"
    job = runner | {
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_ENV": str(variables),
        "GITHUB_OUTPUT": str(output),
    }
    printed = ""
    for step in steps:
        given = {
            name: expression(value, inputs | {"mode": "single"})
            for name, value in step.get("env", {}).items()
        }
        printed += run(step["run"], job | given)
        job |= pairs(variables)
    values = pairs(output)
    assert values["data-dir"] == str(folder)
    assert {expression(one["value"], {}, values) for one in action["outputs"].values()} == {
        *values.values()
    }
    assert f"::add-mask::{values['uri']}" in printed
    assert printed.count(password(values["uri"])) == 2  # masked, and in the masked address
    assert job["MONGODB_URI"] == values["uri"]
    with MongoClient[dict[str, Any]](values["uri"]) as client:
        client["shop"]["orders"].insert_one({"_id": 1})
    asked = run(f'source "{values["token-env"]}"; echo "$OS_AUTH_URL"', runner)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v3\n", asked)


def test_nothing_but_the_wheel_is_installed(tmp_path: Path) -> None:
    """A name that no package index has, anybody can take there."""
    action = yaml.safe_load((CONTRIB / "github-action" / "action.yml").read_text())
    job = yaml.safe_load((CONTRIB / "gitlab" / "shardhouse.gitlab-ci.yml").read_text())
    steps = {
        "WHEEL": action["runs"]["steps"][0]["run"],
        "SHARDHOUSE_WHEEL": job[".shardhouse"]["before_script"][0],
    }
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    (tmp_path / "shardhouse.whl").touch()
    wheels = {
        "https://files.example.org/shardhouse.whl": "https://files.example.org/shardhouse.whl",
        os.path.relpath(tmp_path / "shardhouse.whl"): f"file://{tmp_path}/shardhouse.whl",
    }
    for variable, script in steps.items():
        for given, meant in wheels.items():
            printed = run(script, environment | {variable: given})
            assert printed == f"-m|pip|install|shardhouse[mongodb] @ {meant}|"
        with pytest.raises(subprocess.CalledProcessError):
            run(script, environment | {variable: ""})


@pytest.mark.soak  # but for the snapshot, the commands are those of the action
def test_the_job_of_gitlab(
    runner: dict[str, str], tmp_path: Path, folder: Path, installation: Installation
) -> None:
    seed = tmp_path / "seed.snapshot"
    seeds.save(installation, seed)
    template = yaml.safe_load((CONTRIB / "gitlab" / "shardhouse.gitlab-ci.yml").read_text())
    job = template[".shardhouse"]
    _, *before = job["before_script"]
    given = job["variables"] | {"MONGODB_SNAPSHOT": str(seed), "SHARDHOUSE_DATA_DIR": str(folder)}
    script = [*before, 'printf "%s\\n" "$MONGODB_URI" "$OS_AUTH_URL"', "exec sleep 600"]
    with subprocess.Popen(
        ["sh", "-ec", "\n".join(script)], env=runner | given, stdout=subprocess.PIPE, text=True
    ) as shell:
        try:
            assert shell.stdout is not None
            lines = iter(shell.stdout)
            uri = next(line.strip() for line in lines if line.startswith("mongodb://"))
            with MongoClient[dict[str, Any]](uri) as client:
                assert client["shop"]["orders"].find_one() == {"_id": 1}
            assert next(lines).startswith("http://127.0.0.1:")
        finally:
            shell.kill()
    run("\n".join(job["after_script"]), runner | given)
    assert not folder.exists()


def run(script: str, environment: Mapping[str, str]) -> str:
    """What a script prints, run as GitHub does (GitLab's after_script, too)."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def expression(text: str, inputs: Mapping[str, str], outputs: Mapping[str, str] = {}) -> str:
    """A `${{ }}` of an action with its value."""
    found = re.fullmatch(r"\$\{\{ (inputs|steps\.\w+\.outputs)\.([\w-]+) \}\}", text)
    assert found, text
    return (inputs if found[1] == "inputs" else outputs)[found[2]]


def pairs(path: Path) -> dict[str, str]:
    """NAME=value lines."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def password(uri: str) -> str:
    return uri.removeprefix("mongodb://rwuser:").partition("@")[0]
