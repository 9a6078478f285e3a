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
    chunks,
    cursors,
    ddl,
    diagnostics,
    explains,
    handshake,
    listings,
    map_reduce,
    operations,
    plan_cache,
    reads,
    resharding,
    server_status,
    sessions,
    settings,
    shard_key_updates,
    sharding,
    shards,
    stats,
    testing,
    transactions,
    writes,
)
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.diagnostics import refusal
from shardhouse.router.commands.relay import to_config, to_namespace_on_config
from shardhouse.router.commands.stable_api import VERSION_1
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
    for_tests: bool = False


def _admin(rule: needs.Rule, handler: Handler) -> Row:
    return Row(rule, handler, admin_only=True)


def _open(handler: Handler, *, interruptible: bool = False) -> Row:
    return Row(needs.nothing, handler, login=False, interruptible=interruptible)


def _read(rule: needs.Rule, handler: Handler) -> Row:
    return Row(rule, handler, interruptible=True)


def _rule_of(name: str) -> needs.Rule | None:
    row = TABLE.get(name)
    return None if row is None else row.needs


async def _list_commands(call: Call) -> raw.Document:
    """listCommands."""
    testing_too = call.router.parameters["enableTestCommands"]
    return {
        "commands": {
            name: {
                "help": "",
                "requiresAuth": row.login,
                "secondaryOk": row.interruptible,
                "adminOnly": row.admin_only,
                "apiVersions": ["1"] if name in VERSION_1 else [],
                "deprecatedApiVersions": [],
            }
            for name, row in sorted(TABLE.items())
            if testing_too or not row.for_tests
        }
    }


