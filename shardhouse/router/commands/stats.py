"""dbStats, collStats, dataSize: every shard's numbers, put together as a mongos does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from bson import Int64

from shardhouse.router.catalog.cache import CONFIG, Routing
from shardhouse.router.command import check_database
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, database_version, owners
from shardhouse.router.commands.relay import to_owners
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.client import Reply
from shardhouse.router.wire import raw

_DATABASE_SUMS = (
    "collections", "views", "objects", "dataSize", "storageSize", "freeStorageSize", "indexes",
    "indexSize", "indexFreeStorageSize", "totalSize", "totalFreeStorageSize", "fsUsedSize",
    "fsTotalSize",
)  # fmt: skip
_COLLECTION_SUMS = (
    "count", "size", "numOrphanDocs", "storageSize", "freeStorageSize", "totalIndexSize",
    "totalSize",
)  # fmt: skip

_TIME_SERIES_AVERAGES = {
    "avgBucketSize": "bucketCount",
    "avgNumMeasurementsPerCommit": "numCommits",
}
"""Each with the number it was divided by."""


async def database(call: Call) -> raw.Document:
    """dbStats."""
    command = call.build("dbStats", 1)
    call.router.catalog.forget_database(call.db)
    shards = [CONFIG] if call.db in ("admin", "config") else call.router.cluster.shards

    async def attempt(routing: Routing) -> list[Reply]:
        known = routing.database
        versions = database_version(known) if known else {}
        return await asyncio.gather(
            *(
                call.run(
                    shard,
                    {**command, **(versions if known and shard == known.primary else {})},
                    attempts=READ_ATTEMPTS,
                )
                for shard in shards
            )
        )

    replies = await call.routed(f"{call.db}.$cmd", attempt)
    each = [(reply.shard, raw.deep(reply.fields)) for reply in replies]
    sums = _summed([one for _, one in each], _DATABASE_SUMS)
    scale = next((one.get("scaleFactor", 1) for _, one in each), 1)
    objects = sums["objects"]
    return {
        "raw": {call.router.cluster.connection_string(name): one for name, one in each},
        "db": call.db,
        **sums,
        "avgObjSize": sums["dataSize"] * scale / objects if objects else 0.0,
        "scaleFactor": scale,
    }


async def collection(call: Call) -> raw.Document:
    """collStats."""
    command = call.build("collStats", call.command.collection)

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            raise CommandError(26, f"Database {call.db} does not exist")
        targets = owners(routing, routing.database)
        name = call.command.collection
        if routing.buckets is not None:
            targets = owners(
                Routing(routing.namespace, routing.database, routing.buckets, None),
                routing.database,
            )
            name = f"system.buckets.{name}"
        replies = await asyncio.gather(
            *(
                call.run(shard, {**command, "collStats": name, **versions}, attempts=READ_ATTEMPTS)
                for shard, versions in targets
            )
        )
        return _merged_collection(routing, replies)

    return await call.routed(call.command.namespace, attempt)


def _merged_collection(routing: Routing, replies: Sequence[Reply]) -> raw.Document:
    each = {reply.shard: raw.deep(reply.fields) for reply in replies}
    first = next(iter(each.values()))
    table = routing.table or routing.buckets
    sums = _summed(each.values(), _COLLECTION_SUMS)
    bytes_held = sum(one.get("avgObjSize", 0) * one.get("count", 0) for one in each.values())
    indexes: dict[str, int] = {}
    for one in each.values():
        for name, size in one.get("indexSizes", {}).items():
            indexes[name] = indexes.get(name, 0) + size
    merged: raw.Document = {"sharded": table is not None, "capped": first.get("capped", False)}
    if "wiredTiger" in first:
        merged["wiredTiger"] = first["wiredTiger"]
    if "timeseries" in first:
        merged["timeseries"] = _merged_time_series([one["timeseries"] for one in each.values()])
    merged |= {
        "ns": routing.namespace,
        **sums,
        "indexSizes": indexes,
        "avgObjSize": bytes_held / sums["count"] if sums.get("count") else 0.0,
        "maxSize": max(one.get("maxSize", 0) for one in each.values()),
        "nindexes": max(one.get("nindexes", 0) for one in each.values()),
        "scaleFactor": first.get("scaleFactor", 1),
        "nchunks": len(table.chunks) if table else 1,
        "shards": each,
    }
    if routing.database is not None and table is None:
        merged["primary"] = routing.database.primary
    return merged


def _merged_time_series(each: Sequence[raw.Document]) -> raw.Document:
    """What the shards count of a time series, summed; averages are those of all of it."""
    merged = {"bucketsNs": each[0]["bucketsNs"], **_summed(each, _numbers(each))}
    for average, number in _TIME_SERIES_AVERAGES.items():
        if number in merged:
            total = sum(one.get(average, 0) * one.get(number, 0) for one in each)
            merged[average] = total // merged[number] if merged[number] else 0
    return merged


def _numbers(documents: Iterable[raw.Document]) -> Iterable[str]:
    return dict.fromkeys(
        name for one in documents for name, value in one.items() if isinstance(value, int)
    )


async def data_size(call: Call) -> raw.Document:
    """dataSize, of a whole namespace given by name."""
    name, collection_name = call.command.namespace_argument()
    check_database(name)
    command = call.build("dataSize", f"{name}.{collection_name}")
    call.command.db = name
    call.command.body = {"dataSize": collection_name, **dict(list(call.body.items())[1:])}
    replies = await to_owners(call, command)
    each = [raw.deep(reply.fields) for reply in replies]
    sums = _summed(each, ("size", "numObjects"))
    return {
        "estimate": any(one.get("estimate") for one in each),
        "size": Int64(sums["size"]),
        "numObjects": Int64(sums["numObjects"]),
        "millis": Int64(sum(one.get("millis", 0) for one in each)),
    }


def _summed(documents: Iterable[raw.Document], names: Iterable[str]) -> dict[str, Any]:
    """Sums of the fields at least one document has."""
    listed = list(documents)
    return {
        name: sum(one.get(name, 0) for one in listed)
        for name in names
        if any(name in one for one in listed) or not listed
    }
