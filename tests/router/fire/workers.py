"""Clients that work through everything that happens, and remember what they were promised.

Each worker counts what it completed. An error a driver is expected to meet when its operation was
repeated once in vain is counted by kind; any other is a finding.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from pymongo import InsertOne, MongoClient, ReadPreference, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tests.router.cluster import RouterProcess
from tests.router.fire.cluster import FireCluster, patience

DB = "fire"
KEYS = 48
BALANCE = 100
MARK = "mark"

_MAJORITY = WriteConcern("majority", wtimeout=60_000)
_PASSING = frozenset(
    {
        6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,  # retryable
        133,  # no member for a read preference in time
        112, 239, 246, 251,  # conflicts, and snapshots or transactions that are gone
        43,  # the cursor's node died
    }
)  # fmt: skip
_REFUSED = frozenset({217, 50911, 11000})
"""What may become of a traveller. A retryable write that changes a shard key is a transaction, as
in a 6.0 mongos: repeated with the same number it is refused, whatever became of it (217, 50911).
And where a chunk has just left, the orphan of the same `_id` is in the way for a while (11000)."""

_HANGS = 45.0
"""Seconds nothing may take on an idle machine: three elections, three times a router's patience."""


class Worker(threading.Thread):
    """Repeats `step` until told to stop. `done` counts completed steps."""

    def __init__(self, cluster: FireCluster, seed: int, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.cluster = cluster
        self.random = random.Random(f"{seed}/{name}")
        self.done = 0
        self.longest = 0.0
        self.errors: Counter[str] = Counter()
        self.findings: list[str] = []
        self._halt = threading.Event()

    def halt(self) -> None:
        self._halt.set()

    def step(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Give back what the worker holds."""

    def found(self, what: str) -> None:
        """Remember what must not be."""
        self.findings.append(f"{self.name}: {what}")

    def run(self) -> None:
        try:
            while not self._halt.is_set():
                began = time.monotonic()
                try:
                    self.step()
                    self.done += 1
                except PyMongoError as error:
                    self._judge(error)
                took = time.monotonic() - began
                self.longest = max(self.longest, took)
                if took > patience(_HANGS):
                    self.found(f"a step took {took:.0f} s")
        except BaseException:
            self.found(traceback.format_exc())
        finally:
            self.close()

    def _judge(self, error: PyMongoError) -> None:
        code = getattr(error, "code", None)
        self.errors[f"{type(error).__name__} {code}"] += 1
        if isinstance(error, BulkWriteError):
            details = error.details or {}
            codes = [one["code"] for one in details["writeErrors"]]
            codes += [one["code"] for one in details["writeConcernErrors"]]
            wrong = [code for code in codes if code not in _PASSING]
            if wrong:
                self.found(f"unexpected {error.details}")
        elif isinstance(error, OperationFailure) and code not in _PASSING:
            self.found(f"unexpected {type(error).__name__} {code}: {error}")


class Ledger:
    """What was acknowledged. Every write has an id of its own."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.pushed: dict[int, list[str]] = defaultdict(list)
        self.inserted: list[str] = []
        self.transferred: list[str] = []
        self.wandered: dict[int, int] = {}

    def new_id(self, kind: str) -> str:
        with self._lock:
            return f"{kind}{next(self._numbers)}"


class Writer(Worker):
    """Acknowledged single-document writes: updates, findAndModify, inserts, bulks over shards."""

    def __init__(self, cluster: FireCluster, seed: int, number: int, ledger: Ledger) -> None:
        super().__init__(cluster, seed, f"writer{number}")
        self._client = cluster.client()
        db = self._client.get_database(DB, write_concern=_MAJORITY)
        self._journal, self._entries = db.journal, db.entries
        self._ledger = ledger

    def close(self) -> None:
        self._client.close()

    def step(self) -> None:
        key, mark = self.random.randrange(KEYS), self._ledger.new_id("w")
        change = {"$inc": {"v": 1}, "$push": {"log": mark}}
        kind = self.random.choice(("update", "modify", "insert", "bulk"))
        if kind == "update":
            if self._journal.update_one({"k": key}, change).matched_count != 1:
                self.found(f"an update of {key} matched nothing")
            self._ledger.pushed[key].append(mark)
        elif kind == "modify":
            before = self._journal.find_one_and_update({"k": key}, change)
            if before is None:
                self.found(f"a findAndModify of {key} found nothing")
            self._ledger.pushed[key].append(mark)
        elif kind == "insert":
            self._entries.insert_one({"_id": mark, "k": key})
            self._ledger.inserted.append(mark)
        else:
            self._bulk(key, mark)

    def _bulk(self, key: int, mark: str) -> None:
        ordered = self.random.random() < 0.5
        keys = [(key + n * KEYS // 4) % KEYS for n in range(4)]
        change = {"$inc": {"v": 1}, "$push": {"log": mark}}
        self._journal.bulk_write([UpdateOne({"k": k}, change) for k in keys], ordered=ordered)
        for k in keys:
            self._ledger.pushed[k].append(mark)
        rows = [{"_id": f"{mark}.{k}", "k": k} for k in keys]
        self._entries.bulk_write([InsertOne(row) for row in rows], ordered=ordered)
        self._ledger.inserted += [row["_id"] for row in rows]


class Teller(Worker):
    """Transfers between accounts, which mostly live on different shards, in transactions."""

    def __init__(self, cluster: FireCluster, seed: int, number: int, ledger: Ledger) -> None:
        super().__init__(cluster, seed, f"teller{number}")
        self._client = cluster.client(maxPoolSize=4)
        self._db = self._client[DB]
        self._ledger = ledger

    def close(self) -> None:
        self._client.close()

    def step(self) -> None:
        giver = self.random.randrange(KEYS)
        taker = (giver + KEYS // 2 + self.random.randrange(3)) % KEYS
        amount, mark = self.random.randint(1, 5), self._ledger.new_id("t")

        def transfer(session: ClientSession) -> None:
            accounts = self._db.accounts
            found = accounts.find_one({"k": giver}, session=session)
            if found is None:
                raise AssertionError(f"account {giver} is gone")
            for key, change in ((giver, -amount), (taker, amount)):
                update = {"$inc": {"balance": change, "v": 1}}
                changed = accounts.update_one({"k": key}, update, session=session)
                if changed.modified_count != 1:
                    raise AssertionError(f"account {key} was not changed")
            row = {"_id": mark, "k": giver, "taker": taker, "amount": amount}
            self._db.transfers.insert_one(row, session=session)

        with self._client.start_session() as session:
            session.with_transaction(
                transfer,
                read_concern=ReadConcern(self.random.choice(("local", "majority", "snapshot"))),
                write_concern=_MAJORITY,
            )
        self._ledger.transferred.append(mark)


class Auditor(Worker):
    """Sums all accounts and counts all travellers in one snapshot, in a transaction or without."""

    def __init__(self, cluster: FireCluster, seed: int) -> None:
        super().__init__(cluster, seed, "auditor")
        self._client = cluster.client()
        self._accounts = self._client[DB].accounts
        self._travellers = self._client[DB].travellers

    def close(self) -> None:
        self._client.close()

    def step(self) -> None:
        looks = {
            "sum": self._sum, "read": self._read, "small batches": self._in_order,
            "travellers": self._count,
        }  # fmt: skip
        kind, look = self.random.choice(list(looks.items()))
        if self.random.random() < 0.5:
            kind += " in a transaction"
            with self._client.start_session() as session:
                found = session.with_transaction(look, read_concern=ReadConcern("snapshot"))
        else:
            with self._client.start_session(snapshot=True) as session:
                found = look(session)
        if found not in ((KEYS, KEYS * BALANCE), [0, 1, 2, 3]):
            self.found(f"{kind}: {found}")

    def _sum(self, session: ClientSession) -> tuple[int, int]:
        group = {"$group": {"_id": None, "n": {"$sum": 1}, "total": {"$sum": "$balance"}}}
        found = next(self._accounts.aggregate([group], session=session))
        return found["n"], found["total"]

    def _read(self, session: ClientSession) -> tuple[int, int]:
        rows = list(self._accounts.find({}, session=session))
        return len(rows), sum(row["balance"] for row in rows)

    def _in_order(self, session: ClientSession) -> tuple[int, int]:
        rows = list(self._accounts.find({}, session=session, batch_size=10).sort("k", 1))
        return len(rows), sum(row["balance"] for row in rows)

    def _count(self, session: ClientSession) -> list[int]:
        rows = self._travellers.find({}, session=session, batch_size=2)
        return sorted(row["_id"] for row in rows)


class CausalReader(Worker):
    """Writes through one router, reads its own write through the other, from any member."""

    def __init__(self, cluster: FireCluster, seed: int, number: int) -> None:
        super().__init__(cluster, seed, f"reader{number}")
        self._key = number
        self._clients = [cluster.client(router) for router in cluster.routers]
        self._told = 0

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def step(self) -> None:
        here, there = self.random.sample(self._clients, 2)
        key = self.random.choice((self._key, self._key + KEYS // 2))
        self._told += 1
        with here.start_session(causal_consistency=True) as writing:
            mine = here.get_database(DB, write_concern=_MAJORITY).notes
            mine.update_one({"k": key}, {"$set": {"n": self._told}}, upsert=True, session=writing)
            with there.start_session(causal_consistency=True) as reading:
                reading.advance_cluster_time(writing.cluster_time)  # type: ignore[arg-type]
                reading.advance_operation_time(writing.operation_time)  # type: ignore[arg-type]
                self._check(there, reading, key)

    def _check(self, client: MongoClient, session: ClientSession, key: int) -> None:
        mode = self.random.choice(
            (
                ReadPreference.PRIMARY, ReadPreference.SECONDARY_PREFERRED,
                ReadPreference.NEAREST, ReadPreference.SECONDARY,
            )
        )  # fmt: skip
        notes = client[DB].get_collection(
            "notes", read_preference=mode, read_concern=ReadConcern("majority")
        )
        if self.random.random() < 0.5:
            found = notes.find_one({"k": key}, session=session)
        else:  # over all shards
            found = next(iter(notes.find({"n": self._told}, session=session)), None)
        if found is None or found["n"] != self._told:
            self.found(f"{mode.name}: wrote {self._told} to {key}, then read {found}")


class Wanderer(Worker):
    """Documents that go from shard to shard: by a new shard key, or by a delete and an insert."""

    def __init__(self, cluster: FireCluster, seed: int, ledger: Ledger) -> None:
        super().__init__(cluster, seed, "wanderer")
        self._client = cluster.client()
        self._travellers = self._client.get_database(DB, write_concern=_MAJORITY).travellers
        self._ledger = ledger

    def close(self) -> None:
        self._client.close()

    def step(self) -> None:
        who = self.random.randrange(4)
        at = self._travellers.find_one({"_id": who})
        if at is None:  # a read at no single time: it left the one shard, and reached the other
            self.errors["on its way"] += 1
            return
        there = {**at, "k": (at["k"] + KEYS // 2) % KEYS, "v": at["v"] + 1}
        try:
            if self.random.random() < 0.5:
                self._update(at, there)
            else:
                self._exchange(at, there)
        except OperationFailure as error:
            if error.code not in _REFUSED:
                raise
            self.errors[f"refused {error.code}"] += 1
        else:
            self._ledger.wandered[who] = there["v"]

    def _update(self, at: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        change = {"$set": {"k": there["k"]}, "$inc": {"v": 1}}
        query = {"_id": at["_id"], "k": at["k"]}
        if self._travellers.update_one(query, change).matched_count != 1:
            self.found(f"nobody was at {at['k']}, where {at['_id']} was read")

    def _exchange(self, at: Mapping[str, Any], there: Mapping[str, Any]) -> None:

        def travel(session: ClientSession) -> None:
            if self._travellers.delete_one(at, session=session).deleted_count != 1:
                self.found(f"{at} was not there")
            self._travellers.insert_one(there, session=session)

        with self._client.start_session() as session:
            session.with_transaction(travel, write_concern=_MAJORITY)


class Follower(Worker):
    """Follows all changes of the database, now through one router, now through another."""

    def __init__(self, cluster: FireCluster, seed: int) -> None:
        super().__init__(cluster, seed, "follower")
        self.versions: dict[tuple[str, Any], list[int]] = defaultdict(list)
        self.inserted: Counter[tuple[str, Any]] = Counter()
        self.resumed = 0
        self.marked = threading.Event()
        self._routers = itertools.cycle(cluster.routers)
        self._token: Mapping[str, Any] | None = None
        self._time: Any = None
        self.ready = threading.Event()

    def step(self) -> None:
        router = next(self._routers)
        with self._connect(router) as client:
            options = {} if self._token is None else {"resume_after": self._token}
            batch = self.random.choice((1, 10, None))
            with client[DB].watch(batch_size=batch, max_await_time_ms=300, **options) as stream:
                self.resumed += self._token is not None
                self._token = stream.resume_token
                self.ready.set()
                until = time.monotonic() + self.random.uniform(0.2, 3.0)
                while stream.alive and time.monotonic() < until and not self.marked.is_set():
                    event = stream.try_next()
                    if event is not None:
                        self._take(event)
                    self._token = stream.resume_token

    def _connect(self, router: RouterProcess) -> MongoClient:
        return self.cluster.client(router, serverSelectionTimeoutMS=3_000)

    def _take(self, event: Mapping[str, Any]) -> None:
        if self._time is not None and event["clusterTime"] < self._time:
            self.found(f"time went back to {event['clusterTime']} from {self._time}")
        self._time = event["clusterTime"]
        if event["operationType"] not in ("insert", "update"):
            return
        collection = event["ns"]["coll"]
        identity = (collection, event["documentKey"]["_id"])
        if event["operationType"] == "insert":
            self.inserted[identity] += 1
            if collection == MARK:
                self.marked.set()
        elif collection in ("accounts", "journal"):
            self.versions[identity].append(event["updateDescription"]["updatedFields"]["v"])
