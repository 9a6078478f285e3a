"""The steps of contrib/ for GitHub and GitLab are run as their runners would; a script in place of
Python tells what would be installed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from pymongo import MongoClient

from shardhouse.cli.installation import Installation as Local
from tests.installation import Installation
from tests.testing import seeds

#: The runner would read its %40 as something else, were it not encoded.
PASSWORD = "A1%40@%25-seven"
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
            name: expression(value, inputs | {"mode": "single", "password": PASSWORD})
            for name, value in step.get("env", {}).items()
        }
        printed += run(step["run"], job | given)
        job |= pairs(variables)
    values = pairs(output)
    assert values["data-dir"] == str(folder)
    assert {expression(one["value"], {}, values) for one in action["outputs"].values()} == {
        *values.values()
    }
    masks = re.findall("::add-mask::(.*)\n", printed)
    encoded = quote(PASSWORD, safe="")
    assert {mask.replace("%25", "%") for mask in masks} == {PASSWORD, encoded, values["uri"]}
    assert f":{encoded}@" in values["uri"]
    rest = re.sub("::add-mask::.*\n", "", printed)
    assert PASSWORD not in rest
    assert encoded not in rest
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
    job = gitlab()
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


@pytest.mark.parametrize("failing", ["engine add", "up", "instance create", "instance uri", "env"])
def test_a_step_that_fails_ends_the_job_of_gitlab(tmp_path: Path, failing: str) -> None:
    job = gitlab()
    given = stub(tmp_path, f'case "$*" in "{failing}"*) exit 3;; esac') | job["variables"]
    before = "\n".join(job["before_script"][1:])
    assert subprocess.run(["sh", "-ec", before], env=given, check=False).returncode == 3


def test_a_release_of_mongodb_is_chosen(tmp_path: Path) -> None:
    called = tmp_path / "called"
    given = stub(tmp_path, f'echo "$@" >>{called}') | {
        "RUNNER_TEMP": str(tmp_path),
        "SHARDHOUSE_DATA_DIR": str(tmp_path / "shardhouse"),
        "GITHUB_ENV": os.devnull,
        "GITHUB_OUTPUT": os.devnull,
    }
    (tmp_path / "shardhouse").mkdir()
    job = gitlab()
    run("\n".join(job["before_script"][1:]), given | job["variables"] | {"MONGODB_RELEASE": "5.0"})
    for_gitlab = called.read_text()
    called.unlink()
    action = yaml.safe_load((CONTRIB / "github-action" / "action.yml").read_text())
    inputs = {name: one.get("default", "") for name, one in action["inputs"].items()}
    inputs["mongodb"] = "5.0"
    for step in action["runs"]["steps"][1:]:
        named = {name: expression(value, inputs) for name, value in step["env"].items()}
        run(step["run"], given | named)
    create = "instance create ci-mongodb --mode replicaset --shards 2 --version 5.0 --wait"
    first = ["engine add 5.0", "up", create]
    assert for_gitlab.splitlines()[:3] == called.read_text().splitlines()[:3] == first


def test_the_folder_goes_even_if_down_fails(runner: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "shardhouse"
    folder.mkdir()
    after = "\n".join(gitlab()["after_script"]).replace("shardhouse down", "false")
    run(after, runner | {"SHARDHOUSE_DATA_DIR": str(folder)})
    assert not folder.exists()


def stub(folder: Path, script: str) -> dict[str, str]:
    """The environment of a job whose `shardhouse` is a script."""
    program = folder / "programs" / "shardhouse"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def gitlab() -> dict[str, Any]:
    """The job that others extend."""
    template = yaml.safe_load((CONTRIB / "gitlab" / "shardhouse.gitlab-ci.yml").read_text())
    job: dict[str, Any] = template[".shardhouse"]
    return job


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
