"""A sharded collection gets another key: longer (refined) or altogether new (resharded).

A database moves to another primary shard. All are coordinated by the database's primary shard.
"""

from __future__ import annotations

from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router.catalog.cache import Routing
from shardhouse.router.command import check_database
from shardhouse.router.commands.call import READ_ATTEMPTS, Call, database_version
from shardhouse.router.errors import CommandError, bad_value
from shardhouse.router.upstream.client import MAJORITY_WRITE
from shardhouse.router.wire import raw


async def refine(call: Call) -> raw.Document:
    """refineCollectionShardKey: more fields after those of the key there is."""
    database, name = call.command.namespace_argument()
    command = {"_shardsvrRefineCollectionShardKey": name, "newShardKey": _key(call)}
    await _coordinated(call, database, f"{database}.{name}", command, run_on=database)
    return {}


async def reshard(call: Call) -> raw.Document:
    """reshardCollection; takes at least five minutes unless the config servers are told less."""
    database, name = call.command.namespace_argument()
    command = call.build("_shardsvrReshardCollection", f"{database}.{name}")
    command["key"] = _key(call)
    if "numInitialChunks" in command:
        command["numInitialChunks"] = Int64(command["numInitialChunks"])
    await _coordinated(call, database, f"{database}.{name}", command, run_on="admin")
    return {}


async def set_allow_migrations(call: Call) -> raw.Document:
    """setAllowMigrations: whether chunks of a collection may move."""
    database, name = call.command.namespace_argument()
    command = call.build("_shardsvrSetAllowMigrations", name)
    await _coordinated(call, database, f"{database}.{name}", command, run_on=database)
    return {}


async def move_primary(call: Call) -> raw.Document:
    """movePrimary: a database's unsharded collections move to another shard."""
    database = call.command.value
    if not isinstance(database, str):
        raise CommandError(73, "movePrimary needs the name of a database")
    check_database(database)
    if database in ("admin", "config", "local"):
        raise CommandError(72, f"Can't move primary for {database} database")
    if not call.body.get("to"):
        raise CommandError(72, "you have to specify where you want to move it")
    await call.router.catalog.database(database)
    command = call.build("_shardsvrMovePrimary", database)
    reply = await _coordinated(call, database, f"{database}.$cmd", command, run_on="admin")
    call.router.catalog.forget_database(database)
    moved = await call.router.catalog.database(database)
    return {"primary": moved.primary if moved else call.body["to"], **reply}


def _key(call: Call) -> RawBSONDocument:
    key: RawBSONDocument | None = call.command.get("key", RawBSONDocument)
    if key is None:
        raise CommandError(40414, f"BSON field '{call.command.name}.key' is missing but required")
    if not any(raw.elements(bytes(key.raw))):
        raise bad_value("the shard key must not be empty")
    return key


async def _coordinated(
    call: Call, database: str, namespace: str, command: dict[str, Any], *, run_on: str
) -> raw.Document:
    async def attempt(routing: Routing) -> raw.Document:
        home = routing.database
        if home is None:
            raise CommandError(26, f"database {database} not found")
        sent = {**command, **database_version(home), "writeConcern": MAJORITY_WRITE}
        return (await call.run(home.primary, sent, db=run_on, attempts=READ_ATTEMPTS)).fields

    reply = await call.routed(namespace, attempt)
    call.router.catalog.forget_collection(namespace)
    return reply
