"""Who calls, and from where, for both applications: decided before anything is parsed.

A route depends on `dds_caller("dds:instance:create")` or on `iam_caller` and gets a `Caller`. The
raw body is read once, here, and only for somebody who is known or at least signs; `dds_body` and
`iam_body` parse it for the handlers that want one. Routes must not declare body models: FastAPI
would parse those before it asks who calls.
"""

import asyncio
import ipaddress
import json
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from shardhouse import error_codes as codes
from shardhouse.api.bodies import (
    ANONYMOUS_BODY_LIMIT,
    BODY_LIMIT,
    check_announced,
    read_body,
)
from shardhouse.errors import DdsError, GatewayError, IamError, bad_parameter
from shardhouse.iam import signatures
from shardhouse.iam.caller import Caller
from shardhouse.iam.refusals import unauthenticated
from shardhouse.iam.service import Iam
from shardhouse.iam.signatures import SignedRequest

__all__ = [
    "Caller",
    "dds_body",
    "dds_caller",
    "gateway_caller",
    "iam_body",
    "iam_caller",
    "in_turn",
]

T = TypeVar("T")

PROJECT_ID = re.compile(r"[0-9a-f]{32}")
TOO_MANY = 429
PAUSE_SECONDS = 1.0
READING_METHODS = ("GET", "HEAD")
#: The gateway's codes by status; the rest of what authentication refuses is a 401.
GATEWAY_CODES = {413: codes.BAD_REQUEST, 429: codes.THROTTLED}

Dependency = Callable[[Request], Awaitable[Caller]]


def iam_of(request: Request) -> Iam:
    """The application's `state.iam`."""
    return cast(Iam, request.app.state.iam)


async def dds_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a DDS call, empty when the body is. To be declared after the
    caller. Raises DdsError 400 DBS.200001.
    """
    try:
        return _json_object(await read_body(request, BODY_LIMIT))
    except ValueError as error:
        raise bad_parameter("body", str(error)) from None


async def iam_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body of an IAM call, empty when the body is. To be declared after
    the caller: without one, the body is that of somebody unknown. Raises IamError 400, 413.
    """
    try:
        return _json_object(await read_body(request, ANONYMOUS_BODY_LIMIT))
    except ValueError as error:
        raise IamError(f"body: {error}") from None


async def iam_caller(request: Request) -> Caller:
    """The caller of an IAM path. With a signature, `X-Project-Id` chooses the scope: a project,
    or the user's domain without it.

    Raises IamError: 401, and 403 for a change with a temporary key. What such a key may make in
    IAM (keys, passwords, users, role assignments) would outlive it, so it may only read.
    """
    caller = await _authenticate(request, request.headers.get("x-project-id") or None)
    if caller.how == "temporary_key" and request.method not in READING_METHODS:
        raise IamError(
            "A temporary access key can only read in IAM; use a token or a permanent access key.",
            status=403,
        )
    return caller


async def in_turn(
    request: Request, operation: Callable[[], T], *, check: Callable[[], None] = lambda: None
) -> T:
    """Run an operation that hashes a password: one at a time, sources in turn. `check` is asked
    before it waits for its turn.

    Raises IamError 429 when too many wait, after a pause: a client that does not keep to
    Retry-After comes back once a second then, and not as fast as it can.
    """
    try:
        check()
        return await iam_of(request).turns.run(source_of(request), operation)
    except IamError as error:
        if error.status == TOO_MANY:
            await asyncio.sleep(PAUSE_SECONDS)
        raise


def source_of(request: Request) -> str:
    """Where the request came from: the peer's address, or what a trusted proxy says it is. Of an
    IPv6 address its network of 64 bits, within which one host has as many as it likes.
    """
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address), 64), strict=False))


