"""What may leak, counted: cursors, transactions, connections, files of router and shards."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import MongoClient

from tests.router.cluster import TestCluster, until

CONNECTIONS_KEPT = 100
"""Connections that pools of router and shards may keep beyond what they had: they have limits."""

_TEMPORARY = re.compile(r"tmp\..*[0-9a-f-]{36}|system\.resharding\.")
"""Names that servers give; fuzzers like to call collections of their own almost so."""

_LENIENT: CodecOptions = CodecOptions(unicode_decode_error_handler="replace")


def take(cluster: TestCluster, root: MongoClient) -> dict[str, int]:
    """All counts by name. What pools may keep is called so, the rest has to go back."""
    status = root.admin.command("serverStatus")
    counts = {
        "router pid": status["pid"],
        "router cursors": status["metrics"]["cursor"]["open"]["total"],
        "router transactions": status["transactions"]["currentOpen"],
        "router clients": status["connections"]["current"],
        "router busy upstream": sum(pool["inUse"] for pool in status["upstream"].values()),
        "router tasks": status["extra_info"]["tasks"],
        "router files kept": len(os.listdir(f"/proc/{cluster.router.process.pid}/fd")),
    }
    for node in (cluster.config, *cluster.shards):
        with node.client() as client:
            counts |= {f"{node.name} {name}": n for name, n in _of_node(node, client).items()}
    return counts


def _of_node(node: Any, client: MongoClient) -> dict[str, int]:
    status = client.admin.command("serverStatus")
    return {
        "pid": status["pid"],
        "cursors": status["metrics"]["cursor"]["open"]["total"],
        "endless cursors": status["metrics"]["cursor"]["open"]["noTimeout"],
        "transactions": status["transactions"]["currentOpen"],
        "prepared transactions": status["transactions"]["currentPrepared"],
        "connections kept": status["connections"]["current"],
        # Its other files are those of the collections that fuzzers leave behind.
        "sockets kept": _sockets(node.process.pid),
    } | {
        f"temporary {database}.{name}": 1
        for database in client.list_database_names()
        for name in _names(client, database)
        if _TEMPORARY.match(name)
    }


def _sockets(pid: int) -> int:
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += os.readlink(descriptor).startswith("socket:")
    return found


def _names(client: MongoClient, database: str) -> list[str]:
    """Of all collections, names that are no UTF-8 included: fuzzers create such."""
    read = {"nameOnly": True, "cursor": {"batchSize": 100_000}, "codec_options": _LENIENT}
    reply = client[database].command("listCollections", **read)
    return [one["name"] for one in reply["cursor"]["firstBatch"]]


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Counts that did not return to what they were."""
    return {
        name: (was, now)
        for name, now in after.items()
        for was in [before.get(name, 0)]
        if (now != was if name.endswith("pid") else now > was + _kept(name))
    }


def _kept(name: str) -> int:
    return CONNECTIONS_KEPT if name.endswith("kept") else 0


def returns_to(
    before: Mapping[str, int], cluster: TestCluster, root: MongoClient, seconds: float = 90
) -> None:
    """Fails unless everything comes back to what it was before.

    Cursors nobody ended are the router's to end: it is told to be quick about it, the shards
    (which would in ten minutes) are not.
    """
    root.admin.command("setParameter", 1, cursorTimeoutMillis=1)
    found: dict[str, tuple[int, int]] = {}

    def returned() -> bool:
        nonlocal found
        found = difference(before, take(cluster, root))
        return not found

    try:
        until("everything to be released", returned, seconds)
    except AssertionError:
        raise AssertionError(f"left behind, (before, after): {found}") from None
    finally:
        root.admin.command("setParameter", 1, cursorTimeoutMillis=600_000)
