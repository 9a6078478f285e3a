"""Handlers for commands that config servers or coordinators run as they are, under another name.

A factory per destination; the table names the command each handler stands for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from shardhouse.router.catalog.cache import CONFIG, Routing
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, at_home, owners
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.client import MAJORITY_WRITE, Reply
from shardhouse.router.upstream.rules import RULES
from shardhouse.router.wire import raw

Handler = Callable[[Call], Awaitable[raw.Document]]


def to_config(name: str) -> Handler:
    """The config servers run it as `name`, with the client's own value and fields."""

    async def handler(call: Call) -> raw.Document:
        command = call.build(name, call.command.value)
        if RULES[name].write_concern:
            command["writeConcern"] = MAJORITY_WRITE
        return await call.on_config(command, attempts=READ_ATTEMPTS)

    return handler


def to_namespace_on_config(name: str) -> Handler:
    """As `to_config`, for a command given a whole namespace; its routing is read anew after."""

    async def handler(call: Call) -> raw.Document:
        namespace = ".".join(call.command.namespace_argument())
        reply = await to_config(name)(call)
        call.router.catalog.forget_collection(namespace)
        return reply

    return handler


async def to_owners(call: Call, command: Mapping[str, Any]) -> list[Reply]:
    """Run on every shard that holds a part of the command's collection (26 if there is none)."""

    async def attempt(routing: Routing) -> list[Reply]:
        if routing.database is None:
            raise CommandError(26, f"ns does not exist: {routing.namespace}")
        return await _gather(call, command, owners(routing, routing.database))

    return await call.routed(call.command.namespace, attempt)


async def to_home(call: Call, command: Mapping[str, Any], *, refusal: str) -> raw.Document:
    """Run on the database's primary shard; IllegalOperation (20) with `refusal` if sharded."""

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            raise CommandError(26, f"database {call.db} not found")
        if routing.table is not None:
            raise CommandError(20, refusal)
        target = (routing.database.primary, at_home(routing.database))
        return (await _gather(call, command, [target]))[0].fields

    return await call.routed(call.command.namespace, attempt)


async def everywhere(
    call: Call, command: Mapping[str, Any], *, config: bool = False
) -> list[Reply]:
    """Run on `admin` of every shard, and of the config servers if asked."""
    if not call.router.cluster.shards:
        await call.router.cluster.refresh_shards()
    nodes = [*([CONFIG] if config else ()), *call.router.cluster.shards]
    return list(
        await asyncio.gather(
            *(call.run(node, command, db="admin", attempts=READ_ATTEMPTS) for node in nodes)
        )
    )


def by_connection_string(call: Call, replies: Sequence[Reply]) -> raw.Document:
    """Replies under their shards' connection strings, as mongos shows them in `raw`."""
    cluster = call.router.cluster
    return {cluster.connection_string(reply.shard): reply.fields for reply in replies}


async def _gather(
    call: Call, command: Mapping[str, Any], targets: Sequence[tuple[str, dict[str, Any]]]
) -> list[Reply]:
    return list(
        await asyncio.gather(
            *(
                call.run(shard, {**command, **versions}, attempts=READ_ATTEMPTS)
                for shard, versions in targets
            )
        )
    )
