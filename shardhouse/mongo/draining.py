"""Empties a shard and takes it out of its cluster, while clients go on reading and writing.

The server's own draining only has the balancer move chunks, one at a time, if it is on and its
window is open. So chunks are moved here, by the config servers' command, which the balancer's moves
do not disturb. What is not sharded moves with its database (`movePrimary`), and MongoDB refuses
writes to it meanwhile. So its collections are in a critical section first, as at the end of a
migration: writes wait, reads go on. Such a section is a document, which the server obeys, whoever
writes it; it is replicated, and there after a crash.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, majority
from shardhouse.mongo.replica_set import SetPlan, find_primary
from shardhouse.mongo.wait import Deadline

PATIENCE = 600.0
"""Seconds in which a chunk or a database must have moved."""
_REASON = {"shardhouse": "draining"}
_MAJORITY = {"w": "majority", "wtimeout": 60_000}
_MAJORITY_CONCERN = WriteConcern("majority", wtimeout=60_000)
_SECTIONS = "collection_critical_sections"
_MOVE_RANGE = 17
"""Wire version of MongoDB 6.0, which can be told to move a chunk piece by piece."""
_FORCE = 1
"""Move also what cannot be split; writes to it wait a little longer."""
_SHARD_NOT_FOUND = 70
_PAUSE = 0.5


@dataclass(frozen=True)
class Cluster:
    """A cluster's config servers and shards, and connections to them. `deadline` makes one of some
    seconds, which looks after the processes meanwhile."""

    config_hosts: Sequence[str]
    shards: Mapping[str, SetPlan]
    clients: Clients
    deadline: Callable[[float], Deadline]

    def drain(self, shard: str, report: Callable[[str], None]) -> None:
        """Move all that a shard holds to the others and remove it; does nothing where it has been
        removed. Raises MongoError when something does not move, or nowhere may."""
        left = ""
        while left := self.deadline(PATIENCE).until(
            f"shard {shard} to be drained", partial(self._advance, shard, left), _PAUSE
        ):
            report(f"{shard}: {left}")
        self._forget_routing(shard)

    def keep(self, shard: str) -> None:
        """End the draining of a shard that was not removed: it takes data again."""

        def undrain() -> bool | None:
            config = self._config()
            if config is None:
                return None
            shards = config.get_database("config")["shards"]
            shards.update_one({"_id": shard}, {"$unset": {"draining": ""}})
            _let_write(self._primary(shard))
            return True

        self.deadline(PATIENCE).until(f"shard {shard} to be kept", undrain)

    def _forget_routing(self, shard: str) -> None:
        """Have the other shards read anew where data is, before the processes of this one end: they
        route reads themselves, and one that still thinks of a part of the data here would wait for
        a primary that does not come back. A member that does not answer finds out by itself."""
        for name, plan in self.shards.items():
            for host in plan.hosts if name != shard else ():
                with suppress(PyMongoError):
                    self.clients[host].admin.command("flushRouterConfig")

    def _config(self) -> Client | None:
        primary = find_primary(self.config_hosts, self.clients)
        return self.clients[primary] if primary else None

    def _advance(self, shard: str, before: str) -> str | None:
        """Move one thing; what is left, in words, empty when the shard is out of the cluster. None
        while nothing moves: older servers leave chunks to their balancer."""
        config = self._config()
        if config is None:
            return None
        try:
            state = majority(config, "_configsvrRemoveShard", shard)
        except OperationFailure as error:
            if error.code == _SHARD_NOT_FOUND:
                return ""
            raise
        if state["state"] == "completed":
            return ""
        catalog = config.get_database("config")
        moves = config.admin.command("hello")["maxWireVersion"] >= _MOVE_RANGE
        database = catalog["databases"].find_one({"primary": shard})
        if database is not None:
            self._move_database(catalog, database, shard)
        elif moves and (chunk := catalog["chunks"].find_one({"shard": shard})) is not None:
            self._move_chunk(config, chunk, shard)
        chunks = catalog["chunks"].count_documents({"shard": shard})
        databases = catalog["databases"].count_documents({"primary": shard})
        left = f"{chunks} chunks and {databases} databases left"
        return left if moves or left != before else None

    def _targets(self, catalog: Any, shard: str) -> list[str]:
        """The shards that data may go to."""
        found = catalog["shards"].find({"_id": {"$ne": shard}, "draining": {"$ne": True}})
        return [document["_id"] for document in found]

    def _move_chunk(self, config: Client, chunk: Mapping[str, Any], shard: str) -> None:
        """Have the config servers move a chunk, or the first piece of a large one."""
        catalog = config.get_database("config")
        collection = catalog["collections"].find_one({"uuid": chunk["uuid"]})
        if collection is None:  # it was dropped meanwhile
            return
        counts = Counter(
            {
                one["_id"]: one["n"]
                for one in catalog["chunks"].aggregate(
                    [
                        {"$match": {"uuid": chunk["uuid"]}},
                        {"$group": {"_id": "$shard", "n": {"$sum": 1}}},
                    ]
                )
            }
        )
        targets = self._in_zone(catalog, collection["_id"], chunk, self._targets(catalog, shard))
        majority(
            config,
            "_configsvrMoveRange",
            collection["_id"],
            toShard=min(targets, key=lambda name: counts[name]),
            min=chunk["min"],
            forceJumbo=_FORCE,
            waitForDelete=False,
        )

    def _in_zone(
        self, catalog: Any, namespace: str, chunk: Mapping[str, Any], targets: Sequence[str]
    ) -> Sequence[str]:
        """Those of the targets that the chunk's zone allows: a chunk never reaches over the bounds
        of a zone, so its lower bound decides."""
        zone = catalog["tags"].find_one(
            {"ns": namespace, "min": {"$lte": chunk["min"]}, "max": {"$gt": chunk["min"]}}
        )
        if zone is None:
            return targets
        tagged = [
            one["_id"]
            for one in catalog["shards"].find({"_id": {"$in": targets}, "tags": zone["tag"]})
        ]
        if not tagged:
            raise MongoError(
                f"A chunk of {namespace} belongs to zone {zone['tag']}, which no other shard has. "
                "Add another shard to the zone, or remove the zone's range."
            )
        return tagged

    def _move_database(self, catalog: Any, database: Mapping[str, Any], shard: str) -> None:
        """Move a database's unsharded collections; nobody writes to them meanwhile."""
        name = database["_id"]
        homes = Counter(one["primary"] for one in catalog["databases"].find())
        target = min(self._targets(catalog, shard), key=lambda one: homes[one])
        source = self._primary(shard)
        sharded = {
            one["_id"].partition(".")[2]
            for one in catalog["collections"].find({"_id": {"$regex": f"^{name}\\."}})
        }
        local = [
            one["name"]
            for one in source[name].list_collections(filter={"type": {"$ne": "view"}})
            if one["name"] not in sharded and one["name"] not in ("system.views", "system.profile")
        ]
        with _writes_waiting(source, [f"{name}.{one}" for one in local]):
            _move_primary(source, database, target)

    def _primary(self, shard: str) -> Client:
        host = find_primary(self.shards[shard].electable, self.clients)
        if host is None:
            raise OperationFailure(f"{shard} has no primary now")
        return self.clients[host]


