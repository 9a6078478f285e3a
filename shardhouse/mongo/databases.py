"""The databases of users: which there are, and how large they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pymongo.errors import PyMongoError

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, accepts
from shardhouse.mongo.replica_set import find_primary

OF_MONGODB = frozenset({"admin", "config", "local"})
SYSTEM = "system."


@dataclass(frozen=True)
class Database:
    """A database: bytes of its documents, bytes of the files that hold them, its collections."""

    name: str
    data: int
    storage: int
    collections: frozenset[str]


def of_set(hosts: Sequence[str], clients: Clients) -> list[Database]:
    """The databases of a replica set as its primary has them, or any member while there is none.
    MongoError if no member answers; PyMongo's errors pass through."""
    host = find_primary(hosts, clients) or next(filter(accepts, hosts), None)
    if host is None:
        raise MongoError(f"None of {', '.join(hosts)} accepts connections.")
    client = clients[host]
    found = []
    for name in client.list_database_names():
        if name in OF_MONGODB:
            continue
        sizes = client[name].command("dbStats")
        collections = [
            item["name"]
            for item in client[name].list_collections()
            if item["type"] != "view" and not item["name"].startswith(SYSTEM)
        ]
        found.append(
            Database(
                name, int(sizes["dataSize"]), int(sizes["storageSize"]), frozenset(collections)
            )
        )
    return found


def merged(parts: Iterable[Database]) -> list[Database]:
    """One entry per database by name: the parts that lie on several shards, together."""
    whole: dict[str, Database] = {}
    for part in parts:
        other = whole.get(part.name, Database(part.name, 0, 0, frozenset()))
        whole[part.name] = Database(
            part.name,
            other.data + part.data,
            other.storage + part.storage,
            other.collections | part.collections,
        )
    return [whole[name] for name in sorted(whole)]


def namespaces(client: Client) -> tuple[set[str], set[str]]:
    """The collections of users that a member has, and their views, time series among them; what is
    temporary is left out. MongoError if the member does not answer."""
    collections: set[str] = set()
    views: set[str] = set()
    try:
        for database in client.list_database_names():
            if database in OF_MONGODB:
                continue
            for item in client[database].list_collections():
                if not item["name"].startswith(SYSTEM) and not item["options"].get("temp"):
                    found = collections if item["type"] == "collection" else views
                    found.add(f"{database}.{item['name']}")
    except PyMongoError as error:
        raise MongoError(f"The member does not list its collections: {error}") from error
    return collections, views
