"""How long requests take, for `/metrics`."""

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


def histogram() -> Histogram:
    """Of all applications of the service; it belongs to no registry yet."""
    return Histogram(
        "shardhouse_http_request_duration_seconds",
        "From a request's head to the end of its answer",
        ("service", "method", "route", "status"),
        registry=None,
        buckets=_BOUNDS,
    )


class Timed:
    """An application whose requests are timed, by the route that served them: clients choose no
    label's value."""

    def __init__(self, app: ASGIApp, service: str, latencies: Histogram) -> None:
        self._app = app
        self._service = service
        self._latencies = latencies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "none")
            timer = self._latencies.labels(self._service, method, route, str(status))
            timer.observe(time.perf_counter() - begun)
