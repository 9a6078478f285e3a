"""The launchers of drivers' own test suites start sharded clusters with our router as their mongos.

`mongodb-runner` comes from npm, once, into the user's cache directory; `mongo-orchestration` is a
development dependency.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

from tests import npm
from tests.free_ports import free_port
from tests.router.cluster import ENGINE, until

PROGRAMS = Path(sys.executable).parent
RUNNER, NODE = "6.11.1", 20


@pytest.fixture
def binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a mongod and a mongos; what was started from it is ended."""
    # The program we are linked to finds the package where the tests found it.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mongod").symlink_to(ENGINE.mongod)
    for name, value in ENGINE.environment.items():  # what is started from here inherits it
        monkeypatch.setenv(name, value)
    (folder / "mongos").symlink_to(PROGRAMS / "shardhouse")
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if any(str(tmp_path) in word for word in process.info["cmdline"] or []):
            process.kill()
            process.wait()


def work(client: MongoClient, name: str = "launched") -> None:
    """Shard a collection over both shards, write and read."""
    assert client.admin.command("hello")["msg"] == "isdbgrid"
    assert client.config.shards.count_documents({}) == 2
    client.admin.command("shardCollection", f"{name}.people", key={"_id": "hashed"})
    client[name].people.insert_many({"_id": number} for number in range(100))
    assert client[name].people.count_documents({"_id": {"$gte": 50}}) == 50


@pytest.fixture(scope="session")
def runner() -> Path:
    """The pinned mongodb-runner, installed if it is not there yet."""
    modules = npm.installed("mongodb-runner", RUNNER)
    version = subprocess.check_output(["node", "--version"], text=True)
    if int(version.removeprefix("v").partition(".")[0]) < NODE:
        pytest.skip(f"mongodb-runner needs Node.js {NODE}, here is {version.strip()}")
    return modules / ".bin" / "mongodb-runner"


@pytest.fixture
def taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The port that mongodb-runner chooses for its mongos, at random but for this, is taken. It
    tries the next one if the mongos tells of that as MongoDB's own does."""
    lowest, highest = 1025, 49151
    with socket.socket() as taken:
        while not lowest < (port := free_port()) < highest:
            pass
        taken.bind(("127.0.0.1", port))
        taken.listen()
        program = tmp_path / "chance.js"
        program.write_text(f"Math.random = () => {port - lowest + 0.5} / {highest - lowest};")
        monkeypatch.setenv("NODE_OPTIONS", f"--require {program}")
        yield


@pytest.mark.usefixtures("taken_port")
@pytest.mark.timeout(600)
def test_mongodb_runner(runner, binaries, tmp_path):
    def run(*arguments: str) -> str:
        places = ["--runnerDir", tmp_path / "runner", "--tmpDir", tmp_path]
        return subprocess.run(
            [runner, *arguments, *places], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=240, check=True,
        ).stdout  # fmt: skip

    said = run(
        "start", "-t", "sharded", "--shards", "2", "--secondaries", "0",
        "--binDir", str(binaries), "--logDir", str(tmp_path / "logs"), "--id", "tested",
    )  # fmt: skip
    found = re.search(r"mongodb://\S+", said)
    assert found, said
    with MongoClient(found.group(), serverSelectionTimeoutMS=20_000) as client:
        work(client)
    run("stop", "--id", "tested")


class Orchestration:
    """mongo-orchestration's server, and requests to it."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self.port = free_port()
        environment = {
            **os.environ,
            "TMPDIR": str(directory),
            "MONGO_ORCHESTRATION_TMP": str(directory),
        }
        settings = directory / "orchestration.json"
        settings.write_text(json.dumps({"releases": {"ours": str(binaries)}}))
        with (directory / "orchestration.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mongo_orchestration.server", "--no-fork", "-f", settings,
                 "-e", "ours", "--bind", "127.0.0.1", "--port", str(self.port), "start"],
                env=environment, cwd=directory, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def ask(self, method: str, path: str, body: object = None) -> object:
        import httpx

        answer = httpx.request(
            method, f"http://127.0.0.1:{self.port}{path}", json=body, timeout=240
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def listens(self) -> bool:
        import httpx

        try:
            return bool(self.ask("GET", "/"))
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@pytest.fixture
def orchestration(binaries: Path, tmp_path: Path) -> Iterator[Orchestration]:
    started = Orchestration(binaries, tmp_path)
    until("mongo-orchestration to listen", started.listens, 60)
    yield started
    started.stop()


@pytest.mark.timeout(600)
def test_mongo_orchestration(orchestration, tmp_path):
    small = {"wiredTigerCacheSizeGB": 0.25}
    cluster = {
        "id": "tested",
        "configsvrs": [{"members": [{"procParams": small}]}],
        "shards": [
            {"id": name, "shardParams": {"members": [{"procParams": small}]}} for name in ("a", "b")
        ],
        "routers": [
            {
                "logappend": True,
                "ipv6": False,
                "verbose": "v",
                "setParameter": {
                    "enableTestCommands": 1,
                    "mongosShutdownTimeoutMillisForSignaledShutdown": 1,
                },
            }
        ],
    }
    made = orchestration.ask("PUT", "/v1/sharded_clusters/tested", cluster)
    with MongoClient(made["mongodb_uri"], serverSelectionTimeoutMS=20_000) as client:
        work(client)
        parameters = client.admin.command("getParameter", "*")
        assert parameters["enableTestCommands"] is True
        assert parameters["logComponentVerbosity"]["verbosity"] == 1
    orchestration.ask("DELETE", "/v1/sharded_clusters/tested")
