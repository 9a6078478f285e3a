"""Who may do what: nothing without credentials, nothing of another project, nothing beyond a role;
and each service says so in its own shape."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from shardhouse.api.neighbours.app import NETWORK_RESOURCES, RESOURCES
from tests.api.neighbours.projects import Project

ROUTES = [
    (method, prefix + route.path)
    for prefix, modules in (("", RESOURCES), ("/network", NETWORK_RESOURCES))
    for module in modules
    for route in module.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
    if prefix + route.path not in ("/network", "/v2.1")
]
READING = ("GET", "HEAD")
READS = {("POST", "/V1.0/{project_id}/batch-query-metric-data")}
"""What reads all the same."""
PASSWORD = "Neighbour-2026"


def filled(path: str, project_id: str) -> str:
    return re.sub(r"\{\w+\}", "x", path.replace("{project_id}", project_id))


def user(project: Project, name: str, role: str) -> str:
    """A token of a new user with one role on the project."""
    body = {"user": {"name": name, "password": PASSWORD}}
    headers = {"X-Auth-Token": project.installation.token()}
    with httpx.Client(base_url=project.iam, headers=headers) as admin:
        user_id = admin.post("/v3/users", json=body).json()["user"]["id"]
        role_id = admin.get("/v3/roles", params={"name": role}).json()["roles"][0]["id"]
        path = f"/v3/projects/{project.id}/users/{user_id}/roles/{role_id}"
        assert admin.put(path).status_code == 204
    return project.installation.issue(name, PASSWORD, project.id)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_without_credentials(project: Project, method: str, path: str) -> None:
    answer = httpx.request(method, project.iam + filled(path, project.id), json={})
    assert answer.status_code == 401
    if method != "HEAD":
        assert answer.json()["error_code"] == "APIGW.0301"


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if "{project_id}" in route[1]]
)
def test_nothing_of_another_project(
    project: Project, other: Project, method: str, path: str
) -> None:
    answer = project.send(method, filled(path, other.id), {})
    assert answer.status_code == 403, answer.text
    assert method == "HEAD" or other.id in answer.text


@pytest.fixture(scope="module")
def other(new_project: Callable[[], Project]) -> Project:
    return new_project()


@pytest.fixture(scope="module")
def reader(project: Project) -> str:
    return user(project, "neighbour.reader", "DDS ReadOnlyAccess")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_reader_changes_nothing(project: Project, reader: str, method: str, path: str) -> None:
    answer = project.send(method, filled(path, project.id), {}, token=reader)
    if method in READING or (method, path) in READS:
        assert answer.status_code in (200, 400, 404), answer.text
    else:
        assert answer.status_code == 403, answer.text


def test_refusals_have_the_shape_of_their_service(project: Project, reader: str) -> None:
    def refused(path: str, **body: Any) -> Any:
        return project.send("POST", path, body, token=reader).json()

    assert refused("/v1/{p}/vpcs")["code"] == "VPC.0010"
    assert refused("/v2.0/networks")["NeutronError"]["type"] == "PolicyNotAuthorized"
    assert refused("/v2.1/{p}/os-security-groups")["forbidden"]["code"] == 403
    assert refused("/v1.0/enterprise-projects")["error"]["error_code"] == "EPS.0004"
    assert refused("/v2/{p}/groups")["error_code"] == "LTS.0001"
    answer = refused("/V1.0/{p}/batch-query-metric-data")
    assert (answer["http_code"], answer["message"]["code"]) == ("400", "ces.0014")


def test_ids_of_another_project_are_unknown(project: Project, other: Project) -> None:
    vpc_id = other.vpc("10.7.0.0/16")
    subnet, public_ip = other.subnet(vpc_id, "10.7.0.0/24"), other.public_ip()
    for path in (
        f"/v1/{{p}}/vpcs/{vpc_id}",
        f"/v1/{{p}}/subnets/{subnet['id']}",
        f"/v1/{{p}}/publicips/{public_ip['id']}",
        f"/v1/{{p}}/bandwidths/{public_ip['bandwidth_id']}",
        f"/v2.0/routers/{vpc_id}",
        f"/v2.0/networks/{subnet['id']}",
        f"/v2.0/floatingips/{public_ip['id']}",
        f"/v2.0/{{p}}/vpcs/{vpc_id}/tags",
        f"/v2.1/{{p}}/os-floating-ips/{public_ip['id']}",
    ):
        other.call("GET", path)
        project.refuse(404, "GET", path)
    body = {"subnet": {"name": "s", "cidr": "10.7.1.0/24", "vpc_id": vpc_id}}
    project.refuse(404, "POST", "/v1/{p}/subnets", body)


def test_a_token_of_the_domain_is_about_no_project(project: Project) -> None:
    admin = project.installation.admin
    who = {"name": admin["user_name"], "password": admin["password"]}
    who["domain"] = {"name": admin["domain_name"]}
    identity = {"methods": ["password"], "password": {"user": who}}
    auth = {"identity": identity, "scope": {"domain": {"name": admin["domain_name"]}}}
    answer = httpx.post(f"{project.iam}/v3/auth/tokens", json={"auth": auth})
    token = answer.headers["X-Subject-Token"]
    assert project.send("GET", "/v2.0/networks", token=token).status_code == 403
    assert project.send("GET", "/v1.0/enterprise-projects", token=token).status_code == 200


def test_what_the_gateway_refuses(project: Project) -> None:
    for path in ("/v1/{p}/servers", "/v2.0/volumes/x/y/z/w", "/v2.1/{p}/servers", "/v2", "/v1.0"):
        answer = project.refuse(404, "GET", path)
        assert answer["error_code"] == "APIGW.0101", path
    large = project.send("POST", "/v1/{p}/vpcs", {"vpc": {"description": "d" * 70_000}})
    assert (large.status_code, large.json()["error_code"]) == (413, "APIGW.0201")
    # What IAM has stays IAM's.
    assert project.send("GET", "/v3/unknown").json()["error"]["title"] == "Not Found"


def test_a_project_takes_its_networks_with_it(new_project: Callable[[], Project]) -> None:
    gone, other = new_project(), new_project()
    vpc_id = gone.vpc()
    gone.port(gone.subnet(vpc_id)["id"])
    address = gone.public_ip()["public_ip_address"]
    gone.call("POST", "/v2/{p}/groups", {"log_group_name": "g"}, status=201)
    headers = {"X-Auth-Token": gone.installation.token()}
    deleted = httpx.delete(f"{gone.iam}/v3/projects/{gone.id}", headers=headers)
    assert deleted.status_code == 204, deleted.text
    assert other.public_ip(ip_address=address)["public_ip_address"] == address
