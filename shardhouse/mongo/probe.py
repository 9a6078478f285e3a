"""The definition of `normal`: a majority write and a read succeed through the instance's URI."""

import secrets

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shardhouse.mongo.wait import Deadline

DATABASE = "shardhouse_probe"
"""Scratch database; exists only while a probe runs."""


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
