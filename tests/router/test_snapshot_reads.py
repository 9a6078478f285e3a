"""Snapshot reads outside transactions wait for what is prepared, in every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ExecutionTimeout
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

_KEYS = range(0, 100, 10)
_LIMIT_MS = 1_000
_MAJORITY = WriteConcern("majority")


def _all(rows: Any) -> int:
    return sum(row["balance"] for row in rows)


def _by_key(accounts: Collection, session: ClientSession) -> int:
    rows = accounts.find({}, session=session, batch_size=2, max_time_ms=_LIMIT_MS)
    return _all(rows.sort("k", 1))


def _nearest(accounts: Collection, session: ClientSession) -> int:
    near = accounts.with_options(read_preference=ReadPreference.NEAREST)
    return _all(near.find({}, session=session, batch_size=2, max_time_ms=_LIMIT_MS))


def _group(accounts: Collection, session: ClientSession) -> int:
    group = {"$group": {"_id": None, "total": {"$sum": "$balance"}}}
    return next(accounts.aggregate([group], session=session, maxTimeMS=_LIMIT_MS))["total"]


def _lookup(accounts: Collection, session: ClientSession) -> int:
    pipeline = [
        {"$match": {"k": 0}},
        {"$lookup": {"from": accounts.name, "pipeline": [], "as": "every"}},
        {"$unwind": "$every"},
        {"$replaceRoot": {"newRoot": "$every"}},
    ]
    return _all(accounts.aggregate(pipeline, session=session, maxTimeMS=_LIMIT_MS))


def _on_one_shard(accounts: Collection, session: ClientSession) -> int:
    mirror = accounts.database.mirror
    return _all(mirror.find({}, session=session, batch_size=2, max_time_ms=_LIMIT_MS))


def _pipeline_on_one_shard(accounts: Collection, session: ClientSession) -> int:
    options = {"session": session, "batchSize": 0, "maxTimeMS": _LIMIT_MS}
    return _all(accounts.database.mirror.aggregate([{"$match": {}}], **options))


@dataclass
class Prepared:
    """A transaction of a shard's own, prepared to take 50 from each of two last accounts."""

    session: ClientSession
    time: Any

    def commit(self) -> None:
        """It takes place, as of the time it was prepared."""
        self.session.client.admin.command(
            {"commitTransaction": 1, "commitTimestamp": self.time, "writeConcern": {"w": 1}},
            session=self.session,
        )


@pytest.fixture
def bank(accounts: Database) -> Database:
    """100 on each account; `mirror` is the same, on one shard."""
    rows = [{"_id": k, "k": k, "balance": 100} for k in _KEYS]
    for name in ("accounts", "mirror"):
        accounts.get_collection(name, write_concern=_MAJORITY).insert_many(rows)
    return accounts


@pytest.fixture
def prepared(cluster, bank) -> Iterator[Prepared]:
    """Prepared on the shard that holds `mirror`, and half of `accounts`."""
    home = bank.client.config.databases.find_one({"_id": bank.name})["primary"]
    node = next(shard for shard in cluster.shards if shard.name == home)
    with node.client() as client, client.start_session() as session:
        session.start_transaction(write_concern=_MAJORITY)
        there = client[bank.name]
        last = max(row["k"] for row in there.accounts.find({"k": {"$lt": 50}}))
        for name, key in (("accounts", last), ("mirror", _KEYS[-1])):
            change = {"$inc": {"balance": -50}}
            assert there[name].update_one({"k": key}, change, session=session).modified_count == 1
        prepare = {"prepareTransaction": 1, "writeConcern": {"w": "majority"}}
        yield Prepared(session, client.admin.command(prepare, session=session)["prepareTimestamp"])


@pytest.mark.parametrize(
    "total",
    [_by_key, _nearest, _group, _lookup, _on_one_shard, _pipeline_on_one_shard],
    ids=lambda read: read.__name__.strip("_"),
)
def test_a_snapshot_waits_for_what_is_prepared(
    bank: Database, prepared: Prepared, total: Callable[[Collection, ClientSession], int]
):
    bank.get_collection("log", write_concern=_MAJORITY).insert_one({})  # time goes on
    try:
        with bank.client.start_session(snapshot=True) as session:
            assert list(bank.log.find({}, session=session))  # the snapshot is taken here
            with pytest.raises(ExecutionTimeout):
                total(bank.accounts, session)
            prepared.commit()
            assert total(bank.accounts, session) == 100 * len(_KEYS) - 50
    finally:
        prepared.session.end_session()
