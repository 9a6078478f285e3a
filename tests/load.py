"""Clients that go on working while an instance is changed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient, WriteConcern
from pymongo.errors import PyMongoError

from tests.installation import until, uri


@contextmanager
def load(
    instance: dict[str, Any],
    database: str = "shop",
    collection: str = "orders",
    first: int | None = None,
    *,
    cut_off: bool = False,
    **options: Any,
) -> Iterator[list[int]]:
    """A writer and a reader with a driver's default retries, and with these `options`. They connect
    once, before anything is changed. At the end neither has seen an error, and whatever was
    acknowledged is there. Where the change cuts such clients off, they work until their first
    error, and what they wrote is to be looked for by others."""
    acknowledged: list[int] = []
    problems: list[BaseException] = []
    done = threading.Event()
    if cut_off:  # it notices soon that there is nobody left
        options["serverSelectionTimeoutMS"] = 2000
    with MongoClient(uri(instance), **options) as client:
        orders = client[database].get_collection(collection, write_concern=WriteConcern("majority"))
        number = orders.count_documents({}) if first is None else first

        def write() -> None:
            nonlocal number
            while not done.is_set():
                orders.insert_one({"_id": number})
                acknowledged.append(number)
                number += 1

        def read() -> None:
            while not done.wait(0.01):
                orders.find_one({"_id": 0})

        def watched(work: Any) -> None:
            try:
                work()
            except PyMongoError as error:
                problems.append(error)

        threads = [threading.Thread(target=watched, args=(work,)) for work in (write, read)]
        for thread in threads:
            thread.start()
        try:
            until("the first writes", lambda: len(acknowledged) > 10 or problems)
            yield acknowledged
        finally:
            done.set()
            for thread in threads:
                thread.join()
        if cut_off:
            return
        assert not problems, problems
        assert set(acknowledged) <= {document["_id"] for document in orders.find()}
