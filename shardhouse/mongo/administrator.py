"""The administrator `rwuser` of an instance, and the limits of it and of all users it makes.

It has what DDS documents: administration of users and of databases, read and write on all
databases, cluster monitoring, the sharding helpers. Users of a cluster live on its config servers,
else on its replica set.

Whoever may create users may also grant: the server asks for `grantRole` on the role's database, and
no privilege says "all databases but admin". So what is reserved is kept out of the collections
themselves. For each row of `_reserved` there is a partial index of hashes on an array: the server
refuses to store a document that the index would have to hold (error 16766), whichever command
brings it, and no right of the administrator reaches the index. Nothing is hidden in documents, and
documents that avoid an array are not accepted by the server as users or roles.

On MongoDB 4.4 `clusterMonitor` has the action `useUUID`, with which an oplog entry can be applied
to the users' collection. It is reserved there, and a role of our own, `MONITOR`, has the rest of
it. The indexes let exactly its privileges pass, so nobody can change them into more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pymongo import WriteConcern
from pymongo.errors import OperationFailure

from shardhouse.domain.uris import ADMINISTRATOR
from shardhouse.mongo.admin import Client, Clients, majority
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline

ROLE = "instanceAdministrator"
"""The role of our own in `admin`, which the administrator may grant to others. The router knows its
name, too: there it includes zones and the balancer, which only a router can offer safely."""
MONITOR = "instanceMonitor"
"""What takes the place of `clusterMonitor` on MongoDB 4.4. An instance that was upgraded keeps it,
as another name of `clusterMonitor`."""
_MANAGE_USERS = (
    *("createUser", "dropUser", "viewUser", "changePassword", "changeCustomData"),
    *("createRole", "dropRole", "viewRole", "grantRole", "revokeRole"),
    "setAuthenticationRestriction",
)
_MANAGE_DATABASES = (
    *("bypassDocumentValidation", "collMod", "collStats", "compact", "convertToCapped"),
    *("createCollection", "createIndex", "dbStats", "dropCollection", "dropDatabase", "dropIndex"),
    *("enableProfiler", "indexStats", "listCollections", "listIndexes", "planCacheIndexFilter"),
    *("planCacheRead", "planCacheWrite", "reIndex", "renameCollectionSameDB", "validate"),
)
_SHARD_COLLECTIONS = (
    *("enableSharding", "refineCollectionShardKey", "reshardCollection"),
    *("moveChunk", "splitChunk", "splitVector", "clearJumboFlag"),
)
PRIVILEGES: tuple[dict[str, Any], ...] = (
    {
        "resource": {"db": "", "collection": ""},
        "actions": [*_MANAGE_USERS, *_MANAGE_DATABASES, *_SHARD_COLLECTIONS],
    },
)
_MONITORED = {
    "actions": [
        *("changeStream", "collStats", "dbHash", "dbStats", "find", "killCursors"),
        *("listCollections", "listIndexes", "planCacheRead"),
    ]
}
_MONITORED_WITH_SHARDS = {
    "actions": [
        *("changeStream", "collStats", "dbHash", "dbStats", "find", "getDatabaseVersion"),
        *("getShardVersion", "indexStats", "killCursors", "listCollections", "listIndexes"),
        "planCacheRead",
    ]
}
MONITOR_PRIVILEGES: tuple[dict[str, Any], ...] = (
    {
        "resource": {"cluster": True},
        "actions": [
            *("checkFreeMonitoringStatus", "connPoolStats", "getCmdLineOpts"),
            *("getDefaultRWConcern", "getLog", "getParameter", "getShardMap", "hostInfo", "inprog"),
            *("listDatabases", "listSessions", "listShards", "netstat", "replSetGetConfig"),
            *("replSetGetStatus", "serverStatus", "shardingState", "top"),
        ],
    },
    {
        "resource": {"db": "", "collection": ""},
        "actions": ["collStats", "dbStats", "getDatabaseVersion", "getShardVersion", "indexStats"],
    },
    {"resource": {"db": "config", "collection": ""}} | _MONITORED_WITH_SHARDS,
    {"resource": {"db": "local", "collection": ""}} | _MONITORED_WITH_SHARDS,
    {"resource": {"db": "config", "collection": "system.js"}} | _MONITORED,
    {"resource": {"db": "local", "collection": "system.js"}} | _MONITORED,
    {"resource": {"db": "local", "collection": "system.replset"}, "actions": ["find"]},
    {"resource": {"db": "local", "collection": "replset.election"}, "actions": ["find"]},
    {"resource": {"db": "local", "collection": "replset.minvalid"}, "actions": ["find"]},
    {"resource": {"db": "", "collection": "system.profile"}, "actions": ["find"]},
)
"""Those of `clusterMonitor` in MongoDB 4.4, without `useUUID`."""

_PREFIX = "reserved: "
"""How the names of our indexes begin."""
Condition = tuple[str, ...] | tuple[Mapping[str, Any], ...] | Mapping[str, Any]
"""Of a field in a document: one of these texts or expressions of the query language, or one."""


@dataclass(frozen=True)
class Reserved:
    """What documents of `collection` may not say: every path of `paths` meets its condition.
    `array` is the field all of them are in."""

    title: str
    collection: str
    array: str
    paths: Mapping[str, Condition]

    def indexes(self, *, alternatives: bool) -> Iterator[dict[str, Any]]:
        """The indexes that keep it out. Without `alternatives` (`$in` in a partial filter, new in
        MongoDB 6.0) there is one for each combination of values."""
        choices = [_choices(condition, alternatives) for condition in self.paths.values()]
        filters = [dict(zip(self.paths, chosen, strict=True)) for chosen in product(*choices)]
        for number, condition in enumerate(filters):
            name = f"{_PREFIX}{self.title}" + (f" {number}" if number else "")
            # MongoDB 4.4 takes indexes of one key for the same, whatever their filters are.
            yield {
                "key": {self.array: "hashed"} | ({} if alternatives else {name: 1}),
                "name": name,
                "partialFilterExpression": condition,
            }


def _choices(condition: Condition, alternatives: bool) -> tuple[object, ...]:
    if isinstance(condition, tuple):
        return ({"$in": list(condition)},) if alternatives else condition
    return (condition,)


_SERVICE_ROLES = (
    *("__system", "__queryableBackup", "root", "backup", "restore"),
    *("clusterAdmin", "clusterManager", "hostManager"),
    # userAdminAnyDatabase may drop the indexes of system.users, and dbAdminAnyDatabase may apply
    # an oplog entry that does (`applyOps`): ROLE offers the rest of both.
    *("userAdminAnyDatabase", "dbAdminAnyDatabase"),
)
_OWN_DATABASES = ("local", "config")
_WRITING_ROLES = ("readWrite", "dbAdmin", "dbOwner", "userAdmin", "enableSharding")
_GRANTS: dict[str, dict[str, Condition]] = {
    "writing to local or config": {"roles.db": _OWN_DATABASES, "roles.role": _WRITING_ROLES},
    # `_mergeAuthzCollections`, open to whoever may manage users everywhere, stores nearly anything;
    # the server itself writes documents here, and would take "admin.root", too.
    "texts as roles": {"roles": {"$type": "string"}},
}
_PRIVILEGES: dict[str, dict[str, Condition]] = {
    "the cluster": {"privileges.resource.cluster": {"$exists": True}},
    "any resource": {"privileges.resource.anyResource": {"$exists": True}},
    "system databases": {"privileges.resource.db": ("admin", "config", "local")},
    # A collection of that name in every database, those of the system included.
    "a collection everywhere": {
        "privileges.resource.db": ("",),
        "privileges.resource.collection": {"$gt": ""},
    },
}
_NOT_THE_MONITOR: dict[str, Condition] = {
    "privileges": ({"$lt": list(MONITOR_PRIVILEGES)}, {"$gt": list(MONITOR_PRIVILEGES)})
}
"""Any array but this very one."""
_COLLECTIONS = ("system.roles", "system.users")
_DIRECT = (8, 0)
"""The release from which a shard serves users of its own only with a role for it."""
_CANNOT_HASH_ARRAYS = 16766
_EXISTS = 51003
_NO_SUCH_ROLE = 31
_CLUSTER_MONITOR = "clusterMonitor"


def ensure(hosts: Sequence[str], password: str, clients: Clients, deadline: Deadline) -> None:
    """Make the administrator of a new instance, with this password; a user of its name gets both
    rights and password. `hosts` are the members that hold users; a majority has it when this
    returns. MongoError if it did not succeed before the deadline."""

    def ensure_once() -> bool | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        client = clients[primary]
        _reserve(client)
        _ensure_roles(client)
        given: dict[str, Any] = {"pwd": password, "roles": list(roles(client))}
        try:
            majority(client, "createUser", ADMINISTRATOR, **given)
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise
            majority(client, "updateUser", ADMINISTRATOR, **given)
        return True

    deadline.until(f"user {ADMINISTRATOR} to be made", ensure_once)


def read(hosts: Sequence[str], clients: Clients, deadline: Deadline) -> dict[str, Any]:
    """The administrator as the set stores it, with what its password is checked against: for a
    restored set, and nobody else. `hosts` are the members that hold users."""

    def found() -> dict[str, Any] | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        users = clients[primary].admin["system.users"]
        document: dict[str, Any] | None = users.find_one({"_id": f"admin.{ADMINISTRATOR}"})
        return document

    return deadline.until(f"user {ADMINISTRATOR} to be read", found)


def roles(client: Client) -> tuple[str, ...]:
    """The roles of `admin` that the administrator has, on the release that serves."""
    monitor = MONITOR if _monitor_reaches_users(client) else _CLUSTER_MONITOR
    return ("readWriteAnyDatabase", monitor, ROLE)


def reader_roles(client: Client, *, shard: bool) -> list[dict[str, str]]:
    """The roles of a user that logs in at the members of a set and reads: `local` has the oplog,
    `config` what the set knows of its cluster. `clusterMonitor` is left out where it reaches
    users."""
    found = [
        {"role": "readAnyDatabase", "db": "admin"},
        {"role": "read", "db": "local"},
        {"role": "read", "db": "config"},
    ]
    if not _monitor_reaches_users(client):
        found.append({"role": _CLUSTER_MONITOR, "db": "admin"})
    if shard and _feature_version(client) >= _DIRECT:
        found.append({"role": "directShardOperations", "db": "admin"})
    return found


def reserved_roles(client: Client) -> tuple[str, ...]:
    """The roles of `admin` that nobody may have, on the release that serves."""
    return (*_SERVICE_ROLES, *((_CLUSTER_MONITOR,) if _monitor_reaches_users(client) else ()))


def is_reserved(client: Client, role: str, database: str) -> bool:
    """Whether a role is one that nobody may have, on the release that serves."""
    if database == "admin":
        return role in reserved_roles(client)
    return database in _OWN_DATABASES and role in _WRITING_ROLES


def differences(client: Client) -> tuple[str, ...]:
    """How the administrator and the limits differ from what they should be; `client` is a primary
    that holds users. PyMongo's errors pass through."""
    found = []
    user = _administrator(client)
    if user is None:
        found.append(f"user {ADMINISTRATOR} is missing")
    else:
        excessive = sorted(_role_names(user).intersection(reserved_roles(client)))
        lacking = sorted(set(roles(client)) - _role_names(user))
        if excessive:
            found.append(f"user {ADMINISTRATOR} has {', '.join(excessive)}")
        if lacking:
            found.append(f"user {ADMINISTRATOR} lacks {', '.join(lacking)}")
    found += [f"role {name} is not what it should be" for name in _wrong_roles(client)]
    missing = [index["name"] for _, index in _missing_indexes(client)]
    if missing:
        found.append(f"reserved rights can be granted ({len(missing)} indexes are missing)")
    return tuple(found)


