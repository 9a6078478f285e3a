"""What is done to the copied files of a member so that a new set holds what the old one held at a
moment.

The server itself applies the oplog, as a secondary would: whatever an entry says. So the copy's
oplog is brought to that moment, and a private mongod (`commandline.private_mongod`) that replays is
started and ended. Another, which does not replay, is where these functions work:

1. `top`, then `append` what was archived, or `cut` where the copy is newer than the moment. To
   append nothing matters as well: what the copied node had not yet marked as complete stays.
2. Replay: the server answers when it is done.
3. `verify`, then `found_anew`, and the files can be those of every member of the new set.

Each may be repeated. Nothing here reads the oplog forwards: a server that is no member of a set
waits in vain for what it wrote there to become visible.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client
from shardhouse.mongo.replica_set import SetPlan, configuration

_BATCH = 5_000
"""Entries that are inserted at once."""
_BATCH_BYTES = 32 * 1024**2
_LARGEST = 16 * 1024**2
"""Bytes of the largest document that a server takes from clients, unless it is told otherwise."""
_RECOVERED = 23987
"""The log line that says as of which moment the storage engine opened the files."""
_CUT = "oplogTruncateAfterPoint"
_STATE = ("system.replset", "replset.election", "replset.minvalid", f"replset.{_CUT}")
"""Collections of `local` that belong to a set's life so far."""
_OF_PROCESSES = ("mongos", "lockpings")
"""Collections of `config` that name processes of the cluster so far."""


def top(client: Client) -> Timestamp:
    """The time of the newest oplog entry. MongoError if there is none."""
    with _own_errors("read the oplog"):
        newest = client.local["oplog.rs"].find_one({}, {"ts": 1}, sort=[("$natural", -1)])
    if newest is None:
        raise MongoError("The copy has no oplog, so it is not that of a set's member.")
    found: Timestamp = newest["ts"]
    return found


def check_top(client: Client, expected: Timestamp) -> None:
    """Raises MongoError if the newest oplog entry is another one than expected."""
    newest = top(client)
    if newest != expected:
        raise MongoError(
            f"The copy reaches up to {_words(newest)}, and {_words(expected)} is expected. Take "
            "another backup."
        )


def append(client: Client, entries: Iterable[bytes], behind: Timestamp, until: Timestamp) -> int:
    """Put archived oplog entries, each as BSON, behind the newest one, up to and including `until`;
    returns how many. They are in order, and all there are behind the position `behind`. The newest
    one is that, or among them: otherwise some may be missing in between, which the replay would not
    notice. Raises MongoError then, or if the server does not take an entry."""
    newest = top(client)
    if until < newest:
        raise MongoError(f"The copy reaches up to {_words(newest)}, beyond {_words(until)}.")
    with _own_errors("add to the oplog"):
        _forget_cut(client)
        oplog = client.local["oplog.rs"]
        appended = 0
        for batch in _batches(_following(entries, behind, newest, until)):
            if max(len(entry.raw) for entry in batch) > _LARGEST:
                _check_takes_large(client)
            oplog.insert_many(batch)
            appended += len(batch)
    return appended


def cut(client: Client, moment: Timestamp) -> None:
    """Have the replay drop what the copy's oplog has after `moment`. MongoError if the data itself
    may be newer: an older copy is needed."""
    with _own_errors("ask as of when the data is"):
        reached = _stable(client)
    if moment < reached:
        raise MongoError(
            f"The copied data is that of {_words(reached)}, later than {_words(moment)}. Take an "
            "older backup."
        )
    with _own_errors("cut the oplog"):
        client.local[f"replset.{_CUT}"].replace_one({"_id": _CUT}, {_CUT: moment}, upsert=True)


def verify(client: Client) -> Mapping[str, int]:
    """Read every collection and index through (`validate`), which also corrects the counts that a
    replay leaves wrong; returns the number of documents by namespace. MongoError names what is
    damaged."""
    counts = {}
    damaged = []
    with _own_errors("verify the data"):
        for database in client.list_database_names():
            if database == "local":
                continue
            for name in client[database].list_collection_names(filter={"type": "collection"}):
                found = client[database].command("validate", name)
                counts[f"{database}.{name}"] = int(found["nrecords"])
                if not found["valid"]:
                    damaged.append(f"{database}.{name} ({'; '.join(found['errors'])})")
    if damaged:
        raise MongoError(f"Damaged: {', '.join(damaged)}.")
    return counts