def dds_caller(action: str, *, reads: bool | None = None, administers: bool = False) -> Dependency:
    """A dependency that gives the caller of a path under `/{project_id}/`, who may do `action`.

    `action` is such as `dds:instance:create`. `reads` says whether read access is enough; without
    it GET and HEAD are reads and the rest are not, so POST queries must say `reads=True`.
    `administers` says that it takes administering the domain instead.

    Raises GatewayError 401 for wrong credentials; DdsError: 400 DBS.280408 for a path that has no
    project id, 403 DBS.200604 for the token of another scope, DBS.280032 for a user without a role
    on the project, DBS.280063 for one whose roles do not allow the action.
    """

    async def dependency(request: Request) -> Caller:
        project_id = request.path_params["project_id"]
        caller = await gateway_caller(request, project_id, BODY_LIMIT)
        _check_project(caller, project_id)
        only_reads = request.method in READING_METHODS if reads is None else reads
        may = caller.may_write or (only_reads and caller.may_read)
        if not (caller.administers if administers else may):
            raise DdsError(
                codes.NO_PERMISSION,
                f"User {caller.user_name} has no permission for {action} on project {project_id}.",
            )
        return caller

    return dependency


async def gateway_caller(request: Request, project_id: str | None, limit: int) -> Caller:
    """The caller of a service other than IAM, in the scope that the token or the signature has;
    bodies have at most `limit` bytes. Raises GatewayError 401, 413, 429.
    """
    try:
        return await _authenticate(request, project_id, limit)
    except IamError as error:
        code = GATEWAY_CODES.get(error.status, codes.NOT_AUTHENTICATED)
        raise GatewayError(code, error.message, status=error.status) from None


async def _authenticate(
    request: Request, project_id: str | None, limit: int = BODY_LIMIT
) -> Caller:
    """By token where there is one, by signature otherwise; the body is read for its sender.
    Raises IamError 401, 413.
    """
    iam = iam_of(request)
    check_announced(request, limit)
    token = request.headers.get("x-auth-token")
    if token:
        caller = (await run_in_threadpool(iam.tokens.authenticate, token)).caller
        await read_body(request, limit)
        return caller
    authorization = request.headers.get("authorization")
    if not authorization:
        raise unauthenticated("x-auth-token not found")
    signatures.parse(authorization)
    signed = signed_request(request, await read_body(request, limit))
    security_token = request.headers.get("x-security-token")
    return await run_in_threadpool(
        iam.access_keys.authenticate, signed, authorization, security_token, project_id
    )


def signed_request(request: Request, body: bytes) -> SignedRequest:
    """The request as it came over the wire, for checking its signature."""
    scope = request.scope
    return SignedRequest(
        method=scope["method"],
        path=scope["raw_path"],
        query=scope["query_string"],
        headers=scope["headers"],
        body=body,
    )


def _check_project(caller: Caller, project_id: str) -> None:
    if not PROJECT_ID.fullmatch(project_id):
        raise DdsError(
            codes.PROJECT_ID_INVALID,
            f"project_id: {project_id} is not a project id (32 hexadecimal characters). Give the "
            "client the project's id, or its region so that it can look the id up.",
        )
    if caller.how != "access_key" and caller.project_id != project_id:
        # 403, not 401: the credentials are good, and a 401 would make clients log in once more.
        scope = f"project {caller.project_id}" if caller.project_id else "no project"
        raise DdsError(
            codes.PROJECT_MISMATCH,
            f"The credentials are scoped to {scope}; ask for a token of project {project_id}.",
        )
    if caller.project_id != project_id or not caller.roles:
        raise DdsError(
            codes.NO_ROLE,
            f"User {caller.user_name} has no role on project {project_id}.",
        )


def _json_object(body: bytes) -> dict[str, Any]:
    """Raises ValueError in words for the client."""
    if not body.strip():
        return {}
    try:
        content = json.loads(body.decode(), parse_constant=_not_json, parse_float=_finite)
        # What does not encode could be neither stored nor echoed: lone surrogates pass the parser.
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not valid JSON in UTF-8: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("a JSON object is expected")  # noqa: TRY004  one error for the caller
    return content


def _not_json(word: str) -> float:
    """NaN and Infinity, which Python's parser lets pass."""
    raise ValueError(f"{word} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_json(text)
