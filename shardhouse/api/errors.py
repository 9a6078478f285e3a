"""The one place where errors become HTTP answers, and where each answer gets its request id.

Shapes (OTC API references): DDS `{"error_code", "error_msg"}`, the gateway in front of it the
same with `request_id`, IAM Keystone's nested `{"error": {"code", "message", "title"}}`.
"""

import uuid
from http import HTTPStatus
from typing import Any, Literal

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shardhouse.errors import ApiError, DdsError, GatewayError, IamError

Flavour = Literal["dds", "iam"]
REQUEST_ID = "X-Request-Id"
TRACE_ID = "X-IAM-Trace-Id"
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


def install(app: FastAPI, flavour: Flavour) -> None:
    """Make `app` answer every error in its service's own shape."""

    def answer(request: Request, error: ApiError) -> JSONResponse:
        headers = {}
        if error.status == HTTPStatus.UNAUTHORIZED and flavour == "iam":
            # keystoneauth1 and plain HTTP clients look for the scheme here.
            headers["WWW-Authenticate"] = f'Keystone uri="{request.base_url}"'
        return JSONResponse(_body(error, request), error.status, headers)

    async def on_api_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return answer(request, error)

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
            DdsError("DBS.200001", message) if flavour == "dds" else IamError(message),
        )

    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request failed", path=request.url.path, exc_info=error)
        message = f"An internal error occurred; see the log for request {request.state.request_id}."
        response = answer(
            request,
            DdsError("DBS.280005", message, status=500)
            if flavour == "dds"
            else IamError(message, status=500),
        )
        # This handler runs outside of the middleware that adds the header.
        response.headers[REQUEST_ID] = request.state.request_id
        return response

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_bad_request)
    app.add_exception_handler(Exception, on_bug)
    headers = (REQUEST_ID,) if flavour == "dds" else (REQUEST_ID, TRACE_ID)
    app.add_middleware(RequestIds, headers=headers)


def _body(error: ApiError, request: Request) -> dict[str, Any]:
    match error:
        case GatewayError():
            return {
                "error_code": error.code,
                "error_msg": error.message,
                "request_id": request.state.request_id,
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
            "APIGW.0101",
            f"The API does not exist or has not been published: {request.method} "
            f"{request.url.path}",
            status=HTTPStatus.NOT_FOUND,
        )
    return GatewayError("APIGW.0201", str(error.detail), status=status)
