"""TLS as operators set it: modes, protocols, revoked certificates, new certificates."""

from __future__ import annotations

import datetime
import socket
import ssl
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from shardhouse.router.options import OptionError, parse
from tests.router.cluster import ADMIN, PASSWORD, RouterProcess, TestCluster, Tls
from tests.router.test_x509 import issue


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls-options")
    started = TestCluster(directory, shards=1, tls=Tls(directory))
    yield started
    started.stop()


@contextmanager
def router(cluster, *options):
    started = RouterProcess(
        cluster.directory, f"cfg/{cluster.config.address}", cluster.key_file, *options
    )
    try:
        yield started.listening()
    finally:
        assert started.stop() == 0


def ping(port, **options):
    where = {"serverSelectionTimeoutMS": 30_000, **options}
    with MongoClient("127.0.0.1", port, username=ADMIN, password=PASSWORD, **where) as client:
        client.app.c.find_one()
        return client.admin.command("ping")["ok"]


def mode(tls, name):
    options = tls.options
    options[options.index("requireTLS")] = name
    return options


def test_prefer_tls_takes_both_kinds_of_clients(secure):
    with router(secure, *mode(secure.tls, "preferTLS")) as started:
        assert ping(started.port) == 1
        assert ping(started.port, **secure.tls.client) == 1
        assert ping(started.port) == 1


def test_allow_tls_asks_members_without_it(cluster, tmp_path):
    tls = Tls(tmp_path)
    with router(cluster, *mode(tls, "allowTLS")) as started:
        assert ping(started.port, **tls.client) == 1
        assert ping(started.port) == 1


def test_a_protocol_can_be_switched_off(secure):
    with router(secure, *secure.tls.options, "--tlsDisabledProtocols", "TLS1_3") as started:
        assert ping(started.port, **secure.tls.client) == 1
        context = ssl.create_default_context(cafile=str(secure.tls.authority))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises(ssl.SSLError):
            _greet(context, started)


def _greet(context, started):
    with socket.create_connection(("127.0.0.1", started.port), timeout=20) as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1").recv(1)


def test_a_revoked_certificate_is_no_entry(secure):
    tls, directory = secure.tls, secure.directory
    good = issue(tls, directory / "good.pem", [(x509.NameOID.COMMON_NAME, "good")])
    bad = issue(tls, directory / "bad.pem", [(x509.NameOID.COMMON_NAME, "bad")])
    text = tls.authority.read_bytes()
    now = datetime.datetime.now(datetime.UTC)
    revoked = x509.load_pem_x509_certificate(bad.read_bytes()).serial_number
    entry = x509.RevokedCertificateBuilder().serial_number(revoked).revocation_date(now).build()
    listed = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_pem_x509_certificate(text).subject)
        .last_update(now - datetime.timedelta(hours=1))
        .next_update(now + datetime.timedelta(days=1))
        .add_revoked_certificate(entry)
        .sign(serialization.load_pem_private_key(text, None), hashes.SHA256())
    )
    crl = directory / "crl.pem"
    crl.write_bytes(listed.public_bytes(serialization.Encoding.PEM))
    with router(secure, *tls.options, "--tlsCRLFile", str(crl)) as started:
        assert ping(started.port, **tls.client, tlsCertificateKeyFile=str(good)) == 1
        refused = {"tlsCertificateKeyFile": str(bad), "serverSelectionTimeoutMS": 5_000}
        with pytest.raises(PyMongoError):
            ping(started.port, **tls.client, **refused)


def test_certificates_are_rotated_without_a_restart(secure):
    tls = secure.tls
    served = secure.directory / "served.pem"
    served.write_bytes(tls.node.read_bytes())
    options = tls.options
    options[options.index(str(tls.node))] = str(served)
    with router(secure, *options) as started:
        started.tls = tls
        with started.client() as client:
            client.admin.command("ping")
            before = ssl.get_server_certificate(("127.0.0.1", started.port))
            served.write_text("no certificate")
            with pytest.raises(OperationFailure) as unusable:
                client.admin.command("rotateCertificates")
            assert unusable.value.code == 93
            assert ssl.get_server_certificate(("127.0.0.1", started.port)) == before
            issue(tls, served, [(x509.NameOID.COMMON_NAME, "renewed")])
            assert client.admin.command("rotateCertificates")["ok"] == 1
            after = ssl.get_server_certificate(("127.0.0.1", started.port))
            name = x509.load_pem_x509_certificate(after.encode()).subject
            assert name.rfc4514_string() == "CN=renewed"
            assert client.admin.command("ping")["ok"] == 1


def test_nothing_to_rotate_without_tls(root):
    with pytest.raises(OperationFailure):
        root.admin.command("rotateCertificates")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--tlsMode", "sometimes"],
        ["--tlsDisabledProtocols", "SSL3"],
        ["--tlsDisabledProtocols", "TLS1_2,TLS1_3"],
        ["--tlsCRLFile", "/nowhere/crl.pem"],
    ],
)
def test_wrong_options_are_refused(tmp_path, wrong):
    key, tls = tmp_path / "key", Tls(tmp_path)
    key.write_text("secret")
    with pytest.raises(OptionError):
        parse(["--configdb", "c/h:1", "--keyFile", str(key), *tls.options, *wrong])
