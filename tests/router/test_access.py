"""Who may do what: logins, limited users, cursors and sessions of others, system collections."""

from __future__ import annotations

import pytest
from bson import Binary, Int64, Timestamp
from pymongo.errors import NetworkTimeout, OperationFailure
from pymongo.server_api import ServerApi

from shardhouse.router.commands.sessions import stamped
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw
from tests.router.cluster import ADMIN, PASSWORD, until


def refused(operation, code=13):
    with pytest.raises(OperationFailure) as error:
        operation()
    assert error.value.code == code, error.value
    return error.value


@pytest.fixture
def person(root, cluster, db):
    """Makes users with the given roles on this test's database, and their clients."""
    clients = []

    def make(*roles, name="u", **more):
        given = [{"role": r, "db": db.name} if isinstance(r, str) else r for r in roles]
        user = f"{name}_{db.name}"
        root.admin.command("createUser", user, pwd="secret", roles=given, **more)
        clients.append(cluster.router.client(user, "secret"))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    "command",
    [
        {"find": "c"},
        {"insert": "c", "documents": [{}]},
        {"aggregate": 1, "pipeline": [{"$currentOp": {}}], "cursor": {}},
        {"listDatabases": 1},
        {"createUser": "x", "pwd": "x", "roles": ["root"]},
        {"serverStatus": 1},
        {"getMore": Int64(5), "collection": "c"},
        {"killCursors": "c", "cursors": [Int64(5)]},
        {"startSession": 1},
        {"addShard": "x/y:1"},
        {"usersInfo": 1},
    ],
)
def test_without_login_nothing_but_greetings(cluster, command):
    with cluster.router.stranger() as client:
        assert client.admin.command("ping")["ok"] == 1
        assert client.admin.command("hello")["msg"] == "isdbgrid"
        refused(lambda: client.admin.command(command))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_both_mechanisms_log_in_and_a_wrong_password_does_not(cluster, mechanism):
    with cluster.router.client(authMechanism=mechanism) as client:
        status = client.admin.command("connectionStatus")["authInfo"]
        assert status["authenticatedUsers"] == [{"user": ADMIN, "db": "admin"}]
    with cluster.router.client(ADMIN, "wrong", authMechanism=mechanism) as client:
        refused(lambda: client.admin.command("ping"), 18)
    with cluster.router.client("nobody", PASSWORD, authMechanism=mechanism) as client:
        refused(lambda: client.admin.command("ping"), 18)


def test_a_reader_reads_and_nothing_else(person, db, root):
    db.c.insert_one({"_id": 1})
    reader = person("read")
    mine = reader[db.name]
    assert mine.c.find_one() == {"_id": 1}
    assert mine.list_collection_names() == ["c"]
    assert reader.list_database_names() == [db.name]
    for attempt in (
        lambda: mine.c.insert_one({}),
        lambda: mine.c.update_one({"_id": 1}, {"$set": {"a": 1}}),
        lambda: mine.c.delete_one({"_id": 1}),
        lambda: mine.c.find_one_and_delete({"_id": 1}),
        lambda: mine.c.create_index("a"),
        mine.c.drop,
        lambda: mine.create_collection("d"),
        lambda: list(mine.c.aggregate([{"$out": "d"}])),
        lambda: list(mine.c.aggregate([{"$merge": "d"}])),
        lambda: reader.drop_database(db.name),
        reader.other.c.find_one,
        reader.other.list_collection_names,
        lambda: list(mine.c.aggregate([{"$lookup": {"from": "system.js", "as": "x"}},
                                       {"$unionWith": "system.profile"}])),
        reader.admin["system.users"].find_one,
        reader.admin["system.keys"].find_one,
        reader.config.shards.find_one,
        reader.local["oplog.rs"].find_one,
        lambda: reader.admin.command("shardCollection", f"{db.name}.c", key={"_id": 1}),
        lambda: reader.admin.command("enableSharding", db.name),
        lambda: reader.admin.command("addShard", "x/y:1"),
        lambda: reader.admin.command("removeShard", "s0"),
        lambda: reader.admin.command("listShards"),
        lambda: reader.admin.command("balancerStop"),
        lambda: reader.admin.command("serverStatus"),
        lambda: reader.admin.command("getParameter", "*"),
        lambda: reader.admin.command("flushRouterConfig"),
        lambda: reader.admin.command("killAllSessions", []),
        lambda: mine.command("createUser", "x", pwd="x", roles=[]),
        lambda: mine.command("usersInfo", 1),
        lambda: list(reader.admin.aggregate([{"$currentOp": {"allUsers": True}}])),
        lambda: mine.command("explain", {"insert": "c", "documents": [{}]}),
        lambda: mine.command("explain", {"delete": "c", "deletes": [{"q": {}, "limit": 0}]}),
    ):  # fmt: skip
        with pytest.raises(OperationFailure) as error:
            attempt()
        assert error.value.code in (13, 59), error.value
    assert db.c.count_documents({}) == 1


