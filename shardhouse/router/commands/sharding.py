"""Databases and collections become sharded."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.catalog.cache import Routing
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, database_version
from shardhouse.router.errors import CommandError, wrong_type
from shardhouse.router.upstream.client import MAJORITY_WRITE
from shardhouse.router.wire import raw


async def enable_sharding(call: Call) -> raw.Document:
    """enableSharding: makes the database, on a chosen primary shard if one is named."""
    name = call.command.value
    if not isinstance(name, str):
        raise wrong_type("enableSharding.enableSharding", "string")
    if name in ("admin", "config", "local"):
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
