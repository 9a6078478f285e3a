"""A cluster that survives losses: two shards of three members, and two routers."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.router.cluster import ADMIN, KEY, PASSWORD, Mongod, RouterProcess, until

ELECTION_TIMEOUT_MS = 3_000
MEMBERS = 3
_QUICK = [
    "--setParameter", "orphanCleanupDelaySecs=2",
    "--setParameter", "transactionLifetimeLimitSeconds=5",
    "--setParameter", "enableTestCommands=1",
]  # fmt: skip
"""A moved range can come back at once; what a dead router left open is in nobody's way for long."""


def patience(seconds: float) -> float:
    """A limit that is `seconds` on an idle machine: where processes wait for processors, longer."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class ReplicaSet:
    """Members that can be killed, frozen and started again."""

    def __init__(self, directory: Path, role: str, name: str, key_file: Path, size: int) -> None:
        self.name = name
        self.members: list[Mongod] = []
        for number in range(size):
            place = directory / f"m{number}"
            place.mkdir(exist_ok=True)
            more = _QUICK if role == "--shardsvr" else []
            self.members.append(Mongod(place, role, name, key_file, more=more))
        self._config = role == "--configsvr"

    @property
    def connection_string(self) -> str:
        return f"{self.name}/{','.join(member.address for member in self.members)}"

    def initiate(self) -> None:
        """Found the set, and wait until it is whole."""
        request: dict[str, Any] = {
            "_id": self.name,
            "members": [
                {"_id": number, "host": member.address}
                for number, member in enumerate(self.members)
            ],
            "settings": {
                "electionTimeoutMillis": ELECTION_TIMEOUT_MS,
                "heartbeatIntervalMillis": 500,
                "catchUpTimeoutMillis": 2_000,
            },
        }
        request |= {"configsvr": True} if self._config else {}
        for member in self.members:
            with member.client() as client:
                until(
                    "a member that listens",
                    lambda client=client: client.admin.command("ping"),
                    patience(20),
                )
        with self.members[0].client() as client:
            client.admin.command("replSetInitiate", request)
        until(f"{self.name} to be whole", self._whole, patience(60))

    def client(self, **options: Any) -> MongoClient:
        """The set as a member of the cluster sees it."""
        return MongoClient(
            [member.address for member in self.members], replicaSet=self.name,
            username="__system", password=KEY, authSource="local",
            serverSelectionTimeoutMS=20_000, heartbeatFrequencyMS=500, **options,
        )  # fmt: skip

    def states(self) -> dict[str, str]:
        """Each member's state as any of them sees it."""
        for member in self.members:
            if not member.alive:
                continue
            try:
                with member.client(socketTimeoutMS=2_000, connectTimeoutMS=2_000) as client:
                    status = client.admin.command("replSetGetStatus")
            except PyMongoError:
                continue
            return {one["name"]: one["stateStr"] for one in status["members"]}
        return {}

    def primary(self) -> Mongod:
        """Who leads now; waits for somebody who does."""
        return until(f"a primary of {self.name}", self._leader, patience(60))

    def another_primary(self, old: Mongod) -> Mongod:
        """Who leads once it is not `old`."""

        def found() -> Mongod | None:
            leader = self._leader(but=old)
            return leader if leader is not old else None

        return until(f"another primary of {self.name}", found, patience(60))

    def wait_whole(self) -> None:
        """Wait until every member is well and one of them leads."""
        until(f"{self.name} to be whole", self._whole, patience(90))

    def _leader(self, but: Mongod | None = None) -> Mongod | None:
        for member in self.members:
            if member is but or not member.alive:
                continue
            with member.client(
                socketTimeoutMS=2_000, connectTimeoutMS=2_000, serverSelectionTimeoutMS=2_000
            ) as client:
                try:
                    if client.admin.command("hello")["isWritablePrimary"]:
                        return member
                except PyMongoError:
                    continue
        return None

    def _whole(self) -> bool:
        states = sorted(self.states().values())
        return states == ["PRIMARY"] + ["SECONDARY"] * (len(self.members) - 1)


def freeze(member: Mongod) -> None:
    """Stop a process without its peers being told."""
    assert member.process is not None
    os.kill(member.process.pid, signal.SIGSTOP)


def thaw(member: Mongod) -> None:
    """Let a frozen process go on where it was."""
    assert member.process is not None
    os.kill(member.process.pid, signal.SIGCONT)


class FireCluster:
    """All of it, started; the administrator exists; nothing moves by itself."""

    def __init__(self, directory: Path, *, config_members: int = 1) -> None:
        self.key_file = directory / "key"
        self.key_file.write_text(f"{KEY}\n")
        self.key_file.chmod(0o400)
        self.config = ReplicaSet(directory, "--configsvr", "cfg", self.key_file, config_members)
        self.shards = [
            ReplicaSet(directory, "--shardsvr", name, self.key_file, MEMBERS)
            for name in ("s0", "s1")
        ]
        self.routers = [
            RouterProcess(directory, self.config.connection_string, self.key_file) for _ in range(2)
        ]
        try:
            self._set_up()
        except BaseException:
            self.stop()
            raise

    @property
    def sets(self) -> list[ReplicaSet]:
        """The config servers and the shards."""
        return [self.config, *self.shards]

    def _set_up(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(ReplicaSet.initiate, self.sets))
        with self.config.client() as client:
            client.admin.command("createUser", ADMIN, pwd=PASSWORD, roles=["root"])
        with self.client() as client:
            for shard in self.shards:
                until(
                    f"shard {shard.name} to be added",
                    lambda shard=shard: client.admin.command(
                        "addShard", shard.connection_string, name=shard.name
                    ),
                    patience(20),
                )
            client.admin.command("balancerStop")

    def client(self, *routers: RouterProcess, **options: Any) -> MongoClient:
        """A client of these routers, of all if none is named."""
        chosen = routers or tuple(self.routers)
        settings = {
            "username": ADMIN, "password": PASSWORD, "authSource": "admin",
            "serverSelectionTimeoutMS": 30_000, "heartbeatFrequencyMS": 1_000, **options,
        }  # fmt: skip
        return MongoClient([f"127.0.0.1:{router.port}" for router in chosen], **settings)

    def heal(self) -> None:
        """Have every process run and every set be whole."""
        for router in self.routers:
            if not router.alive:
                router.start()
        for group in self.sets:
            for member in group.members:
                if not member.alive:
                    member.start()
            group.wait_whole()

    def stop(self) -> None:
        """End all of it."""
        for router in self.routers:
            router.kill()
        for group in self.sets:
            for member in group.members:
                member.kill()
