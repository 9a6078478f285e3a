"""Privileges, pipelines and SCRAM, on plain data."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from shardhouse.router.auth import pipelines, requirements
from shardhouse.router.auth.privileges import (
    ANY_NORMAL,
    CLUSTER,
    Alternatives,
    Need,
    Privileges,
    Resource,
)
from shardhouse.router.auth.scram import ClientConversation, Credential, ServerConversation, user_of
from shardhouse.router.command import Command
from shardhouse.router.commands.table import TABLE
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

FIND = ["find"]
APP = {"resource": {"db": "app", "collection": ""}, "actions": FIND}
ANY_DB = {"resource": {"db": "", "collection": ""}, "actions": FIND}
ONE = {"resource": {"db": "app", "collection": "c"}, "actions": FIND}
ANY_C = {"resource": {"db": "", "collection": "c"}, "actions": FIND}
ALL = {"resource": {"anyResource": True}, "actions": FIND}
WHOLE = {"resource": {"cluster": True}, "actions": FIND}
BUCKETS = {"resource": {"system_buckets": ""}, "actions": FIND}
OWN_BUCKETS = {"resource": {"db": "app", "system_buckets": ""}, "actions": FIND}
ONE_SERIES = {"resource": {"system_buckets": "ts"}, "actions": FIND}
USERS = {"resource": {"db": "admin", "collection": "system.users"}, "actions": FIND}


@pytest.mark.parametrize(
    ("granted", "resource", "allowed"),
    [
        (APP, Resource("app", "c"), True),
        (APP, Resource("app"), True),
        (APP, Resource("other", "c"), False),
        (APP, Resource("app", "system.js"), False),
        (APP, CLUSTER, False),
        (ANY_DB, Resource("app", "c"), True),
        (ANY_DB, Resource("app"), True),
        (ANY_DB, Resource("config", "c"), False),
        (ANY_DB, Resource("local", "c"), False),
        (ANY_DB, Resource("app", "system.profile"), False),
        (ANY_DB, ANY_NORMAL, True),
        (APP, ANY_NORMAL, False),
        (ONE, Resource("app", "c"), True),
        (ONE, Resource("app", "d"), False),
        (ONE, Resource("app"), False),
        (ANY_C, Resource("any", "c"), True),
        (ANY_C, Resource("any", "d"), False),
        (ANY_DB, Resource("app", "system.buckets.ts"), False),
        (BUCKETS, Resource("app", "system.buckets.ts"), True),
        (BUCKETS, Resource("app", "ts"), False),
        (OWN_BUCKETS, Resource("app", "system.buckets.ts"), True),
        (OWN_BUCKETS, Resource("other", "system.buckets.ts"), False),
        (ONE_SERIES, Resource("other", "system.buckets.ts"), True),
        (ONE_SERIES, Resource("other", "system.buckets.other"), False),
        (ALL, Resource("local", "system.x"), True),
        (ALL, CLUSTER, True),
        (ALL, Resource("admin", "system.users"), True),
        (ALL, Resource("admin", "system.keys"), True),
        (USERS, Resource("admin", "system.users"), True),
        (WHOLE, CLUSTER, True),
        (WHOLE, Resource("app", "c"), False),
    ],
)
def test_matching(granted, resource, allowed):
    assert Privileges([granted]).allow(Need(resource, "find")) is allowed


def test_another_action_is_not_allowed_and_nothing_is_by_default():
    assert not Privileges([APP]).allow(Need(Resource("app", "c"), "insert"))
    assert not Privileges([]).allow(Need(Resource("app", "c"), "find"))


def test_alternatives_need_one_whole_choice():
    granted = Privileges([APP])
    find, insert = Need(Resource("app", "c"), "find"), Need(Resource("app", "c"), "insert")
    assert granted.allow(Alternatives(((insert,), (find,))))
    assert not granted.allow(Alternatives(((insert, find),)))


def needed(body, sequences=None):
    encoded = raw.shallow(raw.encode(body))
    command = Command(next(iter(body)), "app", encoded, sequences or {})
    return {
        (f"{need.resource.database}.{need.resource.collection}", need.action)
        for need in TABLE[command.name].needs(command)
        if isinstance(need, Need)
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"find": "c"}, {("app.c", "find")}),
        ({"insert": "c", "documents": [{}]}, {("app.c", "insert")}),
        ({"update": "c", "updates": [{"q": {}, "u": {}}]}, {("app.c", "update")}),
        (
            {"update": "c", "updates": [{"q": {}, "u": {}, "upsert": True}]},
            {("app.c", "update"), ("app.c", "insert")},
        ),
        ({"delete": "c", "deletes": [{"q": {}, "limit": 1}]}, {("app.c", "remove")}),
        (
            {"insert": "c", "documents": [{}], "bypassDocumentValidation": True},
            {("app.c", "insert"), ("app.c", "bypassDocumentValidation")},
        ),
        ({"findAndModify": "c", "remove": True}, {("app.c", "find"), ("app.c", "remove")}),
        (
            {"findAndModify": "c", "update": {}, "upsert": True},
            {("app.c", "find"), ("app.c", "update"), ("app.c", "insert")},
        ),
        ({"explain": {"count": "c"}}, {("app.c", "find")}),
        ({"explain": {"delete": "c", "deletes": [{}]}}, {("app.c", "remove")}),
        ({"aggregate": "c", "pipeline": [{"$match": {}}]}, {("app.c", "find")}),
        ({"aggregate": "c", "pipeline": [{"$collStats": {}}]}, {("app.c", "collStats")}),
        ({"aggregate": 1, "pipeline": [{"$currentOp": {}}]}, set()),
        (
            {"aggregate": 1, "pipeline": [{"$currentOp": {"allUsers": True}}]},
            {("None.", "inprog")},
        ),
        (
            {"aggregate": "c", "pipeline": [{"$out": "t"}]},
            {("app.c", "find"), ("app.t", "insert"), ("app.t", "remove")},
        ),
        (
            {"aggregate": "c", "pipeline": [{"$merge": {"into": {"db": "x", "coll": "t"}}}]},
            {("app.c", "find"), ("x.t", "insert"), ("x.t", "update")},
        ),
        (
            {"aggregate": "c", "pipeline": [{"$facet": {"a": [{"$lookup": {"from": "d"}}]}}]},
            {("app.c", "find"), ("app.d", "find")},
        ),
        (
            {
                "aggregate": "c",
                "pipeline": [
                    {"$lookup": {"from": "d", "pipeline": [{"$unionWith": "e"}]}},
                    {"$graphLookup": {"from": "f"}},
                ],
            },
            {("app.c", "find"), ("app.d", "find"), ("app.e", "find"), ("app.f", "find")},
        ),
        (
            {"aggregate": "c", "pipeline": [{"$changeStream": {}}]},
            {("app.c", "find"), ("app.c", "changeStream")},
        ),
        (
            {"create": "v", "viewOn": "c", "pipeline": [{"$lookup": {"from": "d"}}]},
            {("app.v", "createCollection")},
        ),
        (
            {"createUser": "u", "roles": ["read", {"role": "read", "db": "other"}]},
            {("app.", "createUser"), ("app.", "grantRole"), ("other.", "grantRole")},
        ),
    ],
)
def test_what_commands_need(body, expected):
    assert needed(body) == expected


def test_statements_in_a_sequence_count_too():
    sequence = raw.encode({"q": {}, "u": {}, "upsert": True})
    assert needed({"update": "c"}, {"updates": sequence}) == {
        ("app.c", "update"), ("app.c", "insert"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "stage",
    [{"$mergeCursors": {}}, {"$_internalInhibitOptimization": {}}, {"$unheardOf": 1}, {}],
)
def test_unknown_and_internal_stages_are_refused(stage):
    body = raw.shallow(raw.encode({"pipeline": [stage]}))
    with pytest.raises(CommandError):
        list(pipelines.needs("app", "c", body["pipeline"]))


def test_writes_to_the_servers_own_collections_are_refused():
    body = raw.shallow(raw.encode({"insert": "system.users", "documents": [{}]}))
    with pytest.raises(CommandError) as refused:
        list(requirements.insert(Command("insert", "admin", body)))
    assert refused.value.code == 13


def test_only_harmless_commands_run_without_login():
    assert {name for name, row in TABLE.items() if not row.login} == {
        "hello", "isMaster", "ismaster", "saslStart", "saslContinue", "logout", "ping",
        "authenticate", "buildInfo", "connectionStatus", "whatsmyuri", "isdbgrid", "listCommands",
    }  # fmt: skip


def credential(password: bytes, iterations=4096) -> Credential:
    salt = b"s" * 28
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    document = {
        "salt": base64.b64encode(salt).decode(),
        "iterationCount": iterations,
        "storedKey": base64.b64encode(hashlib.sha256(client).digest()).decode(),
        "serverKey": base64.b64encode(hmac.digest(salted, b"Server Key", "sha256")).decode(),
    }
    return Credential.read(document)


def test_scram_both_sides_agree():
    client = ClientConversation("me", b"secret")
    server = ServerConversation("SCRAM-SHA-256", credential(b"secret"))
    assert user_of(client.first()) == "me"
    client.verify(server.final(client.final(server.first(client.first()))))


def test_the_clusters_key_proves_a_member():
    client = ClientConversation("__system", b"the key")
    server = ServerConversation(
        "SCRAM-SHA-256", Credential.of_password(b"the key", "SCRAM-SHA-256", b"s" * 28)
    )
    client.verify(server.final(client.final(server.first(client.first()))))
    another = ServerConversation(
        "SCRAM-SHA-256", Credential.of_password(b"another", "SCRAM-SHA-256", b"s" * 28)
    )
    with pytest.raises(CommandError):
        another.final(client.final(another.first(client.first())))


def test_scram_refuses_a_wrong_password_and_a_replay():
    server = ServerConversation("SCRAM-SHA-256", credential(b"secret"))
    wrong = ClientConversation("me", b"guess")
    proof = wrong.final(server.first(wrong.first()))
    with pytest.raises(CommandError) as refused:
        server.final(proof)
    assert refused.value.code == 18
    with pytest.raises(CommandError):
        server.final(proof)


@pytest.mark.parametrize(
    "payload", [b"", b"n,,", b"garbage", b"n,,n=u", b"p=tls,,n=u,r=x", b"\xff"]
)
def test_scram_refuses_malformed_beginnings(payload):
    with pytest.raises(CommandError):
        ServerConversation("SCRAM-SHA-256", credential(b"x")).first(payload)


def test_nobodys_salt_is_stable():
    first = Credential.of_nobody("u@admin", "SCRAM-SHA-256", b"k")
    assert first.salt == Credential.of_nobody("u@admin", "SCRAM-SHA-256", b"k").salt
    assert len(first.salt) == 28
