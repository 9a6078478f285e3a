"""What the router says of itself and of the cluster: build, status, connections, statistics."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bson import Int64

from shardhouse.router import MONGODB_VERSION
from shardhouse.router.catalog.cache import CONFIG, Routing
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, database_version, owners
from shardhouse.router.errors import CommandError, bad_value
from shardhouse.router.statistics import resident_bytes
from shardhouse.router.wire import raw

_PARAMETERS: Mapping[str, Any] = {
    "authenticationMechanisms": ["SCRAM-SHA-1", "SCRAM-SHA-256"],
    "enableTestCommands": False,
    "logLevel": 0,
    "quiet": False,
    "requireApiVersion": False,
    "scramIterationCount": 10000,
    "scramSHA256IterationCount": 15000,
    "userCacheInvalidationIntervalSecs": 1,
    "cursorTimeoutMillis": Int64(600_000),
}

_DATABASE_SUMS = (
    "collections", "views", "objects", "dataSize", "storageSize", "indexes", "indexSize",
    "totalSize",
)  # fmt: skip
_COLLECTION_SUMS = (
    "count", "size", "storageSize", "totalIndexSize", "totalSize", "numOrphanDocs",
)  # fmt: skip


async def ping(call: Call) -> raw.Document:
    """ping: this process is alive."""
    return {}


async def is_dbgrid(call: Call) -> raw.Document:
    """isdbgrid."""
    return {"isdbgrid": 1, "hostname": socket.gethostname()}


async def build_info(call: Call) -> raw.Document:
    """buildInfo, as the cluster's own nodes give it."""
    return await call.on_config({"buildInfo": 1}, attempts=READ_ATTEMPTS)


async def whats_my_uri(call: Call) -> raw.Document:
    """whatsmyuri."""
    return {"you": call.session.peer}


async def connection_status(call: Call) -> raw.Document:
    """connectionStatus."""
    user = call.user
    info: dict[str, Any] = {
        "authenticatedUsers": [{"user": user.name, "db": user.database}] if user else [],
        "authenticatedUserRoles": list(user.roles) if user else [],
    }
    if call.body.get("showPrivileges"):
        info["authenticatedUserPrivileges"] = list(user.granted) if user else []
    return {"authInfo": info}


async def server_status(call: Call) -> raw.Document:
    """serverStatus: true numbers of this process, where a mongos has them."""
    router, counts = call.router, call.router.statistics
    operations = ("insert", "query", "update", "delete", "getmore", "command")
    pools = router.cluster.pools
    return {
        "host": router.name,
        "version": MONGODB_VERSION,
        "process": "mongos",
        "pid": Int64(os.getpid()),
        "uptime": counts.uptime,
        "uptimeMillis": Int64(counts.uptime * 1000),
        "uptimeEstimate": Int64(counts.uptime),
        "localTime": datetime.now(UTC),
        "connections": {
            "current": counts.connections,
            "available": router.options.max_connections - counts.connections,
            "totalCreated": counts.connections_created,
        },
        "network": {
            "bytesIn": Int64(counts.bytes_in),
            "bytesOut": Int64(counts.bytes_out),
            "numRequests": Int64(counts.requests),
        },
        "opcounters": {name: Int64(counts.operations[name]) for name in operations},
        "mem": {"bits": 64, "resident": resident_bytes() >> 20, "supported": True},
        "sharding": {"configsvrConnectionString": router.cluster.connection_string(CONFIG)},
        "metrics": {
            "cursor": {
                "open": {"total": Int64(len(router.cursors))},
                "timedOut": Int64(router.cursors.timed_out),
            },
            "failedCommands": Int64(counts.failures),
        },
        "upstream": {
            address: {"inUse": pool.in_use, "idle": pool.idle} for address, pool in pools.items()
        },
    }


async def host_info(call: Call) -> raw.Document:
    """hostInfo."""
    names = os.uname()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": {
            "currentTime": datetime.now(UTC),
            "hostname": names.nodename,
            "cpuAddrSize": 64,
            "memSizeMB": Int64(memory >> 20),
            "numCores": os.cpu_count(),
            "cpuArch": names.machine,
        },
        "os": {"type": names.sysname, "version": names.release},
    }


