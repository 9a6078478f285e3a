"""The tables of the authorisation test: who asks, and what is asked. Data only.

Every user lives in `admin`. Commands run on the database named with them; `app` has collections
`c` and `d`, a view `v` over `c`, and nothing else. Whether a command succeeds does not matter, only
whether it is refused for want of privileges; so most are made to fail for another, cheap reason.
"""

from __future__ import annotations

from typing import Any

from bson import Binary, Code, Int64

Command = dict[str, Any]


def on(collection: str, *actions: str, db: str = "app") -> dict[str, Any]:
    return {"resource": {"db": db, "collection": collection}, "actions": list(actions)}


def cluster(*actions: str) -> dict[str, Any]:
    return {"resource": {"cluster": True}, "actions": list(actions)}


BUILT_IN = [
    *[(role, "app") for role in
      ("read", "readWrite", "dbAdmin", "dbOwner", "userAdmin", "enableSharding")],
    *[(role, "admin") for role in (
        "read", "readWrite", "dbAdmin", "dbOwner", "userAdmin", "clusterAdmin", "clusterManager",
        "clusterMonitor", "hostManager", "backup", "restore", "readAnyDatabase",
        "readWriteAnyDatabase", "userAdminAnyDatabase", "dbAdminAnyDatabase", "root",
    )],
]  # fmt: skip

CUSTOM: dict[str, list[dict[str, Any]]] = {
    "findC": [on("c", "find")],
    "findD": [on("d", "find")],
    "findApp": [on("", "find")],
    "findCAnywhere": [on("c", "find", db="")],
    "findV": [on("v", "find")],
    "insertC": [on("c", "insert")],
    "updateC": [on("c", "update")],
    "removeC": [on("c", "remove")],
    "findUpdateC": [on("c", "find", "update")],
    "copier": [on("c", "find"), on("out", "insert", "remove")],
    "merger": [on("c", "find"), on("out", "insert", "update")],
    "bypasser": [on("c", "insert", "update", "bypassDocumentValidation")],
    "joiner": [on("c", "find"), on("d", "find")],
    "builder": [on("", "createCollection", "createIndex", "dropCollection")],
    "viewer": [on("w", "createCollection"), on("c", "find")],
    "renamer": [on("", "renameCollectionSameDB")],
    "renamerApart": [on("c", "find", "dropCollection"), on("r", "insert", "createIndex")],
    "lister": [on("", "listCollections")],
    "statistician": [on("c", "collStats", "indexStats", "planCacheRead", "listIndexes")],
    "planner": [on("c", "planCacheWrite", "planCacheIndexFilter")],
    "watcher": [on("", "find", "changeStream")],
    "profiler": [on("", "enableProfiler")],
    "systemProfile": [on("system.profile", "find")],
    "doctor": [on("c", "validate", "convertToCapped", "collMod", "dropIndex")],
    "granter": [on("", "grantRole", "revokeRole")],
    "userMaker": [on("", "createUser", "dropUser", "viewUser")],
    "roleMaker": [on("", "createRole", "dropRole", "viewRole")],
    "passwords": [on("", "changePassword", "changeCustomData")],
    "operator": [cluster("inprog", "killop")],
    "reaper": [cluster("killAnySession", "listSessions")],
    "databases": [cluster("listDatabases")],
    "tuner": [cluster("setParameter", "getParameter", "getCmdLineOpts", "hostInfo", "getLog")],
    "settler": [cluster("getDefaultRWConcern", "setDefaultRWConcern", "getClusterParameter")],
    "balancer": [on("settings", "find", "update", db="config")],
    "zoner": [on("shards", "update", db="config"), on("tags", "find", "update", db="config")],
    "sharder": [on("c", "enableSharding", "splitChunk", "moveChunk", "clearJumboFlag")],
    "everything": [{"resource": {"anyResource": True}, "actions": ["find"]}],
    "anywhere": [on("", "find", "insert", db="")],
    "none": [],
}

