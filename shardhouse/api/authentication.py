"""Who calls, for both applications: decided before anything of the request is parsed.

A route depends on `dds_caller("dds:instance:create")` or on `iam_caller` and gets a `Caller`. The
raw body is read once, here; `dds_body` and `iam_body` parse it for the handlers that want one.
Routes must not declare body models: FastAPI would parse those before it asks who calls.
"""

import json
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from shardhouse.errors import DdsError, GatewayError, IamError, bad_parameter
from shardhouse.iam.caller import Caller
from shardhouse.iam.refusals import unauthenticated
from shardhouse.iam.service import Iam
from shardhouse.iam.signatures import SignedRequest

__all__ = ["Caller", "dds_body", "dds_caller", "iam_body", "iam_caller"]

#: What the gateway accepts at most (errors.md: APIGW.0201, "body over 12 MB").
BODY_LIMIT = 12 * 1024 * 1024
PROJECT_ID = re.compile(r"[0-9a-f]{32}")
TOO_LARGE = 413
READING_METHODS = ("GET", "HEAD")

Dependency = Callable[[Request], Awaitable[Caller]]


def iam_of(request: Request) -> Iam:
    """The application's `state.iam`."""
    return cast(Iam, request.app.state.iam)


async def read_body(request: Request) -> bytes:
    """The raw body, read once and kept in `request.state.body`. Raises IamError 413."""
    kept = getattr(request.state, "body", None)
    if kept is not None:
        return cast(bytes, kept)
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > BODY_LIMIT:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise _too_large()
    request.state.body = bytes(body)
    return bytes(body)


async def dds_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a DDS call, empty when the body is. To be declared after the
    caller. Raises DdsError 400 DBS.200001.
    """
    try:
        return _json_object(await read_body(request))
    except ValueError as error:
        raise bad_parameter("body", str(error)) from None


async def iam_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body of an IAM call, empty when the body is. To be declared after
    the caller. Raises IamError 400.
    """
    try:
        return _json_object(await read_body(request))
    except ValueError as error:
        raise IamError(f"body: {error}") from None


async def iam_caller(request: Request) -> Caller:
    """The caller of an IAM path. With a signature, `X-Project-Id` chooses the scope: a project,
    or the user's domain without it. Raises IamError 401.
    """
    body = await read_body(request)
    project_id = request.headers.get("x-project-id") or None
    return await run_in_threadpool(_authenticate, request, body, project_id)


def dds_caller(action: str, *, reads: bool | None = None) -> Dependency:
    """A dependency that gives the caller of a path under `/{project_id}/`, if he may do `action`.

    `action` is such as `dds:instance:create`. `reads` says whether read access is enough; without
    it GET and HEAD are reads and the rest are not, so POST queries must say `reads=True`.

    Raises GatewayError 401 for wrong credentials; DdsError: 400 DBS.280408 for a path that has no
    project id, 403 DBS.200604 for the token of another scope, DBS.280032 for a user without a role
    on the project, DBS.280063 for one whose roles do not allow the action.
    """

    async def dependency(request: Request) -> Caller:
        try:
            body = await read_body(request)
            project_id = request.path_params["project_id"]
            caller = await run_in_threadpool(_authenticate, request, body, project_id)
        except IamError as error:
            code = "APIGW.0201" if error.status == TOO_LARGE else "APIGW.0301"
            raise GatewayError(code, error.message, status=error.status) from None
        _check_project(caller, project_id)
        only_reads = request.method in READING_METHODS if reads is None else reads
        if not (caller.may_write or (only_reads and caller.may_read)):
            raise DdsError(
                "DBS.280063",
                f"User {caller.user_name} has no permission for {action} on project {project_id}.",
                status=403,
            )
        return caller

    return dependency


def _authenticate(request: Request, body: bytes, project_id: str | None) -> Caller:
    """By token where there is one, by signature otherwise. Raises IamError 401."""
    iam = iam_of(request)
    token = request.headers.get("x-auth-token")
    if token:
        return iam.tokens.authenticate(token).caller
    authorization = request.headers.get("authorization")
    if not authorization:
        raise unauthenticated("x-auth-token not found")
    security_token = request.headers.get("x-security-token")
    return iam.access_keys.authenticate(
        signed_request(request, body), authorization, security_token, project_id
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
            "DBS.280408",
            f"project_id: {project_id} is not a project id (32 hexadecimal characters). Give the "
            "client the project's id, or its region so that it can look the id up.",
        )
    if caller.how != "access_key" and caller.project_id != project_id:
        # 403, not 401: the credentials are good, and a 401 would make clients log in once more.
        scope = f"project {caller.project_id}" if caller.project_id else "no project"
        raise DdsError(
            "DBS.200604",
            f"The credentials are scoped to {scope}; ask for a token of project {project_id}.",
            status=403,
        )
    if caller.project_id != project_id or not caller.roles:
        raise DdsError(
            "DBS.280032",
            f"User {caller.user_name} has no role on project {project_id}.",
            status=403,
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
    raise ValueError(f"{word} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_json(text)


def _too_large() -> IamError:
    return IamError(f"The body is larger than {BODY_LIMIT // 2**20} MB.", status=TOO_LARGE)
