"""VPC v1: what it answers, refuses and remembers."""

from typing import Any

import pytest

from tests import requests
from tests.api.neighbours.projects import Project
from tests.installation import until


def test_a_new_project_has_a_vpc_a_subnet_and_a_group(project: Project) -> None:
    (vpc,) = project.call("GET", "/v1/{p}/vpcs")["vpcs"]
    assert (vpc["name"], vpc["cidr"], vpc["status"]) == ("vpc-default", "192.168.0.0/16", "OK")
    assert vpc["tenant_id"] == project.id
    (subnet,) = project.call("GET", "/v1/{p}/subnets", vpc_id=vpc["id"])["subnets"]
    assert (subnet["cidr"], subnet["gateway_ip"]) == ("192.168.0.0/24", "192.168.0.1")
    assert (subnet["vpc_id"], subnet["status"]) == (vpc["id"], "ACTIVE")
    (group,) = project.call("GET", "/v2.0/security-groups")["security_groups"]
    assert group["name"] == "default"


def test_a_vpc_and_its_subnets_from_first_to_last(project: Project) -> None:
    vpc_id = project.vpc()
    changed = {"name": "renamed", "description": "of tests", "cidr": "10.0.0.0/15"}
    assert project.call("PUT", f"/v1/{{p}}/vpcs/{vpc_id}", {"vpc": changed})["vpc"]["id"] == vpc_id
    shown = project.call("GET", f"/v1/{{p}}/vpcs/{vpc_id}")["vpc"]
    assert shown.items() >= changed.items()
    subnet = project.subnet(vpc_id)
    path = f"/v1/{{p}}/vpcs/{vpc_id}/subnets/{subnet['id']}"
    wish = {
        "name": "second",
        "dhcp_enable": False,
        "primary_dns": "192.0.2.53",
        "extra_dhcp_opts": [{"opt_name": "ntp", "opt_value": "192.0.2.123"}],
    }
    answer = project.call("PUT", path, {"subnet": wish})
    assert answer == {"subnet": {"id": subnet["id"], "status": "ACTIVE"}}
    shown = project.call("GET", f"/v1/{{p}}/subnets/{subnet['id']}")["subnet"]
    assert shown.items() >= wish.items()
    assert (shown["dnsList"], shown["secondary_dns"]) == (["192.0.2.53"], "")
    assert shown["neutron_network_id"] == subnet["id"] != shown["neutron_subnet_id"]
    refused = project.refuse(409, "DELETE", f"/v1/{{p}}/vpcs/{vpc_id}")
    assert (refused["code"], vpc_id in refused["message"]) == ("VPC.0104", True)
    project.call("DELETE", path, status=204)
    project.call("DELETE", f"/v1/{{p}}/vpcs/{vpc_id}", status=204)
    for gone in (f"/v1/{{p}}/vpcs/{vpc_id}", f"/v1/{{p}}/subnets/{subnet['id']}"):
        assert project.refuse(404, "GET", gone)["code"] == "VPC.0202"


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.1.0.0/33", "VPC.0212"),
        ("10.1.0.1/24", "VPC.0212"),
        ("10.1.0.0/29", "VPC.0212"),
        ("fd00::/64", "VPC.0212"),
        ("10.2.0.0/24", "VPC.0203"),
        ("10.1.0.0/25", "VPC.0204"),
        ("10.1.0.0/16", "VPC.0204"),
    ],
)
def test_subnets_lie_in_their_vpc_and_apart(taken: Project, cidr: str, code: str) -> None:
    (vpc_id,) = (vpc["id"] for vpc in taken.call("GET", "/v1/{p}/vpcs")["vpcs"][1:])
    body = {"subnet": {"name": "s", "cidr": cidr, "vpc_id": vpc_id}}
    refused = taken.refuse(400, "POST", "/v1/{p}/subnets", body)
    assert refused["code"] == code
    assert cidr in refused["message"]


