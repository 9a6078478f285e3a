"""Every command the router knows. What is not in this table does not exist for a client.

A row says who may run the command (`needs`), whether one must be logged in, what runs it, and
whether it may be given up when its client goes away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from shardhouse.router.auth import requirements as needs
from shardhouse.router.commands import (
    accounts,
    cursors,
    ddl,
    diagnostics,
    explains,
    find_and_modify,
    handshake,
    listings,
    reads,
    sessions,
    sharding,
    writes,
)
from shardhouse.router.commands.call import Call
from shardhouse.router.wire import raw

Handler = Callable[[Call], Awaitable[raw.Document]]


@dataclass(frozen=True, slots=True)
class Row:
    """One command."""

    needs: needs.Rule
    handler: Handler
    login: bool = True
    interruptible: bool = False
    admin_only: bool = False


def _admin(rule: needs.Rule, handler: Handler) -> Row:
    return Row(rule, handler, admin_only=True)


def _open(handler: Handler, *, interruptible: bool = False) -> Row:
    return Row(needs.nothing, handler, login=False, interruptible=interruptible)


def _read(rule: needs.Rule, handler: Handler) -> Row:
    return Row(rule, handler, interruptible=True)


def _rule_of(name: str) -> needs.Rule | None:
    row = TABLE.get(name)
    return row.needs if row is not None and name in _EXPLAINED else None


_EXPLAINED = frozenset(
    {"find", "count", "distinct", "aggregate", "update", "delete", "findAndModify"}
)

TABLE: Mapping[str, Row] = {
    # handshake
    "hello": _open(handshake.hello, interruptible=True),
    "isMaster": _open(handshake.hello, interruptible=True),
    "ismaster": _open(handshake.hello, interruptible=True),
    "saslStart": _open(handshake.sasl_start),
    "saslContinue": _open(handshake.sasl_continue),
    "logout": _open(handshake.logout),
    "ping": _open(diagnostics.ping),
    "buildInfo": _open(diagnostics.build_info),
    "connectionStatus": _open(diagnostics.connection_status),
    "whatsmyuri": _open(diagnostics.whats_my_uri),
    "isdbgrid": _open(diagnostics.is_dbgrid),
    # documents
    "find": _read(needs.on_collection("find"), reads.find),
    "aggregate": _read(needs.aggregate, reads.aggregate),
    "count": _read(needs.on_collection("find"), reads.count),
    "distinct": _read(needs.on_collection("find"), reads.distinct),
    "explain": _read(needs.explain(_rule_of), explains.explain),
    "getMore": _read(needs.nothing, cursors.get_more),
    "killCursors": Row(needs.nothing, cursors.kill_cursors),
    "insert": Row(needs.insert, writes.write),
    "update": Row(needs.update, writes.write),
    "delete": Row(needs.delete, writes.write),
    "findAndModify": Row(needs.find_and_modify, find_and_modify.find_and_modify),
    # collections, indexes, databases
    "create": Row(needs.create, ddl.create),
    "collMod": Row(needs.coll_mod, ddl.coll_mod),
    "drop": Row(needs.on_collection("dropCollection"), ddl.drop),
    "dropDatabase": Row(needs.on_database("dropDatabase"), ddl.drop_database),
    "renameCollection": _admin(needs.rename, ddl.rename_collection),
    "createIndexes": Row(needs.on_collection("createIndex"), ddl.create_indexes),
    "dropIndexes": Row(needs.on_collection("dropIndex"), ddl.drop_indexes),
    "validate": Row(needs.on_collection("validate"), ddl.validate),
    "listDatabases": _admin(needs.nothing, listings.list_databases),
    "listCollections": _read(needs.list_collections, listings.list_collections),
    "listIndexes": _read(needs.on_collection("listIndexes"), listings.list_indexes),
    "dbStats": _read(needs.on_database("dbStats"), diagnostics.database_stats),
    "collStats": _read(needs.on_collection("collStats"), diagnostics.collection_stats),
    # sharding
    "enableSharding": _admin(
        needs.on_named_database("enableSharding"),
        sharding.enable_sharding,
    ),
    "shardCollection": _admin(needs.on_argument("enableSharding"), sharding.shard_collection),
    "split": _admin(needs.on_argument("splitChunk"), sharding.split),
    "moveRange": _admin(needs.on_argument("moveChunk"), sharding.move_range),
    "addShard": _admin(needs.cluster("addShard"), sharding.add_shard),
    "removeShard": _admin(needs.cluster("removeShard"), sharding.remove_shard),
    "listShards": _admin(needs.cluster("listShards"), sharding.list_shards),
    "getShardMap": _admin(needs.cluster("getShardMap"), sharding.shard_map),
    "flushRouterConfig": _admin(needs.cluster("flushRouterConfig"), sharding.flush),
    "balancerStart": _admin(needs.on_settings("update"), sharding.balancer_start),
    "balancerStop": _admin(needs.on_settings("update"), sharding.balancer_stop),
    "balancerStatus": _admin(needs.on_settings("find"), sharding.balancer_status),
    # users and roles
    "createUser": Row(needs.create_user, accounts.change),
    "updateUser": Row(needs.nothing, accounts.update_user_or_self),
    "dropUser": Row(needs.on_database("dropUser"), accounts.change),
    "dropAllUsersFromDatabase": Row(needs.on_database("dropUser"), accounts.change),
    "grantRolesToUser": Row(needs.roles("grantRole"), accounts.change),
    "revokeRolesFromUser": Row(needs.roles("revokeRole"), accounts.change),
    "createRole": Row(needs.create_role, accounts.change),
    "updateRole": Row(needs.update_role, accounts.change),
    "dropRole": Row(needs.on_database("dropRole"), accounts.change),
    "dropAllRolesFromDatabase": Row(needs.on_database("dropRole"), accounts.change),
    "grantRolesToRole": Row(needs.roles("grantRole"), accounts.change),
    "revokeRolesFromRole": Row(needs.roles("revokeRole"), accounts.change),
    "grantPrivilegesToRole": Row(needs.role_privileges("grantRole"), accounts.change),
    "revokePrivilegesFromRole": Row(needs.role_privileges("revokeRole"), accounts.change),
    "usersInfo": _read(needs.nothing, accounts.users_info),
    "rolesInfo": _read(needs.nothing, accounts.roles_info),
    # sessions
    "startSession": Row(needs.nothing, sessions.start),
    "endSessions": Row(needs.nothing, sessions.end),
    "refreshSessions": Row(needs.nothing, sessions.end),
    "killSessions": Row(needs.nothing, sessions.kill),
    "killAllSessions": Row(needs.nothing, sessions.kill_all),
    # diagnostics
    "serverStatus": Row(needs.cluster("serverStatus"), diagnostics.server_status),
    "hostInfo": Row(needs.cluster("hostInfo"), diagnostics.host_info),
    "getParameter": _admin(needs.cluster("getParameter"), diagnostics.get_parameter),
    "getCmdLineOpts": _admin(needs.cluster("getCmdLineOpts"), diagnostics.command_line),
    "getLog": _admin(needs.cluster("getLog"), diagnostics.get_log),
    "getDefaultRWConcern": _admin(
        needs.cluster("getDefaultRWConcern"), diagnostics.default_concerns
    ),
    "listCommands": Row(needs.nothing, lambda _: _list_commands(), login=False),
}

ALIASES = {
    "buildinfo": "buildInfo",
    "collstats": "collStats",
    "dbstats": "dbStats",
    "deleteIndexes": "dropIndexes",
    "findandmodify": "findAndModify",
}
"""Old spellings, treated as the names of today."""


async def _list_commands() -> raw.Document:
    """listCommands."""
    return {
        "commands": {
            name: {
                "help": "",
                "requiresAuth": row.login,
                "secondaryOk": row.interruptible,
                "adminOnly": row.admin_only,
            }
            for name, row in sorted(TABLE.items())
        }
    }