def test_internal_fields_and_commands_are_refused(person, db):
    writer = person("readWrite")[db.name]
    for field in ("shardVersion", "databaseVersion", "fromMongos", "stmtIds", "$_internal"):
        refused(lambda field=field: writer.command("find", "c", **{field: 1}), 40415)
    for command in ("clusterFind", "_shardsvrDropDatabase", "applyOps", "eval", "shutdown", "x"):
        refused(lambda command=command: writer.command(command, "c"), 59)
    refused(
        lambda: list(writer.c.aggregate([{"$mergeCursors": {"remotes": [], "nss": "a.b"}}])), 40324
    )


def test_one_collection_only(root, cluster, db):
    db.open.insert_one({"_id": 1})
    db.closed.insert_one({"_id": 1})
    privilege = {"resource": {"db": db.name, "collection": "open"}, "actions": ["find"]}
    db.command("createRole", "narrow", privileges=[privilege], roles=[])
    db.command("createUser", "n", pwd="secret", roles=["narrow"])
    with cluster.router.client("n", "secret", authSource=db.name) as client:
        mine = client[db.name]
        assert mine.open.find_one() == {"_id": 1}
        refused(mine.closed.find_one)
        lookup = {
            "$lookup": {"from": "closed", "localField": "_id", "foreignField": "_id", "as": "x"}
        }
        refused(lambda: list(mine.open.aggregate([lookup])))
        refused(lambda: list(mine.open.aggregate([{"$facet": {"a": [lookup]}}])))
        refused(lambda: list(mine.open.aggregate([{"$unionWith": "closed"}])))
        names = mine.command("listCollections", nameOnly=True, authorizedCollections=True)
        assert [c["name"] for c in names["cursor"]["firstBatch"]] == ["open"]
        refused(lambda: mine.command("listCollections", nameOnly=True))


def test_changes_to_users_take_effect(person, root, db, cluster):
    client = person("read")
    refused(lambda: client[db.name].c.insert_one({}))
    user = f"u_{db.name}"
    roles = [{"role": "readWrite", "db": db.name}]
    root.admin.command("grantRolesToUser", user, roles=roles)
    client[db.name].c.insert_one({})
    with cluster.config.client() as config:  # behind the router's back, as another router would
        config.admin.command(
            "revokeRolesFromUser", user, roles=[{"role": "readWrite", "db": db.name}]
        )
    until("the revocation to be seen", lambda: _is_refused(client[db.name].c), 5)
    root.admin.command("dropUser", user)
    refused(client[db.name].c.find_one)


def _is_refused(collection):
    try:
        collection.insert_one({})
    except OperationFailure as error:
        return error.code == 13
    return False


def test_ones_own_account(person, root, db, cluster):
    client = person("read")
    user = f"u_{db.name}"
    assert client.admin.command("usersInfo", user)["users"][0]["user"] == user
    refused(lambda: client.admin.command("usersInfo", ADMIN))
    refused(lambda: client.admin.command("updateUser", user, pwd="other"))
    refused(lambda: client.admin.command("updateUser", user, roles=["root"]))
    refused(lambda: root.admin.command("usersInfo", ADMIN, showCredentials=True))


def test_a_cursor_obeys_its_owner_only(person, db):
    db.c.insert_many([{"_id": n} for n in range(100)])
    owner, other = person("read", name="a"), person("read", name="b")
    mine, theirs = owner[db.name], other[db.name]
    with owner.start_session() as session:
        reply = mine.command("find", "c", batchSize=5, session=session)
        number = Int64(reply["cursor"]["id"])
        assert number

        def more(collection, **options):
            return mine.command("getMore", number, collection=collection, batchSize=5, **options)

        refused(lambda: theirs.command("getMore", number, collection="c"))
        refused(lambda: theirs.command("killCursors", "c", cursors=[number]))
        refused(lambda: more("d", session=session))
        refused(lambda: more("c"), 50738)
        batch = more("c", session=session)["cursor"]["nextBatch"]
        assert [d["_id"] for d in batch] == [5, 6, 7, 8, 9]
        killed = mine.command("killCursors", "c", cursors=[number], session=session)
        assert killed["cursorsKilled"] == [number]


