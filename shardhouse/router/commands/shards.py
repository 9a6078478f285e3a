"""Shards: added, drained and removed, listed; what the router itself knows of routing."""

from __future__ import annotations

from collections.abc import Mapping

from bson import Timestamp

from shardhouse.router.catalog.cache import CONFIG
from shardhouse.router.commands.call import READ_ATTEMPTS, Call
from shardhouse.router.commands.relay import by_connection_string, everywhere, to_config
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw


async def add(call: Call) -> raw.Document:
    """addShard."""
    reply = await to_config("_configsvrAddShard")(call)
    await call.router.cluster.refresh_shards()
    return reply


async def remove(call: Call) -> raw.Document:
    """removeShard: starts, reports on, and ends the draining of a shard."""
    reply = await to_config("_configsvrRemoveShard")(call)
    if reply.get("state") == "completed":
        call.router.catalog.forget_all()
        await call.router.cluster.refresh_shards()
    return reply


async def listed(call: Call) -> raw.Document:
    """listShards."""
    return {"shards": list(await call.router.cluster.read_config("shards", {}))}


async def shard_map(call: Call) -> raw.Document:
    """getShardMap."""
    return await call.on_config({"getShardMap": 1}, attempts=READ_ATTEMPTS)


async def flush(call: Call) -> raw.Document:
    """flushRouterConfig: read routing anew, of all, of one database or of one collection."""
    value = call.command.value
    if not isinstance(value, str):
        call.router.catalog.forget_all()
    elif "." in value:
        call.router.catalog.forget_collection(value)
    else:
        call.router.catalog.forget_database(value)
    return {"flushed": True}


async def netstat(call: Call) -> raw.Document:
    """netstat: where the config servers are."""
    return {"configserver": call.router.cluster.connection_string(CONFIG), "isdbgrid": 1}


async def append_note(call: Call) -> raw.Document:
    """appendOplogNote, on every shard."""
    if call.command.get("data", Mapping) is None:
        raise CommandError(40414, "BSON field 'appendOplogNote.data' is missing but required")
    command = call.build("appendOplogNote", 1)
    replies = await everywhere(call, command)
    return {"raw": by_connection_string(call, replies)}


async def validate_metadata(call: Call) -> raw.Document:
    """validateDBMetadata: what on any shard a version of the stable API would not accept."""
    if call.command.get("apiParameters", Mapping) is None:
        raise CommandError(
            40414, "BSON field 'validateDBMetadata.apiParameters' is missing but required"
        )
    replies = await everywhere(call, call.build("validateDBMetadata", 1))
    lists = [reply.fields.get("apiVersionErrors", ()) for reply in replies]
    return {"apiVersionErrors": [error for listed in lists for error in listed]}


async def version(call: Call) -> raw.Document:
    """getShardVersion: the newest version the router knows of a sharded collection."""
    namespace = ".".join(call.command.namespace_argument())
    table = (await call.router.catalog.routing(namespace)).table
    if table is None:
        raise CommandError(118, f"Collection {namespace} is not sharded.")
    newest: Timestamp = table.newest
    return {
        "version": newest,
        "versionEpoch": table.collection.epoch,
        "versionTimestamp": table.collection.timestamp,
    }


async def fsync(call: Call) -> raw.Document:
    """fsync on every shard; a lock would have to hold on all of them at once, and is refused."""
    if call.body.get("lock"):
        raise CommandError(115, "can't do lock through mongos")
    replies = await everywhere(call, {"fsync": 1})
    return {"numFiles": 1, "all": {reply.shard: reply.fields for reply in replies}}
