"""The two sides, each with the same collections: sharded behind the router, plain on the set."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import Int64, ObjectId
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure, PyMongoError

from shardhouse.router.errors import code_name
from tests.router.cluster import ENGINE

#: Codes that later patch levels than 6.0.5 have names for.
NAMED_LATER = (40414, 40415)
NAME = "differential"
MISSING = "differential_missing"
"""A database that does not exist when an example begins."""
TARGETS = ("out", "fresh")
"""Collections that operations make; they are gone when an example begins."""
CASELESS = {"locale": "en", "strength": 2}
DAY = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)

SHARDED: Mapping[str, tuple[dict[str, Any], list[tuple[Any, Any]]]] = {
    "ranged": ({"k": 1}, [({"k": 0}, {"k": 4}), ({"k": "b"}, {"k": "n"})]),
    "hashed": ({"_id": "hashed"}, []),
    "compound": ({"a": 1, "b": 1}, [({"a": 1, "b": 2}, {"a": 3, "b": 0})]),
    "caseless_ranged": ({"k": 1}, [({"k": 2}, {"k": "m"})]),
}
"""Shard key, and the ranges that do not stay on the database's primary shard."""

SEED: Sequence[Mapping[str, Any]] = [
    {
        "_id": n,
        "k": [n - 3, None, "A", "b", "n", 3.0][n % 6] if n % 4 else n,
        "a": n % 5, "b": n % 3, "n": n, "x": [n, n % 4, None, {"p": n % 3}][n % 4],
        "y": "aAbBé"[n % 5], "d": {"p": n % 3, "q": n}, "l": [n % 3, n % 5, {"p": n % 2}],
        "t": ["red fox", "blue dog", "fox runs"][n % 3],
        "loc": {"type": "Point", "coordinates": [n % 7, n % 5]},
    }
    for n in range(16)
]  # fmt: skip
MEASURED: Sequence[Mapping[str, Any]] = [
    {
        "_id": ObjectId(f"{n:024x}"), "time": DAY + datetime.timedelta(minutes=7 * n),
        "meta": n % 3, "n": n, "x": n % 4,
    }
    for n in range(12)
]  # fmt: skip
DOCUMENTS = ("plain", "caseless", "capped", *SHARDED)
MEASURES = ("measures", "sharded_measures")
VIEWS = {"view": "plain", "sharded_view": "ranged", "caseless_view": "caseless_ranged"}
COLLECTIONS = (*DOCUMENTS, *MEASURES, *VIEWS, "missing")


@dataclass(frozen=True)
class Answer:
    """What a side said: the reply's fields, or the error it gave."""

    reply: Mapping[str, Any]
    error: tuple[int, str] | None = None
    message: str = ""


