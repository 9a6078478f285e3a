"""`shardhouse service`: units as they are written; systemctl is absent, or a script."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shardhouse.cli import systemd
from shardhouse.cli.commands import app
from shardhouse.cli.systemd import Unit
from shardhouse.errors import ShardhouseError
from tests.cli.program import Program

PROGRAM = ("/opt/my apps/shardhouse",)
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
  *is-active*) echo {active};;
  *is-enabled*) echo enabled;;
  *{failing}*) echo "it is not to be" >&2; echo "See the manual." >&2; exit 1;;
esac
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where units of this user go; nothing reaches a systemd of this machine."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "config/systemd/user"


def replace_systemctl(folder: Path, *, active: str = "active", failing: str = "nothing") -> Path:
    """A script instead of systemctl; where it writes what it was called with."""
    log = folder / "calls"
    script = folder / "bin/systemctl"
    script.write_text(SYSTEMCTL.format(log=log, active=active, failing=failing))
    script.chmod(0o755)
    return log


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["service", *words, "--user"])


def values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_what_a_unit_says() -> None:
    odd = Path('/srv/my "data" 100%/$x')
    wanted = values(Unit("odd", odd, PROGRAM, cache="/var/my cache").text())
    assert wanted["ExecStart"] == (
        '"/opt/my apps/shardhouse" serve --data-dir "/srv/my \\"data\\" 100%%/$$x"'
    )
    assert wanted["EnvironmentFile"] == '-/srv/my "data" 100%%/$x/shardhouse.env'
    assert wanted["Environment"] == '"XDG_CACHE_HOME=/var/my cache"'
    assert wanted["KillMode"] == "process"
    assert wanted["OOMPolicy"] == "continue"
    assert wanted["WantedBy"] == "default.target"
    assert "User" not in wanted
    wanted = values(Unit("odd", odd, PROGRAM, user="mongo").text())
    assert (wanted["User"], wanted["WantedBy"]) == ("mongo", "multi-user.target")
    assert wanted["After"] == "network-online.target"
    assert "Environment" not in wanted


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("user", ["", "root"])
def test_systemd_takes_it(tmp_path: Path, user: str) -> None:
    folder = tmp_path / "my data 100%"
    folder.mkdir()
    program = tmp_path / "my program"
    shutil.copy("/bin/true", program)
    unit = Unit("odd", folder, (str(program),), user=user, cache="/var/my cache")
    file = tmp_path / "odd.service"
    file.write_text(unit.text())
    plain = tmp_path / "plain.service"
    plain.write_text("[Service]\nExecStart=/bin/true\n")
    if verify(plain).returncode:
        pytest.skip("systemd-analyze cannot work here")
    done = verify(file)
    assert (done.returncode, done.stderr) == (0, "")


def verify(file: Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "verify", "--man=no", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_without_systemd_it_is_written_and_said_what_to_run(tmp_path: Path, config: Path) -> None:
    folder = tmp_path / "my data"
    done = run("install", "--data-dir", str(folder))
    assert done.exit_code == 0, done.stderr
    file = config / "shardhouse.service"
    assert f'--data-dir "{folder}"' in file.read_text()
    assert folder.is_dir()
    assert (
        "systemctl --user daemon-reload && systemctl --user enable --now shardhouse.service"
        in done.stderr
    )
    assert "loginctl enable-linger" in done.stderr
    assert f"SHARDHOUSE_DATA_DIR={folder}" in done.stderr
    printed = run("print", "--data-dir", str(folder))
    assert printed.stdout == file.read_text()
    shown = run("status", "--json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["active"] == "unknown"
    assert run("uninstall").exit_code == 0
    assert not file.exists()
    done = run("uninstall")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "service install" in done.stderr


def test_systemd_is_told(program: Program, tmp_path: Path, config: Path) -> None:
    """The service is there already, as if systemd had started it."""
    log = replace_systemctl(tmp_path)
    done = run("install", "--name", "second", "--data-dir", str(program.data_dir), "--json")
    assert json.loads(done.stdout) == {"unit": str(config / "second.service"), "active": True}
    assert "journalctl --user -u second" in done.stderr
    shown = run("status", "--name", "second", "--json")
    assert json.loads(shown.stdout) == {
        "unit": str(config / "second.service"),
        "active": "active",
        "enabled": "enabled",
        "linger": "no",
    }
    assert shown.exit_code == 0
    run("uninstall", "--name", "second")
    told = [line for line in log.read_text().splitlines() if " is-" not in line]
    assert told == [
        "--user daemon-reload",
        "--user enable --now second.service",
        "--user daemon-reload",
        "--user disable --now second.service",
        "--user daemon-reload",
    ]


def test_a_service_that_fails_is_an_error(tmp_path: Path, config: Path) -> None:
    replace_systemctl(tmp_path, active="failed")
    done = run("install", "--data-dir", str(tmp_path / "data"))
    assert done.exit_code == 1
    told = " ".join(done.stderr.split())
    assert "shardhouse.service is failed and does not answer" in told
    assert "journalctl --user -u shardhouse" in told


def test_the_unit_of_another_folder_stays(tmp_path: Path, config: Path) -> None:
    first, second = str(tmp_path / "first $1"), str(tmp_path / "second")
    assert run("install", "--data-dir", first).exit_code == 0
    written = (config / "shardhouse.service").read_text()
    done = run("install", "--data-dir", second)
    assert done.exit_code == 1
    assert "--name" in done.stderr
    assert (config / "shardhouse.service").read_text() == written
    assert run("install", "--data-dir", first).exit_code == 0
    assert run("install", "--data-dir", second, "--name", "second").exit_code == 0


def test_files_that_cannot_be_written_or_removed(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.parent.mkdir(parents=True)
    config.write_text("in the way")
    done = run("install", "--data-dir", str(tmp_path / "data"))
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert "cannot be changed" in done.stderr
    config.unlink()
    run("install", "--data-dir", str(tmp_path / "data"))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    done = run("uninstall")
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert "cannot be changed: Permission denied" in " ".join(done.stderr.split())


def test_what_systemd_refuses_is_an_error(tmp_path: Path, config: Path) -> None:
    replace_systemctl(tmp_path, failing="enable", active="inactive")
    done = run("install", "--data-dir", str(tmp_path / "data"))
    assert done.exit_code == 1
    told = "--now shardhouse.service` failed: it is not to be\nSee the manual.\n"
    assert f"enable {told}" in done.stderr
    replace_systemctl(tmp_path, failing="disable")
    done = run("uninstall")
    assert done.exit_code == 1
    assert f"disable {told}" in done.stderr
    assert (config / "shardhouse.service").exists()


def test_variables_of_the_shell_are_named(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHARDHOUSE_DIALECT", "huawei")
    done = run("install", "--data-dir", str(tmp_path / "data"))
    assert "does not get SHARDHOUSE_DIALECT" in " ".join(done.stderr.split())


def test_a_serve_that_runs_by_hand_is_in_the_way(program: Program, tmp_path: Path) -> None:
    told = program.refused("service", "install", "--user", XDG_CONFIG_HOME=str(tmp_path))
    assert "runs already, pid" in told
    assert not list(tmp_path.iterdir())


def test_root_runs_it_only_if_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "owner", lambda folder: "root")
    with pytest.raises(ShardhouseError, match="--run-as root"):
        systemd._unit(True, "", "shardhouse", tmp_path)
    assert systemd._unit(True, "root", "shardhouse", tmp_path).user == "root"
    with pytest.raises(ShardhouseError, match="belongs to root, so nobody cannot"):
        systemd._unit(True, "nobody", "shardhouse", tmp_path)
    monkeypatch.setattr(Path, "owner", lambda folder: "nobody")
    assert systemd._unit(True, "", "shardhouse", tmp_path).user == "nobody"


def test_who_is_to_run_it_must_be_there_and_able_to(tmp_path: Path) -> None:
    with pytest.raises(ShardhouseError, match="useradd"):
        systemd._unit(True, "nobody-at-all", "shardhouse", tmp_path)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for program, python in (
        (linked(closed / "python", Path("/bin/sh")), Path("/bin/sh")),
        (Path("/bin/sh"), linked(tmp_path / "python", closed / "sh")),
    ):
        unit = Unit("x", tmp_path, (str(program),), user="nobody")
        with pytest.raises(ShardhouseError, match=f"{closed} is closed to others"):
            systemd._check_program(unit, python)
    all_may = Unit("x", tmp_path, ("/bin/sh",), user="nobody")
    systemd._check_program(all_may, Path("/bin/sh"))


def linked(link: Path, to: Path) -> Path:
    """A link, as the Python of a virtual environment is one."""
    link.symlink_to(to)
    return link
