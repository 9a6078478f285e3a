"""The name of a replica set: MongoDB has no command that changes it.

The name stands in each member's stored configuration and on its command line. A member is written
the configuration under the new name, and works with it when it is started anew under that name; one
that is started under another name than its configuration has waits, and does nothing.
"""

from pymongo.errors import PyMongoError

from shardhouse.mongo.admin import Client, Clients
from shardhouse.mongo.wait import Deadline


def current(host: str, clients: Clients) -> str:
    """The name a member works under; empty where it does not work, or does not answer."""
    try:
        return str(clients[host].admin.command("hello").get("setName", ""))
    except PyMongoError:
        return ""


def write(host: str, name: str, clients: Clients, deadline: Deadline) -> None:
    """A member's stored configuration has this name, on its disk. The member must be started anew
    before its set makes another configuration: it would be stored under the old name."""
    deadline.until(f"{host} to store the name {name}", lambda: _write(clients[host], name))


def _write(client: Client, name: str) -> bool | None:
    stored = client.local["system.replset"]
    documents = {document["_id"]: document for document in stored.find()}
    if not documents:
        return None
    if name not in documents:
        stored.insert_one(next(iter(documents.values())) | {"_id": name})
    stored.delete_many({"_id": {"$ne": name}})
    # A member of a set acknowledges what is not replicated before it is on the disk.
    client.admin.command("fsync")
    return True
