"""findAndModify: one document on one shard, so the filter must pin the shard."""

from __future__ import annotations

from shardhouse.router.catalog.cache import Routing
from shardhouse.router.catalog.targeting import key_of_filter
from shardhouse.router.commands.call import Call, at, at_home
from shardhouse.router.commands.outcome import labelled
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw


async def find_and_modify(call: Call) -> raw.Document:
    """findAndModify."""
    namespace = call.command.namespace
    command = call.build("findAndModify", call.command.collection)
    query = call.command.document("query")
    number = call.transaction_number
    if number is not None:
        command["txnNumber"] = number

    async def attempt(routing: Routing) -> raw.Document:
        database, table = routing.database, routing.table
        if database is None:
            await call.create_database(call.db)
            database = await call.database()
        if table is None:
            shard, versions = database.primary, at_home(database)
        else:
            has_collation = "collation" in call.body or table.collection.has_collation
            key = key_of_filter(table, query, collated=has_collation)
            if key is None:
                raise CommandError(61, "Query for sharded findAndModify must contain the shard key")
            shard = table.owner(key)
            versions = at(table, shard)
        attempts = 1 if number is None else 2
        return (await call.run(shard, {**command, **versions}, attempts=attempts)).fields

    return labelled(await call.routed(namespace, attempt), number)
