"""What clients may write differently: a slash at the end of a path, HEAD for GET.

Documents name neither. OpenStack's clients send both, load balancers ask with HEAD, and HTTP wants
HEAD wherever there is GET.
"""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send


def install(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Give `app` the routes of these routers."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
                route.methods.add("HEAD")
        app.include_router(router)
    app.add_middleware(TrailingSlash)


class TrailingSlash:
    """Routes `/a/` as `/a`; what was signed stays as it came (`raw_path`)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        path = scope.get("path", "")
        if len(path) > 1 and path.endswith("/"):
            scope["path"] = path[:-1]
        await self._app(scope, receive, send)
