"""Every way to log in that drivers take: named mechanisms, and the default, which is negotiated."""

from __future__ import annotations

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.router.cluster import KEY

BOTH = ["SCRAM-SHA-1", "SCRAM-SHA-256"]


@pytest.fixture(scope="module", params=[BOTH[:1], BOTH[1:], BOTH], ids=" and ".join)
def mechanisms(request, root) -> list[str]:
    for name in ("one", "täe=st, er"):
        root.logins.command("createUser", name, pwd="Secret1!", roles=[], mechanisms=request.param)
    yield request.param
    root.logins.command("dropAllUsersFromDatabase")


def log_in(cluster, name="one", password="Secret1!", **options) -> None:
    where = {"authSource": "logins", "serverSelectionTimeoutMS": 10_000, **options}
    port = cluster.router.port
    with MongoClient("127.0.0.1", port, username=name, password=password, **where) as client:
        told = client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"]
        assert told == [{"user": name, "db": "logins"}]


@pytest.mark.parametrize("name", ["one", "täe=st, er"])
@pytest.mark.parametrize("options", [{}, *({"authMechanism": one} for one in BOTH)], ids=str)
def test_a_login(cluster, mechanisms, name, options):
    if options.get("authMechanism", mechanisms[0]) in mechanisms:
        log_in(cluster, name, **options)
        with pytest.raises(OperationFailure) as wrong:
            log_in(cluster, name, "Wrong", **options)
    else:
        with pytest.raises(OperationFailure) as wrong:
            log_in(cluster, name, **options)
    assert wrong.value.code == 18


@pytest.mark.parametrize("mechanism", BOTH)
def test_a_speculative_start_is_answered_where_the_user_has_the_mechanism(
    cluster, mechanisms, mechanism
):
    with cluster.router.stranger() as stranger:
        for name in ("one", "nobody"):
            start = {
                "saslStart": 1, "mechanism": mechanism, "db": "logins",
                "payload": f"n,,n={name},r=abc".encode(), "options": {"skipEmptyExchange": True},
            }  # fmt: skip
            reply = stranger.admin.command(
                "hello", saslSupportedMechs=f"logins.{name}", speculativeAuthenticate=start
            )
            known = name == "one"
            assert ("speculativeAuthenticate" in reply) == (known and mechanism in mechanisms)
            assert reply.get("saslSupportedMechs", []) == (mechanisms if known else [])


def test_who_does_not_exist_is_refused_like_a_wrong_password(cluster, mechanisms):
    for options in ({}, *({"authMechanism": one} for one in BOTH)):
        with pytest.raises(OperationFailure) as refused:
            log_in(cluster, "nobody", **options)
        assert refused.value.details["errmsg"] == "Authentication failed."


def member(cluster, password: str = KEY) -> MongoClient:
    where = {"authSource": "local", "authMechanism": "SCRAM-SHA-256"}
    port = cluster.router.port
    return MongoClient("127.0.0.1", port, username="__system", password=password, **where)


def test_a_member_of_the_cluster_may_look_and_do_nothing_else(cluster):
    with member(cluster) as client:
        assert client.admin.command("serverStatus")["process"] == "mongos"
        for command in (
            {"usersInfo": 1},
            {"find": "any"},
            {"insert": "any", "documents": [{}]},
            {"createUser": "more", "pwd": "Secret1!", "roles": ["root"]},
            {"killAllSessions": []},
        ):
            with pytest.raises(OperationFailure) as refused:
                client.admin.command(command)
            assert refused.value.code == 13, command


def test_no_member_without_the_clusters_key(cluster, root):
    with member(cluster, "another" + KEY) as client, pytest.raises(OperationFailure) as refused:
        client.admin.command("ping")
    assert refused.value.code == 18