def _move_primary(source: Client, database: Mapping[str, Any], target: str) -> None:
    """Make another shard a database's primary. `source` is the present one's primary member."""
    version = {"databaseVersion": database["version"]} if "version" in database else {}
    source.admin.command(
        "_shardsvrMovePrimary", database["_id"], to=target, writeConcern=_MAJORITY, **version
    )


@contextmanager
def _writes_waiting(source: Client, namespaces: Sequence[str]) -> Iterator[None]:
    """Writes to these collections wait, and those that had begun are over."""
    sections = source["config"].get_collection(_SECTIONS, write_concern=_MAJORITY_CONCERN)
    try:
        for namespace in namespaces:
            section = {"_id": namespace, "reason": _REASON, "blockReads": False}
            sections.update_one({"_id": namespace}, {"$setOnInsert": section}, upsert=True)
            database, _, name = namespace.partition(".")
            # It changes nothing, and waits for whoever writes to the collection.
            source[database].command("collMod", name)
        yield
    finally:
        _let_write(source)


def _let_write(source: Client) -> None:
    """Writes to no collection wait any more; also not because of a crash."""
    sections = source["config"].get_collection(_SECTIONS, write_concern=_MAJORITY_CONCERN)
    for section in list(sections.find({"reason": _REASON})):
        sections.delete_one({"_id": section["_id"]})