def open_on_shards(cluster, namespace, kinds=("idleCursor",)):
    """How many cursors (or operations) on a namespace the shards hold."""
    stages = [
        {"$currentOp": {"allUsers": True, "idleCursors": True}},
        {"$match": {"ns": namespace, "type": {"$in": list(kinds)}}},
    ]
    found = 0
    for shard in cluster.shards:
        with shard.client() as client:
            found += len(list(client.admin.aggregate(stages)))
    return found


@pytest.mark.parametrize("first_batch", [1, 40])
def test_a_client_that_goes_away_leaves_no_cursor_behind(cluster, root, db, first_batch):
    """Away during the getMore, or during the find itself."""
    root.admin.command("shardCollection", f"{db.name}.h", key={"k": "hashed"})
    db.h.insert_many([{"k": n} for n in range(60)])
    slow = {"$where": "function() { const t = Date.now(); while (Date.now() - t < 20); return 1; }"}
    with cluster.router.client(socketTimeoutMS=250, retryReads=False) as client:
        mine = client[db.name]

        def read():
            with client.start_session() as session:
                options = {"filter": slow, "batchSize": first_batch, "session": session}
                number = Int64(mine.command("find", "h", **options)["cursor"]["id"])
                mine.command("getMore", number, collection="h", batchSize=40, session=session)

        with pytest.raises(NetworkTimeout):
            read()
        both = ("idleCursor", "op")
        until(
            "the shards to be idle",
            lambda: open_on_shards(cluster, f"{db.name}.h", both) == 0,
        )


def test_cluster_cursors_are_killed_on_the_shards_too(cluster, root, db):
    root.admin.command("shardCollection", f"{db.name}.h", key={"k": "hashed"})
    db.h.insert_many([{"k": n} for n in range(500)])
    name = f"{db.name}.h"

    cursor = db.h.find(batch_size=5)
    next(cursor)
    assert until("the cursor to be open", lambda: open_on_shards(cluster, name)) > 0
    cursor.close()
    until("the cursor to be gone", lambda: open_on_shards(cluster, name) == 0, 5)


def test_sessions_of_others_stay_theirs(person, db):
    first, second = person("readWrite", name="a"), person("readWrite", name="b")
    with first.start_session() as session:
        cursor = first[db.name].c.find(batch_size=2, session=session)
        first[db.name].c.insert_many([{} for _ in range(10)], session=session)
        next(cursor)
        second.admin.command("killSessions", [session.session_id])
        assert len(list(cursor)) == 9


def test_the_digest_of_another_user_is_refused():
    lsid = {"id": Binary(b"u" * 16, 4), "uid": b"x" * 32}
    given = raw.shallow(raw.encode({"lsid": lsid}))["lsid"]
    with pytest.raises(CommandError) as error:
        stamped(given, None)
    assert error.value.code == 13


def test_cluster_time_must_be_signed(db, root):
    signature = {"hash": b"\0" * 20, "keyId": Int64(0)}
    forged = {"clusterTime": Timestamp(2**32 - 1, 1), "signature": signature}
    with root.start_session() as session:
        session.advance_cluster_time(forged)
        refused(lambda: db.command("ping", session=session), 25)
    assert root.admin.command("ping")["$clusterTime"]["clusterTime"].time < 2**31


@pytest.mark.parametrize("restriction", ["10.0.0.0/8", "192.0.2.1"])
def test_authentication_restrictions(person, restriction):
    client = person("read", authenticationRestrictions=[{"clientSource": [restriction]}])
    refused(lambda: client.admin.command("ping"), 18)


def test_allowed_source(person):
    client = person("read", authenticationRestrictions=[{"clientSource": ["127.0.0.1"]}])
    assert client.admin.command("ping")["ok"] == 1


def test_the_stable_api_is_enforced(cluster):
    api = ServerApi("1", strict=True)
    with cluster.router.client(server_api=api) as client:
        assert client.admin.command("ping")["ok"] == 1
        refused(lambda: client.admin.command("serverStatus"), 323)
