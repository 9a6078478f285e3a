"""Chunks: split, merged, moved. The owner cuts and joins; the config servers move.

Fields a shard and a config server expect were tried against 6.0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.catalog.cache import CONFIG, Routing
from shardhouse.router.catalog.chunks import RoutingTable, bound
from shardhouse.router.catalog.targeting import key_of_filter
from shardhouse.router.catalog.values import SortKey
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, at, at_home
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.client import MAJORITY_WRITE
from shardhouse.router.wire import raw

_SELECTORS = ("find", "bounds", "middle")


async def split(call: Call) -> raw.Document:
    """split: a chunk in two, at `middle`, or at the median of the one `find` or `bounds` name."""
    given = [name for name in _SELECTORS if call.body.get(name) is not None]
    if not given:
        raise CommandError(2, "need to specify find/bounds or middle")
    if len(given) > 1:
        raise CommandError(2, "cannot specify more than one of find, bounds and middle")
    return await _on_table(call, lambda table: _split(call, table))


async def _split(call: Call, table: RoutingTable) -> raw.Document:
    chunk = await _selected(call, table)
    middle = call.command.get("middle", RawBSONDocument)
    if middle is None:
        middle = await _median(call, table, chunk)
    if bound(middle) in (bound(chunk["min"]), bound(chunk["max"])):
        raise CommandError(8, "new split key is a boundary key of existing chunk")
    await call.run(
        chunk["shard"],
        {
            "splitChunk": table.collection.namespace,
            "from": chunk["shard"],
            **_identity(table),
            "keyPattern": dict(table.collection.key),
            "min": chunk["min"],
            "max": chunk["max"],
            "splitKeys": [middle],
        },
        db="admin",
    )
    return {}


async def _median(call: Call, table: RoutingTable, chunk: raw.Document) -> Any:
    reply = await call.run(
        chunk["shard"],
        {
            "splitVector": table.collection.namespace,
            "keyPattern": dict(table.collection.key),
            "min": chunk["min"],
            "max": chunk["max"],
            "force": True,
            **at(table, chunk["shard"]),
        },
        db=table.collection.namespace.partition(".")[0],
        attempts=READ_ATTEMPTS,
    )
    keys = reply.fields["splitKeys"]
    if not keys:
        raise CommandError(8, "cannot find median in chunk, possibly empty")
    return keys[0]


async def split_vector(call: Call) -> raw.Document:
    """splitVector, of an unsharded collection: only its shard knows where to cut a sharded one."""
    database, name = call.command.namespace_argument()
    call.command.db = database
    command = call.build("splitVector", f"{database}.{name}")

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            raise CommandError(26, f"database {database} not found")
        if routing.table is not None:
            raise CommandError(20, f"can't do splitVector on sharded {database}.{name}")
        sent = {**command, **at_home(routing.database)}
        return (await call.run(routing.database.primary, sent, attempts=READ_ATTEMPTS)).fields

    return await call.routed(f"{database}.{name}", attempt)


async def merge(call: Call) -> raw.Document:
    """mergeChunks: all chunks of one shard between two bounds become one."""
    bounds = call.command.get("bounds", list)
    if not bounds or len(bounds) != 2 or not all(isinstance(b, RawBSONDocument) for b in bounds):
        raise CommandError(2, "mergeChunks needs bounds: [<min>, <max>]")

    async def merged(table: RoutingTable) -> raw.Document:
        owner = table.owner(bound(bounds[0]))
        await call.run(
            owner,
            {
                "mergeChunks": table.collection.namespace,
                "bounds": bounds,
                **_identity(table),
                "config": call.router.cluster.connection_string(CONFIG),
            },
            db="admin",
        )
        return {}

    return await _on_table(call, merged)


async def move(call: Call) -> raw.Document:
    """moveChunk: the chunk `find` falls into, or with exactly these `bounds`, to another shard."""
    target = call.command.get("to", str)
    if target is None:
        raise CommandError(40414, "BSON field 'moveChunk.to' is missing but required")
    if ("find" in call.body) == ("bounds" in call.body):
        raise CommandError(2, "need to specify query or bounds")

    async def moved(table: RoutingTable) -> raw.Document:
        chunk = await _selected(call, table)
        if not any(s["_id"] == target for s in await call.router.cluster.read_config("shards", {})):
            raise CommandError(70, f"Could not move chunk to '{target}': shard not found")
        command: raw.Document = {
            "_configsvrMoveRange": table.collection.namespace,
            "toShard": target,
            "min": chunk["min"],
            "max": chunk["max"],
            "waitForDelete": bool(
                call.body.get("_waitForDelete") or call.body.get("waitForDelete")
            ),
            "forceJumbo": int(bool(call.body.get("forceJumbo"))),
            "writeConcern": MAJORITY_WRITE,
        }
        throttle = call.body.get("_secondaryThrottle", call.body.get("secondaryThrottle"))
        if throttle is not None:
            command["secondaryThrottle"] = bool(throttle)
        await call.on_config(command)
        return {}

    return await _on_table(call, moved)


async def move_range(call: Call) -> raw.Document:
    """moveRange: from `min` (and to `max`), to the shard named.

    Without `min`, or with a bound that is no shard key, 6.0.27's config servers die.
    """
    bounds = {name: call.command.get(name, RawBSONDocument) for name in ("min", "max")}
    if bounds["min"] is None:
        raise CommandError(40414, "BSON field 'moveRange.min' is missing but required")

    async def moved(table: RoutingTable) -> raw.Document:
        for name, key in bounds.items():
            if key is not None:
                _check_key(table, name, key)
        command = call.build("_configsvrMoveRange", table.collection.namespace)
        return await call.on_config({**command, "writeConcern": MAJORITY_WRITE})

    return await _on_table(call, moved)


async def clear_jumbo(call: Call) -> raw.Document:
    """clearJumboFlag: of the chunk `find` falls into, or with exactly these `bounds`."""
    if ("find" in call.body) == ("bounds" in call.body):
        raise CommandError(9, "need to specify either find or bounds")

    async def cleared(table: RoutingTable) -> raw.Document:
        chunk = await _selected(call, table)
        command = {
            "_configsvrClearJumboFlag": table.collection.namespace,
            "epoch": table.collection.epoch,
            "minKey": chunk["min"],
            "maxKey": chunk["max"],
            "writeConcern": MAJORITY_WRITE,
        }
        return await call.on_config(command, attempts=READ_ATTEMPTS)

    return await _on_table(call, cleared)


async def _on_table(call: Call, work: Callable[[RoutingTable], Any]) -> raw.Document:
    """Do it with the newest table, then forget it; NamespaceNotSharded (118) if there is none."""
    namespace = ".".join(call.command.namespace_argument())
    call.router.catalog.forget_collection(namespace)

    async def attempt(routing: Routing) -> raw.Document:
        if routing.table is None:
            raise CommandError(118, f"Expected collection {namespace} to be sharded")
        reply: raw.Document = await work(routing.table)
        return reply

    reply = await call.routed(namespace, attempt)
    call.router.catalog.forget_collection(namespace)
    return reply


async def _selected(call: Call, table: RoutingTable) -> raw.Document:
    """The chunk's document (`min`, `max`, `shard`) which the command's fields choose."""
    documents = await call.router.cluster.read_config(
        "chunks", {"uuid": table.collection.uuid}, {"min": 1}
    )
    bounds = call.command.get("bounds", list)
    if bounds is not None:
        if len(bounds) != 2 or not all(isinstance(b, RawBSONDocument) for b in bounds):
            raise CommandError(2, "bounds are [<min>, <max>]")
        low, high = (bound(one) for one in bounds)
        for document in documents:
            if bound(document["min"]) == low and bound(document["max"]) == high:
                return document
        raise CommandError(2, "no chunk found with exactly these bounds")
    return _containing(documents, _point(call, table))


def _point(call: Call, table: RoutingTable) -> SortKey:
    middle = call.command.get("middle", RawBSONDocument)
    if middle is not None:
        _check_key(table, "middle", middle)
        return bound(middle)
    key = key_of_filter(table, call.command.document("find"))
    if key is None:
        raise CommandError(61, "no shard key found in chunk query")
    return key


def _check_key(table: RoutingTable, name: str, key: RawBSONDocument) -> None:
    """Refuse a document that has other fields than a shard key."""
    if [name for _, name, _, _ in raw.elements(bytes(key.raw))] != list(table.collection.key):
        raise CommandError(2, f"{name} must be a key {dict(table.collection.key)}")


def _containing(documents: Sequence[raw.Document], point: SortKey) -> raw.Document:
    # Chunks have no gaps, so the last one that begins at or before the point holds it.
    return [document for document in documents if bound(document["min"]) <= point][-1]


def _identity(table: RoutingTable) -> dict[str, Any]:
    return {"epoch": table.collection.epoch, "timestamp": table.collection.timestamp}
