"""No route gives one project's things to another, and no role more than it says."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from shardhouse.api.dds import instances, jobs, offers
from tests import requests
from tests.installation import Installation

ROUTES = [
    (method, route.path)
    for module in (instances, jobs, offers)
    for route in module.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


def administer(
    installation: Installation, method: str, path: str, **options: Any
) -> httpx.Response:
    headers = {"X-Auth-Token": installation.token()}
    answer = httpx.request(method, installation.iam + path, headers=headers, **options)
    assert answer.status_code < 300, answer.text
    return answer


@pytest.fixture(scope="module")
def other_project(installation: Installation) -> str:
    name = f"{installation.admin['region']}_other"
    body = {"project": {"name": name, "domain_id": _domain(installation)}}
    answer = administer(installation, "POST", "/v3/projects", json=body)
    return answer.json()["project"]["id"]


def _domain(installation: Installation) -> str:
    return administer(installation, "GET", "/v3/auth/domains").json()["domains"][0]["id"]


def _user(installation: Installation, name: str, project_id: str, role: str | None) -> str:
    """A new user with a role on a project; his id."""
    body = {"user": {"name": name, "password": "Secret-12345", "domain_id": _domain(installation)}}
    user_id = administer(installation, "POST", "/v3/users", json=body).json()["user"]["id"]
    if role:
        path = f"/v3/projects/{project_id}/users/{user_id}/roles/{_role(installation, role)}"
        administer(installation, "PUT", path)
    return user_id


def _role(installation: Installation, word: str) -> str:
    roles = administer(installation, "GET", "/v3/roles").json()["roles"]
    return next(role["id"] for role in roles if word in role.get("display_name", role["name"]))


@pytest.fixture(scope="module")
def made(installation: Installation) -> Iterator[dict[str, Any]]:
    created = installation.create(requests.single(name="tenant-one"))
    installation.wait_job(created["job_id"])
    yield created
    installation.delete(created["id"])


def _path(route: str, project_id: str, made: dict[str, Any]) -> str:
    values = {
        "project_id": project_id,
        "instance_id": made["id"],
        "datastore_name": "DDS-Community",
    }
    return route.format(**values)


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_another_project_s_token_opens_no_route(
    installation: Installation,
    other_project: str,
    made: dict[str, Any],
    method: str,
    route: str,
) -> None:
    admin = installation.admin
    token = installation.issue(admin["user_name"], admin["password"], other_project)
    path = _path(route, installation.project_id, made)
    answer = installation.call(method, path, token=token, json=requests.single())
    assert (answer.status_code, answer.json()["error_code"]) == (403, "DBS.200604")


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_own_project_does_not_reach_another_s_instance(
    installation: Installation,
    other_project: str,
    made: dict[str, Any],
    method: str,
    route: str,
) -> None:
    admin = installation.admin
    token = installation.issue(admin["user_name"], admin["password"], other_project)
    path = _path(route, other_project, made)
    body = {} if method == "POST" else None
    wanted = made["job_id"] if route.endswith("/jobs") else made["id"]
    answer = installation.call(method, path, token=token, params={"id": wanted}, json=body)
    if route.endswith("/jobs"):
        assert answer.json()["error_code"] == "DBS.280016"
    if answer.status_code < 300:
        assert made["id"] not in answer.text
    else:
        assert answer.status_code in (400, 404)
    assert installation.instance(made["id"]) is not None


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_no_route_answers_without_credentials(
    installation: Installation, made: dict[str, Any], method: str, route: str
) -> None:
    path = _path(route, installation.project_id, made)
    answer = httpx.request(method, installation.dds + path)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIGW.0301")


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_a_reader_reads_and_changes_nothing(
    installation: Installation, reader: str, made: dict[str, Any], method: str, route: str
) -> None:
    path = _path(route, installation.project_id, made)
    answer = installation.call(method, path, token=reader, json=requests.single())
    if method == "GET":
        assert answer.status_code in (200, 400)  # GET /jobs wants an id
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (403, "DBS.280063")
        assert "dds:instance:" in answer.json()["error_msg"]


@pytest.fixture(scope="module")
def reader(installation: Installation) -> str:
    _user(installation, "reader", installation.project_id, "ReadOnly")
    return installation.issue("reader", "Secret-12345")


def test_a_user_without_a_role_gets_403(installation: Installation) -> None:
    _user(installation, "stranger", installation.project_id, None)
    identity = {
        "methods": ["password"],
        "password": {
            "user": {
                "name": "stranger",
                "password": "Secret-12345",
                "domain": {"name": installation.admin["domain_name"]},
            }
        },
    }
    scope = {"project": {"id": installation.project_id}}
    answer = httpx.post(
        f"{installation.iam}/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}
    )
    if answer.status_code == 201:
        token = answer.headers["X-Subject-Token"]
        answer = installation.call("GET", "/instances", token=token)
    assert answer.status_code == 403