_INLINE = {"map": Code("function() {}"), "reduce": Code("function() {}"), "out": {"inline": 1}}
_NO_INDEX = [{"key": {"a": "nonsense"}, "name": "a"}]
_NO_SESSION = {"id": Binary(b"0" * 16, 4)}


def _aggregate(*pipeline: Command, target: object = "c", **more: Any) -> Command:
    return {"aggregate": target, "pipeline": list(pipeline), "cursor": {}, **more}


COMMANDS: dict[str, tuple[str, Command]] = {
    "find": ("app", {"find": "c"}),
    "find on a view": ("app", {"find": "v"}),
    "find elsewhere": ("other", {"find": "c"}),
    "find config": ("config", {"find": "settings"}),
    "find system.users": ("admin", {"find": "system.users"}),
    "find system.js": ("app", {"find": "system.js"}),
    "find system.profile": ("app", {"find": "system.profile"}),
    "find system.views": ("app", {"find": "system.views"}),
    "count": ("app", {"count": "c"}),
    "distinct": ("app", {"distinct": "c", "key": "a"}),
    "insert": ("app", {"insert": "c", "documents": [{"_id": 1}]}),
    "insert bypass": (
        "app",
        {"insert": "c", "documents": [{"_id": 1}], "bypassDocumentValidation": True},
    ),
    "insert system.js": ("app", {"insert": "system.js", "documents": [{"_id": "x"}]}),
    "update": ("app", {"update": "c", "updates": [{"q": {"_id": 9}, "u": {"$set": {"a": 1}}}]}),
    "update upsert": (
        "app",
        {"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}, "upsert": True}]},
    ),
    "delete": ("app", {"delete": "c", "deletes": [{"q": {"_id": 9}, "limit": 1}]}),
    "findAndModify": ("app", {"findAndModify": "c", "query": {"_id": 9}, "update": {"a": 1}}),
    "findAndModify upsert": (
        "app",
        {"findAndModify": "c", "query": {"_id": 1}, "update": {"a": 1}, "upsert": True},
    ),
    "findAndModify remove": ("app", {"findAndModify": "c", "query": {"_id": 9}, "remove": True}),
    "aggregate": ("app", _aggregate({"$match": {}})),
    "aggregate view": ("app", _aggregate(target="v")),
    "$out": ("app", _aggregate({"$out": "out"})),
    "$out bypass": ("app", _aggregate({"$out": "out"}, bypassDocumentValidation=True)),
    "$merge": ("app", _aggregate({"$merge": "out"})),
    "$merge fail": ("app", _aggregate({"$merge": {"into": "out", "whenMatched": "fail"}})),
    "$merge discard": (
        "app",
        _aggregate({"$merge": {"into": "out", "whenNotMatched": "discard"}}),
    ),
    "$lookup": (
        "app",
        _aggregate({"$lookup": {"from": "d", "localField": "a", "foreignField": "a", "as": "x"}}),
    ),
    "$lookup pipeline": (
        "app",
        _aggregate({"$lookup": {"from": "d", "pipeline": [{"$unionWith": "e"}], "as": "x"}}),
    ),
    "$unionWith": ("app", _aggregate({"$unionWith": "d"})),
    "$graphLookup": (
        "app",
        _aggregate(
            {
                "$graphLookup": {
                    "from": "d",
                    "startWith": "$a",
                    "connectFromField": "a",
                    "connectToField": "b",
                    "as": "x",
                }
            }
        ),
    ),
    "$facet": (
        "app",
        _aggregate({"$facet": {"f": [{"$lookup": {"from": "d", "pipeline": [], "as": "x"}}]}}),
    ),
    "$collStats": ("app", _aggregate({"$collStats": {"count": {}}})),
    "$indexStats": ("app", _aggregate({"$indexStats": {}})),
    "$planCacheStats": ("app", _aggregate({"$planCacheStats": {}})),
    "$documents": ("app", _aggregate({"$documents": [{"a": 1}]}, target=1)),
    "$currentOp all": ("admin", _aggregate({"$currentOp": {"allUsers": True}}, target=1)),
    "$currentOp own": ("admin", _aggregate({"$currentOp": {}}, target=1)),
    "$listLocalSessions all": (
        "admin",
        _aggregate({"$listLocalSessions": {"allUsers": True}}, target=1),
    ),
    "$listLocalSessions own": ("admin", _aggregate({"$listLocalSessions": {}}, target=1)),
    "$listSessions all": (
        "config",
        _aggregate({"$listSessions": {"allUsers": True}}, target="system.sessions"),
    ),
    "$listSessions own": ("config", _aggregate({"$listSessions": {}}, target="system.sessions")),
    "mapReduce": ("app", {"mapReduce": "c", **_INLINE}),
    "mapReduce out": ("app", {"mapReduce": "c", **_INLINE, "out": "out"}),
    "mapReduce merge": ("app", {"mapReduce": "c", **_INLINE, "out": {"merge": "out"}}),
    "explain find": ("app", {"explain": {"find": "c"}, "verbosity": "queryPlanner"}),
    "explain count": ("app", {"explain": {"count": "c"}, "verbosity": "queryPlanner"}),
    "explain aggregate": (
        "app",
        {"explain": _aggregate({"$unionWith": "d"}), "verbosity": "queryPlanner"},
    ),
    "explain delete": (
        "app",
        {
            "explain": {"delete": "c", "deletes": [{"q": {}, "limit": 1}]},
            "verbosity": "queryPlanner",
        },
    ),
    "explain findAndModify": (
        "app",
        {
            "explain": {"findAndModify": "c", "query": {}, "remove": True},
            "verbosity": "queryPlanner",
        },
    ),
    "getMore": ("app", {"getMore": Int64(77), "collection": "c"}),
    "killCursors": ("app", {"killCursors": "c", "cursors": [Int64(77)]}),
    "create": ("app", {"create": "c"}),
    "create view": ("app", {"create": "w", "viewOn": "c", "pipeline": [{"$nonsense": 1}]}),
    "create plain view": ("app", {"create": "v", "viewOn": "c", "pipeline": []}),
    "create joining view": (
        "app",
        {"create": "v", "viewOn": "c", "pipeline": [{"$unionWith": "d"}]},
    ),
    "collMod": ("app", {"collMod": "c", "index": {"name": "none", "hidden": True}}),
    "collMod view": ("app", {"collMod": "v", "viewOn": "c", "pipeline": []}),
    "drop": ("app", {"drop": "gone"}),
    "dropDatabase": ("gone", {"dropDatabase": 1}),
    "createIndexes": ("app", {"createIndexes": "c", "indexes": _NO_INDEX}),
    "dropIndexes": ("app", {"dropIndexes": "c", "index": "none"}),
    "renameCollection": ("admin", {"renameCollection": "app.none", "to": "app.r"}),
    "renameCollection c": ("admin", {"renameCollection": "app.c", "to": "app.c"}),
    "convertToCapped": ("app", {"convertToCapped": "none", "size": 1000}),
    "validate": ("app", {"validate": "v"}),
    "listDatabases": ("admin", {"listDatabases": 1}),
    "listDatabases all": ("admin", {"listDatabases": 1, "authorizedDatabases": False}),
    "listCollections": ("app", {"listCollections": 1}),
    "listCollections names": ("app", {"listCollections": 1, "nameOnly": True}),
    "listCollections authorized": (
        "app",
        {"listCollections": 1, "nameOnly": True, "authorizedCollections": True},
    ),
    "listIndexes": ("app", {"listIndexes": "c"}),
    "dbStats": ("app", {"dbStats": 1}),
    "collStats": ("app", {"collStats": "c"}),
    "dataSize": ("app", {"dataSize": "app.c"}),
    "planCacheClear": ("app", {"planCacheClear": "c"}),
    "planCacheListFilters": ("app", {"planCacheListFilters": "c"}),
    "planCacheClearFilters": ("app", {"planCacheClearFilters": "c"}),
    "planCacheSetFilter": (
        "app",
        {"planCacheSetFilter": "c", "query": {"a": 1}, "indexes": [{"a": 1}]},
    ),
    "setIndexCommitQuorum": (
        "app",
        {"setIndexCommitQuorum": "c", "indexNames": ["none"], "commitQuorum": 1},
    ),
    "profile": ("app", {"profile": 0}),
    "profile read": ("app", {"profile": -1}),
    "createUser": ("app", {"createUser": "", "pwd": "x", "roles": []}),
    "createUser with role": ("app", {"createUser": "", "pwd": "x", "roles": ["read"]}),
    "updateUser password": ("app", {"updateUser": "none", "pwd": "x"}),
    "updateUser data": ("app", {"updateUser": "none", "customData": {"a": 1}}),
    "updateUser roles": ("app", {"updateUser": "none", "roles": ["read"]}),
    "dropUser": ("app", {"dropUser": "none"}),
    "dropAllUsersFromDatabase": ("gone", {"dropAllUsersFromDatabase": 1}),
    "grantRolesToUser": ("app", {"grantRolesToUser": "none", "roles": ["read"]}),
    "grantRolesToUser elsewhere": (
        "app",
        {"grantRolesToUser": "none", "roles": [{"role": "read", "db": "other"}]},
    ),
    "revokeRolesFromUser": ("app", {"revokeRolesFromUser": "none", "roles": ["read"]}),
    "createRole": ("app", {"createRole": "read", "privileges": [], "roles": []}),
    "createRole with privilege": (
        "app",
        {"createRole": "read", "privileges": [on("c", "find")], "roles": []},
    ),
    "updateRole": ("app", {"updateRole": "none", "roles": ["read"]}),
    "dropRole": ("app", {"dropRole": "none"}),
    "dropAllRolesFromDatabase": ("gone", {"dropAllRolesFromDatabase": 1}),
    "grantRolesToRole": ("app", {"grantRolesToRole": "none", "roles": ["read"]}),
    "revokeRolesFromRole": ("app", {"revokeRolesFromRole": "none", "roles": ["read"]}),
    "grantPrivilegesToRole": (
        "app",
        {"grantPrivilegesToRole": "none", "privileges": [on("c", "find")]},
    ),
    "revokePrivilegesFromRole": (
        "app",
        {"revokePrivilegesFromRole": "none", "privileges": [on("c", "find")]},
    ),
    "usersInfo": ("app", {"usersInfo": 1}),
    "usersInfo one": ("app", {"usersInfo": "none"}),
    "usersInfo everywhere": ("admin", {"usersInfo": {"forAllDBs": True}}),
    "rolesInfo": ("app", {"rolesInfo": 1}),
    "rolesInfo one": ("app", {"rolesInfo": "none"}),
    "rotateCertificates": ("admin", {"rotateCertificates": 1}),
    "invalidateUserCache": ("admin", {"invalidateUserCache": 1}),
    "startSession": ("admin", {"startSession": 1}),
    "refreshSessions": ("admin", {"refreshSessions": [_NO_SESSION]}),
    "endSessions": ("admin", {"endSessions": [_NO_SESSION]}),
    "killSessions": ("admin", {"killSessions": [_NO_SESSION]}),
    "killAllSessions": ("admin", {"killAllSessions": [{"user": "none", "db": "none"}]}),
    "killAllSessionsByPattern": (
        "admin",
        {"killAllSessionsByPattern": [{"uid": Binary(b"0" * 32, 0)}]},
    ),
    "serverStatus": ("admin", {"serverStatus": 1}),
    "connPoolStats": ("admin", {"connPoolStats": 1}),
    "currentOp": ("admin", {"currentOp": 1}),
    "currentOp own": ("admin", {"currentOp": 1, "$ownOps": True}),
    "killOp": ("admin", {"killOp": 1, "op": 999_999_999}),
    "hostInfo": ("admin", {"hostInfo": 1}),
    "getParameter": ("admin", {"getParameter": 1, "quiet": 1}),
    "setParameter": ("admin", {"setParameter": 1, "none": 1}),
    "getCmdLineOpts": ("admin", {"getCmdLineOpts": 1}),
    "getLog": ("admin", {"getLog": "startupWarnings"}),
    "logRotate": ("admin", {"logRotate": "none"}),
    "fsync": ("admin", {"fsync": 1}),
    "getShardMap": ("admin", {"getShardMap": 1}),
    "flushRouterConfig": ("admin", {"flushRouterConfig": "gone.c"}),
    "getShardVersion": ("admin", {"getShardVersion": "app.c"}),
    "getDefaultRWConcern": ("admin", {"getDefaultRWConcern": 1}),
    "setDefaultRWConcern": ("admin", {"setDefaultRWConcern": 1}),
    "getClusterParameter": ("admin", {"getClusterParameter": "*"}),
    "setClusterParameter": ("admin", {"setClusterParameter": {"none": {}}}),
    "setFeatureCompatibilityVersion": ("admin", {"setFeatureCompatibilityVersion": "1.0"}),
    "setUserWriteBlockMode": ("admin", {"setUserWriteBlockMode": 1, "global": False}),
    "listCommands": ("admin", {"listCommands": 1}),
    "buildInfo": ("admin", {"buildInfo": 1}),
    "connectionStatus": ("admin", {"connectionStatus": 1}),
    "whatsmyuri": ("admin", {"whatsmyuri": 1}),
    "ping": ("admin", {"ping": 1}),
}
"""Compared with a replica set's decision."""

_C = {"db": "app", "collection": "c"}
_CLUSTER = {"cluster": True}
_SETTINGS = {"db": "config", "collection": "settings"}

ROUTER_ONLY: dict[str, tuple[Command, list[list[tuple[dict[str, Any], str]]]]] = {
    "enableSharding": (
        {"enableSharding": "admin"},
        [[({"db": "admin", "collection": ""}, "enableSharding")]],
    ),
    "shardCollection": ({"shardCollection": "app.c"}, [[(_C, "enableSharding")]]),
    "refineCollectionShardKey": (
        {"refineCollectionShardKey": "app.c"}, [[(_C, "refineCollectionShardKey")]],
    ),
    "reshardCollection": ({"reshardCollection": "app.c"}, [[(_C, "reshardCollection")]]),
    "abortReshardCollection": (
        {"abortReshardCollection": "app.c"}, [[(_C, "reshardCollection")]],
    ),
    "split": ({"split": "app.c"}, [[(_C, "splitChunk")]]),
    "mergeChunks": ({"mergeChunks": "app.c"}, [[(_C, "splitChunk")]]),
    "moveChunk": ({"moveChunk": "app.c"}, [[(_C, "moveChunk")]]),
    "moveRange": ({"moveRange": "app.c"}, [[(_C, "moveChunk")]]),
    "movePrimary": ({"movePrimary": "app"}, [[({"db": "app", "collection": ""}, "moveChunk")]]),
    "clearJumboFlag": ({"clearJumboFlag": "app.c"}, [[(_C, "clearJumboFlag")]]),
    "addShard": ({"addShard": ""}, [[(_CLUSTER, "addShard")]]),
    "removeShard": ({"removeShard": "none"}, [[(_CLUSTER, "removeShard")]]),
    "listShards": ({"listShards": 1}, [[(_CLUSTER, "listShards")]]),
    "addShardToZone": (
        {"addShardToZone": "none", "zone": "z"},
        [
            [(_CLUSTER, "enableSharding")],
            [({"db": "config", "collection": "shards"}, "update")],
        ],
    ),
    "balancerStart": ({"balancerStart": 1}, [[(_SETTINGS, "update")]]),
    "balancerStatus": ({"balancerStatus": 1}, [[(_SETTINGS, "find")]]),
    "balancerCollectionStatus": (
        {"balancerCollectionStatus": "app.c"}, [[(_C, "enableSharding")]],
    ),
    "configureCollectionBalancing": (
        {"configureCollectionBalancing": "app.c"}, [[(_C, "enableSharding")]],
    ),
}  # fmt: skip
"""Commands a replica set lacks, with the documented privileges: any one list suffices."""
