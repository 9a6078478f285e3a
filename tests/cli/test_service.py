"""Serve, status, doctor, down: on installations of their own, because they end."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from shardhouse.cli.installation import Installation
from tests.cli.conftest import NAME, PASSWORD
from tests.cli.program import Program


def test_status_counts_what_runs(program: Program, instance: dict[str, Any]) -> None:
    found = program.json("status")
    assert found["answers"] is True
    assert found["serve_pid"] > 0
    assert found["node_processes"] >= 1
    assert found["instances"]["normal"] >= 1


def test_doctor_is_content_beside_a_running_service(
    program: Program, instance: dict[str, Any]
) -> None:
    known = program.json("env")
    ports = {
        "SHARDHOUSE_IAM_PORT": known["OS_AUTH_URL"].split(":")[2].split("/")[0],
        "SHARDHOUSE_PORT": known["HUAWEICLOUD_SDK_REGION_DDS_LOCAL"].split(":")[2],
    }
    checks = {check["name"]: check for check in program.json("doctor", **ports)}
    assert checks[f"Port {ports['SHARDHOUSE_PORT']} (port)"]["found"].startswith("our own serve")
    assert checks["MongoDB"]["found"].startswith("6.0")
    assert checks["admin.json"]["verdict"] == "ok"
    assert checks["Stray folders"]["verdict"] == "ok"
    assert checks["Stray processes"]["verdict"] == "ok"


def test_doctor_tells_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "instances" / "gone" / "node").mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "admin.json").write_text("{}")
    (folder / "admin.json").chmod(0o644)
    broken = tmp_path / "engine"
    broken.mkdir()
    (broken / "mongod").write_text("#!/bin/sh\nexit 127\n")
    (broken / "mongod").chmod(0o755)
    done = Program(folder).run(
        "doctor", "--json", SHARDHOUSE_ENGINES=json.dumps([str(broken)]), SHARDHOUSE_PORT="0"
    )
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["MongoDB"]["verdict"] == "fail"
    assert checks["Data directory"]["mend"].endswith(f"chmod 700 {folder}")
    assert checks["admin.json"]["verdict"] == "fail"
    assert "instances/gone/node" in checks["Stray folders"]["found"]


def test_up_returns_when_the_service_answers(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    try:
        told = program.json("up", "--port", "0", "--iam-port", "0")
        assert told["started"] is True
        assert told["log"] == str(tmp_path / "data/serve.log")
        found = program.json("status")
        assert found["answers"] is True
        assert found["serve_pid"] == told["pid"]
        again = program.run("up", "--port", "9", "--iam-port", "0", "--json")
        assert json.loads(again.stdout) == told | {"started": False}
        assert "runs already" in again.stderr
        assert f"--port 9 has no effect: what runs is at {found['dds_endpoint']}" in again.stderr
        assert "--iam-port" not in again.stderr
    finally:
        assert program.run("down").returncode == 0
    assert program.run("status").returncode == 1


@pytest.mark.soak
def test_down_ends_everything_and_serve_brings_it_back(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    installation = Installation(program.data_dir)
    child = installation.start("--port=0", "--iam-port=0")
    try:
        installation.await_answers(child, 60)
        created = program.json(
            "instance", "create", NAME, "--wait", SHARDHOUSE_INSTANCE_PASSWORD=PASSWORD
        )
        address = program.ok(
            "instance", "uri", NAME, "--show-password", SHARDHOUSE_INSTANCE_PASSWORD=PASSWORD
        ).strip()
        told = program.run("down")
        assert told.returncode == 0, told.stderr
        assert "1 serve and 1 node processes were stopped; none is left" in told.stderr
        child.wait(10)
        assert installation.serve() is None
        assert installation.nodes() == []
        assert program.run("down").returncode == 0
        assert "Is `shardhouse serve` running?" in program.refused("instance", "list")
        assert program.run("status").returncode == 1

        child = installation.start("--port=0", "--iam-port=0")
        installation.await_answers(child, 60)
        with MongoClient[dict[str, Any]](address, serverSelectionTimeoutMS=30_000) as mongo:
            assert mongo.admin.command("ping")["ok"] == 1
        assert program.json("instance", "show", NAME)["id"] == created["id"]
    finally:
        installation.stop()
        child.wait(10)


def test_a_second_serve_is_refused(program: Program) -> None:
    told = program.refused("serve", "--port", "0", "--iam-port", "0")
    assert "Another `shardhouse serve`" in told


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    assert "port: Input should be" in Program(tmp_path).refused("serve", "--port", "70000")


def test_serve_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data")
    child = installation.start("--port=70000")
    with pytest.raises(Exception, match="exit code 1") as error:
        installation.await_answers(child, 60)
    assert "port: Input should be" in str(error.value)


def test_a_number_of_a_process_that_is_not_ours_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "serve.lock").write_text(str(os.getpid()))
    assert Installation(tmp_path).serve() is None


@pytest.mark.parametrize("words", [["--help"], ["router", "--version"]])
def test_the_program_starts_without_what_it_does_not_need(words: list[str], tmp_path: Path) -> None:
    done = Program(tmp_path).run(*words, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "shardhouse.cli.main" in imported or "shardhouse.cli" in imported
    slow = {"dbos", "fastapi", "httpx", "pydantic", "pymongo", "sqlalchemy", "uvicorn"}
    assert not imported & slow
