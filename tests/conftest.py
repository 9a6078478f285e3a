"""One real installation for all tests that do not break it; each makes its own instances."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import builds, requests
from tests.free_ports import free_port
from tests.installation import Installation

builds.choose()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running service that the whole session shares."""
    made = Installation(tmp_path_factory.mktemp("shared") / "data", metrics_port=free_port())
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(scope="session")
def shared_replica(installation: Installation) -> dict[str, Any]:
    """A replica set for tests that leave it normal, under its id, name and password."""
    return installation.make(requests.replica_set(name="shared-replica"))


@pytest.fixture(scope="session")
def shared_cluster(installation: Installation) -> dict[str, Any]:
    """A cluster for tests that leave it normal, under its id, name and password."""
    return installation.make(requests.cluster(name="shared-cluster"))
