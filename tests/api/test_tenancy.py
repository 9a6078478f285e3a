"""No route gives one project's things to another, and no role more than it says."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shardhouse.contract.call import Call, Method
from shardhouse.contract.table import CALLS
from tests import requests
from tests.installation import Installation

#: Every call of the contract that belongs to a project.
ROWS = [pytest.param(call, id=call.operation) for call in CALLS if "{project_id}" in call.path]
OF_INSTANCES = [row for row in ROWS if "{instance_id}" in row.values[0].path]
UNKNOWN = "0" * 32


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
    listed = installation.instance(created["id"])
    assert listed is not None
    yield created | {"node_id": listed["groups"][0]["nodes"][0]["id"]}
    installation.delete(created["id"])


def _path(call: Call, project_id: str, made: dict[str, Any]) -> str:
    values = {
        "project_id": project_id,
        "instance_id": made["id"],
        "node_id": made["node_id"],
        "job_id": made["job_id"],
        "backup_id": f"{UNKNOWN}br02",
        "config_id": f"{UNKNOWN}pr02",
        "datastore_name": "DDS-Community",
        "action": "start",
        "status": "on",
    }
    return call.path.format(**values)


def _query(call: Call) -> dict[str, Any]:
    """What the row's query has to have."""
    values = {
        "db_name": "shop",
        "restore_time": "1764547200000",
        "start_date": "2026-01-01T00:00:00+0000",
        "end_date": "2026-01-02T00:00:00+0000",
        "entity_id": f"{UNKNOWN}in02",
        "start_time": "2026-01-01T00:00:00+0000",
        "end_time": "2026-01-31T00:00:00+0000",
    }
    return {name: value for name, value in values.items() if name in call.query.model_fields}


def _body(call: Call) -> dict[str, Any] | None:
    """A body that the row accepts."""
    if call.operation == "CreateInstance":
        return requests.single()
    body = dict(call.example)
    return {call.wrapper: body} if call.wrapper else body or None


@pytest.mark.parametrize("call", ROWS)
def test_another_project_s_token_opens_no_route(
    installation: Installation, other_project: str, made: dict[str, Any], call: Call
) -> None:
    admin = installation.admin
    token = installation.issue(admin["user_name"], admin["password"], other_project)
    path = _path(call, installation.project_id, made)
    answer = installation.call(call.method, path, token=token, json=_body(call))
    assert (answer.status_code, answer.json()["error_code"]) == (403, "DBS.200604")


@pytest.mark.parametrize("call", OF_INSTANCES)
def test_an_instance_of_another_project_does_not_exist(
    installation: Installation, other_project: str, made: dict[str, Any], call: Call
) -> None:
    admin = installation.admin
    token = installation.issue(admin["user_name"], admin["password"], other_project)
    path = _path(call, other_project, made)
    answer = installation.call(
        call.method, path, token=token, json=_body(call), params=_query(call)
    )
    assert (answer.status_code, answer.json()["error_code"]) == (404, "DBS.200002")
    assert installation.instance(made["id"]) is not None


@pytest.mark.parametrize("call", OF_INSTANCES)
def test_an_unknown_instance_is_404(
    installation: Installation, made: dict[str, Any], call: Call
) -> None:
    path = _path(call, installation.project_id, made | {"id": f"{UNKNOWN}in02"})
    answer = installation.call(call.method, path, json=_body(call), params=_query(call))
    assert (answer.status_code, answer.json()["error_code"]) == (404, "DBS.200002")


@pytest.mark.parametrize("call", [row for row in ROWS if row not in OF_INSTANCES])
def test_a_project_sees_nothing_of_another(
    installation: Installation, other_project: str, made: dict[str, Any], call: Call
) -> None:
    if call.method is not Method.GET and not call.reads:
        pytest.skip("it changes things; its own tests say what")
    admin = installation.admin
    token = installation.issue(admin["user_name"], admin["password"], other_project)
    path = _path(call, other_project, made)
    for wanted in (made["id"], made["job_id"]):
        answer = installation.call(
            call.method, path, token=token, params={"id": wanted}, json=_body(call)
        )
        if answer.status_code == 200:
            assert made["id"] not in answer.text
        else:
            assert answer.status_code in (400, 404)


@pytest.mark.parametrize("call", ROWS)
def test_no_route_answers_without_credentials(
    installation: Installation, made: dict[str, Any], call: Call
) -> None:
    path = _path(call, installation.project_id, made)
    answer = httpx.request(call.method, installation.dds + path)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIGW.0301")


@pytest.mark.parametrize("call", ROWS)
def test_a_reader_reads_and_changes_nothing(
    installation: Installation, reader: str, made: dict[str, Any], call: Call
) -> None:
    path = _path(call, installation.project_id, made)
    answer = installation.call(call.method, path, token=reader, json=_body(call))
    if call.only_reads and not call.administers:
        assert answer.status_code in (200, 400)  # 400: a filter or another mode is needed
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (403, "DBS.280063")
        assert call.permission in answer.json()["error_msg"]


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
