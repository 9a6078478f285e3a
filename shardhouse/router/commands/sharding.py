"""Sharding administration: shards, sharded databases and collections, chunks, the balancer."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.catalog.cache import Routing
from shardhouse.router.catalog.chunks import bound
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, database_version
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.client import MAJORITY_WRITE
from shardhouse.router.wire import raw


async def enable_sharding(call: Call) -> raw.Document:
    """enableSharding: makes the database, on a chosen primary shard if one is named."""
    name = call.command.value
    if not isinstance(name, str) or name in ("admin", "config", "local"):
        raise CommandError(72, f"can't shard '{name}' database")
    options: dict[str, Any] = {"enableSharding": True}
    primary = call.command.get("primaryShard", str)
    if primary is not None:
        options["primaryShardId"] = primary
    await call.create_database(name, **options)
    return {}


async def shard_collection(call: Call) -> raw.Document:
    """shardCollection: ranged or hashed, as the key says."""
    database, name = call.command.namespace_argument()
    key = call.command.get("key", RawBSONDocument)
    if key is None:
        raise CommandError(40414, "BSON field 'shardCollection.key' is missing but required")
    call.command.db = database
    command: raw.Document = {
        "_shardsvrCreateCollection": name,
        "shardKey": key,
        "writeConcern": MAJORITY_WRITE,
    }
    for field in ("unique", "numInitialChunks", "presplitHashedZones", "collation", "timeseries"):
        if field in call.body:
            command[field] = call.body[field]
    await call.database(create=True)
    namespace = f"{database}.{name}"

    async def attempt(routing: Routing) -> raw.Document:
        home = routing.database or await call.database(create=True)
        sent = {**command, **database_version(home)}
        return (await call.run(home.primary, sent, attempts=READ_ATTEMPTS)).fields

    await call.routed(namespace, attempt)
    call.router.catalog.forget_collection(namespace)
    return {"collectionsharded": namespace}


async def add_shard(call: Call) -> raw.Document:
    """addShard."""
    command = call.build("_configsvrAddShard", call.command.value)
    command["writeConcern"] = MAJORITY_WRITE
    reply = await call.on_config(command, attempts=READ_ATTEMPTS)
    await call.router.cluster.refresh_shards()
    return reply


async def remove_shard(call: Call) -> raw.Document:
    """removeShard: starts, reports on, and ends the draining of a shard."""
    command = call.build("_configsvrRemoveShard", call.command.value)
    command["writeConcern"] = MAJORITY_WRITE
    return await call.on_config(command, attempts=READ_ATTEMPTS)


async def list_shards(call: Call) -> raw.Document:
    """listShards."""
    return {"shards": list(await call.router.cluster.read_config("shards", {}))}


async def shard_map(call: Call) -> raw.Document:
    """getShardMap."""
    return await call.on_config({"getShardMap": 1}, attempts=READ_ATTEMPTS)


async def flush(call: Call) -> raw.Document:
    """flushRouterConfig: read all routing anew."""
    call.router.catalog.forget_all()
    return {"flushed": True}


async def move_range(call: Call) -> raw.Document:
    """moveRange: from `min` (and to `max`), to the shard named."""
    database, name = call.command.namespace_argument()
    command = call.build("_configsvrMoveRange", f"{database}.{name}")
    command["writeConcern"] = MAJORITY_WRITE
    reply = await call.on_config(command)
    call.router.catalog.forget_collection(f"{database}.{name}")
    return reply


async def split(call: Call) -> raw.Document:
    """split at a given point (`middle`); other forms are refused for now."""
    database, name = call.command.namespace_argument()
    middle = call.command.get("middle", RawBSONDocument)
    if middle is None:
        raise CommandError(115, "this router splits chunks at a given 'middle' only, for now")
    namespace = f"{database}.{name}"

    async def attempt(routing: Routing) -> raw.Document:
        table = routing.table
        if table is None:
            raise CommandError(118, f"Expected collection {namespace} to be sharded")
        documents = await call.router.cluster.read_config(
            "chunks", {"uuid": table.collection.uuid}, {"min": 1}
        )
        point = bound(middle)
        chunk = next(d for d in documents if bound(d["min"]) <= point < bound(d["max"]))
        command = {
            "splitChunk": namespace,
            "from": chunk["shard"],
            "keyPattern": dict(table.collection.key),
            "epoch": table.collection.epoch,
            "timestamp": table.collection.timestamp,
            "min": chunk["min"],
            "max": chunk["max"],
            "splitKeys": [middle],
        }
        await call.run(chunk["shard"], command, db="admin")
        return {}

    reply = await call.routed(namespace, attempt)
    call.router.catalog.forget_collection(namespace)
    return reply


async def balancer_start(call: Call) -> raw.Document:
    """balancerStart."""
    return await call.on_config({"_configsvrBalancerStart": 1}, attempts=READ_ATTEMPTS)


async def balancer_stop(call: Call) -> raw.Document:
    """balancerStop; returns when the round under way has ended."""
    return await call.on_config({"_configsvrBalancerStop": 1}, attempts=READ_ATTEMPTS)


async def balancer_status(call: Call) -> raw.Document:
    """balancerStatus."""
    return await call.on_config({"_configsvrBalancerStatus": 1}, attempts=READ_ATTEMPTS)
