"""Signatures: made by the official SDK (A) and by an independent reading of the rules (B)."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from shardhouse.errors import IamError
from shardhouse.iam import signatures
from shardhouse.iam.signatures import SignedRequest

SECRET = "s3cr3t" * 6
ZEROS = "0" * 64
NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
Query = list[tuple[str, str]]
Signing = Callable[..., SignedRequest]


def by_sdk(
    method: str = "POST",
    path: str = "/v3/p/instances",
    query: Query = [],  # noqa: B006  never changed
    body: bytes = b"",
    at: datetime = NOW,
    secret: str = SECRET,
    **headers: str,
) -> SignedRequest:
    """A request signed by huaweicloudsdkcore, as its transport would send it."""
    given = {
        "Content-Type": "application/json",
        "X-Sdk-Date": at.strftime("%Y%m%dT%H%M%SZ"),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    request = SdkRequest(
        method=method,
        schema="http",
        host="127.0.0.1:9800",
        resource_path=path,
        query_params=list(query),
        header_params=given,
        body=body,
    )
    Signer(BasicCredentials("AK", secret)).sign(request)
    raw_path, _, raw_query = request.uri.partition("?")
    return SignedRequest(
        method,
        quote(raw_path, safe="/%~").encode(),
        raw_query.encode(),
        [(k.lower().encode(), v.encode("latin-1")) for k, v in request.header_params.items()],
        body,
    )


def by_go_client(
    method: str = "POST",
    path: str = "/v3/p/instances",
    query: Query = [],  # noqa: B006  never changed
    body: bytes = b"",
    at: datetime = NOW,
    secret: str = SECRET,
    region: str = "",
    service: str = "",
) -> SignedRequest:
    """A request signed as section 7 of the facts describes, written without our module."""

    def mac(key: bytes, text: str) -> bytes:
        return hmac.new(key, text.encode(), hashlib.sha256).digest()

    date = at.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": "127.0.0.1:9800", "x-custom": "a   b\t c", "x-sdk-date": date}
    encode = lambda text: quote(text, safe="-_.~")  # noqa: E731
    encoded = "&".join(f"{encode(k)}={encode(v)}" for k, v in sorted(query))
    on_body = method == "POST" and not body
    canonical = [
        method,
        "/".join(encode(part) for part in path.split("/")) + "/",
        "" if on_body else encoded,
        f"host:127.0.0.1:9800\nx-custom:a b c\nx-sdk-date:{date}\n",
        "host;x-custom;x-sdk-date",
        hashlib.sha256(encoded.encode() if on_body else body).hexdigest(),
    ]
    scope = f"{date[:8]}/{region}/{service}/sdk_request"
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    key = mac(mac(mac(mac(f"SDK{secret}".encode(), date[:8]), region), service), "sdk_request")
    signature = mac(key, f"SDK-HMAC-SHA256\n{date}\n{scope}\n{digest}").hex()
    headers["authorization"] = (
        f"SDK-HMAC-SHA256 Credential=AK/{scope}, SignedHeaders=host;x-custom;x-sdk-date, "
        f"Signature={signature}"
    )
    return SignedRequest(
        method,
        quote(path).encode(),
        encoded.encode(),
        [(k.encode(), v.encode()) for k, v in headers.items()],
        body,
    )


def accepted(request: SignedRequest, secret: str = SECRET, now: datetime = NOW) -> bool:
    signature = signatures.parse(request.header("authorization") or "")
    assert signature.access_key == "AK"
    signatures.check(request, signature, now)
    return signatures.matches(request, signature, secret)


def changed_header(request: SignedRequest, name: bytes, value: bytes) -> SignedRequest:
    return replace(request, headers=[(k, value if k == name else v) for k, v in request.headers])


REQUESTS = {
    "get": {"method": "GET"},
    "get with query": {"method": "GET", "query": [("limit", "10"), ("id", "x")]},
    "special": {"method": "GET", "query": [("q", "a*b c+d=e&f~/"), ("name", "ä€"), ("z", "")]},
    "encoded path": {"method": "GET", "path": "/v3/p/backups/a b~ü"},
    "ends with slash": {"method": "GET", "path": "/v3"},
    "post": {"body": b'{"a": "\xc3\xa4"}'},
    "post without body": {},
    "post without body, with query": {"query": [("action", "switch over")]},
    "post with both": {"body": b"{}", "query": [("a", "1")]},
    "delete with body": {"method": "DELETE", "body": b"{}"},
}


@pytest.mark.parametrize("signing", [by_sdk, by_go_client])
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_valid_signatures_are_accepted(signing: Signing, request_: dict) -> None:
    assert accepted(signing(**request_))


@pytest.mark.parametrize("signing", [by_sdk, by_go_client])
def test_changed_requests_are_refused(signing: Signing) -> None:
    good = signing(body=b'{"a": 1}', query=[("a", "1")])
    assert accepted(good)
    assert not accepted(good, secret=SECRET + "x")
    assert not accepted(replace(good, body=b'{"a": 2}'))
    assert not accepted(replace(good, body=b""))
    assert not accepted(replace(good, method="PUT"))
    assert not accepted(replace(good, path=b"/v3/q/instances"))
    assert not accepted(replace(good, query=b"a=2"))
    assert not accepted(replace(good, query=b"a=1&b=2"))
    assert not accepted(changed_header(good, b"host", b"evil.example"))
    later = (NOW + timedelta(seconds=1)).strftime("%Y%m%dT%H%M%SZ").encode()
    assert not accepted(changed_header(good, b"x-sdk-date", later))


@pytest.mark.parametrize("signing", [by_sdk, by_go_client])
def test_headers_added_after_signing_are_tolerated(signing: Signing) -> None:
    good = signing(method="GET")
    more = [*good.headers, (b"x-project-id", b"p"), (b"x-domain-id", b"d")]
    assert accepted(replace(good, headers=more))


@pytest.mark.parametrize("signing", [by_sdk, by_go_client])
@pytest.mark.parametrize(
    ("minutes", "fits"), [(0, True), (15, True), (15.02, False), (-15.02, False)]
)
def test_clock_skew(signing: Signing, minutes: float, fits: bool) -> None:
    request = signing(at=NOW - timedelta(minutes=minutes))
    if fits:
        assert accepted(request)
    else:
        with pytest.raises(IamError, match="15 minutes") as refused:
            accepted(request)
        assert refused.value.status == 401


def test_variant_b_with_region_and_service() -> None:
    assert accepted(by_go_client(region="eu-de", service="dds"))


def test_an_announced_payload_hash_must_be_the_bodys() -> None:
    body = b'{"a": 1}'
    honest = by_sdk(body=body, X_Sdk_Content_Sha256=hashlib.sha256(body).hexdigest())
    assert accepted(honest)
    with pytest.raises(IamError, match="X-Sdk-Content-Sha256"):
        accepted(replace(honest, body=b'{"a": 2}'))


def test_unsigned_payload_is_refused_unless_there_is_no_body() -> None:
    with pytest.raises(IamError, match="X-Sdk-Content-Sha256"):
        accepted(by_sdk(body=b"a=1", Content_Type="application/x-www-form-urlencoded"))
    assert accepted(by_sdk(method="GET", Content_Type="text/plain"))


def test_variant_b_refuses_values_that_are_not_signed() -> None:
    good = by_go_client(method="GET", query=[("id", "mine")])
    with pytest.raises(IamError, match="only the first is signed"):
        accepted(replace(good, query=good.query + b"&id=other"))
    assert accepted(replace(good, query=good.query + b"&id=mine"))


def test_repeated_signed_headers_are_refused() -> None:
    good = by_sdk()
    with pytest.raises(IamError, match="came 2 times"):
        accepted(replace(good, headers=[*good.headers, (b"host", b"evil.example")]))


@pytest.mark.parametrize("dropped", ["host", "x-sdk-date"])
def test_host_and_date_must_be_signed(dropped: str) -> None:
    value = ZEROS
    names = ";".join(name for name in ("host", "x-sdk-date") if name != dropped)
    header = f"SDK-HMAC-SHA256 Access=AK, SignedHeaders={names}, Signature={value}"
    with pytest.raises(IamError, match=f"must contain {dropped}"):
        accepted(changed_header(by_sdk(), b"authorization", header.encode()))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer abc",
        "SDK-HMAC-SHA256",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=xyz",
        f"SDK-HMAC-SHA256 Credential=AK/1/sdk_request, SignedHeaders=host, Signature={ZEROS}",
        f"SDK-HMAC-SM3 Access=AK, SignedHeaders=host, Signature={ZEROS}",
        f"SDK-ECDSA-P256-SHA256 Access=AK, SignedHeaders=host, Signature={ZEROS}",
        f"V11-HMAC-SHA256 Credential=AK/20260131/r/dds, SignedHeaders=host, Signature={ZEROS}",
    ],
)
def test_other_authorization_headers_are_401(header: str) -> None:
    with pytest.raises(IamError, match=r"^Incorrect IAM authentication information") as refused:
        signatures.parse(header)
    assert refused.value.status == 401
