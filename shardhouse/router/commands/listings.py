"""listDatabases, listCollections, listIndexes: what there is, cut down to what the user may see."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.privileges import CLUSTER, Need, Requirement, Resource
from shardhouse.router.catalog.cache import CONFIG, Routing
from shardhouse.router.commands.call import (
    READ_ATTEMPTS,
    Call,
    database_version,
    owners,
)
from shardhouse.router.commands.cursors import opened
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.client import Reply
from shardhouse.router.upstream.encoder import DirectCursorId
from shardhouse.router.wire import raw


async def list_databases(call: Call) -> raw.Document:
    """listDatabases: all shards' databases by name, their sizes summed."""
    if call.db != "admin":
        raise CommandError(13, "listDatabases may only be run against the admin database.")
    may_list = call.privileges.allow(Need(CLUSTER, "listDatabases"))
    only_authorized = bool(call.command.get("authorizedDatabases", bool, not may_list))
    if not only_authorized:
        call.require([Need(CLUSTER, "listDatabases")])
    names_only = bool(call.body.get("nameOnly"))
    command = call.build("listDatabases", 1)
    command.pop("authorizedDatabases", None)
    if not call.router.cluster.shards:
        await call.router.cluster.refresh_shards()
    nodes = [CONFIG, *call.router.cluster.shards]
    replies = await asyncio.gather(
        *(call.run(node, command, attempts=READ_ATTEMPTS) for node in nodes)
    )
    merged = _merged_databases(replies)
    listed = [
        entry
        for name, entry in sorted(merged.items())
        if not only_authorized or call.privileges.any_in_database(name)
    ]
    if names_only:
        return {"databases": [{"name": entry["name"]} for entry in listed]}
    total = sum(int(entry["sizeOnDisk"]) for entry in listed)
    return {
        "databases": listed,
        "totalSize": Int64(total),
        "totalSizeMb": Int64(total // (1 << 20)),
    }


def _merged_databases(replies: list[Reply]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for reply in replies:
        for content in reply.fields["databases"]:
            found = raw.deep(content)
            name = found["name"]
            on_config = reply.shard == CONFIG
            if name == "local" or (name in ("admin", "config")) != on_config:
                continue
            entry = merged.setdefault(
                name, {"name": name, "sizeOnDisk": Int64(0), "empty": True, "shards": {}}
            )
            size = Int64(found.get("sizeOnDisk", 0))
            entry["sizeOnDisk"] = Int64(entry["sizeOnDisk"] + size)
            entry["empty"] = bool(entry["empty"] and found.get("empty", False))
            entry["shards"][reply.shard] = size
    return merged


async def list_collections(call: Call) -> raw.Document:
    """listCollections; with `nameOnly` and `authorizedCollections` what the user has a part in."""
    command = call.build("listCollections", 1)
    namespace = f"{call.db}.$cmd.listCollections"
    all_of_it: list[Requirement] = [Need(Resource(call.db), "listCollections")]
    filtered = not all(call.privileges.allow(need) for need in all_of_it)
    command.pop("authorizedCollections", None)
    if filtered:
        # The filtering happens here, so the whole list is fetched: names only, in one batch.
        command["cursor"] = {"batchSize": 1_000_000}

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            shard, _ = await call.nowhere()
            versions: Mapping[str, Any] = {}
        else:
            shard, versions = routing.database.primary, database_version(routing.database)
        reply = await call.run(shard, {**command, **versions}, attempts=READ_ATTEMPTS)
        if filtered:
            reply.fields["cursor"] = _authorized_only(call, reply.fields["cursor"], namespace)
            return reply.fields
        return opened(call, reply, namespace, DirectCursorId, all_of_it)

    return await call.routed(namespace, attempt)


def _authorized_only(call: Call, cursor: RawBSONDocument, namespace: str) -> dict[str, Any]:
    content = raw.shallow(bytes(cursor.raw))
    kept = [
        found
        for found in content["firstBatch"]
        if call.privileges.any_on_collection(
            Resource(call.db, str(raw.shallow(bytes(found.raw))["name"]))
        )
    ]
    return {"firstBatch": kept, "id": Int64(0), "ns": namespace}


async def list_indexes(call: Call) -> raw.Document:
    """listIndexes, from one shard that holds a part of the collection: all have the same."""
    name = call.command.collection
    command = call.build("listIndexes", name)
    needs: list[Requirement] = [Need(Resource(call.db, name), "listIndexes")]

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            shard, versions = await call.nowhere()
        else:
            shard, versions = owners(routing, routing.database)[0]
        reply = await call.run(shard, {**command, **versions}, attempts=READ_ATTEMPTS)
        return opened(call, reply, routing.namespace, DirectCursorId, needs)

    return await call.routed(f"{call.db}.{name}", attempt)
