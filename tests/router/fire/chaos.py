"""What is done to the cluster. Every action is printed, and proves that it took effect."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable

from pymongo.errors import PyMongoError

from tests.router.cluster import until
from tests.router.fire.cluster import (
    ELECTION_TIMEOUT_MS,
    FireCluster,
    ReplicaSet,
    freeze,
    patience,
    thaw,
)
from tests.router.fire.workers import DB, KEYS

COLLECTIONS = ("accounts", "journal", "entries", "transfers", "notes", "travellers")
_PARTS = 4
_NOT_AGAIN = 60
"""Seconds in which who stepped down is not elected again, however slow the others are."""


def lay_out(cluster: FireCluster) -> None:
    """Shard every collection, split it, and put half of it on either shard."""
    with cluster.client() as client:
        client.admin.command("enableSharding", DB, primaryShard="s0")
        client[DB].create_collection("mark")
        for name in COLLECTIONS:
            client.admin.command("shardCollection", f"{DB}.{name}", key={"k": 1})
            for part in range(1, _PARTS):
                middle = {"k": part * KEYS // _PARTS}
                client.admin.command("split", f"{DB}.{name}", middle=middle)
            for part in (2, 3):
                client.admin.command(
                    "moveRange", f"{DB}.{name}", min={"k": part * KEYS // _PARTS}, toShard="s1"
                )


class Mover(threading.Thread):
    """Moves chunks from shard to shard all the time."""

    def __init__(self, cluster: FireCluster, seed: int) -> None:
        super().__init__(name="mover", daemon=True)
        self._client = cluster.client()
        self._random = random.Random(f"{seed}/mover")
        self._halt = threading.Event()
        self.moved = 0
        self.errors: Counter[str] = Counter()

    def halt(self) -> None:
        self._halt.set()

    def run(self) -> None:
        while not self._halt.is_set():
            try:
                self._move()
            except PyMongoError as error:
                # A move that fails because a shard fails is no loss: the chunk stays.
                self.errors[f"{type(error).__name__} {getattr(error, 'code', None)}"] += 1
                self._halt.wait(0.2)
        self._client.close()

    def _move(self) -> None:
        name, part = self._random.choice(COLLECTIONS), self._random.randrange(1, _PARTS)
        low = {"k": part * KEYS // _PARTS}
        config = self._client.config
        collection = config.collections.find_one({"_id": f"{DB}.{name}"})
        query = {"uuid": collection["uuid"], "min": low}
        goal = "s1" if config.chunks.find_one(query)["shard"] == "s0" else "s0"
        self._client.admin.command("moveRange", f"{DB}.{name}", min=low, toShard=goal)
        if config.chunks.find_one(query)["shard"] == goal:
            self.moved += 1


class Chaos:
    """Harms the cluster in `KINDS` of ways; `plan` says in which order."""

    def __init__(self, cluster: FireCluster, seed: int) -> None:
        self._cluster = cluster
        self._random = random.Random(f"{seed}/chaos")
        self._kinds: dict[str, Callable[[], str]] = {
            "kill a primary": self._kill_primary,
            "step a primary down": self._step_down,
            "freeze a primary": self._freeze_primary,
            "kill a router": self._kill_router,
        }
        if len(cluster.config.members) > 1:
            self._kinds["kill the config servers' primary"] = self._kill_config
            self._kinds["step the config servers' primary down"] = self._step_config_down
        self.happened: Counter[str] = Counter()

    @property
    def kinds(self) -> list[str]:
        """Everything that can be done to this cluster."""
        return list(self._kinds)

    def plan(self) -> list[str]:
        """Each kind once, in this seed's order."""
        return self._random.sample(self.kinds, len(self._kinds))

    def do(self, kind: str) -> None:
        """Do it, and see that it happened."""
        began = time.monotonic()
        what = self._kinds[kind]()
        self.happened[kind] += 1
        print(f"  {kind}: {what} ({time.monotonic() - began:.1f} s)", flush=True)

    def _shard(self) -> ReplicaSet:
        return self._random.choice(self._cluster.shards)

    def _kill_primary(self) -> str:
        return self._kill(self._shard())

    def _kill_config(self) -> str:
        return self._kill(self._cluster.config)

    def _kill(self, group: ReplicaSet) -> str:
        old = group.primary()
        old.kill()
        new = group.another_primary(old)
        old.start()
        group.wait_whole()
        return f"{group.name} from {old.port} to {new.port}"

    def _step_down(self) -> str:
        return self._step(self._shard())

    def _step_config_down(self) -> str:
        return self._step(self._cluster.config)

    def _step(self, group: ReplicaSet) -> str:
        old = group.primary()
        with old.client() as client:
            until(
                "a primary to step down",
                lambda: client.admin.command(
                    "replSetStepDown", _NOT_AGAIN, secondaryCatchUpPeriodSecs=5
                ),
                patience(30),
            )
        new = group.another_primary(old)
        return f"{group.name} from {old.port} to {new.port}"

    def _freeze_primary(self) -> str:
        """A primary stops for longer than an election takes, then goes on, thinking it leads."""
        group = self._shard()
        old = group.primary()
        freeze(old)
        try:
            new = group.another_primary(old)
            time.sleep(ELECTION_TIMEOUT_MS / 1000)  # the action itself, not a wait for something
        finally:
            thaw(old)
        group.wait_whole()
        return f"{group.name} from {old.port} to {new.port}"

    def _kill_router(self) -> str:
        router = self._random.choice(self._cluster.routers)
        before = self._process(router)
        router.kill()
        router.start()
        until(
            "the router to serve again",
            lambda: self._process(router) not in (None, before),
            patience(20),
        )
        return f"port {router.port}"

    def _process(self, router) -> object:
        with self._cluster.client(router, serverSelectionTimeoutMS=1_000) as client:
            return client.admin.command("hello")["topologyVersion"]["processId"]