def restrict(client: Client) -> tuple[str, ...]:
    """Give the administrator of an existing instance its rights and set the limits, as far as that
    goes; returns what stands against it, in words. Other users and roles are left as they are: one
    that holds what is reserved is told. Repeating it is harmless. PyMongo's errors pass through."""
    obstacles = []
    _drop_outdated(client)
    _ensure_roles(client)
    user = _administrator(client)
    if user is None:
        obstacles.append(f"user {ADMINISTRATOR} is missing, and its password is not known here")
    else:
        ours = {*reserved_roles(client), *roles(client), MONITOR}
        kept = [role for role in user["roles"] if role["db"] != "admin" or role["role"] not in ours]
        majority(client, "updateUser", ADMINISTRATOR, roles=[*roles(client), *kept])
    return (*obstacles, *_reserve(client))


def holders(client: Client) -> tuple[str, ...]:
    """The users and roles of a set that hold what is reserved, in words; `client` is its primary.
    PyMongo's errors pass through."""
    return tuple(
        words
        for reserved, index in _wanted_indexes(client)
        for words in _holders(client, reserved, index)
    )


def _administrator(client: Client) -> Mapping[str, Any] | None:
    users: list[dict[str, Any]] = client.admin.command("usersInfo", ADMINISTRATOR)["users"]
    return users[0] if users else None


