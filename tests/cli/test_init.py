"""`shardhouse init`: what it asks, writes and keeps."""

import json
import os
import pty
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shardhouse.cli import settings_file
from shardhouse.cli.commands import app
from shardhouse.cli.init import OFFERED
from shardhouse.settings import load
from tests.cli.program import PROGRAM, Program

PORTS = ("--port", "0", "--iam-port", "0")


def run(folder: Path, *options: str, stdin: str = "") -> Any:
    words = ["init", "--data-dir", str(folder), "--engine", "none", *options]
    return CliRunner().invoke(app, words, input=stdin)


def content(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "shardhouse.toml").read_text())


def test_a_file_has_what_each_setting_is_for_and_is_read_as_it_was_meant() -> None:
    values = {
        "backup.url": 's3://bucket/"folder"',
        "backup.secret_key": "a\\b\n\u00fc\U0001f600",
        "quotas.single": 3,
        "node_network": ["192.0.2.10", "192.0.2.32/28"],
        "memory_scale": 0.5,
        "tls_default": True,
        "port": 9,
    }
    text = settings_file.text(values, OFFERED)
    assert tomllib.loads(text) == settings_file.nested(values)
    assert '# Address on which the two APIs listen.\n# host = "127.0.0.1"\n' in text
    assert "](" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_options_are_written_and_defaults_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    done = run(
        *(folder, *PORTS, "--host", "127.0.0.1", "--json", "--backup-secret-stdin"),
        *("--node-network", "127.65.0.0/16, 127.66.0.1"),
        *("--backup-url", "s3://bucket/folder", "--backup-access-key", "id"),
        stdin="hidden\n",
    )
    told = json.loads(done.stdout)
    file = Path(told["file"])
    assert content(folder) == {
        "port": 0,
        "iam_port": 0,
        "node_network": ["127.65.0.0/16", "127.66.0.1"],
        "backup": {"url": "s3://bucket/folder", "access_key": "id", "secret_key": "hidden"},
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "hidden" not in done.output
    assert {"Python", "MongoDB", "Data directory"} <= {check["name"] for check in told["checks"]}
    assert told["next"] == [f"shardhouse {one} --data-dir {folder}" for one in ("up", "open")]
    assert load(data_dir=folder).backup.url == "s3://bucket/folder"


def test_a_file_stays_unless_it_is_forced_and_then_what_nobody_names(tmp_path: Path) -> None:
    file = tmp_path / "shardhouse.toml"
    first = '# mine\nregion = "north"\nport = 1\niam_port = 0\n[quotas]\nsingle = 3\n'
    file.write_text(first)
    assert "--force changes it" in run(tmp_path, "--port", "0").stderr
    assert file.read_text() == first
    run(tmp_path, "--port", "0", "--force")
    wanted = {"region": "north", "port": 0, "iam_port": 0, "quotas": {"single": 3}}
    assert content(tmp_path) == wanted | {"backup": {}}
    second = file.read_text()
    run(tmp_path, "--port", "2", "--force")
    assert (tmp_path / "shardhouse.toml.old-1").read_text() == first
    assert (tmp_path / "shardhouse.toml.old-2").read_text() == second


def test_an_empty_input_is_told_by_the_option_that_reads_it(tmp_path: Path) -> None:
    done = run(tmp_path / "data", "--backup-secret-stdin")
    assert done.exit_code == 1
    assert "--backup-secret-stdin: standard input is empty" in done.stderr


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (("--port", "x"), "port: Input should be a valid integer"),
        (("--dialect", "x"), "dialect: Input should be 'otc' or 'huawei'"),
        (("--backup-url", "ftp://x"), "backup.url: Value error, file:///<folder>"),
        (("--node-network", "nonsense"), "node_network must name IPv4 networks"),
        (("--tls-certificate", "/nope.pem"), "tls_certificate: /nope.pem cannot be read"),
        (("--tls-certificate", __file__), "tls_key: it is needed too"),
        (("--tls-authority", __file__), "holds no certificate"),
    ],
)
def test_wrong_values_are_refused_in_the_settings_own_words(
    tmp_path: Path, option: tuple[str, ...], problem: str
) -> None:
    done = run(tmp_path / "data", *option)
    assert done.exit_code == 1
    assert problem in done.stderr
    assert not (tmp_path / "data").exists()


def test_variables_that_win_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARDHOUSE_HOST", "127.0.0.2")
    monkeypatch.setenv("SHARDHOUSE_BACKUP__REGION", "north")
    monkeypatch.setenv("SHARDHOUSE_DIALECT", "huawei")
    done = run(
        *(tmp_path, *PORTS, "--host", "127.0.0.3", "--dialect", "huawei"),
        *("--backup-url", tmp_path.as_uri(), "--backup-region", "south"),
    )
    assert content(tmp_path)["host"] == "127.0.0.3"
    winning = [line.split()[0] for line in done.stderr.splitlines() if "precedence" in line]
    assert winning == ["SHARDHOUSE_HOST", "SHARDHOUSE_BACKUP__REGION"]


def test_what_runs_is_to_be_started_anew(program: Program) -> None:
    file = program.data_dir / "shardhouse.toml"
    try:
        words = ("--data-dir", str(program.data_dir), "--engine", "none", "--yes")
        told = program.run("init", *words, "--memory-scale", "0.1")
    finally:
        file.unlink()
    after = told.stderr.partition("Next: ")[2]
    assert [line.split()[1] for line in after.splitlines()[:3]] == ["down", "up", "open"]
    assert f"runs, pid {program.json('status')['serve_pid']}" in after


def test_root_leaves_nothing_in_the_folder_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    done = run(tmp_path / "data")
    assert done.exit_code == 1
    assert f"sudo -H -u {tmp_path.owner()} shardhouse init --data-dir {tmp_path}" in done.stderr
    assert not list(tmp_path.iterdir())


def test_questions_are_asked_until_the_answer_can_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    typed = {
        "Data directory": str(folder),
        "host": "",
        "port": "70000\n0",
        "iam_port": "0",
        "tls_certificate": "/nope.pem\n",
        "dialect": "huawei",
        "node_network": "nonsense\n127.65.0.0/16",
        "node_domain": "not a domain\nDB.example.com",
        "memory_scale": "",
        "backup.url": (tmp_path / "backups").as_uri(),
        "builds": "none",
    }
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*PROGRAM, "init"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("OS_")},
    )
    os.close(theirs)
    os.write(ours, "".join(f"{line}\n" for line in typed.values()).encode())
    shown, said = child.communicate(timeout=60)
    os.close(ours)
    asked = [said.index(f"\n{name}") for name in typed if name != "Data directory"]
    assert asked == sorted(asked)
    assert "port: Input should be less than or equal to 65535" in said
    assert "node_network must name IPv4 networks" in said
    assert "tls_certificate: /nope.pem cannot be read" in said
    assert "node_domain: Value error, a DNS domain" in said
    assert content(folder) == {
        "port": 0,
        "iam_port": 0,
        "dialect": "huawei",
        "node_network": ["127.65.0.0/16"],
        "node_domain": "db.example.com",
        "backup": {"url": typed["backup.url"]},
    }
    assert f"shardhouse up --data-dir '{folder}'" in said
    assert "shardhouse service install" in said
    assert "Python" in shown
