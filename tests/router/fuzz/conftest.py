"""A cluster of the fuzzers' own: what they leave behind is nobody else's trouble."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from tests.router.cluster import TestCluster


@pytest.fixture(scope="package")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    started = TestCluster(tmp_path_factory.mktemp("fuzz"))
    yield started
    started.stop()


@pytest.fixture(scope="package")
def fuzzed_root(fuzzed: TestCluster) -> Iterator[MongoClient]:
    """The administrator's client."""
    with fuzzed.router.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _everything_lives(request: pytest.FixtureRequest) -> Iterator[None]:
    """The very processes that were there before, none started again."""
    yield
    if "fuzzed" in request.fixturenames:
        cluster = request.getfixturevalue("fuzzed")
        assert cluster.router.alive
        assert all(node.alive for node in (cluster.config, *cluster.shards))
