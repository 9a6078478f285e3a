"""The shards of a cluster: added and listed directly on its config servers, without a router."""

from collections.abc import Sequence
from typing import Any

from pymongo import WriteConcern
from pymongo.read_concern import ReadConcern

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Clients, majority
from shardhouse.mongo.replica_set import SetPlan, find_primary
from shardhouse.mongo.wait import Deadline


def add_shards(
    config_hosts: Sequence[str], shards: Sequence[SetPlan], clients: Clients, deadline: Deadline
) -> None:
    """Add the replica sets `shards`, each under its own name, where they are not shards yet.

    MongoError if a name is taken by other hosts, or a shard was not accepted by the deadline.
    """
    present = list_shards(config_hosts, clients, deadline)
    for shard in shards:
        found = present.get(shard.name)
        if found is None:
            _add(config_hosts, shard, clients, deadline)
        elif not set(found) & set(shard.hosts):
            raise MongoError(
                f"Shard {shard.name} of this cluster is at {', '.join(found)}, and should be at "
                f"{', '.join(shard.hosts)}. Remove that shard, or use another name."
            )


def list_shards(
    config_hosts: Sequence[str], clients: Clients, deadline: Deadline
) -> dict[str, tuple[str, ...]]:
    """Name and hosts of each shard, as the config servers' majority knows them."""

    def read() -> list[dict[str, Any]] | None:
        primary = find_primary(config_hosts, clients)
        if primary is None:
            return None
        database = clients[primary].get_database("config", read_concern=ReadConcern("majority"))
        return list(database["shards"].find())

    documents = deadline.until("the list of shards", read)
    return {doc["_id"]: tuple(doc["host"].partition("/")[2].split(",")) for doc in documents}


def readdress(
    config_hosts: Sequence[str],
    shard: str,
    old: str,
    new: str,
    clients: Clients,
    deadline: Deadline,
) -> None:
    """Have the list of shards name a shard's member by its host `new`, where it names it `old`. A
    mongos would do that when it sees the set change; our router writes no such thing."""

    def readdressed() -> bool | None:
        primary = find_primary(config_hosts, clients)
        if primary is None:
            return None
        shards = clients[primary].get_database("config", write_concern=WriteConcern("majority"))[
            "shards"
        ]
        document = shards.find_one({"_id": shard}) or {"host": ""}
        name, _, hosts = document["host"].partition("/")
        renamed = ",".join(new if host == old else host for host in hosts.split(","))
        shards.update_one(
            {"_id": shard, "host": document["host"]}, {"$set": {"host": f"{name}/{renamed}"}}
        )
        return True

    deadline.until(f"the list of shards to have {new}", readdressed)


def _add(config_hosts: Sequence[str], shard: SetPlan, clients: Clients, deadline: Deadline) -> None:
    def add() -> bool | None:
        primary = find_primary(config_hosts, clients)
        if primary is None:
            return None
        seeds = shard.connection_string
        majority(clients[primary], "_configsvrAddShard", seeds, name=shard.name)
        return True

    deadline.until(f"shard {shard.name} to be accepted", add)
