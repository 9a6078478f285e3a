"""Request signatures: both variants of SDK-HMAC-SHA256, checked against the request received.

Variant A (`Access=`) is that of the official SDK and Terraform Huawei, variant B (`Credential=`,
with a derived key) that of gophertelekomcloud and so of Terraform OTC. Pure functions.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlencode

from shardhouse.iam.refusals import unauthenticated

ALGORITHM = "SDK-HMAC-SHA256"
TERMINATOR = "sdk_request"
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
ALLOWED_SKEW = timedelta(minutes=15)
SIGNED_AT_LEAST = ("host", "x-sdk-date")

_FIELDS = re.compile(
    r"(Access|Credential)=(\S+?),\s*SignedHeaders=(\S+?),\s*Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class SignedRequest:
    """A request as received: path and query still encoded, header names in lower case."""

    method: str
    path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, trimmed; raises IamError 401 when it came more than once."""
        wanted = name.encode("latin-1", "replace")
        found = [value for key, value in self.headers if key == wanted]
        if len(found) > 1:
            _refuse(f"the header {name} came {len(found)} times")
        return found[0].decode("utf-8", "replace").strip() if found else None


@dataclass(frozen=True)
class Signature:
    """What an Authorization header says. `credential_scope` is variant B's date, region and
    service, and None in variant A.
    """

    access_key: str
    signed_headers: tuple[str, ...]
    value: str
    credential_scope: tuple[str, str, str] | None


def parse(authorization: str) -> Signature:
    """Read an Authorization header. Raises IamError 401 for anything but variants A and B."""
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        _refuse(f"the algorithm {algorithm!r} is not supported, sign with {ALGORITHM}")
    match = _FIELDS.fullmatch(rest.strip())
    if match is None:
        _refuse(
            f"Authorization must be {ALGORITHM} Access=<ak>, SignedHeaders=<names>, "
            "Signature=<64 hex>"
        )
    kind, credential, names, value = match.groups()
    signed_headers = tuple(names.lower().split(";"))
    if kind == "Access":
        return Signature(credential, signed_headers, value, None)
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != TERMINATOR:
        _refuse(f"Credential must be <ak>/<yyyymmdd>/<region>/<service>/{TERMINATOR}")
    return Signature(parts[0], signed_headers, value, (parts[1], parts[2], parts[3]))


def check(request: SignedRequest, signature: Signature, now: datetime) -> None:
    """Everything that needs no secret: what is signed, when, and that the body is the signed one.

    Raises IamError 401.
    """
    missing = [name for name in SIGNED_AT_LEAST if name not in signature.signed_headers]
    if missing:
        _refuse(f"SignedHeaders must contain {' and '.join(missing)}")
    _check_date(request.header("x-sdk-date") or "", signature, now)
    _check_payload_header(request)
    if signature.credential_scope is not None:
        _check_repeated_keys(request.query)


def matches(request: SignedRequest, signature: Signature, secret_key: str) -> bool:
    """Whether the secret key made this signature for this request; compares in constant time."""
    return hmac.compare_digest(sign(request, signature, secret_key), signature.value)


def sign(request: SignedRequest, signature: Signature, secret_key: str) -> str:
    """The hex signature the request should carry, with the headers and scope of `signature`."""
    date = request.header("x-sdk-date") or ""
    digest = hashlib.sha256(_canonical(request, signature)).hexdigest()
    if signature.credential_scope is None:
        text = f"{ALGORITHM}\n{date}\n{digest}"
        return _hmac(secret_key.encode(), text).hex()
    key = f"SDK{secret_key}".encode()
    for part in (*signature.credential_scope, TERMINATOR):
        key = _hmac(key, part)
    scope = "/".join((*signature.credential_scope, TERMINATOR))
    return _hmac(key, f"{ALGORITHM}\n{date}\n{scope}\n{digest}").hex()


def _canonical(request: SignedRequest, signature: Signature) -> bytes:
    derived = signature.credential_scope is not None
    query = _canonical_query(request.query, first_only=derived)
    payload = request.body
    if derived and request.method.upper() == "POST" and not request.body:
        query, payload = "", query.encode()
    headers = []
    for name in signature.signed_headers:
        value = request.header(name) or ""
        headers.append(f"{name}:{' '.join(value.split()) if derived else value}\n")
    return "\n".join(
        (
            request.method.upper(),
            _canonical_path(request.path),
            query,
            "".join(headers),
            ";".join(signature.signed_headers),
            hashlib.sha256(payload).hexdigest(),
        )
    ).encode()


def _canonical_path(path: bytes) -> str:
    encoded = quote(unquote(path.decode("latin-1")), safe="~/")
    return encoded if encoded.endswith("/") else encoded + "/"


def _canonical_query(query: bytes, *, first_only: bool) -> str:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if first_only:
        pairs = list({key: (key, value) for key, value in reversed(pairs)}.values())
    return urlencode(sorted(pairs), safe="~", quote_via=quote)


def _check_date(date: str, signature: Signature, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(date, DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        _refuse(f"X-Sdk-Date must look like 20260131T235959Z (UTC), it is {date!r}")
    if abs(now - signed_at) > ALLOWED_SKEW:
        _refuse(
            f"the signature time {date} is more than 15 minutes from the server's time "
            f"{now.strftime(DATE_FORMAT)}; set the client's clock"
        )
    if signature.credential_scope and signature.credential_scope[0] != date[:8]:
        _refuse("the date in Credential must be that of X-Sdk-Date")


def _check_payload_header(request: SignedRequest) -> None:
    # A client may announce the payload's hash. It must be the hash of what came: an announced
    # UNSIGNED-PAYLOAD (what the SDK says for content that is not JSON) would let anyone on the way
    # exchange the body, and both APIs take JSON only.
    announced = request.header("x-sdk-content-sha256")
    if announced and request.body and announced != hashlib.sha256(request.body).hexdigest():
        _refuse(
            "X-Sdk-Content-Sha256 must be the SHA-256 of the body; "
            "send it as Content-Type application/json"
        )


def _check_repeated_keys(query: bytes) -> None:
    # Variant B signs the first value of a key only; another one could be anybody's.
    first: dict[str, str] = {}
    for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if first.setdefault(key, value) != value:
            _refuse(f"the query key {key} has several values, but only the first is signed")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _refuse(reason: str) -> NoReturn:
    raise unauthenticated(reason)
