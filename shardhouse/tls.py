"""The certificate that both ports show."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from shardhouse import endpoints
from shardhouse.errors import SettingsError
from shardhouse.settings import Settings


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """What `tls_certificate` and `tls_key` give; None where neither is set.

    Raises SettingsError when only one is set, when the files are not a certificate and its key, or
    when `tls_authority` is no certificate.
    """
    if settings.tls_authority is not None:
        _check_authority(settings.tls_authority)
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "tls_certificate" if certificate is None else "tls_key"
        raise SettingsError(
            f"{missing}: it is needed too; tls_certificate and tls_key go together."
        )
    readable("tls_certificate", certificate)
    readable("tls_key", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_encrypted)
    except (OSError, _EncryptedError) as error:  # ssl.SSLError is an OSError
        _refuse(certificate, key, error)
    return context


def warnings(settings: Settings) -> list[str]:
    """What will make clients refuse the certificate, in words. Raises SettingsError."""
    if server_context(settings) is None:
        return []
    assert settings.tls_certificate is not None
    found = x509.load_pem_x509_certificates(settings.tls_certificate.read_bytes())[0]
    problems = []
    if found.not_valid_after_utc < datetime.now(UTC):
        problems.append(f"The certificate expired on {found.not_valid_after_utc:%Y-%m-%d}.")
    names = _names(found)
    for setting, url in (
        ("dds_endpoint", settings.dds_url()),
        ("iam_endpoint", settings.iam_url()),
    ):
        host = endpoints.host_of(url)
        if not any(_covers(name, host) for name in names):
            problems.append(
                f"The certificate is for {', '.join(names) or 'no name'}, not for {host}: set "
                f"{setting} to the address that clients use."
            )
    return problems


class _EncryptedError(Exception):
    """The key asks for a password."""


def _encrypted() -> NoReturn:
    raise _EncryptedError


def readable(setting: str, path: Path) -> None:
    """Raises SettingsError where the file that the setting names cannot be read."""
    try:
        path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{setting}: {path} cannot be read: {error.strerror}.") from None


def _check_authority(path: Path) -> None:
    readable("tls_authority", path)
    try:
        x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        raise SettingsError(f"tls_authority: {path} holds no certificate in PEM form.") from None


def _refuse(certificate: Path, key: Path, error: Exception) -> NoReturn:
    match error:
        case _EncryptedError():
            problem = (
                f"tls_key: {key} is encrypted; give a key without a password, readable by you only"
            )
        case ssl.SSLError(reason="KEY_VALUES_MISMATCH"):
            problem = f"tls_key: {key} is not the key of the certificate {certificate}"
        case _:
            problem = (
                f"tls_certificate, tls_key: {certificate} and {key} are not a certificate (with "
                f"its chain) and its private key in PEM form: {error}"
            )
    raise SettingsError(f"{problem}.") from None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        )
    except x509.ExtensionNotFound:
        return []
    value = extension.value
    assert isinstance(value, x509.SubjectAlternativeName)
    addresses = value.get_values_for_type(x509.IPAddress)
    return [*value.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2].lower() == name[2:].lower()
    return name.lower() == host.lower()
