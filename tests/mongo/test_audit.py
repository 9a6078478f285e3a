"""Entries that are made of a mongod's log; lines are those of MongoDB 6.0."""

import json

import pytest

from shardhouse.domain.audit import AuditPolicy, AuditType
from shardhouse.mongo.audit import Translator

EVERYTHING = AuditPolicy(7).filter


def line(number, connection, **attributes):
    return json.dumps(
        {
            "t": {"$date": "2026-01-01T00:00:00.000+00:00"},
            "s": "I",
            "c": "COMMAND",
            "id": number,
            "ctx": connection,
            "msg": "",
            "attr": attributes,
        },
        separators=(",", ":"),
    ).encode()


def command(connection, fields, ns="shop.orders", **more):
    return line(
        51803,
        connection,
        type="command",
        ns=ns,
        command={**fields, "lsid": {"id": 1}, "$db": ns.partition(".")[0]},
        remote="10.0.0.9:5000",
        durationMillis=0,
        **more,
    )


def login(connection, user="rwuser", db="admin", number=20250, **more):
    return line(
        number,
        connection,
        mechanism="SCRAM-SHA-256",
        speculative=True,
        principalName=user,
        authenticationDatabase=db,
        remote="10.0.0.9:5000",
        **more,
    )


@pytest.fixture
def translator():
    return Translator({"ip": "10.0.0.1", "port": 8635}, {"conn1": ("admin", "rwuser")})


def test_a_command_is_its_connection_s_user_s(translator):
    (entry,) = translator.entries(
        [command("conn1", {"find": "orders", "filter": {"a": 1}})], EVERYTHING
    )
    assert entry == {
        "atype": "authCheck",
        "ts": {"$date": "2026-01-01T00:00:00.000+00:00"},
        "local": {"ip": "10.0.0.1", "port": 8635},
        "remote": {"ip": "10.0.0.9", "port": 5000},
        "users": [{"user": "rwuser", "db": "admin"}],
        "roles": [],
        "param": {
            "command": "find",
            "ns": "shop.orders",
            "args": {"find": "orders", "filter": {"a": 1}},
        },
        "result": 0,
    }


def test_who_logs_in_is_known_from_then_on_until_the_connection_ends(translator):
    lines = [
        login("conn2", "anna", "shop"),
        command("conn2", {"insert": "orders"}),
        line(22944, "conn2", remote="10.0.0.9:5000"),
        command("conn2", {"insert": "orders"}),
    ]
    first, second, third = translator.entries(lines, EVERYTHING)
    assert (first["atype"], first["result"]) == ("authenticate", 0)
    assert first["param"] == {"user": "anna", "db": "shop", "mechanism": "SCRAM-SHA-256"}
    assert second["users"] == [{"user": "anna", "db": "shop"}]
    assert third["users"] == []


def test_a_restart_forgets_connections(translator):
    translator.entries([line(4615611, "initandlisten")], EVERYTHING)
    assert translator.users == {}


def test_failures_have_their_code(translator):
    lines = [
        login("conn3", "eve", number=20249),
        command("conn1", {"find": "orders"}, ns="shop.$cmd", errCode=13, ok=0),
    ]
    failed, refused = translator.entries(lines, EVERYTHING)
    assert (failed["atype"], failed["result"], failed["users"]) == ("authenticate", 18, [])
    assert (refused["result"], refused["param"]["ns"]) == (13, "shop.orders")
    assert "conn3" not in translator.users


@pytest.mark.parametrize(
    "other",
    [
        command("conn1", {"hello": 1}, ns="admin.$cmd"),
        command("conn1", {"saslContinue": 1, "payload": "xxx"}, ns="admin.$cmd"),
        line(51803, "TTLMonitor", type="command", ns="a.b", command={"delete": "b"}),
        line(51803, "conn1", type="update", ns="a.b", command={}),
        line(22943, "listener", remote="10.0.0.9:5000"),
        b'{"id":51803,"ctx":"conn1","attr":{"command":{"insert":"o',
        b"",
    ],
)
def test_other_lines_are_no_entries(translator, other):
    assert translator.entries([other], EVERYTHING) == []


def test_an_unknown_user_s_login_is_one_entry(translator):
    error = 'UserNotFound: Could not find user "nobody" for db "admin"'
    attempts = [login("conn3", "nobody", number=20249, error=error) for _ in range(2)]
    again = attempts[1].replace(b'"speculative":true', b'"speculative":false')
    (entry,) = translator.entries([attempts[0], again], EVERYTHING)
    assert (entry["param"]["user"], entry["result"]) == ("nobody", 18)


def test_the_service_s_own_work_is_not_audited(translator):
    lines = [
        login("conn4", "__system", "local"),
        command("conn4", {"replSetHeartbeat": "set"}, ns="admin.$cmd"),
    ]
    assert translator.entries(lines, EVERYTHING) == []


def test_only_what_is_wanted_becomes_an_entry(translator):
    lines = [
        command("conn1", {"insert": "orders"}),
        command("conn1", {"find": "orders"}),
        command("conn1", {"find": "carts"}, ns="shop.carts"),
        login("conn5"),
    ]
    wanted = AuditPolicy(7, scope="shop.orders", types=(AuditType.QUERY,)).filter
    (entry,) = translator.entries(lines, wanted)
    assert entry["param"]["command"] == "find"
    assert "conn5" in translator.users


def test_later_releases_tell_of_logins_in_other_words(translator):
    told = line(
        5286306, "conn6", client="10.0.0.9:5000", mechanism="SCRAM-SHA-1", user="anna", db="shop"
    )
    (entry,) = translator.entries([told], EVERYTHING)
    assert entry["param"]["user"] == "anna"
    assert entry["remote"] == {"ip": "10.0.0.9", "port": 5000}
