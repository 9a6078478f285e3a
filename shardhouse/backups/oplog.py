"""What a replica set wrote between two positions, read from the set itself."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from shardhouse.backups import entries, positions
from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, majority
from shardhouse.mongo.replica_set import SetPlan, find_primary
from shardhouse.mongo.wait import Deadline

_PAUSE = 0.2


def reach(plan: SetPlan, upto: Timestamp, clients: Clients, deadline: Deadline) -> None:
    """A majority of the set has an entry of `upto` or later, so that none before it comes any
    more."""

    def noted() -> bool | None:
        primary = find_primary(plan.electable, clients)
        if primary is None:
            return None
        majority(clients[primary], "appendOplogNote", data={"shardhouse": "backup"})
        newest = _oplog(clients[primary]).find({}, {"ts": 1}).sort("$natural", -1).limit(1)
        return next(newest)["ts"] >= upto or None

    deadline.until(f"{plan.name} to reach the backup's moment", noted, _PAUSE)


def read(
    hosts: Sequence[str], clients: Clients, after: Timestamp, upto: Timestamp
) -> Iterator[bytes]:
    """All entries behind `after`, up to `upto`, from the first of these members that still has the
    one of `after`: it proves that none is missing. Raises MongoError where none has it."""
    for host in hosts:
        found = _between(clients[host], after, upto)
        try:
            first = next(found, None)
        except PyMongoError:
            continue
        if first is not None and entries.position(first) == after:
            yield from found
            return
    raise MongoError(
        f"No member's oplog reaches back to {positions.text(after)} any more: what was written "
        "meanwhile is not known completely. A larger volume keeps a longer oplog."
    )


def _between(client: Client, after: Timestamp, upto: Timestamp) -> Iterator[bytes]:
    batches = _oplog(client).find_raw_batches({"ts": {"$gte": after, "$lte": upto}})
    return entries.split(cast("Iterable[bytes]", batches))


def _oplog(client: Client) -> Any:
    return client.local.get_collection("oplog.rs", read_concern=ReadConcern("majority"))