def found_anew(
    client: Client,
    plan: SetPlan,
    *,
    config_servers: str = "",
    shards: Mapping[str, str] | None = None,
) -> None:
    """Make the data that of a new set, before any member is started.

    A shard is given the `config_servers` of its new cluster (`name/address:port,...`), config
    servers their `shards`: such a string by the shard's id, which it keeps. MongoError if the data
    is that of something else.
    """
    with _own_errors(f"make the data that of {plan.name}"):
        if config_servers:
            _enter(client, config_servers)
        if plan.config_server:
            _register(client, shards or {})
        local = client.local
        for name in _STATE:
            local[name].delete_many({})
        # All there is has been applied: nothing is fetched before a member counts as consistent.
        local["replset.minvalid"].insert_one({"_id": ObjectId(), "t": -1, "ts": Timestamp(0, 1)})
        local["system.replset"].insert_one(_founding(plan))


def _following(
    entries: Iterable[bytes], behind: Timestamp, newest: Timestamp, until: Timestamp
) -> Iterator[RawBSONDocument]:
    """The entries later than `newest`, up to `until`."""
    met = newest in (behind, until)
    last = newest
    for raw in entries:
        entry = RawBSONDocument(raw)
        moment = entry["ts"]
        if moment > until:
            break
        if moment <= newest:
            met = met or moment == newest
            continue
        if not met:
            break
        if moment <= last:
            raise MongoError(f"Entry {_words(moment)} comes after {_words(last)}.")
        last = moment
        yield entry
    if not met:
        raise MongoError(
            f"The archived entries do not continue the copy: {_words(newest)}, its newest, is not "
            "among them. Take another backup."
        )


def _batches(entries: Iterable[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += len(entry.raw)
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check_takes_large(client: Client) -> None:
    try:
        parameter = client.admin.command("getParameter", 1, allowDocumentsGreaterThanMaxUserSize=1)
        takes = parameter["allowDocumentsGreaterThanMaxUserSize"]
    except OperationFailure:
        takes = False
    if not takes:
        version = client.admin.command("buildInfo")["version"]
        raise MongoError(
            "An archived entry has more than 16 MiB, because the document written nearly has, and "
            f"MongoDB {version} does not take it back. Choose a moment before it, or restore with "
            "a newer build of the same release."
        )


def _forget_cut(client: Client) -> None:
    """A copy of a primary has a point beyond which the replay would silently drop everything."""
    client.local[f"replset.{_CUT}"].delete_many({})


def _stable(client: Client) -> Timestamp:
    """As of which moment the storage engine opened the files, from the server's log."""
    for line in reversed(client.admin.command("getLog", "global")["log"]):
        entry = json.loads(line)
        if entry["id"] == _RECOVERED:
            found = entry["attr"]["recoveryTimestamp"]["$timestamp"]
            return Timestamp(found["t"], found["i"])
    raise MongoError("The server does not say as of which moment it opened the files.")


def _enter(client: Client, config_servers: str) -> None:
    identity = client.admin["system.version"].update_one(
        {"_id": "shardIdentity"}, {"$set": {"configsvrConnectionString": config_servers}}
    )
    if not identity.matched_count:
        raise MongoError("This is not the data of a shard: it has no identity.")
    for name in client.config.list_collection_names():
        if name.startswith("cache."):
            client.config[name].delete_many({})


def _register(client: Client, shards: Mapping[str, str]) -> None:
    present = {document["_id"] for document in client.config["shards"].find({}, {"_id": 1})}
    if present != set(shards):
        raise MongoError(
            f"The cluster had the shards {', '.join(sorted(present)) or 'none'} then, and would "
            f"get {', '.join(sorted(shards)) or 'none'}."
        )
    for shard, host in shards.items():
        client.config["shards"].update_one({"_id": shard}, {"$set": {"host": host}})
    for name in _OF_PROCESSES:
        client.config[name].delete_many({})


def _founding(plan: SetPlan) -> dict[str, Any]:
    """The first configuration of the set, as its members store it."""
    config = configuration(plan, len(plan.hosts))
    return config | {
        "version": 1,
        "term": 1,
        "protocolVersion": 1,
        "writeConcernMajorityJournalDefault": True,
        "settings": config["settings"] | {"replicaSetId": ObjectId()},
    }


def _words(moment: Timestamp) -> str:
    return f"{moment.as_datetime():%Y-%m-%d %H:%M:%S} ({moment.time}, {moment.inc})"


@contextmanager
def _own_errors(what: str) -> Iterator[None]:
    """Errors of the server become ours, without the documents that they quote."""
    try:
        yield
    except BulkWriteError as error:
        raise MongoError(f"Cannot {what}: {error.details['writeErrors'][0]['errmsg']}") from None
    except PyMongoError as error:
        raise MongoError(f"Cannot {what}: {error}") from error
