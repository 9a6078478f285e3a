"""The floor of creating an instance: the same processes, formed the same way, with no service.

A plain script: it starts mongods with the options the service uses, forms the sets as fast as we
know how, makes the user, writes once with a majority through a client's connection, waits until
every member is well, and prints seconds. What the service takes longer than this is its own cost.

    python -m benchmarks.floor single replicaset cluster
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from shardhouse.engines import Builds
from shardhouse.mongo import commandline, keyfile
from shardhouse.settings import load

PORT = 8635
PASSWORD = "Test@123"
TOPOLOGIES = ("single", "replicaset", "cluster")


@dataclass
class Floor:
    """Processes of one run, in a folder of its own."""

    folder: Path
    key: str = field(default_factory=keyfile.generate)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    third: int = field(default_factory=lambda: secrets.randbelow(250) + 1)

    def address(self) -> str:
        """The next loopback address; the block is picked at random per run."""
        return f"127.250.{self.third}.{len(self.processes) + 1}"

    def start(
        self, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start one process."""
        with log.open("ab") as output:
            self.processes.append(
                subprocess.Popen(
                    argv,
                    env=os.environ | (environment or {}),
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )

    def volume(self) -> Path:
        """Folders and key file for the next node."""
        folder = self.folder / str(len(self.processes))
        (folder / "data").mkdir(parents=True)
        key = folder / "key"
        key.touch(0o600)
        key.write_text(self.key)
        return folder

    def mongods(self, member: commandline.Member, name: str, count: int) -> list[str]:
        """Start the members of a set; returns their hosts."""
        hosts = []
        engine = Builds.of(load()).catalogue().for_version("6.0")
        for _ in range(count):
            folder, address = self.volume(), self.address()
            plan = commandline.MongodPlan(
                executable=engine.mongod,
                release=engine.release,
                member=member,
                replica_set=name,
                address=address,
                port=PORT,
                data=folder / "data",
                log_file=folder / "mongod.log",
                key_file=folder / "key",
                memory=256 << 20,
                oplog=1024,
                max_connections=400,
            )
            self.start(commandline.mongod(plan), folder / "output.log", engine.environment)
            hosts.append(f"{address}:{PORT}")
        return hosts

    def router(self, config_hosts: Sequence[str]) -> str:
        """Start a router; returns its host."""
        folder, address = self.volume(), self.address()
        plan = commandline.RouterPlan(
            config_set="config",
            config_hosts=tuple(config_hosts),
            address=address,
            port=PORT,
            log_file=folder / "router.log",
            key_file=folder / "key",
            max_connections=400,
        )
        self.start(commandline.router(plan), folder / "output.log")
        return f"{address}:{PORT}"

    def connect(self, host: str) -> MongoClient[dict[str, Any]]:
        """A direct connection as the cluster's own user, once somebody listens."""
        listening(host)
        return MongoClient(
            host,
            directConnection=True,
            username="__system",
            password=keyfile.password(self.key),
            authSource="local",
        )

    def form(self, name: str, hosts: Sequence[str], config_server: bool = False) -> None:
        """Initiate the first member, let the others join one by one."""
        for host in hosts[1:]:
            listening(host)
        everyone = [{"_id": number, "host": host} for number, host in enumerate(hosts)]
        if len(hosts) == 3:
            everyone[2] |= {"hidden": True, "priority": 0}
        with self.connect(hosts[0]) as client:
            admin = client.admin
            config: dict[str, Any] = {
                "_id": name,
                "version": 1,
                "members": everyone[:1],
                "settings": {"heartbeatIntervalMillis": 5},
            }
            if config_server:
                config["configsvr"] = True
            admin.command("replSetInitiate", config)
            while not admin.command("hello")["isWritablePrimary"]:
                time.sleep(0.005)
            for size in range(2, len(hosts) + 1):
                pace = {"heartbeatIntervalMillis": 5 if size == 2 else 100}
                version = admin.command("replSetGetConfig")["config"]["version"] + 1
                config |= {"version": version, "members": everyone[:size], "settings": pace}
                admin.command("replSetReconfig", config, force=True)
                in_a_row = 0
                while in_a_row < 2:
                    concern = {"w": "majority", "wtimeout": 25 if in_a_row else 5}
                    note = admin.command("appendOplogNote", data={"n": 1}, writeConcern=concern)
                    in_a_row = 0 if "writeConcernError" in note else in_a_row + 1

    def add_shards(self, config_host: str, shards: dict[str, list[str]]) -> None:
        """Tell the config server of the shards, and make the user there."""
        with self.connect(config_host) as client:
            for name, hosts in shards.items():
                seeds = f"{name}/{','.join(hosts[:2])}"
                client.admin.command(
                    "_configsvrAddShard", seeds, name=name, writeConcern={"w": "majority"}
                )

    def well(self, host: str) -> None:
        """Wait until every member of the host's set is primary or follows it."""
        with self.connect(host) as client:
            while any(
                member["state"] not in (1, 2)
                for member in client.admin.command("replSetGetStatus")["members"]
            ):
                time.sleep(0.02)

    def user(self, host: str) -> None:
        """Make the administrator."""
        with self.connect(host) as client:
            client.admin.command(
                "createUser", "rwuser", pwd=PASSWORD, roles=["root"], writeConcern={"w": "majority"}
            )

    def stop(self) -> None:
        """Kill and delete everything."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder)


def listening(host: str) -> None:
    """Wait until somebody accepts connections."""
    address, port = host.split(":")
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address, int(port)), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def usable(hosts: Sequence[str], options: str = "") -> None:
    """A user's majority write and read; what was written is dropped."""
    deadline = time.monotonic() + 60
    uri = f"mongodb://rwuser:{PASSWORD.replace('@', '%40')}@{','.join(hosts)}/?authSource=admin"
    while True:
        try:
            with MongoClient[dict[str, Any]](uri + options) as client:
                client.floor.probe.insert_one({"_id": 1})
                assert client.floor.probe.find_one({"_id": 1})
                client.drop_database("floor")
        except PyMongoError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def floor() -> Iterator[Floor]:
    """A run with its own folder; everything is gone afterwards."""
    run = Floor(Path(tempfile.mkdtemp(prefix="shardhouse-floor-")))
    try:
        yield run
    finally:
        run.stop()


def single() -> float:
    """Seconds until a one-member instance takes a user's write."""
    return _replica(1)


def replicaset() -> float:
    """Seconds until a three-member set takes a user's majority write."""
    return _replica(3)


def _replica(count: int) -> float:
    with floor() as run:
        begin = time.perf_counter()
        hosts = run.mongods(commandline.Member.REPLICA, "replica", count)
        run.form("replica", hosts)
        run.user(hosts[0])
        usable(hosts[:2], "&replicaSet=replica")
        run.well(hosts[0])
        return time.perf_counter() - begin


def cluster(routers: int = 2) -> float:
    """Seconds until two shards and config servers of three members each, behind `routers`, take a
    user's majority write. With `routers` 0: until the shards are added and the user is made."""
    with floor() as run, ThreadPoolExecutor() as pool:
        begin = time.perf_counter()
        config = run.mongods(commandline.Member.CONFIG, "config", 3)
        shards = {
            name: run.mongods(commandline.Member.SHARD, name, 3) for name in ("shard_1", "shard_2")
        }
        entries = [run.router(config) for _ in range(routers)]
        forming = [pool.submit(run.form, name, hosts) for name, hosts in shards.items()]
        run.form("config", config, config_server=True)
        for formed in forming:
            formed.result()
        adding = pool.submit(run.add_shards, config[0], shards)
        run.user(config[0])
        adding.result()
        for entry in entries:
            listening(entry)
            usable([entry])
        for first in (config[0], *(hosts[0] for hosts in shards.values())):
            run.well(first)
        return time.perf_counter() - begin


def main(argv: Sequence[str] | None = None) -> int:
    """Print seconds per topology, the median of the runs first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("topology", nargs="*", default=TOPOLOGIES, help=", ".join(TOPOLOGIES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--routers", type=int, default=2, help="routers of the cluster")
    options = parser.parse_args(argv)
    measures: dict[str, Callable[[], float]] = {
        "single": single,
        "replicaset": replicaset,
        "cluster": partial(cluster, options.routers),
    }
    for name in options.topology:
        measure = measures[name]
        times = sorted(measure() for _ in range(options.runs))
        runs = " ".join(f"{seconds:.2f}" for seconds in times)
        print(f"{name:<10} {times[len(times) // 2]:6.2f} s   ({runs})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
