"""Logging in with a certificate, beside a mongod that is asked the same."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shardhouse.router.auth import certificates
from tests.router.cluster import TestCluster, Tls

NAMES = x509.NameOID
SHOP = [(NAMES.COUNTRY_NAME, "DE"), (NAMES.ORGANIZATION_NAME, "Shop, Ltd"),
        (NAMES.COMMON_NAME, "anna")]  # fmt: skip
ANNA = r"CN=anna,O=Shop\, Ltd,C=DE"


def issue(tls, path, parts):
    """A client certificate of the cluster's authority, with its key, in one file."""
    text = tls.authority.read_bytes()
    authority, signer = (
        x509.load_pem_x509_certificate(text),
        serialization.load_pem_private_key(text, None),
    )
    now, key = datetime.datetime.now(datetime.UTC), ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(*part) for part in parts]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    directory = tmp_path_factory.mktemp("x509")
    tls = Tls(directory)
    started = TestCluster(directory, shards=1, tls=tls)
    issue(tls, directory / "anna.pem", SHOP)
    issue(tls, directory / "bob.pem", [(NAMES.COMMON_NAME, "bob")])
    with started.router.client() as client:
        roles = [{"role": "readWrite", "db": "shop"}]
        client["$external"].command("createUser", ANNA, roles=roles)
    # The shard has a user of its own, so that a mongod can be asked the same.
    with started.shards[0].client() as client:
        client["$external"].command("createUser", ANNA, roles=roles)
    yield started
    started.stop()


@pytest.fixture(params=["router", "mongod"])
def connect(request, secure):
    """Clients of the router, and of a mongod, which must be answered alike."""
    port = secure.router.port if request.param == "router" else secure.shards[0].port

    def client(certificate=None, **options):
        where = {**secure.tls.client, "directConnection": True}
        if certificate:
            where["tlsCertificateKeyFile"] = str(secure.directory / f"{certificate}.pem")
        return MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=10_000, **where, **options)

    return client


def test_a_certificate_is_a_login(connect):
    with connect("anna", authMechanism="MONGODB-X509") as client:
        status = client.admin.command("connectionStatus")["authInfo"]
        assert status["authenticatedUsers"] == [{"user": ANNA, "db": "$external"}]
        client.shop.c.insert_one({})
        assert client.shop.c.count_documents({}) > 0
        with pytest.raises(OperationFailure) as refused:
            client.other.c.insert_one({})
        assert refused.value.code == 13
        (info,) = client["$external"].command("usersInfo", ANNA)["users"]
        assert info["db"] == "$external"
    with connect("anna", authMechanism="MONGODB-X509", username=ANNA) as client:
        client.shop.c.find_one()


def test_the_login_rides_on_hello(connect):
    first = {"authenticate": 1, "mechanism": "MONGODB-X509", "db": "$external"}
    with connect("anna") as client:
        reply = client.admin.command("hello", speculativeAuthenticate=first)
        assert reply["speculativeAuthenticate"] == {"dbname": "$external", "user": ANNA}
    with connect("bob") as client:
        reply = client.admin.command("hello", speculativeAuthenticate=first)
        assert "speculativeAuthenticate" not in reply


@pytest.mark.parametrize(
    ("certificate", "fields", "code"),
    [
        (None, {}, 18),
        ("bob", {}, 11),
        ("anna", {"user": "CN=bob"}, 18),
        ("anna", {"mechanism": "MONGODB-CR"}, 334),
    ],
)
def test_what_is_no_login(connect, certificate, fields, code):
    with connect(certificate) as client, pytest.raises(OperationFailure) as refused:
        client["$external"].command({"authenticate": 1, "mechanism": "MONGODB-X509", **fields})
    assert refused.value.code == code


def test_only_the_external_database_has_such_users(connect):
    with connect("anna") as client, pytest.raises(OperationFailure) as refused:
        client.admin.command({"authenticate": 1, "mechanism": "MONGODB-X509"})
    assert refused.value.code in (17, 18)


def test_external_users_have_no_password_mechanisms(connect):
    with connect("anna") as client:
        reply = client.admin.command("hello", saslSupportedMechs=f"$external.{ANNA}")
        assert reply["saslSupportedMechs"] == []


def test_without_tls_there_is_no_certificate(cluster):
    with cluster.router.stranger() as client, pytest.raises(OperationFailure) as refused:
        client["$external"].command({"authenticate": 1, "mechanism": "MONGODB-X509"})
    assert refused.value.code in (17, 18)


def test_members_are_told_by_organisation(tmp_path):
    tls = Tls(tmp_path)
    organised = [(NAMES.ORGANIZATION_NAME, "Corp"), (NAMES.COMMON_NAME, "n1")]
    own = issue(tls, tmp_path / "own.pem", organised).read_bytes()

    def der(*parts):
        pem = issue(tls, tmp_path / "other.pem", parts).read_bytes()
        made = x509.load_pem_x509_certificate(pem)
        return made.public_bytes(serialization.Encoding.DER)

    assert certificates.is_member(der(organised[0], (NAMES.COMMON_NAME, "n2")), own)
    assert not certificates.is_member(der((NAMES.ORGANIZATION_NAME, "Shop")), own)
    plain = issue(tls, tmp_path / "plain.pem", [(NAMES.COMMON_NAME, "n1")]).read_bytes()
    assert not certificates.is_member(der((NAMES.COMMON_NAME, "n2")), plain)
    mail = (NAMES.EMAIL_ADDRESS, "a@b.c")
    assert certificates.subject(der(organised[0], mail)) == "emailAddress=a@b.c,O=Corp"
