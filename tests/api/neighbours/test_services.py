"""Nova, EPS and LTS: what they answer, refuse and remember."""

from typing import Any

import pytest

from tests.api.neighbours.projects import Project


def test_zones(project: Project) -> None:
    for path in ("/v2.1/{p}/os-availability-zone", "/v2.1/{p}/os-availability-zone/detail"):
        zones = project.call("GET", path)["availabilityZoneInfo"]
        assert [zone["zoneName"] for zone in zones] == ["local-01", "local-02", "local-03"]
        assert all(zone["zoneState"]["available"] for zone in zones)


def test_nova_shows_neutrons_security_groups(project: Project) -> None:
    path = "/v2.1/{p}/os-security-groups"
    body = {"security_group": {"name": "nova", "description": "d"}}
    group = project.call("POST", path, body)["security_group"]
    assert (group["rules"], group["tenant_id"]) == ([], project.id)
    wish = {"parent_group_id": group["id"], "ip_protocol": "tcp", "from_port": 22, "to_port": 22}
    rule = project.call("POST", "/v2.1/{p}/os-security-group-rules", {"security_group_rule": wish})[
        "security_group_rule"
    ]
    assert rule.items() >= wish.items()
    assert rule["ip_range"] == {"cidr": "0.0.0.0/0"}
    every = {
        "parent_group_id": group["id"],
        "from_port": -1,
        "to_port": -1,
        "group_id": group["id"],
    }
    of_group = project.call(
        "POST", "/v2.1/{p}/os-security-group-rules", {"security_group_rule": every}
    )["security_group_rule"]
    assert (of_group["group"]["name"], of_group["ip_range"]) == ("nova", {})
    assert (of_group["from_port"], of_group["to_port"]) == (-1, -1)
    assert len(project.call("GET", f"{path}/{group['id']}")["security_group"]["rules"]) == 2
    in_neutron = project.call("GET", f"/v2.0/security-groups/{group['id']}")["security_group"]
    assert rule["id"] in [one["id"] for one in in_neutron["security_group_rules"]]
    rule_path = f"/v2.1/{{p}}/os-security-group-rules/{rule['id']}"
    project.call("DELETE", rule_path, status=202)
    error = project.refuse(404, "DELETE", rule_path)
    assert error["itemNotFound"]["code"] == 404
    renamed = {"security_group": {"name": "nova2", "description": ""}}
    assert (
        project.call("PUT", f"{path}/{group['id']}", renamed)["security_group"]["name"] == "nova2"
    )
    project.call("DELETE", f"{path}/{group['id']}", status=202)
    (default,) = (
        one for one in project.call("GET", path)["security_groups"] if one["name"] == "default"
    )
    assert "conflictingRequest" in project.refuse(409, "DELETE", f"{path}/{default['id']}")
    assert "badRequest" in project.refuse(400, "POST", path, {"security_group": {}})


def test_nova_shows_public_ips(project: Project) -> None:
    (pool,) = project.call("GET", "/v2.1/{p}/os-floating-ip-pools")["floating_ip_pools"]
    path = "/v2.1/{p}/os-floating-ips"
    made = project.call("POST", path, {"pool": pool["name"]})["floating_ip"]
    assert (made["pool"], made["fixed_ip"]) == (pool["name"], None)
    assert project.call("GET", f"{path}/{made['id']}")["floating_ip"] == made
    assert made in project.call("GET", path)["floating_ips"]
    shown = project.call("GET", f"/v1/{{p}}/publicips/{made['id']}")["publicip"]
    assert shown["public_ip_address"] == made["ip"]
    project.call("DELETE", f"{path}/{made['id']}", status=202)
    assert "itemNotFound" in project.refuse(404, "GET", f"{path}/{made['id']}")
    assert "itemNotFound" in project.refuse(404, "POST", path, {"pool": "other"})


EPS = "/v1.0/enterprise-projects"


def eps_code(project: Project, status: int, method: str, path: str, body: Any = None) -> str:
    return project.refuse(status, method, path, body)["error"]["error_code"]


