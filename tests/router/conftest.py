"""One cluster per session, a database of its own per test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests.router.cluster import TestCluster

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