def _role_names(user: Mapping[str, Any]) -> set[str]:
    """Names of the roles of `admin` that a user has."""
    return {role["role"] for role in user["roles"] if role["db"] == "admin"}


def _wrong_roles(client: Client) -> list[str]:
    """Names of our own roles that are not what they should be."""
    right = {
        ROLE: _has_just(client, ROLE, _privileges(client)),
        MONITOR: _has_just(client, MONITOR, MONITOR_PRIVILEGES) == _monitor_reaches_users(client),
    }
    return [name for name, is_right in right.items() if not is_right]


def _has_just(client: Client, name: str, privileges: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is a role of this name with these privileges and no others."""
    found = client.admin.command("rolesInfo", name, showPrivileges=True)["roles"]
    return (
        bool(found)
        and not found[0]["roles"]
        and _comparable(found[0]) == _comparable({"privileges": privileges})
    )


def _comparable(
    role: Mapping[str, Any],
) -> list[tuple[tuple[tuple[str, Any], ...], frozenset[str]]]:
    return [
        (tuple(sorted(privilege["resource"].items())), frozenset(privilege["actions"]))
        for privilege in role["privileges"]
    ]


def _privileges(client: Client) -> list[dict[str, Any]]:
    """Those that the server knows: resharding came with MongoDB 5.0."""
    unknown = set() if _feature_version(client) >= (5, 0) else {"reshardCollection"}
    return [
        privilege | {"actions": [one for one in privilege["actions"] if one not in unknown]}
        for privilege in PRIVILEGES
    ]


def _ensure_roles(client: Client) -> None:
    body: dict[str, Any] = {"privileges": _privileges(client), "roles": []}
    try:
        majority(client, "updateRole", ROLE, **body)
    except OperationFailure as error:
        if error.code != _NO_SUCH_ROLE:
            raise
        majority(client, "createRole", ROLE, **body)
    if _monitor_reaches_users(client):
        # Not by a command, which might store it in another form than the indexes let pass.
        collection = client.admin.get_collection(
            "system.roles", write_concern=WriteConcern("majority")
        )
        content = {"privileges": list(MONITOR_PRIVILEGES), "roles": []}
        collection.update_one(
            {"role": MONITOR, "db": "admin"},
            {"$set": content, "$setOnInsert": {"_id": f"admin.{MONITOR}"}},
            upsert=True,
        )
    elif MONITOR in _wrong_roles(client):
        majority(client, "updateRole", MONITOR, privileges=[], roles=[_CLUSTER_MONITOR])


def _present_indexes(client: Client, collection: str) -> list[dict[str, Any]]:
    return [
        {field: index.get(field) for field in ("key", "name", "partialFilterExpression")}
        for index in client.admin[collection].list_indexes()
        if index["name"].startswith(_PREFIX)
    ]


def _wanted_indexes(client: Client) -> list[tuple[Reserved, dict[str, Any]]]:
    alternatives = _feature_version(client) >= (6, 0)
    return [
        (reserved, index)
        for reserved in _reserved(client)
        for index in reserved.indexes(alternatives=alternatives)
    ]


def _reserved(client: Client) -> list[Reserved]:
    """What is reserved on the release that serves."""
    service: dict[str, Condition] = {
        "roles.db": ("admin",),
        "roles.role": reserved_roles(client),
    }
    grants = {"roles of the service": service} | _GRANTS
    exempt = _NOT_THE_MONITOR if _monitor_reaches_users(client) else {}
    return [
        *(Reserved(title, "system.users", "roles", paths) for title, paths in grants.items()),
        *(Reserved(title, "system.roles", "roles", paths) for title, paths in grants.items()),
        *(
            Reserved(title, "system.roles", "privileges", paths | exempt)
            for title, paths in _PRIVILEGES.items()
        ),
    ]


def _monitor_reaches_users(client: Client) -> bool:
    """Whether `clusterMonitor` is; see the module."""
    return _feature_version(client) < (5, 0)


def _missing_indexes(client: Client) -> list[tuple[Reserved, dict[str, Any]]]:
    """The indexes that are not there, or not as they should be."""
    present = {name: _present_indexes(client, name) for name in _COLLECTIONS}
    return [
        (reserved, index)
        for reserved, index in _wanted_indexes(client)
        if index not in present[reserved.collection]
    ]


def _feature_version(client: Client) -> tuple[int, ...]:
    reply = client.admin.command("getParameter", featureCompatibilityVersion=1)
    return tuple(map(int, reply["featureCompatibilityVersion"]["version"].split(".")))


def _reserve(client: Client) -> tuple[str, ...]:
    """Make the missing indexes, those of one collection at once if possible; which documents stand
    in the way of one."""
    _drop_outdated(client)
    missing = _missing_indexes(client)
    obstacles: list[str] = []
    for collection in _COLLECTIONS:
        own = [pair for pair in missing if pair[0].collection == collection]
        if own and not _create(client, collection, [index for _, index in own]):
            for reserved, index in own:
                if not _create(client, collection, [index]):
                    obstacles += _holders(client, reserved, index)
    return tuple(obstacles)


def _drop_outdated(client: Client) -> None:
    """Drop the indexes of another release or version of the service."""
    wanted = [index for _, index in _wanted_indexes(client)]
    for collection in _COLLECTIONS:
        for index in _present_indexes(client, collection):
            if index not in wanted:
                majority(client, "dropIndexes", collection, index=index["name"])


def _create(client: Client, collection: str, indexes: Sequence[Mapping[str, Any]]) -> bool:
    """Make indexes; False if there are documents already that they should keep out."""
    try:
        majority(client, "createIndexes", collection, indexes=list(indexes))
    except OperationFailure as error:
        if error.code != _CANNOT_HASH_ARRAYS:
            raise
        return False
    return True


def _holders(client: Client, reserved: Reserved, index: Mapping[str, Any]) -> Iterator[str]:
    kind = reserved.collection.removeprefix("system.").removesuffix("s")
    for holder in client.admin[reserved.collection].find(index["partialFilterExpression"]):
        yield f"{kind} {holder[kind]}@{holder['db']} holds what is reserved: {reserved.title}"
