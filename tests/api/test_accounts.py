"""Database users and roles, as drivers meet them, and what nobody gets by them."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import NotPrimaryError, OperationFailure, PyMongoError

from shardhouse.domain.uris import ADMINISTRATOR
from shardhouse.mongo import administrator
from tests.builds import under_test
from tests.installation import Installation, until, uri

Made = dict[str, Any]
PASSWORD, OTHER = "Zx7-mountain_Lake", "Qw8-river_Stone"
NOT_ALLOWED = 13
REFUSALS = (OperationFailure, NotPrimaryError)
UNAUTHORIZED = (NOT_ALLOWED, 18)
MONITOR = administrator.MONITOR if under_test().release < (5, 0) else "clusterMonitor"


@pytest.fixture(params=["shared_replica", "shared_cluster"])
def made(installation: Installation, request: pytest.FixtureRequest) -> Iterator[Made]:
    """Instances whose users and roles of the test are gone afterwards."""
    instance: Made = request.getfixturevalue(request.param)
    yield instance
    tidy(installation, instance)


@pytest.fixture
def replica(installation: Installation, shared_replica: Made) -> Iterator[Made]:
    """The same, a replica set alone."""
    yield shared_replica
    tidy(installation, shared_replica)


def tidy(installation: Installation, instance: Made) -> None:
    for user in listed(installation, instance, "users"):
        if user["user"] != ADMINISTRATOR:
            body = {"user_name": user["user"], "db_name": user["db"]}
            assert send(installation, instance, "DELETE", "db-user", body).status_code == 200
    for role in listed(installation, instance, "roles"):
        if role["role"] not in (administrator.ROLE, administrator.MONITOR):
            body = {"role_name": role["role"], "db_name": role["db"]}
            assert send(installation, instance, "DELETE", "db-role", body).status_code == 200
    with MongoClient(uri(instance)) as client:
        client.drop_database("shop")
        client.drop_database("other")


def send(installation: Installation, made: Made, method: str, call: str, body: Any) -> Any:
    return installation.call(method, f"/instances/{made['id']}/{call}", json=body)


def page(installation: Installation, made: Made, noun: str, **query: Any) -> tuple[list[Any], int]:
    call = {"users": "db-user/detail", "roles": "db-roles"}[noun]
    answer = installation.call("GET", f"/instances/{made['id']}/{call}", params=query)
    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()[noun], str)
    return json.loads(answer.json()[noun]), answer.json()["total_count"]


def listed(installation: Installation, made: Made, noun: str, **query: Any) -> list[Any]:
    return page(installation, made, noun, **query)[0]


def roles(*names: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role_name": name, "role_db_name": database} for name, database in names]


def create_user(installation: Installation, made: Made, name: str, **body: Any) -> Any:
    body = {"user_name": name, "user_pwd": PASSWORD, "roles": []} | body
    return send(installation, made, "POST", "db-user", body)


def client_of(made: Made, user: str, database: str, password: str = PASSWORD) -> MongoClient[Any]:
    given = uri(made, password, user).replace("authSource=admin", f"authSource={database}")
    return MongoClient(given, heartbeatFrequencyMS=500)


def refused(work: Any, codes: tuple[int, ...] = (NOT_ALLOWED,)) -> None:
    with pytest.raises(OperationFailure) as caught:
        work()
    assert caught.value.code in codes, caught.value


def test_a_user_may_what_its_roles_allow(installation: Installation, made: Made) -> None:
    given = roles(("readWrite", "shop"), ("read", "other"))
    answer = create_user(installation, made, "clerk", db_name="shop", roles=given)
    assert (answer.status_code, answer.json()) == (200, {})
    with client_of(made, "clerk", "shop") as clerk:
        clerk["shop"]["orders"].insert_one({})
        assert clerk["other"]["things"].find_one() is None
        refused(lambda: clerk["other"]["things"].insert_one({}))
        refused(clerk["third"]["things"].find_one)
        # The password of a user of another database than admin.
        body = {"user_name": "clerk", "db_name": "shop", "user_pwd": OTHER}
        assert send(installation, made, "PUT", "reset-password", body).status_code == 200
        with client_of(made, "clerk", "shop", OTHER) as again:
            again["shop"]["orders"].find_one()
        with client_of(made, "clerk", "shop") as old:
            refused(old["shop"]["orders"].find_one, UNAUTHORIZED)
        (user,) = listed(installation, made, "users", user_name="clerk", db_name="shop")
        assert (user["_id"], user["user"], user["db"]) == ("shop.clerk", "clerk", "shop")
        assert user["roles"] == [
            {"role": "read", "db": "other"},
            {"role": "readWrite", "db": "shop"},
        ]
        assert {"role": "read", "db": "other"} in user["inheritedRoles"]
        assert any(one["resource"]["db"] == "shop" for one in user["inheritedPrivileges"])
        assert "credentials" not in user
        body = {"user_name": "clerk", "db_name": "shop"}
        assert send(installation, made, "DELETE", "db-user", body).json() == {}
        for _ in range(4):  # connections to each router are among them
            refused(clerk["shop"]["orders"].find_one, UNAUTHORIZED)
    with client_of(made, "clerk", "shop", OTHER) as gone:
        until("a login to fail", lambda: is_refused(gone["shop"]["orders"].find_one))


def is_refused(work: Any) -> bool:
    try:
        work()
    except OperationFailure as error:
        return error.code in UNAUTHORIZED
    return False


def test_a_user_without_roles_may_nothing(installation: Installation, replica: Made) -> None:
    assert create_user(installation, replica, "nobody", db_name="").status_code == 200
    (user,) = listed(installation, replica, "users", user_name="nobody")
    assert (user["db"], user["roles"]) == ("admin", [])
    with client_of(replica, "nobody", "admin") as nobody:
        nobody.admin.command("ping")
        refused(nobody["shop"]["orders"].find_one)


def test_a_role_gives_what_it_inherits(installation: Installation, made: Made) -> None:
    body = {"role_name": "buyer", "db_name": "shop", "roles": roles(("readWrite", "shop"))}
    assert send(installation, made, "POST", "db-role", body).json() == {}
    body = {"role_name": "chief", "roles": roles(("buyer", "shop"), ("read", "other"))}
    assert send(installation, made, "POST", "db-role", body).json() == {}
    found, total = page(installation, made, "roles", db_name="shop")
    assert (total, [one["role"] for one in found]) == (1, ["buyer"])
    assert (found[0]["isBuiltin"], found[0]["privileges"]) == (False, [])
    assert found[0]["roles"] == [{"role": "readWrite", "db": "shop"}]
    (built_in,) = listed(installation, made, "roles", role_name="read", db_name="shop")
    assert built_in["isBuiltin"]
    created = create_user(installation, made, "boss", roles=roles(("chief", "admin")))
    assert created.status_code == 200
    with client_of(made, "boss", "admin") as boss:
        boss["shop"]["orders"].insert_one({})
        assert boss["other"]["things"].find_one() is None
        refused(lambda: boss["other"]["things"].insert_one({}))
        body = {"role_name": "buyer", "db_name": "shop"}
        assert send(installation, made, "DELETE", "db-role", body).json() == {}
        for _ in range(4):
            refused(lambda: boss["shop"]["orders"].insert_one({}))


def test_pages_and_filters(installation: Installation, replica: Made) -> None:
    for name, database in (("a", "shop"), ("b", "shop"), ("a", "other")):
        created = create_user(installation, replica, name, db_name=database)
        assert created.status_code == 200
    everybody, total = page(installation, replica, "users")
    assert [one["_id"] for one in everybody] == ["admin.rwuser", "other.a", "shop.a", "shop.b"]
    assert total == 4
    second, total = page(installation, replica, "users", offset=1, limit=2)
    assert ([one["_id"] for one in second], total) == (["other.a", "shop.a"], 4)
    assert page(installation, replica, "users", offset=4) == ([], 4)
    assert {one["_id"] for one in listed(installation, replica, "users", user_name="a")} == {
        "other.a",
        "shop.a",
    }
    assert page(installation, replica, "users", user_name="nobody") == ([], 0)


@pytest.mark.parametrize(
    ("method", "call", "body", "code"),
    [
        ("POST", "db-user", {"roles": None}, "DBS.200001"),
        ("POST", "db-user", {"roles": [{"role_name": "read"}]}, "DBS.239020"),
        ("POST", "db-user", {"user_name": "a b"}, "DBS.280292"),
        ("POST", "db-user", {"user_name": None}, "DBS.280292"),
        ("POST", "db-user", {"user_pwd": "short"}, "DBS.200052"),
        ("POST", "db-user", {"user_pwd": "lowercase-only-1"}, "DBS.200068"),
        ("POST", "db-user", {"db_name": "$external"}, "DBS.239020"),
        ("POST", "db-user", {"db_name": "local"}, "DBS.239020"),
        ("POST", "db-user", {"db_name": "config"}, "DBS.239020"),
        ("POST", "db-user", {"user_name": "rwuser"}, "DBS.200828"),
        ("POST", "db-user", {"user_name": "drsFull"}, "DBS.200828"),
        ("POST", "db-user", {"user_name": "drsIncremental", "db_name": "shop"}, "DBS.200828"),
        ("POST", "db-user", {"user_name": "__system"}, "DBS.200828"),
        ("POST", "db-user", {"user_name": "sharduser"}, "DBS.200828"),
        ("POST", "db-user", {"user_name": "shardhouse-0123456789abcdef"}, "DBS.200828"),
        ("POST", "db-user", {"roles": roles(("nothing", "shop"))}, "DBS.239018"),
        ("DELETE", "db-user", {}, "DBS.200824"),
        ("DELETE", "db-user", {"user_name": "rwuser"}, "DBS.200828"),
        ("DELETE", "db-user", {"user_name": "root"}, "DBS.200828"),
        ("POST", "db-role", {"role_name": "a b"}, "DBS.239016"),
        ("POST", "db-role", {"db_name": "shop", "roles": roles(("read", "other"))}, "DBS.239021"),
        ("POST", "db-role", {"roles": roles(("nothing", "shop"))}, "DBS.239018"),
        ("POST", "db-role", {"role_name": "root"}, "DBS.239022"),
        ("POST", "db-role", {"role_name": administrator.ROLE}, "DBS.239022"),
        ("DELETE", "db-role", {"role_name": "root"}, "DBS.239022"),
        ("DELETE", "db-role", {"role_name": administrator.ROLE}, "DBS.239022"),
        ("DELETE", "db-role", {"role_name": "nothing"}, "DBS.239018"),
    ],
)
def test_what_is_refused(
    installation: Installation, shared_replica: Made, method: str, call: str, body: Any, code: str
) -> None:
    whole = {"user_name": "some", "user_pwd": PASSWORD, "db_name": "admin", "roles": []}
    answer = send(installation, shared_replica, method, call, {**whole, "role_name": "some"} | body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code), answer.text
    assert PASSWORD not in answer.text
    assert [one["user"] for one in listed(installation, shared_replica, "users")] == ["rwuser"]


def test_nothing_is_made_twice(installation: Installation, replica: Made) -> None:
    assert create_user(installation, replica, "clerk").status_code == 200
    again = create_user(installation, replica, "clerk", user_pwd=OTHER)
    assert (again.status_code, again.json()["error_code"]) == (400, "DBS.200827")
    with client_of(replica, "clerk", "admin") as clerk:
        clerk.admin.command("ping")
    body = {"role_name": "buyer", "db_name": "shop"}
    assert send(installation, replica, "POST", "db-role", body).status_code == 200
    again = send(installation, replica, "POST", "db-role", body)
    assert (again.status_code, again.json()["error_code"]) == (400, "DBS.239017")


@pytest.mark.parametrize(
    "role",
    [
        *((name, "admin") for name in administrator._SERVICE_ROLES),
        *((name, database) for name in administrator._WRITING_ROLES for database in ("local",)),
        ("readWrite", "config"),
        ("dbOwner", "config"),
    ],
)
def test_nobody_gets_what_the_administrator_may_not_grant(
    installation: Installation, shared_replica: Made, role: tuple[str, str]
) -> None:
    user = create_user(installation, shared_replica, "thief", roles=roles(role))
    assert (user.status_code, user.json()["error_code"]) == (400, "DBS.239022")
    body = {"role_name": "thief", "roles": roles(role)}
    made_role = send(installation, shared_replica, "POST", "db-role", body)
    assert (made_role.status_code, made_role.json()["error_code"]) == (400, "DBS.239022")


MOST = [
    *("readWriteAnyDatabase", administrator.ROLE, MONITOR, "dbOwner", "userAdmin"),
    *("dbAdmin", "readWrite", "readAnyDatabase", "enableSharding"),
]
"""All roles of `admin` that are not reserved."""
ATTACKS: list[dict[str, Any]] = [
    {"shutdown": 1, "force": True},
    {"replSetReconfig": {}, "force": True},
    {"replSetStepDown": 1, "force": True},
    {"replSetFreeze": 1},
    {"setParameter": 1, "enableLocalhostAuthBypass": True},
    {"setParameter": 1, "logLevel": 5},
    {"setFeatureCompatibilityVersion": "5.0"},
    {"fsync": 1, "lock": True},
    {"applyOps": [{"op": "i", "ns": "admin.system.users", "o": {"_id": "admin.thief"}}]},
    {"grantRolesToUser": "most", "roles": ["root"]},
    {"grantRolesToUser": "most", "roles": ["__system"]},
    {"createUser": "thief", "pwd": "x", "roles": ["clusterAdmin"]},
    {"updateUser": "rwuser", "roles": ["root"]},
    {
        "createRole": "thief",
        "roles": [],
        "privileges": [{"resource": {"cluster": True}, "actions": ["shutdown"]}],
    },
    {
        "createRole": "thief",
        "roles": [],
        "privileges": [
            {"resource": {"db": "admin", "collection": "system.users"}, "actions": ["insert"]}
        ],
    },
    {"insert": "system.users", "documents": [{"_id": "admin.thief"}]},
    {"update": "system.users", "updates": [{"q": {}, "u": {"$set": {"roles": []}}}]},
    {"delete": "system.users", "deletes": [{"q": {}, "limit": 0}]},
    {"drop": "system.users"},
    {"drop": "system.roles"},
    {"dropIndexes": "system.users", "index": "*"},
    {"dropIndexes": "system.roles", "index": "*"},
    {"update": "system.version", "updates": [{"q": {}, "u": {"$set": {"x": 1}}}]},
    {"renameCollection": "admin.loot", "to": "admin.system.users", "dropTarget": True},
    {
        "aggregate": "loot",
        "pipeline": [{"$match": {}}, {"$merge": {"into": "system.users"}}],
        "cursor": {},
    },
    {"find": "system.users"},
    {"killAllSessions": []},
]


def hosts(installation: Installation, made: Made) -> list[str]:
    """`address:port` of every node, those that clients do not see included."""
    found = []
    for words in installation.commands(made["id"]):
        values = dict(pairwise(words))
        found.append(f"{values['--bind_ip'].split(',')[0]}:{values['--port']}")
    return found


def test_with_all_that_can_be_granted_nobody_takes_over(
    installation: Installation, made: Made
) -> None:
    given = roles(*((name, "admin") for name in MOST))
    assert create_user(installation, made, "most", roles=given).status_code == 200
    reached = 0
    for host in hosts(installation, made):
        options: Any = {"username": "most", "password": PASSWORD, "directConnection": True}
        with MongoClient(host, serverSelectionTimeoutMS=5000, **options) as client:
            if is_refused(lambda client=client: client.admin.command("ping")):
                continue  # a shard knows none of the cluster's users
            reached += 1
            for attack in ATTACKS:
                with pytest.raises(REFUSALS):
                    client.admin.command(attack)
            for name in ("local", "config"):
                with pytest.raises(REFUSALS):
                    client[name]["loot"].insert_one({})
    assert reached == 3 + 2 * (made["mode"] == "Sharding")  # the set that holds users, routers
    with installation.system(made) as clients:
        (primary,) = [host for host in hosts(installation, made) if is_home_of_users(clients, host)]
        assert administrator.differences(clients[primary]) == ()


def is_home_of_users(clients: Any, host: str) -> bool:
    try:
        hello = clients[host].admin.command("hello")
        holds_users = clients[host].admin["system.users"].count_documents({}) > 0
    except PyMongoError:
        return False
    return bool(hello.get("isWritablePrimary")) and holds_users


def test_without_a_password_nobody_gets_into_a_node(installation: Installation, made: Made) -> None:
    found = hosts(installation, made)
    assert len(found) == sum(len(group["nodes"]) for group in made["groups"])
    commands: list[dict[str, Any]] = [
        {"createUser": "thief", "pwd": "x", "roles": ["root"]},
        {"find": "system.users"},
        {"listDatabases": 1},
        {"currentOp": 1},
        {"getParameter": "*"},
        {"shutdown": 1},
    ]
    for host in found:
        with MongoClient(host, directConnection=True, serverSelectionTimeoutMS=5000) as client:
            for command in commands:
                with pytest.raises(OperationFailure) as caught:
                    client.admin.command(command)
                # 59: our router has no such command.
                assert caught.value.code in (*UNAUTHORIZED, 59), (host, command, caught.value)