class Side:
    """One of the two: its client, and the collections."""

    def __init__(self, client: MongoClient, *, sharded: bool) -> None:
        self.client, self.sharded = client, sharded
        options: CodecOptions[Any] = CodecOptions(tz_aware=True)
        self.db = client.get_database(NAME, codec_options=options)
        self.session: ClientSession = client.start_session(causal_consistency=False)
        self._number = 1_000_000  # above what the driver itself has counted

    def set_up(self) -> None:
        """Make all collections, empty and with their indexes."""
        for name in DOCUMENTS:
            options: dict[str, Any] = {}
            if name.startswith("caseless"):
                options["collation"] = CASELESS
            if name == "capped":
                options.update(capped=True, size=1 << 20, max=20)
            self.db.create_collection(name, **options)
            if self.sharded and name in SHARDED:
                self._shard(name)
            elif name in SHARDED:
                key = [*SHARDED[name][0].items()]
                self.db[name].create_index(key, collation={"locale": "simple"})
            self.db[name].create_index("x")
            self.db[name].create_index([("a", 1), ("b", -1)])
            self.db[name].create_index([("loc", "2dsphere")])
            self.db[name].create_index([("t", "text")], collation={"locale": "simple"})
        for name in MEASURES:
            series = {"timeField": "time", "metaField": "meta"}
            self.db.create_collection(name, timeseries=series)
        if self.sharded:
            self._shard_measures()
        for name, source in VIEWS.items():
            pipeline = [{"$match": {"n": {"$ne": 3}}}, {"$addFields": {"more": {"$type": "$x"}}}]
            options = {"collation": CASELESS} if name.startswith("caseless") else {}
            self.db.create_collection(name, viewOn=source, pipeline=pipeline, **options)
        for name in (*DOCUMENTS, *MEASURES):
            self.reset(name)

    def _shard(self, name: str) -> None:
        key, moved = SHARDED[name]
        admin, namespace = self.client.admin, f"{NAME}.{name}"
        options: dict[str, Any] = {"collation": {"locale": "simple"}}
        if "hashed" in key.values():
            options["numInitialChunks"] = 4
        admin.command("shardCollection", namespace, key=key, **options)
        for low, high in moved:
            for bound in (low, high):
                admin.command("split", namespace, middle=bound)
            admin.command("moveRange", namespace, min=low, max=high, toShard=self._other())

    def _shard_measures(self) -> None:
        self.client.admin.command(
            "shardCollection",
            f"{NAME}.sharded_measures",
            key={"meta": "hashed"},
            numInitialChunks=4,
            timeseries={"timeField": "time", "metaField": "meta"},
        )

    def _other(self) -> str:
        primary = self.client.config.databases.find_one({"_id": NAME})["primary"]
        return next(s["_id"] for s in self.client.config.shards.find() if s["_id"] != primary)

    def reset(self, name: str) -> None:
        """The collection as it is when an example begins."""
        if name in TARGETS:
            self.db.drop_collection(name)
        elif name in MEASURES:
            self.db[name].delete_many({})
            self.db[name].insert_many([dict(one) for one in MEASURED])
        elif name in DOCUMENTS:
            self.db[name].delete_many({})
            self.db[name].insert_many([dict(one) for one in SEED])

    def run(self, command: Mapping[str, Any], way: str = "plain", db: str = NAME) -> Answer:
        """Run a command `plain`, as a `retryable` write, or in a `transaction` of its own."""
        if way == "transaction":
            return self._in_transaction(command, db)
        if way == "retryable":
            self._number += 1
            command = {**command, "txnNumber": Int64(self._number)}
        return self._finished(command, db)

    def _in_transaction(self, command: Mapping[str, Any], db: str) -> Answer:
        with self.client.start_session(causal_consistency=False) as session:
            session.start_transaction()
            answer = self._finished(command, db, session)
            try:
                if answer.error is not None or "writeErrors" in answer.reply:
                    session.abort_transaction()
                else:
                    session.commit_transaction()
            except OperationFailure as error:
                return _failed(error)
            return answer

    def _finished(
        self, command: Mapping[str, Any], db: str, session: ClientSession | None = None
    ) -> Answer:
        """The answer, an open cursor having been read to its end."""
        where = self.client.get_database(db, codec_options=self.db.codec_options)
        session = session or self.session
        try:
            reply = where.command(dict(command), session=session)
            cursor = reply.get("cursor")
            if not isinstance(cursor, dict) or "firstBatch" not in cursor:
                return Answer(reply)
            documents = list(cursor["firstBatch"])
            number, first = cursor["id"], len(documents)
            rounds = 0
            while number and rounds < 60:
                rounds += 1
                more = {"getMore": Int64(number), "collection": cursor["ns"].partition(".")[2]}
                if command.get("tailable") and rounds > 2:
                    where.command(
                        {"killCursors": more["collection"], "cursors": [number]}, session=session
                    )
                    break
                if command.get("batchSize"):
                    more["batchSize"] = command["batchSize"]
                following = where.command(more, session=session)["cursor"]
                documents += following["nextBatch"]
                number = following["id"]
        except OperationFailure as error:
            return _failed(error)
        except (PyMongoError, BSONError, TypeError, ValueError) as error:  # the driver refused it
            return Answer({}, (-1, type(error).__name__), str(error))
        whole = {**reply, "cursor": {"ns": cursor["ns"], "documents": documents, "first": first}}
        return Answer(whole)


def _failed(error: OperationFailure) -> Answer:
    details = error.details or {}
    name = str(details.get("codeName", ""))
    if ENGINE.version == "6.0.5" and error.code in NAMED_LATER:
        name = code_name(error.code)
    return Answer(details, (error.code or 0, name), str(details.get("errmsg", error)))
