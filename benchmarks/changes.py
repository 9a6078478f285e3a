"""Changes of a running replica set, beside the same made by hand on bare mongods, in one run.

A member's restart counts until it follows its set again, a switchover until another member leads;
for the service, both until their job has ended, which waits for a majority write as well. `away` is
how long no member accepted writes, as somebody sees it who asks all of them all the time.

Then each other change of a set of three, once after the other; and a shard that joins a cluster,
beside the forming of such a set by hand.

    python -m benchmarks.changes --runs 5
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from benchmarks.floor import Floor, floor, listening
from shardhouse.engines import Builds
from shardhouse.mongo import commandline
from shardhouse.settings import load
from tests import requests
from tests.installation import Installation


class Service:
    """The changes made through the API."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._instance = installation.make(requests.replica_set())
        self.hosts = [node["host"] for node in self._nodes()]

    def _nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = listed(self._installation, self._instance)["groups"][0][
            "nodes"
        ]
        return nodes

    def _ask(self, call: str, **body: Any) -> None:
        change(self._installation, self._instance, "POST", call, body)

    def others(self) -> Iterator[tuple[str, float]]:
        """Every other change of a set of three, and the seconds it takes."""
        whole = {"target_id": self._instance["id"]}
        spec = {"target_spec_code": "dds.mongodb.s2.large.4.repset"}
        for name, method, call, body in (
            ("restart all", "POST", "restart", whole),
            ("resize", "POST", "resize", {"resize": whole | spec}),
            ("port", "POST", "modify-port", {"port": 8640}),
            ("volume", "POST", "enlarge-volume", {"volume": {"size": "30"}}),
            ("TLS on", "POST", "switch-ssl", {"ssl_option": "1"}),
            ("TLS off", "POST", "switch-ssl", {"ssl_option": "0"}),
            ("two more", "POST", "replicaset-node", {"num": 2}),
            ("two fewer", "DELETE", "nodes", {"num": 2}),
            ("set's name", "PUT", "replica-set/name", {"name": "renamed"}),
        ):
            begin = time.perf_counter()
            change(self._installation, self._instance, method, call, body)
            yield name, time.perf_counter() - begin

    def restart(self) -> None:
        """A secondary is started anew."""
        secondary = next(node for node in self._nodes() if node["role"] == "Secondary")
        self._ask("restart", target_id=secondary["id"])

    def switch_over(self) -> None:
        """Another member leads."""
        self._ask("switchover")


def listed(installation: Installation, instance: dict[str, Any]) -> dict[str, Any]:
    """The instance as it is now."""
    found = installation.instance(instance["id"])
    assert found is not None
    return found


def change(
    installation: Installation, instance: dict[str, Any], method: str, call: str, body: Any
) -> None:
    """Ask for a change, and wait until its job has ended."""
    answer = installation.call(method, f"/instances/{instance['id']}/{call}", json=body)
    assert answer.is_success, answer.text
    job = installation.wait_job(answer.json()["job_id"])
    assert job["status"] == "Completed", job


def joined_shard(installation: Installation, cluster: dict[str, Any]) -> float:
    """Seconds until another shard of three has joined a cluster."""
    spec = {"spec_code": "dds.mongodb.s2.medium.4.shard", "volume": {"size": "20"}}
    begin = time.perf_counter()
    change(installation, cluster, "POST", "enlarge", {"type": "shard", "num": 1, **spec})
    return time.perf_counter() - begin


def formed_set() -> float:
    """Seconds until a set of three is formed by hand."""
    begin = time.perf_counter()
    with floor() as run:
        hosts = run.mongods(commandline.Member.SHARD, "shard", 3)
        run.form("shard", hosts)
        run.well(hosts[0])
        return time.perf_counter() - begin


