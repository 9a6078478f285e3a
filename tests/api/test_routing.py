"""A slash at the end of a path, and HEAD: as the plain path, and as GET."""

import httpx
import pytest

from tests.installation import Installation


def test_a_slash_at_the_end_changes_nothing(installation: Installation) -> None:
    for path in ("/instances", "/flavors", "/quotas"):
        plain, slashed = (installation.call("GET", path + end) for end in ("", "/"))
        assert (slashed.status_code, slashed.json()) == (plain.status_code, plain.json())
    refused = installation.call("POST", "/instances/", json={})
    assert (refused.status_code, refused.json()["error_code"][:3]) == (400, "DBS")
    # An empty id is none, and two slashes are not one.
    assert installation.call("DELETE", "/instances/").status_code == 404
    assert installation.call("GET", "/instances//").status_code == 404
    headers = {"X-Auth-Token": installation.token()}
    for path in ("/v3/", "/v3/users/", "/v3/auth/catalog/"):
        assert httpx.get(installation.iam + path, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/instances", "/quotas", "/jobs?id=none"])
def test_head_is_get_without_the_body(installation: Installation, path: str) -> None:
    get, head = (installation.call(method, path) for method in ("GET", "HEAD"))
    assert head.status_code == get.status_code
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.content == b""


def test_head_needs_the_same_rights(installation: Installation) -> None:
    url = f"{installation.dds}/v3/{installation.project_id}/instances"
    assert httpx.head(url).status_code == 401
    assert httpx.head(installation.dds).status_code == 200
    assert httpx.head(f"{installation.iam}/v3").status_code == 200
    assert httpx.head(f"{installation.iam}/v3/users").status_code == 401
