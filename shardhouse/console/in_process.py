"""Calls of the console to the APIs of its own process, without a socket between them."""

import anyio
import anyio.from_thread
import httpx
from starlette.types import ASGIApp

IAM_URL = "http://iam.invalid"
"""What calls to IAM name: where clients reach it may be where they reach DDS, behind a proxy."""
_IAM_HOST = httpx.URL(IAM_URL).host


class InProcess(httpx.BaseTransport):
    """Gives requests to one of two applications: IAM's, where they name `IAM_URL`, which becomes
    `iam_url`; else DDS's. They come from `source`, the address and port of the person's browser, so
    that logins are counted against them. For threads that anyio has started."""

    def __init__(
        self, iam: ASGIApp, dds: ASGIApp, iam_url: httpx.URL, source: tuple[str, int]
    ) -> None:
        self._iam_url = iam_url
        # What fails in an application is answered by it.
        self._to_iam = httpx.ASGITransport(iam, raise_app_exceptions=False, client=source)
        self._to_dds = httpx.ASGITransport(dds, raise_app_exceptions=False, client=source)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx. Raises httpx.ReadTimeout."""
        if request.url.host != _IAM_HOST:
            return anyio.from_thread.run(_answer, self._to_dds, request)
        request.url = self._iam_url.copy_with(raw_path=request.url.raw_path)
        request.headers["Host"] = request.url.netloc.decode()  # of which catalogs are made
        return anyio.from_thread.run(_answer, self._to_iam, request)


async def _answer(transport: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
    seconds = request.extensions["timeout"]["read"]
    try:
        with anyio.fail_after(seconds):
            answer = await transport.handle_async_request(request)
            content = await answer.aread()
    except TimeoutError:
        raise httpx.ReadTimeout(f"no answer in {seconds} s", request=request) from None
    return httpx.Response(answer.status_code, headers=answer.headers, content=content)
