"""What the administrator may do, and every way we know to get more, at a real replica set."""

import itertools
import struct
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from bson import SON, encode
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shardhouse.domain.uris import ADMINISTRATOR
from shardhouse.mongo import administrator
from tests.mongo.conftest import ENGINE, PASSWORD

MONITOR = administrator.MONITOR if ENGINE.release < (5, 0) else "clusterMonitor"
RESERVED_ROLES = [
    *administrator._SERVICE_ROLES,
    *(["clusterMonitor"] if ENGINE.release < (5, 0) else []),
    *(
        {"role": role, "db": db}
        for db in ("local", "config")
        for role in ("readWrite", "dbAdmin", "dbOwner", "userAdmin", "enableSharding")
    ),
]
RESERVED_RESOURCES = [
    {"cluster": True},
    {"anyResource": True},
    {"db": "local", "collection": ""},
    {"db": "local", "collection": "system.replset"},
    {"db": "config", "collection": "settings"},
    {"db": "admin", "collection": ""},
    {"db": "admin", "collection": "system.users"},
    {"db": "", "collection": "system.users"},
    {"db": "", "collection": "oplog.rs"},
]
NUMBERS = itertools.count()
REFUSED = (13, administrator._CANNOT_HASH_ARRAYS)
NO_SUCH_COMMAND = 59
"""Of earlier releases."""
LOCKED_OUT = (13, 18, 2, 12, 14)
"""Not allowed, no such user, or a user that the server cannot read."""


@pytest.fixture(scope="module")
def system(formed):
    """`__system` at the primary."""
    return formed.clients[formed.plan.hosts[0]]


@pytest.fixture(scope="module")
def logged_in(formed):
    """The administrator, logged in once."""
    with _login(formed) as client:
        yield client


@pytest.fixture
def rwuser(system, logged_in):
    """The administrator; the users and roles a test left are gone afterwards."""
    yield logged_in
    for user in system.admin.command("usersInfo", {"forAllDBs": True})["users"]:
        if user["user"] != ADMINISTRATOR:
            system[user["db"]].command("dropUser", user["user"])
    ours = [administrator.ROLE, administrator.MONITOR]
    system.admin["system.roles"].delete_many({"role": {"$nin": ours}})
    for name in set(system.list_database_names()) - {"admin", "config", "local"}:
        system.drop_database(name)
    assert administrator.differences(system) == ()


def _login(formed, name=ADMINISTRATOR, password=PASSWORD):
    host = formed.plan.hosts[0]
    # After a login that fails, a driver asks the server anew before it tries again.
    options = {"directConnection": True, "heartbeatFrequencyMS": 500}
    return MongoClient(host, username=name, password=password, **options)


def _refused(run, codes=REFUSED):
    with pytest.raises(OperationFailure) as caught:
        run()
    assert caught.value.code in codes, caught.value


def _name():
    return f"test{next(NUMBERS)}"


def _role_text(role):
    return role if isinstance(role, str) else f"{role['role']}@{role['db']}"


# What DDS documents


def test_users_and_roles_in_databases_that_are_not_there_yet(formed, rwuser):
    shop = rwuser["shop"]
    shop.command("createUser", "owner", pwd="x", roles=["dbOwner", "readWrite"])
    rwuser.admin.command("createUser", "app", pwd="x", roles=[{"role": "readWrite", "db": "shop"}])
    shop.command(
        "createRole",
        "clerk",
        roles=["read"],
        privileges=[{"resource": {"db": "shop", "collection": "orders"}, "actions": ["insert"]}],
    )
    shop.command("grantRolesToUser", "owner", roles=["clerk"])
    shop.command("updateUser", "owner", pwd="y", customData={"x": 1})
    shop.command("revokeRolesFromUser", "owner", roles=["clerk"])
    shop.command("dropRole", "clerk")
    with _login(formed, "app", "x") as app:
        app["shop"]["orders"].insert_one({})
    shop.command("dropAllUsersFromDatabase")
    rwuser.admin.command("dropUser", "app")


def test_its_own_rights_and_those_of_monitoring_can_be_granted(formed, rwuser):
    roles = ["readWriteAnyDatabase", MONITOR, administrator.ROLE, "readAnyDatabase", "dbOwner"]
    rwuser.admin.command("createUser", "second", pwd="x", roles=roles)
    everywhere = {"resource": {"db": "", "collection": ""}, "actions": ["find", "collStats"]}
    rwuser.admin.command("createRole", "reader", privileges=[everywhere], roles=[])
    with _login(formed, "second", "x") as second:
        second["other"].command("createUser", "third", pwd="x", roles=["readWrite", "dbAdmin"])


