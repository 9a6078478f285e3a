"""mlaunch, MongoDB's community launcher, starts a sharded cluster with our router as its mongos."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.free_ports import free_ports
from tests.router.cluster import ENGINE, distribution, until

PROGRAMS = Path(sys.executable).parent
NODES = 4  # a router, two shards, a config server


class Launched:
    """A cluster of mlaunch's, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory / "data", free_ports(NODES)
        self.programs = directory / "bin"
        self.programs.mkdir()
        (self.programs / "mongod").symlink_to(ENGINE.mongod)
        (self.programs / "mongos").symlink_to(PROGRAMS / "shardhouse")

    def run(self, command: str, *more: str) -> str:
        """Run a command of mlaunch; what it said."""
        done = subprocess.run(
            [PROGRAMS / "mlaunch", command, "--dir", self.directory, *more],
            env=os.environ | ENGINE.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def init(self, *more: str) -> str:
        return self.run(
            "init", "--sharded", "2", "--replicaset", "--nodes", "1", "--config", "1",
            "--mongos", "1", "--binarypath", str(self.programs), "--port", str(self.port),
            "--wiredTigerCacheSizeGB", "0.25", *more,
        )  # fmt: skip

    def running(self) -> list[psutil.Process]:
        """Its processes, found as mlaunch finds them: by name and port."""
        ports = {str(self.port + number) for number in range(NODES)}
        found = []
        for process in psutil.process_iter(["name", "cmdline"]):
            line = process.info["cmdline"] or []
            if process.info["name"] in ("mongod", "mongos") and "--port" in line:
                found += [process] if line[line.index("--port") + 1] in ports else []
        return found

    def client(self, **options: Any) -> MongoClient:
        return MongoClient("localhost", self.port, serverSelectionTimeoutMS=20_000, **options)

    def end(self) -> None:
        for process in self.running():
            process.kill()
            process.wait()


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launched]:
    # The program we are linked to finds the package where the tests found it.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    cluster = Launched(tmp_path)
    yield cluster
    cluster.end()


def work(client: MongoClient) -> None:
    """Write to both shards, and read it again."""
    client.admin.command("shardCollection", "town.people", key={"_id": "hashed"})
    client.town.people.insert_many({"_id": number} for number in range(200))
    assert client.town.people.count_documents({"_id": {"$gte": 50}}) == 150
    counts = distribution(client, "town.people")
    assert set(counts) == {"shard01", "shard02"}
    assert sum(counts.values()) == 200
    assert min(counts.values()) > 0


def stop_and_start(launched: Launched) -> None:
    """mlaunch stop, list, start, list."""
    assert len(launched.running()) == NODES
    launched.run("stop")
    until("all nodes to end", lambda: not launched.running(), 60)
    assert "running" not in launched.run("list")
    launched.run("start")
    assert len(launched.running()) == NODES
    listed = launched.run("list")
    assert listed.count("running") == NODES
    assert "down" not in listed


@pytest.mark.soak
def test_a_cluster_without_access_control(launched):
    said = launched.init()
    assert "ignoring unknown argument" not in said.replace("--wiredTigerCacheSizeGB", "")
    with launched.client() as client:
        work(client)
    stop_and_start(launched)
    with launched.client() as client:
        assert client.town.people.count_documents({}) == 200
    log = (launched.directory / "mongos.log").read_text()
    assert "Access control is not enabled" in log


@pytest.mark.soak
def test_a_cluster_with_access_control(launched):
    launched.init("--auth", "--username", "anna", "--password", "Anna1234")
    login = {"username": "anna", "password": "Anna1234", "authSource": "admin"}
    with launched.client(**login) as client:
        work(client)
    stop_and_start(launched)
    with launched.client(**login) as client:
        assert client.town.people.count_documents({}) == 200
    with launched.client() as stranger, pytest.raises(OperationFailure) as refused:
        stranger.town.people.find_one()
    assert refused.value.code == 13
    log = (launched.directory / "mongos.log").read_text()
    assert "Access control is not enabled" not in log


def test_fork_tells_why_the_router_does_not_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = ["--configdb", "c/127.0.0.1:1", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [sys.executable, "-m", "shardhouse.router", "--fork",
             "--logpath", tmp_path / "log", *arguments],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "address already in use" in done.stderr
    first, forked, last = done.stdout.splitlines()
    assert first.startswith("about to fork child process")
    assert forked.startswith("forked process: ")
    assert last == "ERROR: child process failed, exited with 2"


def test_fork_returns_when_the_router_listens(tmp_path):
    port = free_ports(1)
    pid_file = tmp_path / "pid"
    done = subprocess.run(
        [sys.executable, "-m", "shardhouse.router", "--fork", "--pidfilepath", pid_file,
         "--logpath", tmp_path / "log", "--configdb", "c/127.0.0.1:1", "--port", str(port)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    router = psutil.Process(int(pid_file.read_text()))
    try:
        assert done.returncode == 0
        assert f"forked process: {router.pid}" in done.stdout
        assert done.stdout.endswith("child process started successfully, parent exiting\n")
        socket.create_connection(("127.0.0.1", port)).close()
    finally:
        router.terminate()
        router.wait(60)
    assert "Router stopped" in (tmp_path / "log").read_text()


def test_the_version_is_told_as_mongos_tells_it(tmp_path):
    (tmp_path / "mongos").symlink_to(PROGRAMS / "shardhouse")
    said = subprocess.check_output([tmp_path / "mongos", "--version"], text=True, timeout=60)
    first, _, rest = said.partition("\n")
    assert first == "mongos version v6.0.5"
    assert json.loads(rest.removeprefix("Build Info: "))["version"] == "6.0.5"
