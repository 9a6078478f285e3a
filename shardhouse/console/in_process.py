"""Calls of the console to the APIs of its own process, without a socket between them."""

import anyio.from_thread
import httpx
from starlette.types import ASGIApp


class InProcess(httpx.BaseTransport):
    """Gives requests to one of two applications: IAM's, where they name its address, else DDS's.
    They come from `source`, the address and port of the person's browser, so that logins are
    counted against him. For threads that anyio has started."""

    def __init__(
        self, iam: ASGIApp, dds: ASGIApp, iam_url: httpx.URL, source: tuple[str, int]
    ) -> None:
        self._iam_place = (iam_url.host, iam_url.port)
        self._to_iam = httpx.ASGITransport(iam, client=source)
        self._to_dds = httpx.ASGITransport(dds, client=source)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx."""
        to_iam = (request.url.host, request.url.port) == self._iam_place
        return anyio.from_thread.run(_answer, self._to_iam if to_iam else self._to_dds, request)


async def _answer(transport: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
    answer = await transport.handle_async_request(request)
    content = await answer.aread()
    return httpx.Response(answer.status_code, headers=answer.headers, content=content)