@pytest.fixture(scope="module")
def taken(new_project: Any) -> Project:
    """A project with a VPC 10.1.0.0/16 and the subnet 10.1.0.0/24 in it."""
    made: Project = new_project()
    made.subnet(made.vpc("10.1.0.0/16"), "10.1.0.0/24")
    return made


@pytest.mark.parametrize(
    "cidr", ["192.0.2.0/24", "10.0.0.0/7", "10.0.0.0/29", "10.0.0.1/16", "words", "::/0"]
)
def test_vpcs_are_private(project: Project, cidr: str) -> None:
    refused = project.refuse(400, "POST", "/v1/{p}/vpcs", {"vpc": {"cidr": cidr}})
    assert (refused["code"], cidr in refused["message"]) == ("VPC.0101", True)


def test_what_does_not_fit_is_refused(project: Project) -> None:
    vpc_id = project.vpc("172.16.0.0/12")
    subnet = project.subnet(vpc_id, "172.16.1.0/24")
    wish = {"name": "s", "cidr": "172.16.2.0/24", "vpc_id": vpc_id}
    for gateway in ("172.16.3.1", "172.16.2.0", "172.16.2.255", "words"):
        body = {"subnet": wish | {"gateway_ip": gateway}}
        assert project.refuse(400, "POST", "/v1/{p}/subnets", body)["code"] == "VPC.0201"
    body = {"subnet": wish | {"vpc_id": "unknown"}}
    assert project.refuse(404, "POST", "/v1/{p}/subnets", body)["code"] == "VPC.0202"
    narrow = {"vpc": {"cidr": "172.16.0.0/24"}}
    assert project.refuse(400, "PUT", f"/v1/{{p}}/vpcs/{vpc_id}", narrow)["code"] == "VPC.0117"
    other = project.vpc("10.9.0.0/16")
    path = f"/v1/{{p}}/vpcs/{other}/subnets/{subnet['id']}"
    assert project.refuse(400, "DELETE", path)["code"] == "VPC.0207"
    for body in ({}, {"vpc": []}, {"vpc": {"name": 1}}, {"vpc": {"name": "n" * 65}}):
        assert project.refuse(400, "POST", "/v1/{p}/vpcs", body)["code"] == "VPC.0101"
    refused = project.send("POST", "/v1/{p}/vpcs", {"vpc": {"name": "\0"}})
    assert (refused.status_code, refused.json()["code"]) == (400, "VPC.0101")


def test_what_ports_and_instances_use_stays(new_project: Any) -> None:
    project = new_project()
    vpc_id = project.vpc()
    subnet = project.subnet(vpc_id)
    group = {"security_group": {"name": "databases"}}
    group_id = project.call("POST", "/v2.0/security-groups", group, status=201)["security_group"][
        "id"
    ]
    port = project.port(subnet["id"])
    path = f"/v1/{{p}}/vpcs/{vpc_id}/subnets/{subnet['id']}"
    refused = project.refuse(409, "DELETE", path)
    assert (refused["code"], port["id"] in refused["message"]) == ("VPC.0208", True)
    project.call("DELETE", f"/v2.0/ports/{port['id']}", status=204)
    networks = {"vpc_id": vpc_id, "subnet_id": subnet["id"], "security_group_id": group_id}
    body = requests.single(name="in-subnet", **networks)
    made = dds(project, "POST", "/instances", json=body)
    assert "in-subnet" in project.refuse(409, "DELETE", path)["message"]
    refused = project.refuse(409, "DELETE", f"/v2.0/security-groups/{group_id}")
    assert refused["NeutronError"]["type"] == "SecurityGroupInUse"
    wait(project, made["job_id"])
    wait(project, dds(project, "DELETE", f"/instances/{made['id']}")["job_id"])
    project.call("DELETE", path, status=204)
    project.call("DELETE", f"/v2.0/security-groups/{group_id}", status=204)


def dds(project: Project, method: str, path: str, **options: Any) -> Any:
    """A DDS call that succeeds."""
    url = f"/v3/{project.id}{path}"
    answer = project.installation.call(method, url, token=project.token, **options)
    assert answer.status_code < 300, answer.text
    return answer.json()