def test_databases_are_read_written_and_administered(rwuser):
    shop = rwuser["shop"]
    shop.create_collection("orders")
    if ENGINE.release >= (5, 0):
        shop.create_collection("series", timeseries={"timeField": "t"})
    shop["series"].insert_one({"t": datetime(2026, 1, 1, tzinfo=UTC)})
    shop["orders"].insert_many([{"k": 1}, {"k": 2}])
    shop["orders"].create_index("k")
    shop.command("collMod", "orders", validator={"k": {"$exists": True}})
    shop.command("collStats", "orders")
    shop.command("validate", "orders")
    shop.command("profile", 0)
    list(shop["orders"].aggregate([{"$indexStats": {}}]))
    list(shop["orders"].aggregate([{"$out": "copy"}]))
    with shop["orders"].watch():
        pass
    with rwuser.start_session() as session, session.start_transaction():
        shop["orders"].update_one({"k": 1}, {"$set": {"x": 1}}, session=session)
    rwuser.admin.command("renameCollection", "shop.copy", to="shop.archive")
    shop.drop_collection("series")
    rwuser.drop_database("shop")
    rwuser.list_database_names()


@pytest.mark.parametrize(
    "command",
    [
        *({name: 1} for name in ("serverStatus", "top", "hostInfo", "connPoolStats", "currentOp")),
        *({name: 1} for name in ("replSetGetStatus", "replSetGetConfig", "getCmdLineOpts")),
        {"getLog": "global"},
        {"getParameter": "*"},
        {"usersInfo": 1},
        {"rolesInfo": 1, "showBuiltinRoles": True},
    ],
    ids=lambda command: next(iter(command)),
)
def test_the_set_is_monitored(rwuser, command):
    rwuser.admin.command(command)


# What it must not reach


@pytest.mark.parametrize("role", RESERVED_ROLES, ids=_role_text)
def test_a_reserved_role_reaches_no_user_and_no_role(rwuser, role):
    admin = rwuser.admin
    _refused(lambda: admin.command("createUser", _name(), pwd="x", roles=[role]))
    admin.command("createUser", user := _name(), pwd="x", roles=["readAnyDatabase"])
    _refused(lambda: admin.command("grantRolesToUser", user, roles=[role]))
    _refused(lambda: admin.command("updateUser", user, roles=["readAnyDatabase", role]))
    _refused(lambda: admin.command("grantRolesToUser", ADMINISTRATOR, roles=[role]))
    _refused(lambda: rwuser["shop"].command("createUser", "x", pwd="x", roles=[_whole(role)]))
    _refused(lambda: admin.command("createRole", _name(), roles=[role], privileges=[]))
    admin.command("createRole", own := _name(), roles=[], privileges=[])
    for name in (own, administrator.ROLE):
        _refused(lambda name=name: admin.command("grantRolesToRole", name, roles=[role]))
        _refused(lambda name=name: admin.command("updateRole", name, roles=[role]))


def _whole(role):
    return {"role": role, "db": "admin"} if isinstance(role, str) else role


@pytest.mark.parametrize("resource", RESERVED_RESOURCES, ids=str)
def test_a_reserved_resource_reaches_no_role(rwuser, resource):
    admin = rwuser.admin
    privileges = [{"resource": resource, "actions": ["find", "insert"]}]
    if "cluster" in resource:
        privileges[0]["actions"] = ["shutdown"]
    harmless = {"resource": {"db": "shop", "collection": "z"}, "actions": ["find"]}
    for own in (privileges, [harmless, *privileges]):
        _refused(lambda own=own: admin.command("createRole", _name(), roles=[], privileges=own))
    admin.command("createRole", role := _name(), roles=[], privileges=[harmless])
    for name in (role, administrator.ROLE):
        _refused(
            lambda name=name: admin.command("grantPrivilegesToRole", name, privileges=privileges)
        )
        _refused(lambda name=name: admin.command("updateRole", name, privileges=privileges))


def _with(document, field, values, **more):
    """The document with a field that may be there several times, which no dictionary can have."""
    parts = [document, *({field: value} for value in values), more]
    elements = b"".join(encode(part)[4:-1] for part in parts)
    return RawBSONDocument(struct.pack("<i", len(elements) + 5) + elements + b"\0")


