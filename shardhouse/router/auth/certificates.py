"""x.509 logins: who a certificate says its holder is, and whether it is a cluster member's. Pure.

Names are written as MongoDB writes them: RFC 2253, most specific part first.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

MECHANISM = "MONGODB-X509"
DATABASE = "$external"

_SHORT = {
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.TITLE: "title",
    NameOID.GIVEN_NAME: "GN",
    NameOID.SURNAME: "SN",
}
_MEMBERSHIP = frozenset(
    {NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.DOMAIN_COMPONENT}
)


def subject(certificate: bytes) -> str:
    """The distinguished name of a DER certificate's holder."""
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string(_SHORT)


def is_member(certificate: bytes, own: bytes) -> bool:
    """Whether a DER certificate names the organisation of our own (PEM): the same O, OU and DC,
    and at least one of these. Such certificates are for members, no client may log in with one."""
    ours = _membership(x509.load_pem_x509_certificate(own))
    return bool(ours) and ours == _membership(x509.load_der_x509_certificate(certificate))


def _membership(certificate: x509.Certificate) -> list[tuple[str, str]]:
    return sorted(
        (part.oid.dotted_string, str(part.value))
        for part in certificate.subject
        if part.oid in _MEMBERSHIP
    )