def wait(project: Project, job_id: str) -> None:
    def ended() -> bool:
        job = dds(project, "GET", "/jobs", params={"id": job_id})["job"]
        return bool(job["status"] == "Completed")

    until("the job to be done", ended, 120)


def test_pages(new_project: Any) -> None:
    project = new_project()
    ids = [vpc["id"] for vpc in project.call("GET", "/v1/{p}/vpcs")["vpcs"]]
    ids += [project.vpc(f"10.{number}.0.0/16") for number in range(4)]

    def page(**query: Any) -> list[str]:
        return [vpc["id"] for vpc in project.call("GET", "/v1/{p}/vpcs", **query)["vpcs"]]

    assert page() == ids
    assert page(limit=2) == ids[:2]
    assert page(limit=2, marker=ids[1]) == ids[2:4]
    assert page(marker=ids[3]) == ids[4:]
    assert page(marker=ids[4]) == []
    assert page(id=ids[2]) == [ids[2]]
    for query in ({"limit": "-1"}, {"limit": "x"}, {"marker": "unknown"}):
        assert project.refuse(400, "GET", "/v1/{p}/vpcs", **query)["code"] == "VPC.0101"


def test_public_ips_and_their_bandwidths(project: Project) -> None:
    made = project.public_ip(alias="first")
    path = f"/v1/{{p}}/publicips/{made['id']}"
    shown = project.call("GET", path)["publicip"]
    assert shown["public_ip_address"].startswith("127.200.0.")
    assert (shown["status"], shown["alias"], shown["port_id"]) == ("DOWN", "first", "")
    assert (shown["bandwidth_size"], shown["bandwidth_share_type"]) == (10, "PER")
    bandwidth = f"/v1/{{p}}/bandwidths/{shown['bandwidth_id']}"
    body = {"bandwidth": {"name": "wider", "size": 20}}
    assert project.call("PUT", bandwidth, body)["bandwidth"]["size"] == 20
    assert project.call("GET", bandwidth)["bandwidth"]["publicip_info"] == [
        {
            "publicip_id": made["id"],
            "publicip_address": made["public_ip_address"],
            "publicip_type": "5_bgp",
            "ip_version": 4,
        }
    ]
    found = project.call("GET", "/v1/{p}/publicips", public_ip_address=made["public_ip_address"])
    assert [item["id"] for item in found["publicips"]] == [made["id"]]
    project.call("DELETE", path, status=204)
    assert project.refuse(404, "GET", path)["code"] == "VPC.0504"
    assert project.refuse(404, "GET", bandwidth)["code"] == "VPC.0306"
    again = project.public_ip(ip_address=made["public_ip_address"])
    assert again["public_ip_address"] == made["public_ip_address"]
    taken = {
        "publicip": {"type": "5_bgp", "ip_address": made["public_ip_address"]},
        "bandwidth": {"name": "own", "size": 10, "share_type": "PER"},
    }
    assert project.refuse(409, "POST", "/v1/{p}/publicips", taken)["code"] == "VPC.0522"


def test_a_public_ip_is_bound_to_one_port(project: Project) -> None:
    subnet = project.subnet(project.vpc("10.5.0.0/16"), "10.5.0.0/24")
    port, public_ip, other = project.port(subnet["id"]), project.public_ip(), project.public_ip()
    path = f"/v1/{{p}}/publicips/{public_ip['id']}"
    bound = project.call("PUT", path, {"publicip": {"port_id": port["id"]}})["publicip"]
    assert bound["status"] == "ACTIVE"
    assert (bound["port_id"], bound["private_ip_address"]) == (port["id"], "10.5.0.2")
    assert project.refuse(409, "DELETE", path)["code"] == "VPC.0517"
    second = f"/v1/{{p}}/publicips/{other['id']}"
    body = {"publicip": {"port_id": port["id"]}}
    assert project.refuse(409, "PUT", second, body)["code"] == "VPC.0511"
    unknown = {"publicip": {"port_id": "unknown"}}
    assert project.refuse(404, "PUT", second, unknown)["code"] == "VPC.0514"
    named = project.call("PUT", path, {"publicip": {"alias": "kept"}})["publicip"]
    assert (named["alias"], named["status"]) == ("kept", "ACTIVE")
    same = project.call("PUT", path, {"publicip": {"ip_version": 4}})["publicip"]
    assert same["status"] == "ACTIVE"
    # As clients write it that leave out what is empty.
    assert project.call("PUT", path, {"publicip": {}})["publicip"]["status"] == "DOWN"
    project.call("PUT", second, body)
    project.call("DELETE", f"/v2.0/ports/{port['id']}", status=204)
    assert project.call("GET", second)["publicip"]["status"] == "DOWN"