_ROOT = SON(role="root", db="admin")
#: Values of the field, several if it is there several times.
MERGED_ROLES = {
    "plain": [[_ROOT]],
    "reversed": [[SON(db="admin", role="root")]],
    "more fields": [[SON(db="admin", x=1, role="root")]],
    "object": [_ROOT],
    "nested object": [{"0": _ROOT}],
    "texts": [["admin.root"]],
    "twice": [[], [_ROOT]],
    "twice, reversed": [[_ROOT], []],
}
_ALL = {"resource": {"anyResource": True}, "actions": ["anyAction"]}
MERGED_PRIVILEGES = {
    "plain": [[_ALL]],
    "the monitor's and more": [[*administrator.MONITOR_PRIVILEGES, _ALL]],
    "the monitor's, then all": [administrator.MONITOR_PRIVILEGES, [_ALL]],
    "all, then the monitor's": [[_ALL], administrator.MONITOR_PRIVILEGES],
    "second": [[{"resource": {"db": "a", "collection": ""}, "actions": ["find"]}, _ALL]],
    "more fields": [[{"actions": ["anyAction"], "x": 1, "resource": {"anyResource": True}}]],
    "nested object": [{"0": _ALL}],
    "object": [_ALL],
    "twice": [[], [_ALL]],
    "twice, reversed": [[_ALL], []],
    "resource twice": [
        [{"resource": _with({}, "db", ["a", "local"], collection=""), "actions": ["insert"]}],
        [{"resource": _with({}, "db", ["local", "a"], collection=""), "actions": ["insert"]}],
    ],
}


def _merge(rwuser, **documents):
    """Store documents as the server's own restoring command does: nearly unchecked."""
    command = {"_mergeAuthzCollections": 1, "drop": False, "db": ""}
    for field, document in documents.items():
        rwuser["merge"].drop_collection(field)
        rwuser["merge"][field].insert_one(document)
        command[field] = f"merge.{field}"
    with suppress(OperationFailure):  # for documents that the server refuses by itself
        rwuser.admin.command(command)


def _powerless(formed, name):
    """The user gets in with no right of the service, or not at all."""
    with _login(formed, name, PASSWORD) as client:
        for command in ({"fsync": 1}, {"setParameter": 1, "logLevel": 0}):
            _refused(lambda command=command: client.admin.command(command), LOCKED_OUT)
        _refused(lambda: client.local["system.replset"].insert_one({}), LOCKED_OUT)


@pytest.mark.parametrize("roles", MERGED_ROLES.values(), ids=MERGED_ROLES.keys())
def test_merged_users_and_roles_give_no_reserved_role(formed, system, rwuser, roles):
    credentials = system.admin["system.users"].find_one({"user": "rwuser"})["credentials"]
    name = _name()
    user = {"_id": f"admin.{name}", "user": name, "db": "admin", "credentials": credentials}
    _merge(rwuser, tempUsersCollection=_with(user, "roles", roles))
    _powerless(formed, name)
    role, holder = _name(), _name()
    document = {"_id": f"admin.{role}", "role": role, "db": "admin", "privileges": []}
    _merge(rwuser, tempRolesCollection=_with(document, "roles", roles))
    if system.admin["system.roles"].count_documents({"role": role}):
        rwuser.admin.command("createUser", holder, pwd=PASSWORD, roles=[])
        with suppress(OperationFailure):  # for a document that is no role to the server
            rwuser.admin.command("grantRolesToUser", holder, roles=[role])
        _powerless(formed, holder)


@pytest.mark.parametrize("privileges", MERGED_PRIVILEGES.values(), ids=MERGED_PRIVILEGES.keys())
def test_merged_roles_give_no_reserved_privilege(formed, system, rwuser, privileges):
    role, holder = _name(), _name()
    document = {"_id": f"admin.{role}", "role": role, "db": "admin", "roles": []}
    _merge(rwuser, tempRolesCollection=_with(document, "privileges", privileges))
    if system.admin["system.roles"].count_documents({"role": role}):
        rwuser.admin.command("createUser", holder, pwd=PASSWORD, roles=[])
        with suppress(OperationFailure):  # for a document that is no role to the server
            rwuser.admin.command("grantRolesToUser", holder, roles=[role])
        _powerless(formed, holder)


