"""An S3 server with one bucket, an archive in a folder, and real mongods."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from shardhouse.backups.archive import Archive
from shardhouse.backups.storage import open_storage
from shardhouse.backups.storage.interface import Storage
from shardhouse.backups.storage.local import LocalStorage
from shardhouse.settings import load
from tests.mongo.conftest import clients, lab

__all__ = ["clients", "lab"]

NAME = "backups"


class Bucket:
    """A bucket, as our storage sees it and as others do."""

    def __init__(self, endpoint: str, data_dir: Path) -> None:
        keys = {"access_key": "AKTEST", "secret_key": "secret"}
        self.settings = {
            "url": f"s3://{NAME}/some/folder",
            "endpoint": endpoint,
            "region": "eu",
        } | keys
        self.storage: Storage = open_storage(load(data_dir=data_dir, backup=self.settings))
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=keys["access_key"],
            aws_secret_access_key=keys["secret_key"],
        )
        self._client.create_bucket(Bucket=NAME)

    def objects(self) -> list[str]:
        """Names of all objects."""
        answer = self._client.list_objects_v2(Bucket=NAME)
        return [found["Key"] for found in answer.get("Contents", [])]

    def uploads(self) -> list[str]:
        """Names of objects whose upload was begun and neither ended nor given up."""
        answer = self._client.list_multipart_uploads(Bucket=NAME)
        return [found["Key"] for found in answer.get("Uploads", [])]

    def clear(self) -> None:
        """Remove everything."""
        for name in self.objects():
            self._client.delete_object(Bucket=NAME, Key=name)


@pytest.fixture(scope="session")
def s3_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket on a server of our own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Bucket(f"http://{host}:{port}", tmp_path_factory.mktemp("s3"))
    finally:
        server.stop()


@pytest.fixture
def bucket(s3_bucket: Bucket) -> Bucket:
    """The bucket, empty."""
    s3_bucket.clear()
    return s3_bucket


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Each kind of storage that there is, empty."""
    if request.param == "s3":
        return request.getfixturevalue("bucket").storage
    return open_storage(load(data_dir=tmp_path))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Of an instance that has none yet."""
    return Archive(LocalStorage(tmp_path / "backups"), "instance", bytes(32))