def test_enterprise_projects(project: Project) -> None:
    body = {"name": "team-a", "description": "first"}
    made = project.call("POST", EPS, body)["enterprise_project"]
    assert made.items() >= (body | {"status": 1, "type": "prod"}).items()
    path = f"{EPS}/{made['id']}"
    listed = project.call("GET", EPS, name="team-a")
    assert (listed["enterprise_projects"], listed["total_count"]) == ([made], 1)
    everything = project.call("GET", EPS)
    assert everything["enterprise_projects"][0].items() >= {"id": "0", "name": "default"}.items()
    assert project.call("GET", EPS, limit=1, offset=1)["enterprise_projects"] == [made]
    assert eps_code(project, 409, "POST", EPS, body) == "EPS.0010"
    changed = project.call("PUT", path, {"name": "team-b", "description": ""})
    assert changed["enterprise_project"]["name"] == "team-b"
    project.call("POST", path + "/action", {"action": "disable"}, status=204)
    assert project.call("GET", path)["enterprise_project"]["status"] == 2
    assert eps_code(project, 400, "PUT", path, {"name": "x"}) == "EPS.0014"
    project.call("POST", path + "/action", {"action": "enable"}, status=204)
    assert eps_code(project, 400, "POST", path + "/action", {"action": "x"}) == "EPS.0013"
    project.call("DELETE", path, status=204)
    assert eps_code(project, 404, "GET", path) == "EPS.0005"
    assert eps_code(project, 400, "DELETE", EPS + "/0") == "EPS.0012"
    for name in ("", "Default", "a b", "n" * 256):
        assert eps_code(project, 400, "POST", EPS, {"name": name}) == "EPS.0007"
    assert project.call("GET", EPS + "/0")["enterprise_project"]["name"] == "default"
    assert eps_code(project, 400, "POST", EPS, {"description": "d"}) == "EPS.0002"
    assert eps_code(project, 400, "GET", EPS + "?limit=x") == "EPS.0002"


def lts_code(project: Project, status: int, method: str, path: str, body: Any = None) -> str:
    return project.refuse(status, method, path, body)["error_code"]


def test_log_groups_and_streams(project: Project) -> None:
    groups = "/v2/{p}/groups"
    body = {"log_group_name": "databases", "ttl_in_days": 3}
    group_id = project.call("POST", groups, body, status=201)["log_group_id"]
    (group,) = project.call("GET", groups)["log_groups"]
    assert group.items() >= (body | {"log_group_id": group_id}).items()
    assert lts_code(project, 400, "POST", groups, body) == "LTS.0101"
    path = f"{groups}/{group_id}"
    assert project.call("POST", path, {"ttl_in_days": 30})["ttl_in_days"] == 30
    wish = {"log_stream_name": "audit"}
    stream_id = project.call("POST", path + "/streams", wish, status=201)["log_stream_id"]
    (stream,) = project.call("GET", path + "/streams")["log_streams"]
    assert (stream["log_stream_id"], stream["ttl_in_days"]) == (stream_id, 30)
    assert lts_code(project, 400, "POST", path + "/streams", wish) == "LTS.0205"
    project.call("DELETE", f"{path}/streams/{stream_id}", status=204)
    assert lts_code(project, 404, "DELETE", f"{path}/streams/{stream_id}") == "LTS.0208"
    project.call("POST", path + "/streams", wish, status=201)
    project.call("DELETE", path, status=204)
    assert lts_code(project, 404, "GET", path + "/streams") == "LTS.0201"
    assert project.call("GET", groups) == {"log_groups": []}


@pytest.mark.parametrize(
    "body", [{}, {"log_group_name": ""}, {"log_group_name": "a", "ttl_in_days": 366}, [1]]
)
def test_wrong_log_groups(project: Project, body: Any) -> None:
    assert lts_code(project, 400, "POST", "/v2/{p}/groups", body) == "LTS.0009"
