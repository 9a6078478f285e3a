"""Which commands, with which fields, may be sent to a shard: the allow-list as data.

`client` fields are a client's to choose; `internal` ones only the router adds. Fields are those of
the 6.0 command reference; internal ones were tried against 6.0.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GENERIC = _words(
    "$db lsid $clusterTime $configTime $topologyTime $readPreference $client $audit maxTimeMS"
    " comment"
)
CLIENT_GENERIC = _words(
    "$db lsid $clusterTime $readPreference $queryOptions maxTimeMS comment txnNumber autocommit"
    " startTransaction apiVersion apiStrict apiDeprecationErrors $configTime $topologyTime"
    " $audit $client $tenant readConcern writeConcern"
)
"""Generic arguments; read by the router itself, none is copied to a shard unread."""

BYPASS = "mayBypassWriteBlocking"
"""Whether a write may happen while user writes are blocked. Shards take the router, a member of the
cluster, for one that may; so it tells them what its client may."""

ENDINGS = _words("commitTransaction abortTransaction coordinateCommitTransaction")
"""What ends a transaction: the only commands in it with a write concern."""

VERSIONS = frozenset({"shardVersion", "databaseVersion"})
TRANSACTION = _words("txnNumber autocommit startTransaction coordinator")


@dataclass(frozen=True)
class Rule:
    """One command that may go upstream."""

    client: frozenset[str]
    internal: frozenset[str]
    read_concern: bool = False
    write_concern: bool = False
    cluster: bool = False
    lenient: bool = False
    """Whether servers overlook fields they do not know, which then are not sent to any."""

    @cached_property
    def fields(self) -> frozenset[str]:
        """All fields beside the command's name."""
        return self.client | self.internal


def _rule(
    client: str = "", internal: frozenset[str] | str = VERSIONS, *, concerns: str = "",
    cluster: bool = False, lenient: bool = False,
) -> Rule:  # fmt: skip
    added = _words(internal) if isinstance(internal, str) else internal
    read, write = "r" in concerns, "w" in concerns
    extra = {"readConcern"} if read else set()
    if write:
        extra |= {"writeConcern", BYPASS}
    return Rule(_words(client), added | extra | GENERIC, read, write, cluster, lenient)


_DIRECT_WRITE = VERSIONS | TRANSACTION | {"stmtIds", "readConcern"}
_DIRECT_READ = VERSIONS | TRANSACTION
_NONE: frozenset[str] = frozenset()

_FIND = (
    "filter sort projection hint skip limit batchSize singleBatch min max returnKey showRecordId"
    " noCursorTimeout allowPartialResults collation allowDiskUse let"
)
_AGGREGATE = "pipeline cursor explain allowDiskUse bypassDocumentValidation hint collation let"
_CREATE = (
    "capped size max storageEngine validator validationLevel validationAction indexOptionDefaults"
    " viewOn pipeline collation autoIndexId idIndex timeseries expireAfterSeconds clusteredIndex"
    " changeStreamPreAndPostImages"
)
_COLL_MOD = (
    "index validator validationLevel validationAction viewOn pipeline timeseries expireAfterSeconds"
    " changeStreamPreAndPostImages recordPreImages dryRun"
)
_DDL = frozenset({"databaseVersion"})
_USER = "pwd customData roles digestPassword mechanisms authenticationRestrictions privileges"

