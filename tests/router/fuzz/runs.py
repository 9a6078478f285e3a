"""Runs of the command fuzzer, and what every reply has to look like."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import bson
from bson import Int64

from tests.router.cluster import TestCluster
from tests.router.fuzz.grammar import DATABASES, SESSIONS, Grammar
from tests.router.fuzz.wire import ClosedError, Wire, logged_in

_PATIENCE = 3.0
"""Seconds after which the fuzzer goes away instead of waiting: that, too, has to be survived."""

_PYTHON = re.compile(
    r"Traceback|Error\(|object has no attribute|NoneType|unsupported operand|<class '"
    r"|not subscriptable|unexpected keyword|positional argument|Forbidden|internal error occurred"
)

_OURS = (1, 249, 13388)
_OF_SHARDS = "Range bounds do not match the shard key pattern."
"""What shards answer with 13388 though nothing is stale."""


def prepare(root: Any) -> None:
    """The collections the grammar speaks of, over both shards."""
    for name in DATABASES:
        root.drop_database(name)
    for zone in root.config.tags.find({}):  # of collections that never were: none drops them
        root.admin.command(
            "updateZoneKeyRange", zone["ns"], min=zone["min"], max=zone["max"], zone=None
        )
    db = root[DATABASES[0]]
    root.admin.command("enableSharding", DATABASES[0], primaryShard="s0")
    root.admin.command("enableSharding", DATABASES[1], primaryShard="s1")
    root.admin.command("shardCollection", f"{db.name}.s", key={"k": 1})
    root.admin.command("split", f"{db.name}.s", middle={"k": 50})
    root.admin.command("moveRange", f"{db.name}.s", min={"k": 50}, toShard="s1")
    root.admin.command("shardCollection", f"{db.name}.h", key={"k": "hashed"})
    db.create_collection("v", viewOn="s", pipeline=[{"$match": {"k": {"$gte": 0}}}])
    db.create_collection("cap", capped=True, size=4096)
    db.create_collection("ts", timeseries={"timeField": "t"})
    documents = [{"_id": n, "k": n, "a": n % 7, "l": [1, {"x": n}]} for n in range(100)]
    for name in ("s", "h", "u"):
        db[name].insert_many(documents)
    db.cap.insert_many(documents[:5])
    root[DATABASES[1]].u.insert_many(documents[:5])


@dataclass
class Run:
    """Random commands of one seed, one after the other on one connection."""

    cluster: TestCluster
    seed: int
    number: int = 0
    findings: list[str] = field(default_factory=list)
    abandoned: Counter[str] = field(default_factory=Counter)
    cursors: list[dict[str, Any]] = field(default_factory=list)
    """Those opened with noCursorTimeout: without a session they live until they are killed."""
    past: deque[Any] = field(default_factory=lambda: deque(maxlen=6))

    def go(self, examples: int, seconds: float) -> Run:
        """Up to so many commands in up to so much time; ends early if a process died."""
        grammar = Grammar(self.seed)
        deadline = time.monotonic() + seconds
        wire: Wire | None = None
        while self.number < examples and time.monotonic() < deadline:
            db, command = grammar.command()
            try:
                body = bson.encode({**command, "$db": command.get("$db", db)})
            except (bson.errors.BSONError, ValueError, OverflowError, RecursionError):
                continue  # what cannot be a document no client can send
            self.number += 1
            self.past.append((db, command))
            try:
                wire = wire or logged_in(self.cluster.router.port, _PATIENCE)
                reply = wire.ask(body)
                cursor = remember(grammar, reply)
                if cursor and command.get("noCursorTimeout"):
                    self.cursors.append(cursor)
                self.findings += [self.told(problem, 1) for problem in problems(reply)]
            except TimeoutError:
                self.abandoned[next(iter(command))] += 1
                wire = _gone(wire)
            except (ClosedError, OSError) as error:
                self.findings.append(self.told(f"the router hung up: {error!r}", 2))
                wire = _gone(wire)
            died = [n.name for n in (self.cluster.config, *self.cluster.shards) if not n.alive]
            died += [] if self.cluster.router.alive else ["the router"]
            if died:
                self.findings.append(self.told(f"{died} died", 6))
                break
        _gone(wire)
        return self

    def told(self, problem: str, last: int) -> str:
        """What went wrong, after which commands, and how to see it again."""
        commands = "\n  ".join(repr(one)[:1500] for one in list(self.past)[-last:])
        return f"seed {self.seed}, example {self.number}: {problem}\n  {commands}"


def _gone(wire: Wire | None) -> None:
    if wire is not None:
        wire.socket.close()


def many(cluster: TestCluster, seeds: range, examples: int, seconds: float) -> list[Run]:
    """Several runs at the same time."""
    started = [Run(cluster, seed) for seed in seeds]
    threads = [threading.Thread(target=run.go, args=(examples, seconds)) for run in started]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return started


def clean_up(root: Any, done: list[Run]) -> None:
    """End what no time limit ends: the sessions of the grammar, with the transactions left open in
    them, and the cursors that never time out."""
    for run in done:
        for cursor in run.cursors:
            database, _, collection = str(cursor["ns"]).partition(".")
            root[database].command("killCursors", collection, cursors=[cursor["id"]])
    root.admin.command({"killSessions": [{"id": bson.Binary.from_uuid(one)} for one in SESSIONS]})


def remember(grammar: Grammar, reply: dict[str, Any]) -> dict[str, Any] | None:
    """Keep the open cursor of a reply for later commands, and return it."""
    cursor = reply.get("cursor")
    if isinstance(cursor, dict) and isinstance(cursor.get("id"), Int64) and cursor["id"]:
        grammar.cursors.append((int(cursor["id"]), str(cursor.get("ns")).partition(".")[2]))
        del grammar.cursors[:-8]
        return cursor
    return None


def problems(reply: dict[str, Any]) -> Iterator[str]:
    """What a reply has that no server's has."""
    if not isinstance(reply.get("ok"), float) or reply["ok"] not in (0.0, 1.0):
        yield f"a reply without ok: {str(reply)[:300]}"
    elif reply["ok"] == 0.0:
        kinds = {"code": int, "codeName": str, "errmsg": str}
        if not all(isinstance(reply.get(name), kind) for name, kind in kinds.items()):
            yield f"an incomplete error: {str(reply)[:300]}"
        elif reply["errmsg"].startswith(_OF_SHARDS):
            return
        elif reply["code"] in _OURS or _PYTHON.search(reply["errmsg"]):
            yield f"an error of ours: {str(reply)[:400]}"
