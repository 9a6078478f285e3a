"""serverStatus: true numbers of this process, under the names tools read from a mongos."""

from __future__ import annotations

import asyncio
import os
import resource
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from bson import Int64

from shardhouse.router import MONGODB_VERSION
from shardhouse.router.catalog.cache import CONFIG
from shardhouse.router.commands.call import Call
from shardhouse.router.router import Router
from shardhouse.router.statistics import UNKNOWN, Statistics, resident_bytes
from shardhouse.router.transactions.registry import counts as transaction_counts
from shardhouse.router.wire import raw

_HEAD = frozenset(
    ["host", "version", "process", "pid", "uptime", "uptimeMillis", "uptimeEstimate", "localTime"]
)
"""Fields which no `{<section>: 0}` takes away."""


async def server_status(call: Call) -> raw.Document:
    """serverStatus; `{<section>: 0}` leaves a section out."""
    status = _status(call.router)
    left_out = {name for name, value in call.body.items() if value in (0, False)} - _HEAD
    return {name: section for name, section in status.items() if name not in left_out}


async def diagnostic_data(call: Call) -> raw.Document:
    """getDiagnosticData: a sample taken now, in the shape a server's own recorder keeps them."""
    start = datetime.now(UTC)
    status = {"start": start, **_status(call.router), "end": datetime.now(UTC)}
    return {"data": {"start": start, "serverStatus": status, "end": datetime.now(UTC)}}


def _status(router: Router) -> raw.Document:
    counts = router.statistics
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "host": router.name,
        "version": MONGODB_VERSION,
        "process": "mongos",
        "pid": Int64(os.getpid()),
        "uptime": counts.uptime,
        "uptimeMillis": Int64(counts.uptime * 1000),
        "uptimeEstimate": Int64(counts.uptime),
        "localTime": datetime.now(UTC),
        "asserts": {
            "regular": 0, "warning": 0, "msg": 0, "user": counts.failures, "tripwire": 0,
            "rollovers": 0,
        },
        "connections": {
            "current": counts.connections,
            "available": router.options.max_connections - counts.connections,
            "totalCreated": counts.connections_created,
            "rejected": counts.connections_rejected,
        },
        "defaultRWConcern": {
            "defaultReadConcern": router.defaults.read_concern,
            "defaultWriteConcern": router.defaults.write_concern,
        },
        "extra_info": {
            "note": "fields vary by platform",
            "page_faults": Int64(usage.ru_majflt),
            "user_time_us": Int64(usage.ru_utime * 1_000_000),
            "system_time_us": Int64(usage.ru_stime * 1_000_000),
            "maximum_resident_set_kb": Int64(usage.ru_maxrss),
            "tasks": len(asyncio.all_tasks()),
        },
        "network": {
            "bytesIn": Int64(counts.bytes_in + counts.unpacked_in),
            "bytesOut": Int64(counts.bytes_out + counts.packed_out),
            "physicalBytesIn": Int64(counts.bytes_in),
            "physicalBytesOut": Int64(counts.bytes_out),
            "numRequests": Int64(counts.requests),
        },
        "opcounters": {name: Int64(count) for name, count in counts.opcounters.items()},
        "mem": {"bits": 64, "resident": resident_bytes() >> 20, "virtual": _virtual() >> 20,
                "supported": True},
        "sharding": _sharding(router),
        "metrics": {
            "cursor": {
                "open": {name: Int64(count) for name, count in router.cursors.counts.items()},
                "timedOut": Int64(router.cursors.timed_out),
            },
            "commands": _commands(counts),
        },
        "security": {"authentication": {"mechanisms": _mechanisms(router)}},
        "shardingStatistics": {
            "catalogCache": {
                "numDatabaseEntries": Int64(router.catalog.sizes[0]),
                "numCollectionEntries": Int64(router.catalog.sizes[1]),
                "countStaleConfigErrors": Int64(counts.stale),
                "countIncrementalRefreshesStarted": Int64(router.catalog.incremental_loads),
                "countFullRefreshesStarted": Int64(router.catalog.full_loads),
            }
        },
        "transportSecurity": {
            version: Int64(counts.tls_versions[f"TLSv{version}"])
            for version in ("1.0", "1.1", "1.2", "1.3")
        },
        "transactions": transaction_counts(router.transactions),
        "upstream": {
            address: {"inUse": pool.in_use, "idle": pool.idle}
            for address, pool in router.cluster.pools.items()
        },
    }  # fmt: skip


def _commands(counts: Statistics) -> dict[str, Any]:
    """Totals by command; of what is no command there is one number."""
    found: dict[str, Any] = {
        name: {"failed": Int64(tally.failed), "total": Int64(tally.total)}
        for name, tally in sorted(counts.commands.items())
    }
    return found | {UNKNOWN: found.get(UNKNOWN, {}).get("total", Int64(0))}


def _mechanisms(router: Router) -> dict[str, Any]:
    counts = router.statistics

    def counted(received: Counter[str], successful: Counter[str], name: str) -> dict[str, Int64]:
        return {"received": Int64(received[name]), "successful": Int64(successful[name])}

    return {
        name: {
            "speculativeAuthenticate": counted(
                counts.speculative_received, counts.speculative_successful, name
            ),
            "authenticate": counted(counts.logins_received, counts.logins_successful, name),
        }
        for name in router.parameters["authenticationMechanisms"]
    }


def _sharding(router: Router) -> dict[str, Any]:
    section: dict[str, Any] = {
        "configsvrConnectionString": router.cluster.connection_string(CONFIG)
    }
    if router.clock.config_time is not None:
        section["lastSeenConfigServerOpTime"] = {"ts": router.clock.config_time, "t": Int64(-1)}
    return section


def _virtual() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


async def connection_pools(call: Call) -> raw.Document:
    """connPoolStats: connections to cluster members, by address."""
    hosts = {
        address: {
            "inUse": pool.in_use,
            "available": pool.idle,
            "created": pool.created,
            "refreshing": 0,
        }
        for address, pool in call.router.cluster.pools.items()
    }
    totals = {
        f"total{name[0].upper()}{name[1:]}": sum(one[name] for one in hosts.values())
        for name in ("inUse", "available", "created", "refreshing")
    }
    return {
        "numClientConnections": call.router.statistics.connections,
        "numAScopedConnections": 0,
        **totals,
        "hosts": hosts,
        "replicaSets": {},
    }
