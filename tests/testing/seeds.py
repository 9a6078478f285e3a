"""A snapshot for tests to begin with."""

from pathlib import Path

from shardhouse import testing
from shardhouse.client import snapshots
from tests.installation import Installation


def save(installation: Installation, path: Path) -> None:
    """A single node that holds `{"_id": 1}` in `shop.orders`, as a file."""
    with (
        testing.Installation(installation.data_dir) as service,
        service.create("single") as seeded,
    ):
        with seeded.client() as client:
            client["shop"]["orders"].insert_one({"_id": 1})
        snapshots.save(service.api, seeded.id, path)
