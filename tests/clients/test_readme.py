"""The README's own programs, as written, but for the ports."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import requests
from tests.installation import Installation

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def exports(installation: Installation) -> dict[str, str]:
    """What `shardhouse env` gives, in place of the caller's own variables of these kinds."""
    program = [sys.executable, "-m", "shardhouse.cli.main"]
    done = subprocess.run(
        [*program, "env", "--data-dir", str(installation.data_dir)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.removeprefix("export ") for line in done.stdout.splitlines() if "=" in line]
    pairs = [shlex.split(line)[0].split("=", 1) for line in lines]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "HUAWEICLOUD_"))}
    return clean | dict(pairs)


def run(installation: Installation, argv: list[str], folder: Path, text: str) -> str:
    own = text.replace("http://127.0.0.1:9800", installation.dds)
    done = subprocess.run(
        [*argv, own],
        check=False,
        env=exports(installation),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(installation: Installation) -> str:
    return str(installation.make(requests.single(name="readme-single"))["name"])


def test_official_sdk(installation: Installation, made: str, tmp_path: Path) -> None:
    (program,) = [block for block in blocks("python") if "DdsClient" in block]
    assert f"{made} normal" in run(installation, [sys.executable, "-c"], tmp_path, program)


def test_openstack(installation: Installation, made: str, tmp_path: Path) -> None:
    (program,) = [block for block in blocks("python") if "openstack" in block]
    clouds = subprocess.run(
        [sys.executable, "-m", "shardhouse.cli.main", "env", "--format", "clouds"],
        env=os.environ | {"SHARDHOUSE_DATA_DIR": str(installation.data_dir)},
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "clouds.yaml").write_text(clouds.stdout)
    assert f"{made} normal" in run(installation, [sys.executable, "-c"], tmp_path, program)


def test_curl(installation: Installation, tmp_path: Path) -> None:
    (script,) = [block for block in blocks("sh") if "curl" in block]
    output = run(installation, ["bash", "-euo", "pipefail", "-c"], tmp_path, script)
    assert '"status":"creating"' in output
    assert '"name":"tour-replica"' in output.rsplit("{", 1)[0]
    listed = installation.call("GET", "/instances", params={"name": "tour-replica"}).json()
    (instance,) = listed["instances"]
    assert instance["mode"] == "ReplicaSet"
