"""TLS towards clients and towards the shards, on a small cluster of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.router.cluster import TestCluster, Tls


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    directory = tmp_path_factory.mktemp("tls")
    started = TestCluster(directory, shards=1, tls=Tls(directory))
    yield started
    started.stop()


def test_a_session_over_tls(secure):
    with secure.router.client() as client:
        client.app.c.insert_many([{"_id": n} for n in range(200)])
        assert len(list(client.app.c.find().batch_size(20))) == 200


def test_without_tls_there_is_no_answer(secure):
    port = secure.router.port
    client = MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=700)
    with client, pytest.raises(PyMongoError):
        client.admin.command("ping")
    with secure.router.client() as client:
        assert client.admin.command("ping")["ok"] == 1


def test_another_authority_is_not_trusted(secure, tmp_path):
    other = Tls(tmp_path)
    client = MongoClient(
        "127.0.0.1", secure.router.port, tls=True, tlsCAFile=str(other.authority),
        serverSelectionTimeoutMS=700,
    )  # fmt: skip
    with client, pytest.raises(PyMongoError):
        client.admin.command("ping")


def test_a_client_certificate_may_be_required(secure):
    options = [option for option in secure.tls.options if "Without" not in option]
    strict = secure.tls
    router = type(secure.router)(
        secure.directory, f"cfg/{secure.config.address}", secure.key_file, *options
    )
    router.tls = strict
    try:
        bare = router.client(serverSelectionTimeoutMS=1500)
        with bare, pytest.raises(PyMongoError):
            bare.admin.command("ping")
        with router.client(tlsCertificateKeyFile=str(strict.node)) as client:
            assert client.admin.command("ping")["ok"] == 1
    finally:
        assert router.stop() == 0


def test_connections_are_counted_by_protocol(secure):
    with secure.router.client() as client:
        assert client.admin.command("serverStatus")["transportSecurity"]["1.3"] > 0
