"""One installation whose `node_network` and `node_domain` change, and a second machine: a network
namespace at the other end of a veth pair. Each module's fixture sets what its tests need."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shardhouse.cli import uris
from tests import requests
from tests.installation import Installation

DOMAIN = "db.test"
#: The one address of this machine that the other reaches, and the other's, in a network of four;
#: several runs of the tests at once have different ones.
ADDRESS, NEIGHBOUR = (f"198.51.100.{os.getpid() % 64 * 4 + number}" for number in (1, 2))
#: One loopback address, as little as a machine can have.
LONE = f"127.93.{os.getpid() % 250}.1"
#: An address that no machine has.
NOWHERE = "203.0.113.9"
PASSWORD = "Test@123"
CONFIGURATION = Path("/etc/netns")
#: What an ordinary client does, given its connection string; tells which nodes it found.
CLIENT = """
import json, sys
from pymongo import MongoClient, WriteConcern
with MongoClient(sys.argv[1], serverSelectionTimeoutMS=15000) as client:
    things = client.get_database("outside", write_concern=WriteConcern("majority")).things
    things.insert_one({"_id": sys.argv[2]})
    assert things.find_one({"_id": sys.argv[2]})
    print(json.dumps(sorted(f"{name}:{port}" for name, port in client.nodes)))
"""


class House:
    """The installation, and the instances that tests share."""

    def __init__(self, folder: Path) -> None:
        self.service = Installation(folder / "data")
        self.instances: dict[str, str] = {}

    def settle(self, **settings: Any) -> None:
        """(Re)start `serve` with these settings."""
        if self.instances:
            self.service.kill()
        self.service.settings |= settings
        self.service.start()

    def make(self, **bodies: Mapping[str, Any]) -> None:
        """Create instances, by the name tests call them, all at once."""
        created = {name: self.service.create(body) for name, body in bodies.items()}
        for name, answer in created.items():
            job = self.service.wait_job(answer["job_id"])
            assert job["status"] == "Completed", job
            self.instances[name] = answer["id"]

    def remove(self, *names: str) -> None:
        """Delete instances."""
        for name in names:
            assert self.service.delete(self.instances.pop(name))["status"] == "Completed"

    def __getitem__(self, name: str) -> dict[str, Any]:
        found = self.service.instance(self.instances[name])
        assert found is not None
        return found

    def uri(self, name: str) -> str:
        """What `shardhouse instance uri --show-password` prints."""
        return uris.address(self[name], self.service.data_dir, PASSWORD)


class Namespace:
    """A network namespace with a hosts file of its own, joined to this machine."""

    def __init__(self) -> None:
        self.name = f"shardhouse-{os.getpid()}"
        self._ours, self._theirs = f"sh{os.getpid()}a", f"sh{os.getpid()}b"
        self._folder = CONFIGURATION / self.name

    def join(self) -> None:
        """Make it; CalledProcessError where that is not permitted."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self._ours, "type", "veth", "peer", "name", self._theirs)
        _ip("link", "set", self._theirs, "netns", self.name)
        _ip("addr", "add", f"{ADDRESS}/30", "dev", self._ours)
        _ip("link", "set", self._ours, "up")
        _ip("-n", self.name, "addr", "add", f"{NEIGHBOUR}/30", "dev", self._theirs)
        _ip("-n", self.name, "link", "set", self._theirs, "up")
        self._folder.mkdir(parents=True)

    def leave(self) -> None:
        """Take it away, whatever there is of it."""
        for words in (("link", "del", self._ours), ("netns", "del", self.name)):
            subprocess.run(["ip", *words], capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def know(self, *names: str) -> None:
        """Let these names resolve there, and no others."""
        (self._folder / "hosts").write_text("".join(f"{ADDRESS} {name}\n" for name in names))

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python there."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, sys.executable, "-c", program, *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, text=True, check=True)


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation that began with the default settings, and made a replica set."""
    made = House(tmp_path_factory.mktemp("house"))
    try:
        made.settle()
        made.make(early=requests.replica_set(name="early", ssl_option="1"))
        yield made
    finally:
        made.service.destroy()
