"""One cluster per session, a database of its own per test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.router.cluster import RouterProcess, TestCluster

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    directory: Path = tmp_path_factory.mktemp("router")
    started = TestCluster(directory)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def root(cluster: TestCluster) -> Iterator[MongoClient]:
    """The administrator's client."""
    with cluster.router.client() as client:
        yield client


@pytest.fixture(scope="session")
def second_router(cluster: TestCluster) -> Iterator[RouterProcess]:
    """Another router of the same cluster."""
    router = cluster.start_router()
    yield router
    assert router.stop() == 0


@pytest.fixture(scope="session")
def elsewhere(second_router: RouterProcess) -> Iterator[MongoClient]:
    """The administrator's client at the other router."""
    with second_router.client() as client:
        yield client


@pytest.fixture
def accounts(root: MongoClient, db: Database) -> Database:
    """A database with `accounts` split at 50 over both shards, and an unsharded `log`."""
    root.admin.command("shardCollection", f"{db.name}.accounts", key={"k": 1})
    root.admin.command("split", f"{db.name}.accounts", middle={"k": 50})
    primary = root.config.databases.find_one({"_id": db.name})["primary"]
    other = next(s["_id"] for s in root.config.shards.find() if s["_id"] != primary)
    root.admin.command("moveRange", f"{db.name}.accounts", min={"k": 50}, toShard=other)
    db.create_collection("log")
    return db


@pytest.fixture
def db(root: MongoClient) -> Database:
    """A database no other test uses."""
    return root[f"t{next(_NUMBERS)}"]


@pytest.fixture(autouse=True)
def _nothing_died(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does, no shard and no router may die of it."""
    yield
    if "cluster" in request.fixturenames:
        cluster = request.getfixturevalue("cluster")
        assert cluster.router.alive
        assert all(node.alive for node in (cluster.config, *cluster.shards))