def test_bandwidths_are_shared(project: Project) -> None:
    body = {"bandwidth": {"name": "shared", "size": 50}}
    shared = project.call("POST", "/v2.0/{p}/bandwidths", body)["bandwidth"]
    assert (shared["share_type"], shared["publicip_info"]) == ("WHOLE", [])
    public_ip = project.public_ip()
    ids = {"bandwidth": {"publicip_info": [{"publicip_id": public_ip["id"]}]}}
    path = f"/v2.0/{{p}}/bandwidths/{shared['id']}"
    (info,) = project.call("POST", path + "/insert", ids)["bandwidth"]["publicip_info"]
    assert info["publicip_id"] == public_ip["id"]
    old = f"/v1/{{p}}/bandwidths/{public_ip['bandwidth_id']}"
    assert project.refuse(404, "GET", old)["code"] == "VPC.0306"
    assert project.refuse(409, "DELETE", path)["code"] == "VPC.0301"
    leave = {"bandwidth": ids["bandwidth"] | {"size": 5, "charge_mode": "bandwidth"}}
    project.call("POST", path + "/remove", leave, status=204)
    shown = project.call("GET", f"/v1/{{p}}/publicips/{public_ip['id']}")["publicip"]
    assert (shown["bandwidth_size"], shown["bandwidth_share_type"]) == (5, "PER")
    wish = {"publicip": {"type": "5_bgp"}}
    in_shared = wish | {"bandwidth": {"share_type": "WHOLE", "id": shared["id"]}}
    made = project.call("POST", "/v2.0/{p}/publicips", in_shared)["publicip"]
    assert made["bandwidth_id"] == shared["id"]
    own = wish | {"bandwidth": {"share_type": "WHOLE", "id": shown["bandwidth_id"]}}
    assert project.refuse(400, "POST", "/v1/{p}/publicips", own)["code"] == "VPC.0301"
    project.call("DELETE", f"/v1/{{p}}/publicips/{made['id']}", status=204)
    project.call("DELETE", path, status=204)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"publicip": {"type": "ours"}}, "VPC.0501"),
        ({"publicip": {"type": "5_bgp", "ip_version": 6}}, "VPC.0501"),
        ({"bandwidth": {"share_type": "PER", "name": "n", "size": 0}}, "VPC.0301"),
        ({"bandwidth": {"share_type": "PER", "name": "n"}}, "VPC.0301"),
        ({"bandwidth": {"share_type": "MINE"}}, "VPC.0301"),
    ],
)
def test_wrong_public_ips(project: Project, changes: Any, code: str) -> None:
    body = {
        "publicip": {"type": "5_bgp"},
        "bandwidth": {"name": "own", "size": 10, "share_type": "PER"},
    }
    assert project.refuse(400, "POST", "/v1/{p}/publicips", body | changes)["code"] == code