RULES: Mapping[str, Rule] = {
    # handshake
    "hello": _rule(
        internal="internalClient client compression topologyVersion maxAwaitTimeMS hello"
    ),
    "saslStart": _rule(internal="mechanism payload options"),
    "saslContinue": _rule(internal="conversationId payload"),
    "ping": _rule(),
    "buildInfo": _rule(),
    # reads
    "find": _rule(f"{_FIND} tailable awaitData oplogReplay", _DIRECT_READ, concerns="r"),
    "count": _rule("query limit skip hint collation fields", _DIRECT_READ, concerns="r"),
    "distinct": _rule("key query collation", _DIRECT_READ, concerns="r"),
    "aggregate": _rule(_AGGREGATE, _DIRECT_READ | {"fromMongos", "needsMerge"}, concerns="rw"),
    "getMore": _rule("collection batchSize", TRANSACTION | {"readConcern"}),
    "killCursors": _rule("cursors"),
    "clusterFind": _rule(f"{_FIND} tailable awaitData", _NONE, concerns="r", cluster=True),
    "clusterAggregate": _rule(_AGGREGATE, _NONE, concerns="rw", cluster=True),
    "clusterGetMore": _rule("collection batchSize", _NONE, cluster=True),
    "explain": _rule("verbosity"),
    # writes
    "insert": _rule("documents ordered bypassDocumentValidation", _DIRECT_WRITE, concerns="w"),
    "update": _rule("updates ordered bypassDocumentValidation let", _DIRECT_WRITE, concerns="w"),
    "delete": _rule("deletes ordered bypassDocumentValidation let", _DIRECT_WRITE, concerns="w"),
    "findAndModify": _rule(
        "query sort remove update new fields upsert bypassDocumentValidation collation arrayFilters"
        " hint let batchSize singleBatch",
        _DIRECT_WRITE,
        concerns="w",
    ),
    "clusterInsert": _rule(
        "documents ordered bypassDocumentValidation", _NONE, concerns="w", cluster=True
    ),
    "clusterUpdate": _rule(
        "updates ordered bypassDocumentValidation let", _NONE, concerns="w", cluster=True
    ),
    "clusterDelete": _rule(
        "deletes ordered bypassDocumentValidation let", _NONE, concerns="w", cluster=True
    ),
    # collections, indexes, databases
    "create": _rule(_CREATE, _DDL | TRANSACTION | {"readConcern"}, concerns="w"),
    "createIndexes": _rule(
        "indexes commitQuorum ignoreUnknownIndexOptions",
        _DIRECT_READ | {"readConcern"},
        concerns="w",
    ),
    "collMod": _rule(_COLL_MOD, concerns="w"),
    "dropIndexes": _rule("index", concerns="w"),
    "listCollections": _rule("filter nameOnly authorizedCollections cursor", _DDL),
    "listIndexes": _rule("cursor includeBuildUUIDs includeIndexBuildInfo", VERSIONS),
    "listDatabases": _rule("filter nameOnly authorizedDatabases", _NONE),
    "dbStats": _rule("scale freeStorage", lenient=True),
    "collStats": _rule("scale", lenient=True),
    "validate": _rule("full repair metadata background checkBSONConformance", lenient=True),
    "dataSize": _rule("keyPattern min max estimate", lenient=True),
    "convertToCapped": _rule("size", VERSIONS, concerns="w"),
    "mapReduce": _rule(
        "map reduce out query sort limit finalize scope jsMode verbose bypassDocumentValidation"
        " collation",
        VERSIONS | {"readConcern", "writeConcern"},
    ),
    "planCacheClear": _rule("query sort projection collation", lenient=True),
    "planCacheClearFilters": _rule("query sort projection collation", lenient=True),
    "planCacheListFilters": _rule(lenient=True),
    "planCacheSetFilter": _rule("query sort projection collation indexes", VERSIONS),
    "setIndexCommitQuorum": _rule("indexNames commitQuorum", VERSIONS, concerns="w"),
    "filemd5": _rule("root partialOk", VERSIONS),
    "_shardsvrDropIndexes": _rule("index", _DDL, concerns="w"),
    "_shardsvrDropCollection": _rule("", _DDL, concerns="w"),
    "_shardsvrDropDatabase": _rule("", _DDL, concerns="w"),
    "_shardsvrRenameCollection": _rule("to dropTarget stayTemp", _DDL, concerns="w"),
    "_shardsvrCollMod": _rule(_COLL_MOD, _DDL, concerns="w"),
    "_shardsvrCreateCollection": _rule(
        "shardKey unique numInitialChunks presplitHashedZones collation timeseries",
        _DDL,
        concerns="w",
    ),
    # cluster administration, on the config servers
    "_configsvrCreateDatabase": _rule("primaryShardId enableSharding", _NONE, concerns="w"),
    "_configsvrAddShard": _rule("name", _NONE, concerns="w"),
    "_configsvrRemoveShard": _rule("", _NONE, concerns="w"),
    "_configsvrMoveRange": _rule(
        "toShard min max waitForDelete forceJumbo secondaryThrottle", _NONE, concerns="w"
    ),
    "_configsvrBalancerStart": _rule(),
    "_configsvrBalancerStop": _rule(),
    "_configsvrBalancerStatus": _rule(),
    "_configsvrBalancerCollectionStatus": _rule(),
    "_configsvrConfigureCollectionBalancing": _rule("chunkSize defragmentCollection", _NONE),
    "_configsvrClearJumboFlag": _rule("", "epoch timestamp minKey maxKey", concerns="w"),
    "_configsvrAddShardToZone": _rule("zone", _NONE, concerns="w"),
    "_configsvrRemoveShardFromZone": _rule("zone", _NONE, concerns="w"),
    "_configsvrUpdateZoneKeyRange": _rule("min max zone", _NONE, concerns="w"),
    "_configsvrAbortReshardCollection": _rule("", _NONE, concerns="w"),
    "_configsvrCommitReshardCollection": _rule("", _NONE, concerns="w"),
    "_configsvrCleanupReshardCollection": _rule(),
    "_configsvrSetClusterParameter": _rule(),
    "_configsvrSetUserWriteBlockMode": _rule("global", _NONE, concerns="w"),
    "_shardsvrMovePrimary": _rule("to", _DDL, concerns="w"),
    "_shardsvrRefineCollectionShardKey": _rule("", _DDL | {"newShardKey"}, concerns="w"),
    "_shardsvrReshardCollection": _rule(
        "key unique numInitialChunks collation zones", _DDL, concerns="w"
    ),
    "_shardsvrSetAllowMigrations": _rule("allowMigrations", _DDL, concerns="w"),
    "_configsvrRepairShardedCollectionChunksHistory": _rule("force", _NONE, concerns="w"),
    "validateDBMetadata": _rule("db collection apiParameters", _NONE),
    "splitChunk": _rule("", "from keyPattern epoch timestamp min max splitKeys"),
    "splitVector": _rule(
        "keyPattern min max maxChunkSizeBytes maxChunkSize maxSplitPoints maxChunkObjects force",
        VERSIONS,
    ),
    "mergeChunks": _rule("", "bounds epoch timestamp config"),
    "getShardMap": _rule(),
    "getDefaultRWConcern": _rule("inMemory"),
    "setDefaultRWConcern": _rule("defaultReadConcern defaultWriteConcern", _NONE, concerns="w"),
    "setFeatureCompatibilityVersion": _rule("downgradeOnDiskChanges", _NONE, concerns="w"),
    "getClusterParameter": _rule(),
    "fsync": _rule(),
    "killOp": _rule("op", _NONE),
    "_getUserCacheGeneration": _rule(),
    # users and roles, on the config servers
    "usersInfo": _rule(
        "showCredentials showCustomData showPrivileges showAuthenticationRestrictions filter"
    ),
    "rolesInfo": _rule("showPrivileges showBuiltinRoles showAuthenticationRestrictions"),
    **{
        name: _rule(_USER, _NONE, concerns="w")
        for name in _words(
            "createUser updateUser dropUser dropAllUsersFromDatabase grantRolesToUser"
            " revokeRolesFromUser createRole updateRole dropRole dropAllRolesFromDatabase"
            " grantRolesToRole revokeRolesFromRole grantPrivilegesToRole revokePrivilegesFromRole"
        )
    },
    # sessions
    "endSessions": _rule(),
    "refreshSessions": _rule(),
    "killSessions": _rule(),
    "killAllSessionsByPattern": _rule(),
    "commitTransaction": _rule("recoveryToken", TRANSACTION, concerns="w"),
    "abortTransaction": _rule("recoveryToken", TRANSACTION, concerns="w"),
    "coordinateCommitTransaction": _rule("", TRANSACTION | {"participants"}, concerns="w"),
    "appendOplogNote": _rule("data", "maxClusterTime", concerns="w"),
}

EXPLAINABLE = _words(
    "find count distinct aggregate update delete findAndModify clusterFind clusterAggregate"
)
"""What `explain` may hold. The cluster writes are missing: explaining one kills the shard."""
