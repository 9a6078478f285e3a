"""The wheel, as `pip install` brings it into an environment that has nothing else."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from tests.cli.program import Program
from tests.free_ports import free_port
from tests.installation import until

ROOT = Path(__file__).parents[2]
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
SECONDS = 300
#: What files of the package that are no modules are for.
DATA = ("shardhouse/console/templates/", "shardhouse/console/static/", "shardhouse/py.typed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as for a release."""
    folder = tmp_path_factory.mktemp("dist")
    done = _run(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment that the wheel is installed in, with what it
    depends on."""
    folder = tmp_path_factory.mktemp("environment")
    assert _run(sys.executable, "-m", "venv", str(folder)).returncode == 0
    constraints = ROOT / "constraints.txt"
    pinned = ("-c", str(constraints)) if constraints.exists() else ()
    done = _run(str(folder / "bin/python"), *PIP, "install", *pinned, str(wheel))
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def test_it_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "shardhouse",
        f"shardhouse-{version('shardhouse')}.dist-info",
    }
    for needed in DATA:
        assert any(name.startswith(needed) for name in names), needed


def test_it_serves_and_makes_an_instance(environment: Path, tmp_path: Path) -> None:
    program = Program(tmp_path / "data", (str(environment / "shardhouse"),))
    assert program.ok("--version").strip() == f"shardhouse {version('shardhouse')}"
    with _serving(environment, tmp_path) as dds:
        password = {"SHARDHOUSE_INSTANCE_PASSWORD": "Test@123"}
        made = program.json("instance", "create", "first", "--wait", **password)
        assert made["status"] == "normal"
        page = httpx.get(f"{dds}/console", follow_redirects=True)
        assert page.status_code == 200
        assert "Log in" in page.text
        program.ok("down")


@contextmanager
def _serving(environment: Path, folder: Path) -> Iterator[str]:
    """The installed `shardhouse serve`; the address of DDS."""
    ports = {"SHARDHOUSE_PORT": str(free_port()), "SHARDHOUSE_IAM_PORT": str(free_port())}
    dds = f"http://127.0.0.1:{ports['SHARDHOUSE_PORT']}"
    log = folder / "serve.log"
    with log.open("wb") as output:
        serve = subprocess.Popen(
            [environment / "shardhouse", "serve", "--data-dir", folder / "data"],
            stdout=output,
            stderr=output,
            cwd=folder,  # where no checkout is found
            env=os.environ | ports,
        )

    def answers() -> bool:
        assert serve.poll() is None, log.read_text()
        try:
            return httpx.get(dds).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until("serve to answer", answers, 60)
        yield dds
    finally:
        _run(str(environment / "shardhouse"), "down", "--data-dir", str(folder / "data"))
        serve.wait(60)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
