"""The shards' plan caches: cleared, and which indexes their queries may use (index filters)."""

from __future__ import annotations

from shardhouse.router.commands.call import Call
from shardhouse.router.commands.relay import by_connection_string, to_owners
from shardhouse.router.wire import raw


async def on_owners(call: Call) -> raw.Document:
    """planCacheClear, planCacheClearFilters, planCacheSetFilter, setIndexCommitQuorum."""
    command = call.build(call.command.name, call.command.collection)
    return {"raw": by_connection_string(call, await to_owners(call, command))}


async def list_filters(call: Call) -> raw.Document:
    """planCacheListFilters: every shard has the same, one is asked."""
    command = call.build("planCacheListFilters", call.command.collection)
    return (await to_owners(call, command))[0].fields
