"""What the members of a replica set hold and do: collections, indexes and their use, operations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from bson.codec_options import CodecOptions
from pymongo.errors import OperationFailure

from shardhouse.domain.indexes import Collection, Index, Key, Use, key_of
from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, accepts
from shardhouse.mongo.databases import OF_MONGODB, SYSTEM
from shardhouse.mongo.replica_set import SetPlan, find_primary

MOST = 100
"""Collections of a database that are looked at, by name."""
_NOT_FOUND = 26
_OPERATIONS = ("insert", "query", "update", "delete")
_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)


@dataclass(frozen=True)
class Found:
    """The collections of a set, databases of which some were left out, and whether all members said
    how indexes are used."""

    collections: list[Collection]
    cut: list[str]
    all_answered: bool


@dataclass(frozen=True)
class Operations:
    """Reads and writes of clients that the members have done since each was started."""

    count: int
    per_second: float


def quietest(plan: SetPlan, clients: Clients) -> str:
    """The member that clients miss least: the hidden one, else a secondary, else the primary.
    MongoError if none answers."""
    primary = find_primary(plan.visible, clients)
    others = [host for host in plan.electable if host != primary]
    order = [host for host in (plan.hidden, *others) if host and accepts(host)]
    for host in order:
        if clients[host].admin.command("hello").get("secondary"):
            return host
    if primary is None:
        raise MongoError(f"No member of {plan.name} answers.")
    return primary


def collections(plan: SetPlan, reader: str, clients: Clients) -> Found:
    """What a set holds, as its member `reader` has it. Uses of indexes are those of all members;
    there are none if one of them is away. PyMongo's errors pass through."""
    all_there = all(map(accepts, plan.hosts))
    everyone = [clients[host] for host in plan.hosts] if all_there else []
    client = clients[reader]
    found: list[Collection] = []
    cut: list[str] = []
    for database in client.list_database_names():
        if database in OF_MONGODB:
            continue
        names = sorted(
            item["name"]
            for item in client[database].list_collections()
            if item["type"] == "collection"
            and not item["name"].startswith(SYSTEM)
            and not item.get("options", {}).get("temp")
        )
        if len(names) > MOST:
            cut.append(database)
        for name in names[:MOST]:
            one = _unless_gone(
                lambda database=database, name=name: _collection(  # type: ignore[misc]
                    client, everyone, database, name, plan.name
                )
            )
            found += [one] if one else []
    return Found(found, cut, all_there)


def operations(plan: SetPlan, clients: Clients) -> Operations:
    """What those members that answer have done. PyMongo's errors pass through."""
    count, speed = 0, 0.0
    for host in filter(accepts, plan.hosts):
        status = clients[host].admin.command("serverStatus")
        done = sum(int(status["opcounters"][name]) for name in _OPERATIONS)
        count += done
        speed += done / max(float(status["uptime"]), 1.0)
    return Operations(count, speed)


def shard_keys(config: SetPlan, clients: Clients) -> dict[str, Key]:
    """The shard key of each sharded collection, by namespace. PyMongo's errors pass through."""
    catalog = clients[quietest(config, clients)]["config"]["collections"]
    return {
        item["_id"]: key_of(item["key"])
        for item in catalog.find({}, {"key": 1, "dropped": 1, "unsplittable": 1})
        if "key" in item and not item.get("dropped") and not item.get("unsplittable")
    }


def _collection(
    client: Client, everyone: Sequence[Client], database: str, name: str, set_name: str
) -> Collection:
    (document,) = client[database][name].aggregate([{"$collStats": {"storageStats": {}}}])
    stats = document["storageStats"]
    indexes = tuple(Index.of(one) for one in client[database][name].list_indexes())
    uses = [_uses(one, database, name) for one in everyone] if len(indexes) > 1 else []
    return Collection(
        database=database,
        name=name,
        documents=int(stats.get("count", 0)),
        size=int(stats["size"]),
        shards=(set_name,),
        indexes=indexes,
        index_sizes={index: int(size) for index, size in stats.get("indexSizes", {}).items()},
        uses=_together(uses),
    )


def _uses(client: Client, database: str, name: str) -> dict[str, Use]:
    collection = client[database].get_collection(name, codec_options=_AWARE)
    return {
        item["name"]: Use(int(item["accesses"]["ops"]), item["accesses"]["since"])
        for item in collection.aggregate([{"$indexStats": {}}])
        if not item.get("building")
    }


def _together(uses: Sequence[Mapping[str, Use]]) -> dict[str, Use]:
    """Uses of the indexes that all members have listed."""
    if not uses:
        return {}
    whole = dict(uses[0])
    for other in uses[1:]:
        whole = {name: use + other[name] for name, use in whole.items() if name in other}
    return whole


def _unless_gone(read: Callable[[], Collection]) -> Collection | None:
    """What `read` gives; None where the collection was dropped meanwhile."""
    try:
        return read()
    except OperationFailure as error:
        if error.code != _NOT_FOUND:
            raise
        return None
