"""An authority per instance and certificates of its nodes, as PEM. Computes; no I/O."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
NODE_DAYS = 3650
"""A node's certificate lasts as long as its authority's; renewing means a restart of the node."""


@dataclass(frozen=True)
class Authority:
    """An instance's certificate authority. `certificate` (PEM) is public, `key` (PEM) is not."""

    certificate: bytes
    key: bytes = field(repr=False)


def issue_ca(name: str, now: dt.datetime | None = None) -> Authority:
    """A new authority whose common name is `name`, valid for AUTHORITY_DAYS."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(subject, subject, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(public, critical=False)
    )
    return Authority(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def issue_node(
    authority: Authority, hosts: Sequence[str], name: str, now: dt.datetime | None = None
) -> bytes:
    """Key and certificate of a node in one PEM, as mongod wants them: valid for exactly `hosts`,
    its IP addresses and DNS names, as server and as client (members connect to each other)."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError(f"expected an elliptic curve key of issue_ca, got {type(signer).__name__}")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [_alternative_name(host) for host in hosts]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        _builder(_name(name), issuer.subject, key, now, NODE_DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return _key_pem(key) + _pem(builder.sign(signer, hashes.SHA256()))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime | None,
    days: int,
) -> x509.CertificateBuilder:
    start = (now or dt.datetime.now(dt.UTC)) - dt.timedelta(minutes=5)  # clocks differ a little
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
    )


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shardhouse"),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
