"""The one place where errors become HTTP answers, and where each answer gets its request id.

Shapes (OTC API references): DDS `{"error_code", "error_msg"}`, the gateway in front of it the
same with `request_id`, IAM Keystone's nested `{"error": {"code", "message", "title"}}`.
"""

import json
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Literal

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shardhouse import error_codes as codes
from shardhouse.errors import ApiError, BackupError, DdsError, DiskFullError, GatewayError, IamError

Flavour = Literal["dds", "iam"]
Shape = Callable[[Request, ApiError], dict[str, Any]]
REQUEST_ID = "X-Request-Id"
TRACE_ID = "X-IAM-Trace-Id"
_ID_HEADERS: dict[Flavour, tuple[str, ...]] = {"dds": (REQUEST_ID,), "iam": (REQUEST_ID, TRACE_ID)}
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
log = structlog.get_logger()


class RequestIds:
    """Gives each request an id, kept in `scope["state"]` and sent as a header of its answer."""

    def __init__(self, app: ASGIApp, headers: tuple[str, ...]) -> None:
        self._app = app
        self._headers = [name.lower().encode() for name in headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                message["headers"] += [(name, request_id.encode()) for name in self._headers]
            await send(message)

        await self._app(scope, receive, tagged)


def install(app: FastAPI, flavour: Flavour, shape: Shape | None = None) -> None:
    """Make `app` answer every error in its service's own shape; `shape` gives the bodies of an
    application that holds several services."""

    def answer(request: Request, error: ApiError) -> JSONResponse:
        headers = {}
        if isinstance(error, DiskFullError):
            log.error("refused", path=request.url.path, reason=error.message)
            if flavour == "dds":
                error = DdsError(codes.INTERNAL, error.message, status=error.status)
        if error.status == HTTPStatus.UNAUTHORIZED and flavour == "iam":
            # keystoneauth1 and plain HTTP clients look for the scheme here.
            headers["WWW-Authenticate"] = f'Keystone uri="{request.base_url}"'
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        body = (shape or _shape)(request, error)
        return JSONResponse(body, error.status, headers)

    async def on_api_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return answer(request, error)

    async def on_backup_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BackupError)
        log.error("request failed", path=request.url.path, reason=error.message)
        return answer(request, DdsError(codes.BACKUP_STORAGE_FAILED, error.message))

    async def on_http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        response = answer(request, _from_http(error, request, flavour))
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and error.headers:
            response.headers.update(error.headers)
        return response

    async def on_bad_request(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "body"
        message = f"{where}: {first['msg']}"
        return answer(
            request,
            DdsError(codes.BAD_PARAMETER, message) if flavour == "dds" else IamError(message),
        )

    async def on_disconnect(request: Request, _error: Exception) -> Response:
        log.info("upload aborted", path=request.url.path, request_id=request.state.request_id)
        return Response(status_code=400)  # to nobody

    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request failed", path=request.url.path, exc_info=error)
        message = f"An internal error occurred; see the log for request {request.state.request_id}."
        response = answer(
            request,
            DdsError(codes.INTERNAL, message)
            if flavour == "dds"
            else IamError(message, status=500),
        )
        # This handler runs outside of the middleware that adds the header.
        response.headers[REQUEST_ID] = request.state.request_id
        return response

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(BackupError, on_backup_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_bad_request)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(Exception, on_bug)
    app.add_middleware(RequestIds, headers=_ID_HEADERS[flavour])


def refusal(flavour: Flavour, status: int, message: str) -> bytes:
    """The whole HTTP answer for what never becomes a request: refused before it was read."""
    request_id = uuid.uuid4().hex
    error: ApiError
    if flavour == "dds":
        code = codes.THROTTLED if status in _BUSY else codes.BAD_REQUEST
        error = GatewayError(code, message, status=status)
    else:
        error = IamError(message, status=status)
    body = json.dumps(body_of(error, request_id)).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {request_id}" for name in _ID_HEADERS[flavour]),
    ]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + body


def _shape(request: Request, error: ApiError) -> dict[str, Any]:
    return body_of(error, request.state.request_id)


def body_of(error: ApiError, request_id: str) -> dict[str, Any]:
    """An error in the shape that its kind says."""
    match error:
        case GatewayError():
            return {
                "error_code": error.code,
                "error_msg": error.message,
                "request_id": request_id,
            }
        case DdsError():
            return {"error_code": error.code, "error_msg": error.message}
        case IamError(code=str(code)):
            return {"error_code": code, "error_msg": error.message}
        case _:
            title = HTTPStatus(error.status).phrase
            return {"error": {"code": error.status, "message": error.message, "title": title}}


def _from_http(error: HTTPException, request: Request, flavour: Flavour) -> ApiError:
    """What the framework refuses by itself: unknown paths and methods."""
    status = error.status_code
    if flavour == "iam":
        message = (
            f"Could not find {request.method} {request.url.path}."
            if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
            else str(error.detail)
        )
        return IamError(message, status=status)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return GatewayError(
            codes.NO_SUCH_API,
            f"The API does not exist or has not been published: {request.method} "
            f"{request.url.path}",
        )
    return GatewayError(codes.BAD_REQUEST, str(error.detail), status=status)