async def get_parameter(call: Call) -> raw.Document:
    """getParameter: one by name, or all."""
    values = {**_PARAMETERS, **call.router.options.parameters}
    if call.command.value == "*":
        return values
    found = {name: values[name] for name in call.body if name in values}
    if not found:
        raise CommandError(72, "no option found to get")
    return found


async def command_line(call: Call) -> raw.Document:
    """getCmdLineOpts."""
    options = call.router.options
    return {
        "argv": ["mongos", *options.argv],
        "parsed": {
            "net": {"bindIp": ",".join(options.bind_ip), "port": options.port},
            "security": {"keyFile": str(options.key_file)},
            "sharding": {"configDB": options.config_string},
        },
    }


async def get_log(call: Call) -> raw.Document:
    """getLog: the log is in its file; only the names are known here."""
    if call.command.value == "*":
        return {"names": ["global", "startupWarnings"]}
    if call.command.value not in ("global", "startupWarnings"):
        raise bad_value(f"no RamLog named: {call.command.value}")
    return {"totalLinesWritten": 0, "log": []}


async def database_stats(call: Call) -> raw.Document:
    """dbStats: every shard's numbers, summed."""
    command = call.build("dbStats", 1)
    call.router.catalog.forget_database(call.db)
    database = await call.router.catalog.database(call.db)
    versions = database_version(database) if database else {}
    shards = [CONFIG] if call.db in ("admin", "config") else call.router.cluster.shards
    replies = await asyncio.gather(
        *(
            call.run(
                shard,
                {**command, **(versions if database and shard == database.primary else {})},
                attempts=READ_ATTEMPTS,
            )
            for shard in shards
        )
    )
    each = {reply.shard: raw.deep(reply.fields) for reply in replies}
    sums = _summed(
        each.values(),
        _DATABASE_SUMS,
    )
    objects = sums["objects"]
    return {
        "raw": {call.router.cluster.connection_string(name): one for name, one in each.items()},
        "db": call.db,
        **sums,
        "avgObjSize": sums["dataSize"] / objects if objects else 0,
        "scaleFactor": next(iter(each.values()), {}).get("scaleFactor", 1),
    }


async def collection_stats(call: Call) -> raw.Document:
    """collStats: the owning shards' numbers, summed."""
    command = call.build("collStats", call.command.collection)

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            return {"ns": routing.namespace, "count": 0, "size": 0, "storageSize": 0, "nindexes": 0}
        replies = await asyncio.gather(
            *(
                call.run(shard, {**command, **versions}, attempts=READ_ATTEMPTS)
                for shard, versions in owners(routing, routing.database)
            )
        )
        each = {reply.shard: raw.deep(reply.fields) for reply in replies}
        first = next(iter(each.values()))
        sums = _summed(each.values(), _COLLECTION_SUMS)
        indexes: dict[str, int] = {}
        for one in each.values():
            for name, size in one.get("indexSizes", {}).items():
                indexes[name] = indexes.get(name, 0) + size
        return {
            "ns": routing.namespace,
            "sharded": routing.table is not None,
            **sums,
            "avgObjSize": sums["size"] // sums["count"] if sums["count"] else 0,
            "capped": first.get("capped", False),
            "nindexes": first.get("nindexes", 0),
            "indexSizes": indexes,
            "nchunks": len(routing.table.chunks) if routing.table else 1,
            "scaleFactor": first.get("scaleFactor", 1),
            "primary": routing.database.primary,
            "shards": each,
        }

    return await call.routed(call.command.namespace, attempt)


def _summed(documents: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: sum(one.get(name, 0) for one in documents) for name in names}


async def default_concerns(call: Call) -> raw.Document:
    """getDefaultRWConcern."""
    return await call.on_config({"getDefaultRWConcern": 1}, attempts=READ_ATTEMPTS)