def test_nobody_becomes_the_service_by_a_user_of_its_name(formed, system, rwuser):
    credentials = system.admin["system.users"].find_one({"user": "rwuser"})["credentials"]
    impostor = {"_id": "local.__system", "user": "__system", "db": "local", "roles": []}
    _merge(rwuser, tempUsersCollection=impostor | {"credentials": credentials})
    host = formed.plan.hosts[0]
    with (
        MongoClient(
            host,
            directConnection=True,
            username="__system",
            password=PASSWORD,
            authSource="local",
            authMechanism="SCRAM-SHA-256",
        ) as client,
        pytest.raises(OperationFailure, match="Authentication failed"),
    ):
        client.admin.command("ping")
    system.admin["system.users"].delete_one({"_id": "local.__system"})


@pytest.mark.parametrize(
    "command",
    [
        *({name: 1} for name in ("shutdown", "fsync", "logRotate", "rotateCertificates")),
        *({name: 1} for name in ("replSetStepDown", "replSetFreeze", "replSetMaintenance")),
        *({name: {}} for name in ("replSetReconfig", "replSetInitiate")),
        {"replSetSyncFrom": "127.0.0.1:1"},
        {"setParameter": 1, "logLevel": 0},
        {"setParameter": 1, "enableLocalhostAuthBypass": True},
        {"setFeatureCompatibilityVersion": "5.0"},
        {"setDefaultRWConcern": 1, "defaultReadConcern": {"level": "local"}},
        {"setUserWriteBlockMode": 1, "global": True},
        {"setClusterParameter": {"changeStreamOptions": {}}},
        {"appendOplogNote": 1, "data": {}},
        {"killAllSessions": []},
        {"startRecordingTraffic": 1, "filename": "x"},
        {"dropIndexes": "system.users", "index": "*"},
        {"dropIndexes": "system.roles", "index": "*"},
        {"collMod": "system.users", "index": {"name": "user_1_db_1", "hidden": True}},
        {"drop": "system.users"},
        {"drop": "system.roles"},
        {"convertToCapped": "system.users", "size": 4096},
        {"compact": "system.users"},
        {"reIndex": "system.users"},
        {"validate": "system.users"},
        {"find": "system.users"},
        {"find": "system.keys"},
        {"insert": "system.users", "documents": [{"_id": "x"}]},
        {"delete": "system.version", "deletes": [{"q": {}, "limit": 0}]},
        {"applyOps": [{"op": "n", "ns": "", "o": {}}]},
    ],
    ids=lambda command: next(iter(command)) + str(next(iter(command.values())))[:14],
)
def test_commands_of_the_service_are_refused(rwuser, command):
    _refused(lambda: rwuser.admin.command(command), (13, NO_SUCH_COMMAND))


def test_no_oplog_entry_can_be_applied_to_what_its_uuid_names(system, rwuser):
    """`applyOps` of one built-in role and `useUUID` of another would drop the users' collection."""
    found = system.admin.list_collections(filter={"name": "system.users"})
    (uuid,) = (collection["info"]["uuid"] for collection in found)
    drop = {"op": "c", "ns": "shop.$cmd", "ui": uuid, "o": {"drop": "orders"}}
    _refused(lambda: rwuser.admin.command("applyOps", [drop]), (13,))
    _refused(lambda: rwuser.admin.command({"find": uuid}), (13,))


@pytest.mark.parametrize("name", ["system.replset", "oplog.rs", "replset.election"])
def test_local_is_not_written(rwuser, name):
    collection = rwuser.local[name]
    _refused(lambda: collection.delete_many({}), (13,))
    _refused(lambda: collection.insert_one({}), (13,))
    _refused(collection.drop, (13,))


def test_nothing_leads_into_the_collection_of_users(rwuser):
    rwuser.admin["own"].insert_one({})
    rename = {"renameCollection": "admin.own", "to": "admin.system.users", "dropTarget": True}
    _refused(lambda: rwuser.admin.command(rename), (13, 20, 73))
    into = {"db": "admin", "coll": "system.users"}
    for stage in ({"$out": into}, {"$merge": {"into": into}}):
        _refused(lambda stage=stage: rwuser.admin["own"].aggregate([stage]), (13, 17385, 31319))
    lookup = {"$lookup": {"from": "system.users", "pipeline": [], "as": "users"}}
    _refused(lambda: rwuser.admin["own"].aggregate([lookup]), (13,))
    _refused(lambda: rwuser.admin.command("create", "view", viewOn="system.users"), (13,))
    with pytest.raises(OperationFailure, match="prohibited"):
        rwuser.drop_database("admin")
    rwuser.admin.drop_collection("own")


# Existing instances


