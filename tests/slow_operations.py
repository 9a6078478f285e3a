"""Operations of clients that run until they are ended, for tests of what ends them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.errors import OperationFailure

from tests.installation import Installation, addresses, uri

Collection = Any
#: Sleeps at each document: the operation would take minutes.
SLEEPS = {"$where": "sleep(500); return true"}
DOCUMENTS = 400
MEMBERS = 3
"""Of each replica set: all have the documents, so that reads from secondaries take as long."""
INTERRUPTED = 11601


@contextmanager
def collection(uri: str, name: str, *, sharded: bool) -> Iterator[Collection]:
    """A collection of `shop` with documents, on all shards of a cluster; it is gone afterwards."""
    with MongoClient(uri) as client:
        found = client["shop"][name]
        if sharded:
            client.admin.command("enableSharding", "shop")
            client.admin.command("shardCollection", found.full_name, key={"_id": "hashed"})
        everywhere = found.with_options(write_concern=WriteConcern(w=MEMBERS))
        everywhere.insert_many([{"_id": number, "k": number} for number in range(DOCUMENTS)])
        try:
            yield found
        finally:
            client.drop_database("shop")


@contextmanager
def running(*works: Callable[[], Any]) -> Iterator[list[Future[Any]]]:
    """Have these run, each in a thread of its own; they must end before this does."""
    with ThreadPoolExecutor(len(works)) as pool:
        yield [pool.submit(work) for work in works]


def find(one: Collection, **options: Any) -> Callable[[], Any]:
    """Reads all documents."""
    return lambda: list(one.find(SLEEPS, **options))


def update(one: Collection) -> Callable[[], Any]:
    """Changes all documents."""
    return lambda: one.update_many(SLEEPS, {"$set": {"x": 1}})


def was_ended(work: Future[Any]) -> bool:
    """Whether it ended because somebody wanted that; False while it runs. AssertionError for any
    other end."""
    if not work.done():
        return False
    error = work.exception()
    assert isinstance(error, OperationFailure), error
    assert error.code == INTERRUPTED, error
    return True


@contextmanager
def all_is_slow(installation: Installation, made: dict[str, Any]) -> Iterator[None]:
    """Every operation is logged as a slow one meanwhile."""
    with MongoClient(uri(made)) as client:
        found = list(client["config"]["shards"].find()) if made["mode"] == "Sharding" else []
    listed = [host for one in found for host in one["host"].partition("/")[2].split(",")]
    holding = listed or addresses(made)
    with installation.system(made) as clients:
        for host in holding:
            clients[host].admin.command("profile", 0, slowms=-1)
        try:
            yield
        finally:
            for host in holding:
                clients[host].admin.command("profile", 0, slowms=100)