@dataclass
class ByHand:
    """The same with commands and signals."""

    run: Floor
    hosts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hosts = self.run.mongods(commandline.Member.REPLICA, "replica", 3)
        self.run.form("replica", self.hosts)
        self.run.well(self.hosts[0])

    def _leader(self) -> str:
        while True:
            for host in self.hosts:
                with self.run.connect(host) as client:
                    if client.admin.command("hello")["isWritablePrimary"]:
                        return host

    def restart(self) -> None:
        """A visible secondary ends, starts, and has caught up."""
        leader = self._leader()
        number = next(n for n, host in enumerate(self.hosts[:2]) if host != leader)
        old = self.run.processes[number]
        old.send_signal(signal.SIGTERM)
        old.wait()
        engine = Builds.of(load()).catalogue().for_version("6.0")
        self.run.processes[number] = subprocess.Popen(
            old.args,
            env=os.environ | engine.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        listening(self.hosts[number])
        with self.run.connect(leader) as client, self.run.connect(self.hosts[number]) as member:
            goal = client.admin.command("replSetGetStatus")["optimes"]["appliedOpTime"]["ts"]
            while True:
                status = member.admin.command("replSetGetStatus")
                has = status["optimes"]["appliedOpTime"]["ts"]
                if status["myState"] == 2 and has >= goal:
                    break
                time.sleep(0.02)
        self.run.well(leader)

    def switch_over(self) -> None:
        """The primary steps down; another leads."""
        leader = self._leader()
        for host in self.hosts[:2]:
            if host != leader:  # it may have stepped down a moment ago
                with self.run.connect(host) as client:
                    client.admin.command("replSetFreeze", 0)
        with self.run.connect(leader) as client:
            client.admin.command("replSetStepDown", 60)
        assert self._leader() != leader


@dataclass
class Watch:
    """How long no member accepted writes."""

    away: float = 0.0


@contextmanager
def watching(hosts: Sequence[str]) -> Iterator[Watch]:
    """Ask each member, over and over, whether it accepts writes."""
    found, done, turn = Watch(), threading.Event(), threading.Lock()
    last = time.perf_counter()

    def watch(host: str) -> None:
        nonlocal last
        with MongoClient[Any](host, directConnection=True, serverSelectionTimeoutMS=20) as client:
            while not done.wait(0.002):
                try:
                    leads = client.admin.command("hello")["isWritablePrimary"]
                except PyMongoError:
                    continue
                if leads:
                    with turn:
                        moment = time.perf_counter()
                        found.away, last = max(found.away, moment - last), moment

    threads = [threading.Thread(target=watch, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        done.set()
        for thread in threads:
            thread.join()


def measure(work: Callable[[], None], hosts: Sequence[str]) -> tuple[float, float]:
    """Seconds that a change takes, and the longest time without a primary meanwhile."""
    with watching(hosts) as watch:
        begin = time.perf_counter()
        work()
        seconds = time.perf_counter() - begin
    return seconds, watch.away


def main(argv: Sequence[str] | None = None) -> int:
    """Print seconds; exit 0 whatever they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="shardhouse-changes-") as folder, floor() as run:
        installation = Installation(Path(folder) / "data")
        try:
            installation.start()
            service = Service(installation)
            sides = {"service": service, "by hand": ByHand(run)}
            print(
                f"{'change':<12} {'side':<8} {'seconds':>8} {'away':>7}   medians of {options.runs}"
            )
            for name in ("restart", "switch_over"):
                seen: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
                for _ in range(options.runs):  # in turn: what else the machine does touches both
                    for side, made in sides.items():
                        seen[side].append(measure(getattr(made, name), made.hosts))
                for side, runs in seen.items():
                    seconds, away = (
                        statistics.median(values) for values in zip(*runs, strict=True)
                    )
                    print(f"{name:<12} {side:<8} {seconds:>8.2f} {away:>7.3f}", flush=True)
            for name, seconds in service.others():
                print(f"{name:<12} {'service':<8} {seconds:>8.2f}", flush=True)
            cluster = installation.make(requests.cluster())
            for _ in range(options.runs):
                print(f"{'a set':<12} {'by hand':<8} {formed_set():>8.2f}", flush=True)
                seconds = joined_shard(installation, cluster)
                print(f"{'shard joins':<12} {'service':<8} {seconds:>8.2f}", flush=True)
        finally:
            installation.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
