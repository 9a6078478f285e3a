"""The definition of `normal`: a majority write and a read succeed through the instance's URI."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shardhouse.mongo.administrator import ADMINISTRATOR
from shardhouse.mongo.wait import Deadline

DATABASE = "shardhouse_probe"
"""Scratch database; exists only while a probe runs."""
MASK = "****"


def uri(
    hosts: Sequence[str],
    *,
    password: str | None = None,
    user: str = ADMINISTRATOR,
    replica_set: str | None = None,
    authority: Path | None = None,
) -> str:
    """The instance's connection string. `hosts` are routers, or the visible members of
    `replica_set`; `authority` is the CA file's place where TLS is required. Without a password it
    is masked by `****`."""
    secret = MASK if password is None else quote(password, safe="")
    options = {"authSource": "admin"}
    if replica_set:
        options["replicaSet"] = replica_set
    if authority:
        options |= {"tls": "true", "tlsCAFile": str(authority)}
    query = urlencode(options, safe="/", quote_via=quote)
    return f"mongodb://{quote(user, safe='')}:{secret}@{','.join(hosts)}/?{query}"


def probe(address: str, deadline: Deadline) -> None:
    """Write with `w: majority` and read it back through the connection string `address`, then drop
    what was written. MongoError says why it did not succeed before the deadline."""

    def attempt() -> bool | None:
        patience = max(1, int(min(5.0, deadline.left) * 1000))
        client: MongoClient[dict[str, str]] = MongoClient(
            address, serverSelectionTimeoutMS=patience, timeoutMS=max(1, int(deadline.left * 1000))
        )
        with client:
            database = client.get_database(
                DATABASE,
                write_concern=WriteConcern("majority"),
                read_concern=ReadConcern("majority"),
            )
            mark = {"_id": secrets.token_hex(8)}
            database["probe"].insert_one(mark)
            read = database["probe"].find_one(mark)
            client.drop_database(DATABASE)
        return read == mark or None

    deadline.until("a majority write and read through the instance's URI", attempt)
