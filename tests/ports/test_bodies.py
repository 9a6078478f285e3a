"""Whose body is read, and how much of it, by a real service."""

import json

import httpx
import pytest

from tests.installation import Installation, until
from tests.ports.raw import Answer, Raw, request

LOGIN = "/v3/auth/tokens"
SIGNED = "SDK-HMAC-SHA256 Access=A, SignedHeaders=host;x-sdk-date, Signature=" + "0" * 64


def answer(installation: Installation, path: str, size: int, **headers: str) -> Answer:
    """To a POST that announces a body and sends nothing of it."""
    url = installation.iam if path == LOGIN else installation.dds
    port = httpx.URL(url).port
    assert port is not None
    with Raw(port) as raw:
        found = raw.send(request(path, "POST", Content_Length=str(size), **headers)).answer()
    assert found is not None
    return found


def test_what_is_announced_too_large_is_not_waited_for(installation: Installation) -> None:
    path = f"/v3/{installation.project_id}/instances"
    for headers in ({}, {"X_Auth_Token": installation.token()}, {"Authorization": SIGNED}):
        found = answer(installation, path, 2**20 + 1, **headers)
        assert (found.status, found.json()["error_code"]) == (413, "APIGW.0201")
    found = answer(installation, LOGIN, 64 * 2**10 + 1)
    assert (found.status, found.json()["error"]["code"]) == (413, 413)


@pytest.mark.parametrize("headers", [{}, {"X_Auth_Token": "nobody's"}, {"Authorization": "x"}])
def test_the_body_of_somebody_unknown_is_not_waited_for(
    installation: Installation, headers: dict[str, str]
) -> None:
    found = answer(installation, f"/v3/{installation.project_id}/instances", 1000, **headers)
    assert (found.status, found.json()["error_code"]) == (401, "APIGW.0301")


def test_an_aborted_upload_is_one_line_of_the_log(installation: Installation) -> None:
    path = f"/v3/{installation.project_id}/instances"
    port = httpx.URL(installation.dds).port
    assert port is not None
    begin = installation.log.stat().st_size

    def logged() -> list[str]:
        return installation.log.read_text()[begin:].splitlines()

    with Raw(port) as raw:
        token = installation.token()
        raw.send(request(path, "POST", Content_Length="1000", X_Auth_Token=token), "{")
        # The service has begun to read: the answer to another request says that time has passed.
        assert installation.call("GET", "/instances").status_code == 200
    (line,) = until("the log", lambda: logged() or None)
    assert json.loads(line)["event"] == "upload aborted"
    assert json.loads(line)["path"] == path
    assert installation.call("GET", "/instances").status_code == 200
    assert logged() == [line]
