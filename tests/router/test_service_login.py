"""Who has the key file changes a router's settings, and reaches nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.router.cluster import KEY


@pytest.fixture
def service(cluster) -> Iterator[MongoClient]:
    with cluster.router.client("__system", KEY, authSource="local") as client:
        yield client


def test_it_reads_and_changes_settings(service):
    admin = service.admin
    before = admin.command({"getParameter": 1, "cursorTimeoutMillis": 1})["cursorTimeoutMillis"]
    admin.command({"setParameter": 1, "cursorTimeoutMillis": 700_000})
    assert admin.command({"getParameter": 1, "cursorTimeoutMillis": 1})["cursorTimeoutMillis"] == (
        700_000
    )
    admin.command({"setParameter": 1, "cursorTimeoutMillis": before})
    slow = admin.command({"profile": 0, "slowms": 321})["slowms"]
    assert admin.command({"profile": -1})["slowms"] == 321
    admin.command({"profile": 0, "slowms": slow})
    assert admin.command("serverStatus")["connections"]["current"] > 0
    assert admin.command("invalidateUserCache")["ok"] == 1


@pytest.mark.parametrize(
    ("database", "command"),
    [
        ("shop", {"find": "orders"}),
        ("shop", {"insert": "orders", "documents": [{}]}),
        ("config", {"find": "shards"}),
        ("admin", {"usersInfo": 1}),
        ("admin", {"createUser": "x", "pwd": "Secret1!", "roles": []}),
        ("admin", {"currentOp": 1}),
    ],
    ids=str,
)
def test_the_cluster_is_beyond_it(service, database, command):
    with pytest.raises(OperationFailure) as refused:
        service[database].command(command)
    assert refused.value.code == 13


@pytest.mark.parametrize("options", [{"password": "Wrong"}, {"authSource": "admin"}], ids=str)
def test_nobody_else_is_that_user(cluster, options):
    given = {"password": KEY, "authSource": "local"} | options
    with (
        cluster.router.client("__system", **given) as client,
        pytest.raises(OperationFailure) as refused,
    ):
        client.admin.command("ping")
    assert refused.value.code == 18