TABLE: Mapping[str, Row] = {
    # handshake
    "hello": _open(handshake.hello, interruptible=True),
    "isMaster": _open(handshake.hello, interruptible=True),
    "ismaster": _open(handshake.hello, interruptible=True),
    "saslStart": _open(handshake.sasl_start),
    "saslContinue": _open(handshake.sasl_continue),
    "authenticate": _open(handshake.authenticate),
    "logout": _open(handshake.logout),
    "ping": _open(diagnostics.ping),
    "buildInfo": _open(diagnostics.build_info),
    "connectionStatus": _open(diagnostics.connection_status),
    "whatsmyuri": _open(diagnostics.whats_my_uri),
    "isdbgrid": _open(diagnostics.is_dbgrid),
    # documents
    "find": _read(needs.on_collection("find"), reads.find),
    "aggregate": _read(needs.aggregate, explains.aggregate),
    "count": _read(needs.on_collection("find"), reads.count),
    "distinct": _read(needs.on_collection("find"), reads.distinct),
    "mapReduce": _read(needs.map_reduce, map_reduce.map_reduce),
    "explain": _read(needs.explain(_rule_of), explains.explain),
    "getMore": _read(needs.nothing, cursors.get_more),
    "killCursors": Row(needs.nothing, cursors.kill_cursors),
    "insert": Row(needs.insert, writes.write),
    "update": Row(needs.update, shard_key_updates.update),
    "delete": Row(needs.delete, writes.write),
    "findAndModify": Row(needs.find_and_modify, shard_key_updates.find_and_modify),
    # collections, indexes, databases
    "create": Row(needs.create, ddl.create),
    "collMod": Row(needs.coll_mod, ddl.coll_mod),
    "drop": Row(needs.on_collection("dropCollection"), ddl.drop),
    "dropDatabase": Row(needs.on_database("dropDatabase"), ddl.drop_database),
    "renameCollection": _admin(needs.rename, ddl.rename_collection),
    "createIndexes": Row(needs.on_collection("createIndex"), ddl.create_indexes),
    "dropIndexes": Row(needs.on_collection("dropIndex"), ddl.drop_indexes),
    "convertToCapped": Row(needs.on_collection("convertToCapped"), ddl.convert_to_capped),
    "setIndexCommitQuorum": Row(needs.on_collection("createIndex"), plan_cache.on_owners),
    "validate": Row(needs.on_collection("validate"), ddl.validate),
    "planCacheClear": Row(needs.on_collection("planCacheWrite"), plan_cache.on_owners),
    "planCacheClearFilters": Row(needs.on_collection("planCacheIndexFilter"), plan_cache.on_owners),
    "planCacheListFilters": Row(
        needs.on_collection("planCacheIndexFilter"), plan_cache.list_filters
    ),
    "planCacheSetFilter": Row(needs.on_collection("planCacheIndexFilter"), plan_cache.on_owners),
    "listDatabases": _admin(needs.nothing, listings.list_databases),
    "listCollections": _read(needs.list_collections, listings.list_collections),
    "listIndexes": _read(needs.on_collection("listIndexes"), listings.list_indexes),
    "dbStats": _read(needs.on_database("dbStats"), stats.database),
    "collStats": _read(needs.on_collection("collStats"), stats.collection),
    "dataSize": _read(needs.on_argument("find"), stats.data_size),
    # sharding
    "enableSharding": _admin(
        needs.on_named_database("enableSharding"),
        sharding.enable_sharding,
    ),
    "shardCollection": _admin(needs.on_argument("enableSharding"), sharding.shard_collection),
    "refineCollectionShardKey": _admin(
        needs.on_argument("refineCollectionShardKey"), resharding.refine
    ),
    "reshardCollection": _admin(needs.on_argument("reshardCollection"), resharding.reshard),
    "abortReshardCollection": _admin(
        needs.on_argument("reshardCollection"),
        to_namespace_on_config("_configsvrAbortReshardCollection"),
    ),
    "commitReshardCollection": _admin(
        needs.on_argument("reshardCollection"),
        to_namespace_on_config("_configsvrCommitReshardCollection"),
    ),
    "cleanupReshardCollection": _admin(
        needs.on_argument("reshardCollection"),
        to_namespace_on_config("_configsvrCleanupReshardCollection"),
    ),
    "setAllowMigrations": _admin(needs.on_argument("moveChunk"), resharding.set_allow_migrations),
    "repairShardedCollectionChunksHistory": _admin(
        needs.on_argument("splitChunk"),
        to_namespace_on_config("_configsvrRepairShardedCollectionChunksHistory"),
    ),
    "movePrimary": _admin(needs.on_named_database("moveChunk"), resharding.move_primary),
    "split": _admin(needs.on_argument("splitChunk"), chunks.split),
    "splitVector": Row(needs.on_argument("splitVector"), chunks.split_vector),
    "mergeChunks": _admin(needs.on_argument("splitChunk"), chunks.merge),
    "moveChunk": _admin(needs.on_argument("moveChunk"), chunks.move),
    "moveRange": _admin(needs.on_argument("moveChunk"), chunks.move_range),
    "clearJumboFlag": _admin(needs.on_argument("clearJumboFlag"), chunks.clear_jumbo),
    "addShard": _admin(needs.cluster("addShard"), shards.add),
    "removeShard": _admin(needs.cluster("removeShard"), shards.remove),
    "listShards": _admin(needs.cluster("listShards"), shards.listed),
    "getShardMap": _admin(needs.cluster("getShardMap"), shards.shard_map),
    "getShardVersion": _admin(needs.on_argument("getShardVersion"), shards.version),
    "netstat": _admin(needs.cluster("netstat"), shards.netstat),
    "appendOplogNote": _admin(needs.cluster("appendOplogNote"), shards.append_note),
    "validateDBMetadata": Row(needs.validate_metadata, shards.validate_metadata),
    "flushRouterConfig": _admin(needs.cluster("flushRouterConfig"), shards.flush),
    "fsync": _admin(needs.cluster("fsync"), shards.fsync),
    "addShardToZone": _admin(
        needs.zone(("shards", "update")), to_config("_configsvrAddShardToZone")
    ),
    "removeShardFromZone": _admin(
        needs.zone(("shards", "update"), ("tags", "find")),
        to_config("_configsvrRemoveShardFromZone"),
    ),
    "updateZoneKeyRange": _admin(
        needs.zone(("shards", "find"), ("tags", "find"), ("tags", "update"), ("tags", "remove")),
        to_config("_configsvrUpdateZoneKeyRange"),
    ),
    "balancerStart": _admin(needs.on_settings("update"), to_config("_configsvrBalancerStart")),
    "balancerStop": _admin(needs.on_settings("update"), to_config("_configsvrBalancerStop")),
    "balancerStatus": _admin(needs.on_settings("find"), to_config("_configsvrBalancerStatus")),
    "balancerCollectionStatus": _admin(
        needs.on_argument("enableSharding"), to_config("_configsvrBalancerCollectionStatus")
    ),
    "configureCollectionBalancing": _admin(
        needs.on_argument("enableSharding"), to_config("_configsvrConfigureCollectionBalancing")
    ),
    # the cluster's settings
    "setFeatureCompatibilityVersion": _admin(
        needs.cluster("setFeatureCompatibilityVersion"), to_config("setFeatureCompatibilityVersion")
    ),
    "setDefaultRWConcern": _admin(needs.cluster("setDefaultRWConcern"), settings.set_defaults),
    "getDefaultRWConcern": _admin(needs.cluster("getDefaultRWConcern"), settings.get_defaults),
    "setClusterParameter": _admin(
        needs.cluster("setClusterParameter"), to_config("_configsvrSetClusterParameter")
    ),
    "getClusterParameter": _admin(
        needs.cluster("getClusterParameter"), to_config("getClusterParameter")
    ),
    "setUserWriteBlockMode": _admin(
        needs.cluster("setUserWriteBlockMode"), to_config("_configsvrSetUserWriteBlockMode")
    ),
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
    "killAllSessions": Row(needs.cluster("killAnySession"), sessions.kill_all),
    "killAllSessionsByPattern": Row(needs.nothing, sessions.kill_by_pattern),
    "refreshLogicalSessionCacheNow": Row(needs.nothing, sessions.refresh_cache),
    "commitTransaction": _admin(needs.nothing, transactions.commit),
    "abortTransaction": _admin(needs.nothing, transactions.abort),
    # diagnostics
    "serverStatus": Row(needs.cluster("serverStatus"), server_status.server_status),
    "getDiagnosticData": _admin(
        needs.cluster("serverStatus", "replSetGetStatus"), server_status.diagnostic_data
    ),
    "connPoolStats": Row(needs.cluster("connPoolStats"), server_status.connection_pools),
    "currentOp": _admin(needs.nothing, operations.current_op),
    "killOp": _admin(needs.nothing, operations.kill_op),
    "hostInfo": Row(needs.cluster("hostInfo"), diagnostics.host_info),
    "getParameter": _admin(needs.cluster("getParameter"), settings.get_parameter),
    "setParameter": _admin(needs.cluster("setParameter"), settings.set_parameter),
    "getCmdLineOpts": _admin(needs.cluster("getCmdLineOpts"), diagnostics.command_line),
    "getLog": _admin(needs.cluster("getLog"), diagnostics.get_log),
    "logRotate": _admin(needs.cluster("logRotate"), diagnostics.rotate_log),
    "rotateCertificates": _admin(
        needs.cluster("rotateCertificates"), diagnostics.rotate_certificates
    ),
    "invalidateUserCache": _admin(needs.cluster("invalidateUserCache"), accounts.invalidate),
    "profile": Row(needs.profile, settings.profile),
    "replSetGetStatus": _admin(
        needs.nothing, refusal(115, "replSetGetStatus is not supported through mongos")
    ),
    "dropConnections": _admin(needs.cluster("dropConnections"), diagnostics.drop_connections),
    "listCommands": Row(needs.nothing, _list_commands, login=False),
    # only where `enableTestCommands` is set
    "configureFailPoint": Row(needs.nothing, testing.configure, admin_only=True, for_tests=True),
    "testVersion1": Row(needs.nothing, testing.nothing, for_tests=True),
    "testVersion2": Row(needs.nothing, testing.nothing, for_tests=True),
}

ALIASES = {
    "buildinfo": "buildInfo",
    "collstats": "collStats",
    "dbstats": "dbStats",
    "deleteIndexes": "dropIndexes",
    "findandmodify": "findAndModify",
    "mapreduce": "mapReduce",
    "datasize": "dataSize",
}
"""Old spellings, treated as the names of today."""