def test_security_groups_in_the_shape_of_vpc_v1(project: Project) -> None:
    path = "/v1/{p}/security-groups"
    wish = {"security_group": {"name": "v1", "vpc_id": "", "enterprise_project_id": "0"}}
    group = project.call("POST", path, wish)["security_group"]
    assert (group["name"], len(group["security_group_rules"])) == ("v1", 2)
    values = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    rule_path = "/v1/{p}/security-group-rules"
    body = {"security_group_rule": values | {"port_range_min": 22, "port_range_max": 22}}
    rule = project.call("POST", rule_path, body)["security_group_rule"]
    assert project.call("GET", f"{rule_path}/{rule['id']}")["security_group_rule"] == rule
    listed = project.call("GET", rule_path, security_group_id=group["id"])
    assert rule in listed["security_group_rules"]
    shown = project.call("GET", f"{path}/{group['id']}")["security_group"]
    assert rule in shown["security_group_rules"]
    assert project.call("GET", path, name="v1")["security_groups"] == [shown]
    project.call("DELETE", f"{rule_path}/{rule['id']}", status=204)
    assert project.refuse(404, "GET", f"{rule_path}/{rule['id']}")["code"] == "VPC.0612"
    project.call("DELETE", f"{path}/{group['id']}", status=204)
    assert project.refuse(404, "GET", f"{path}/{group['id']}")["code"] == "VPC.0603"
    assert project.refuse(400, "POST", path, {"security_group": {}})["code"] == "VPC.0101"


def test_vpcs_in_the_shape_of_v3(new_project: Any) -> None:
    project = new_project()
    (first,) = project.call("GET", "/v1/{p}/vpcs")["vpcs"]
    second = project.vpc()
    path = "/v3/{p}/vpc/vpcs"
    shown = project.call("GET", f"{path}/{first['id']}")["vpc"]
    assert (shown["name"], shown["status"], shown["extend_cidrs"]) == (first["name"], "ACTIVE", [])
    assert shown["cloud_resources"] == [{"resource_type": "virsubnet", "resource_count": 1}]
    listed = project.call("GET", path, limit=1)
    assert [vpc["id"] for vpc in listed["vpcs"]] == [first["id"]]
    assert listed["page_info"] == {"current_count": 1, "next_marker": first["id"]}
    following = project.call("GET", path, limit=1, marker=first["id"])
    assert [vpc["id"] for vpc in following["vpcs"]] == [second]
    assert following["page_info"] == {"current_count": 1}
    assert project.refuse(404, "GET", f"{path}/unknown")["error_code"] == "VPC.0202"
    # Clients that get a 404 for v3's security groups use v1's.
    assert project.refuse(404, "POST", "/v3/{p}/vpc/security-groups", {})["error_code"]


def test_tags(project: Project) -> None:
    vpc_id = project.vpc("10.6.0.0/16")
    subnet, public_ip = project.subnet(vpc_id, "10.6.0.0/24"), project.public_ip()
    (group,) = project.call("GET", "/v1/{p}/security-groups", name="default")["security_groups"]
    kinds = (
        ("security-groups", group["id"]),
        ("vpcs", vpc_id),
        ("subnets", subnet["id"]),
        ("publicips", public_ip["id"]),
    )
    for kind, id in kinds:
        path = f"/v2.0/{{p}}/{kind}/{id}/tags"
        project.call("POST", path, {"tag": {"key": "a", "value": "1"}}, status=204)
        more = [{"key": "a", "value": "2"}, {"key": "b", "value": ""}]
        project.call("POST", path + "/action", {"action": "create", "tags": more}, status=204)
        assert project.call("GET", path) == {"tags": more}
        project.call("DELETE", path + "/a", status=204)
        assert project.refuse(404, "DELETE", path + "/a")["code"] == "VPC.1801"
        gone = {"action": "delete", "tags": [{"key": "b"}]}
        project.call("POST", path + "/action", gone, status=204)
        assert project.call("GET", path) == {"tags": []}
    assert project.refuse(404, "GET", "/v2.0/{p}/vpcs/unknown/tags")["code"] == "VPC.0202"
    assert project.refuse(400, "GET", "/v2.0/{p}/servers/x/tags")["code"] == "VPC.1801"
    long = {"tag": {"key": "k" * 37, "value": ""}}
    assert project.refuse(400, "POST", path, long)["code"] == "VPC.1801"
