"""Collections, indexes, databases: made, changed and dropped by the shards' own coordinators."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from shardhouse.router.catalog.cache import CONFIG, Routing
from shardhouse.router.commands.call import (
    READ_ATTEMPTS,
    Call,
    database_version,
    owners,
)
from shardhouse.router.commands.relay import to_home
from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.client import MAJORITY_WRITE
from shardhouse.router.wire import raw

_NAMESPACE_NOT_FOUND = 26


async def create(call: Call) -> raw.Document:
    """create: a collection, capped, time series, clustered or a view."""
    command = call.build("create", call.command.collection)
    return await _on_primary(call, command, create=True)


async def coll_mod(call: Call) -> raw.Document:
    """collMod."""
    name = call.command.collection
    if await call.router.catalog.database(call.db) is None:
        return await _nowhere(call)
    return await _coordinated(call, call.build("_shardsvrCollMod", name), name)


async def drop(call: Call) -> raw.Document:
    """drop; a database that is not there makes it a success, as in a mongos."""
    name = call.command.collection
    command = call.build("_shardsvrDropCollection", name)
    reply = await _dropped(call, command, name)
    call.router.catalog.forget_collection(f"{call.db}.{name}")
    return {} if reply is None else reply


async def drop_database(call: Call) -> raw.Document:
    """dropDatabase."""
    if call.command.value not in (1, 1.0):
        raise CommandError(2, "have to pass 1 as the value of dropDatabase")
    if call.db in ("admin", CONFIG, "local"):
        raise CommandError(20, f"Cannot drop '{call.db}' database")
    command = call.build("_shardsvrDropDatabase", 1)
    reply = await _dropped(call, command, None)
    call.router.catalog.forget_database(call.db)
    return {} if reply is None else {"dropped": call.db, **reply}


async def rename_collection(call: Call) -> raw.Document:
    """renameCollection, on `admin`, both names being whole namespaces."""
    database, name = call.command.namespace_argument()
    target = call.command.get("to", str, "")
    call.command.db = database
    command = call.build("_shardsvrRenameCollection", name)
    command.update(to=target, dropTarget=bool(call.body.get("dropTarget")), stayTemp=False)
    reply = await _coordinated(call, command, name)
    call.router.catalog.forget_collection(f"{database}.{name}")
    call.router.catalog.forget_collection(target)
    return {key: value for key, value in reply.items() if key == "ok"}


async def drop_indexes(call: Call) -> raw.Document:
    """dropIndexes."""
    name = call.command.collection
    if await call.router.catalog.database(call.db) is None:
        return await _nowhere(call)
    return await _coordinated(call, call.build("_shardsvrDropIndexes", name), name)


async def create_indexes(call: Call) -> raw.Document:
    """createIndexes, on every shard that holds a part of the collection."""
    name = call.command.collection
    command = call.build("createIndexes", name)
    await call.database(create=True)

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            raise CommandError(26, f"database {call.db} not found")
        target, value = routing, name
        if routing.buckets is not None:
            target, value = (
                Routing(routing.namespace, routing.database, routing.buckets, None),
                f"system.buckets.{name}",
            )
        return await _on_owners(call, target, {**command, "createIndexes": value})

    return await call.routed(f"{call.db}.{name}", attempt)


async def _on_owners(call: Call, routing: Routing, command: Mapping[str, Any]) -> raw.Document:
    assert routing.database is not None
    replies = await asyncio.gather(
        *(
            call.run(shard, {**command, **versions}, attempts=READ_ATTEMPTS)
            for shard, versions in owners(routing, routing.database)
        )
    )
    if routing.database.primary == CONFIG:
        return replies[0].fields
    cluster = call.router.cluster
    return {"raw": {cluster.connection_string(r.shard): r.fields for r in replies}}


async def convert_to_capped(call: Call) -> raw.Document:
    """convertToCapped; capped collections cannot be sharded, so neither may this one be."""
    command = call.build("convertToCapped", call.command.collection)
    refusal = f"You can't convertToCapped a sharded collection: {call.command.namespace}"
    reply = await to_home(call, command, refusal=refusal)
    call.router.catalog.forget_collection(call.command.namespace)
    return reply


async def validate(call: Call) -> raw.Document:
    """validate, on every shard that holds a part of the collection."""
    command = call.build("validate", call.command.collection)

    async def attempt(routing: Routing) -> raw.Document:
        if routing.database is None:
            raise CommandError(26, f"Collection '{routing.namespace}' does not exist to validate.")
        replies = await asyncio.gather(
            *(
                call.run(shard, {**command, **versions}, attempts=READ_ATTEMPTS)
                for shard, versions in owners(routing, routing.database)
            )
        )
        valid = all(reply.fields.get("valid") for reply in replies)
        if routing.table is None:
            return replies[0].fields
        return {"valid": valid, "raw": {reply.shard: reply.fields for reply in replies}}

    return await call.routed(call.command.namespace, attempt)


async def _nowhere(call: Call) -> raw.Document:
    """The command on a database that does not exist: any shard refuses it, and says why."""
    shard, version = await call.nowhere()
    command = call.build(call.command.name, call.command.collection)
    return (await call.run(shard, {**command, **version})).fields


async def _dropped(
    call: Call, command: raw.Document, collection: str | None
) -> raw.Document | None:
    """The reply; None where the database is not there, which another router may have dropped since
    we learned of it."""
    if await call.router.catalog.database(call.db) is None:
        return None
    try:
        return await _coordinated(call, command, collection)
    except CommandError as error:
        if error.code != _NAMESPACE_NOT_FOUND:
            raise
        return None


async def _coordinated(call: Call, command: raw.Document, collection: str | None) -> raw.Document:
    command["writeConcern"] = MAJORITY_WRITE
    if call.db in ("admin", CONFIG):
        raise CommandError(20, f"not supported on '{call.db}' through a router")
    return await _on_primary(call, command, collection=collection)


async def _on_primary(
    call: Call,
    command: Mapping[str, Any],
    *,
    create: bool = False,
    collection: str | None = None,
) -> raw.Document:
    """Run on the database's primary shard; a coordinator asked twice joins itself."""
    await call.database(create=create)

    async def attempt(routing: Routing) -> raw.Document:
        database = routing.database or await call.database(create=create)
        versions = database_version(database)
        attempts = 1 if create else READ_ATTEMPTS
        reply = await call.run(database.primary, {**command, **versions}, attempts=attempts)
        return reply.fields

    reply = await call.routed(f"{call.db}.{collection or '$cmd'}", attempt)
    if create or collection:
        call.router.catalog.forget_collection(f"{call.db}.{collection or command['create']}")
    return reply