def test_an_administrator_that_was_root_is_restricted_and_others_stay(formed, system, rwuser):
    for name in administrator._COLLECTIONS:
        system.admin.command("dropIndexes", name, index="*")
    system.admin.command("createUser", "old", pwd="x", roles=["root"])
    system.admin.command("updateUser", "rwuser", roles=["root", {"role": "read", "db": "config"}])
    system.admin.command("dropRole", administrator.ROLE)
    found = administrator.differences(system)
    assert any("has root" in one for one in found)
    assert any("indexes are missing" in one for one in found)

    (obstacle,) = administrator.restrict(system)
    assert obstacle == "user old@admin holds what is reserved: roles of the service"
    assert administrator.restrict(system) == (obstacle,)
    assert administrator.differences(system) == (
        "reserved rights can be granted (1 indexes are missing)",
    )
    (user,) = system.admin.command("usersInfo", "rwuser")["users"]
    roles = {(role["role"], role["db"]) for role in user["roles"]}
    wanted = ("readWriteAnyDatabase", MONITOR, administrator.ROLE)
    assert roles == {(role, "admin") for role in wanted} | {("read", "config")}
    with _login(formed, "old", "x") as old:
        old.admin.command("fsync", lock=False)

    system.admin.command("dropUser", "old")
    assert administrator.restrict(system) == ()
    assert administrator.differences(system) == ()


@pytest.mark.skipif(ENGINE.release < (5, 0), reason="it is a newer release that does it")
def test_the_monitor_of_4_4_becomes_the_one_of_newer_releases(formed, system, monkeypatch):
    """As after an upgrade."""
    monkeypatch.setattr(administrator, "_feature_version", lambda _: (4, 4))
    assert administrator.restrict(system) == ()
    assert administrator.differences(system) == ()
    system.admin.command("createUser", "guard", pwd="x", roles=[administrator.MONITOR])
    monkeypatch.setattr(administrator, "_feature_version", lambda _: (5, 0))
    assert f"role {administrator.MONITOR} is not what it should be" in (
        administrator.differences(system)
    )
    assert administrator.restrict(system) == ()
    assert administrator.differences(system) == ()
    with _login(formed, "guard", "x") as guard:
        guard.admin.command("serverStatus")
    monkeypatch.undo()
    system.admin.command("dropUser", "guard")
    assert administrator.restrict(system) == ()
    assert administrator.differences(system) == ()


@pytest.mark.skipif(ENGINE.release >= (5, 0), reason="clusterMonitor is harmless there")
def test_the_monitor_of_4_4_has_all_of_cluster_monitor_but_uuids(system):
    found = system.admin.command("rolesInfo", "clusterMonitor", showPrivileges=True)
    (builtin,) = found["roles"]
    for privilege in builtin["privileges"]:
        privilege["actions"] = [one for one in privilege["actions"] if one != "useUUID"]
    assert administrator._comparable(builtin) == administrator._comparable(
        {"privileges": administrator.MONITOR_PRIVILEGES}
    )


@pytest.mark.skipif(ENGINE.release >= (5, 0), reason="its privileges are no exception there")
def test_the_monitor_of_4_4_is_not_made_more(rwuser):
    admin = rwuser.admin
    for action in ("useUUID", "shutdown"):
        privilege = {"resource": {"cluster": True}, "actions": [action]}
        for name in (administrator.MONITOR, administrator.ROLE):
            _refused(
                lambda name=name, given=privilege: admin.command(
                    "grantPrivilegesToRole", name, privileges=[given]
                )
            )
        own = [*administrator.MONITOR_PRIVILEGES, privilege]
        _refused(lambda own=own: admin.command("updateRole", administrator.MONITOR, privileges=own))
    _refused(
        lambda: admin.command("grantRolesToRole", administrator.MONITOR, roles=["clusterMonitor"])
    )


@pytest.mark.skipif(ENGINE.release < (6, 0), reason="such a server is under test here")
def test_servers_without_alternatives_in_filters_have_more_indexes(system, rwuser, monkeypatch):
    monkeypatch.setattr(administrator, "_feature_version", lambda _: (5, 0))
    assert administrator.differences(system)
    for _ in range(2):
        assert administrator.restrict(system) == ()
        assert administrator.differences(system) == ()
    for role in RESERVED_ROLES:
        _refused(lambda role=role: rwuser.admin.command("createUser", "x", pwd="x", roles=[role]))
    monkeypatch.undo()
    assert administrator.restrict(system) == ()
