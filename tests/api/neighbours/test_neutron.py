"""Neutron v2.0: what it answers, refuses and remembers."""

from typing import Any

import pytest

from tests.api.neighbours.projects import Project


def made(project: Project, kind: str, **wish: Any) -> dict[str, Any]:
    path = f"/v2.0/{kind.replace('_', '-')}s"
    return project.call("POST", path, {kind: wish}, status=201)[kind]


def refused(project: Project, status: int, method: str, path: str, body: Any = None) -> str:
    """The type of a NeutronError."""
    error = project.refuse(status, method, path, body)["NeutronError"]
    assert error.keys() == {"type", "message", "detail"}
    return error["type"]


@pytest.fixture(scope="module")
def network(project: Project) -> dict[str, Any]:
    """A network with the subnet 10.20.0.0/24."""
    network = made(project, "network", name="net", description="of tests")
    made(project, "subnet", network_id=network["id"], cidr="10.20.0.0/24", ip_version=4)
    return project.call("GET", f"/v2.0/networks/{network['id']}")["network"]


def test_networks_and_subnets(project: Project) -> None:
    network = made(project, "network", name="other", admin_state_up=False)
    assert (network["status"], network["subnets"], network["shared"]) == ("ACTIVE", [], False)
    assert (network["tenant_id"], network["project_id"]) == (project.id, project.id)
    subnet = made(project, "subnet", network_id=network["id"], cidr="10.21.0.0/24", name="s")
    assert (subnet["gateway_ip"], subnet["ip_version"]) == ("10.21.0.1", 4)
    assert subnet["allocation_pools"] == [{"start": "10.21.0.2", "end": "10.21.0.254"}]
    path, subnet_path = f"/v2.0/networks/{network['id']}", f"/v2.0/subnets/{subnet['id']}"
    assert project.call("GET", path)["network"]["subnets"] == [subnet["id"]]
    body = {"network": {"name": "renamed", "admin_state_up": True}}
    assert project.call("PUT", path, body)["network"].items() >= body["network"].items()
    wish = {"name": "t", "gateway_ip": None, "dns_nameservers": ["192.0.2.53"]}
    changed = project.call("PUT", subnet_path, {"subnet": wish})["subnet"]
    assert changed.items() >= wish.items()
    second = {"subnet": {"network_id": network["id"], "cidr": "10.22.0.0/24"}}
    assert refused(project, 409, "POST", "/v2.0/subnets", second) == "Conflict"
    port = project.port(network["id"])
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.21.0.1"}]
    assert refused(project, 409, "DELETE", path) == "NetworkInUse"
    assert refused(project, 409, "DELETE", subnet_path) == "SubnetInUse"
    project.call("DELETE", f"/v2.0/ports/{port['id']}", status=204)
    project.call("DELETE", subnet_path, status=204)
    project.call("DELETE", path, status=204)
    assert refused(project, 404, "GET", path) == "NetworkNotFound"
    assert refused(project, 404, "GET", subnet_path) == "SubnetNotFound"


def test_a_router_is_a_vpc_and_its_interfaces_make_subnets(project: Project) -> None:
    router = made(project, "router", name="router")
    assert project.call("GET", f"/v1/{{p}}/vpcs/{router['id']}")["vpc"]["cidr"] == ""
    network = made(project, "network", name="net")
    subnet = made(project, "subnet", network_id=network["id"], cidr="10.23.0.0/24", name="net")
    path = f"/v2.0/routers/{router['id']}"
    by_subnet = {"subnet_id": subnet["id"]}
    interface = project.call("PUT", path + "/add_router_interface", by_subnet)
    assert (interface["id"], interface["subnet_id"]) == (router["id"], subnet["id"])
    port = project.call("GET", f"/v2.0/ports/{interface['port_id']}")["port"]
    assert (port["device_id"], port["status"]) == (router["id"], "ACTIVE")
    assert port["fixed_ips"][0]["ip_address"] == "10.23.0.1"
    as_vpc = project.call("GET", "/v1/{p}/subnets", vpc_id=router["id"])["subnets"]
    assert [item["id"] for item in as_vpc] == [network["id"]]
    again = refused(project, 400, "PUT", path + "/add_router_interface", by_subnet)
    assert again == "BadRequest"
    assert refused(project, 409, "DELETE", path) == "RouterInUse"
    assert refused(project, 409, "DELETE", f"/v2.0/ports/{port['id']}") == "L3PortInUse"
    public_ip = f"/v2.0/floatingips/{project.public_ip()['id']}"
    body = {"floatingip": {"port_id": port["id"]}}
    assert refused(project, 400, "PUT", public_ip, body) == "InvalidInput"
    assert refused(project, 409, "DELETE", f"/v2.0/subnets/{subnet['id']}") == "SubnetInUse"
    other = made(project, "network")
    made_subnet = made(project, "subnet", network_id=other["id"], cidr="10.23.0.0/25")
    overlapping = {"subnet_id": made_subnet["id"]}
    assert refused(project, 400, "PUT", path + "/add_router_interface", overlapping) == "BadRequest"
    project.call("PUT", path + "/remove_router_interface", by_subnet)
    gone = refused(project, 404, "PUT", path + "/remove_router_interface", by_subnet)
    assert gone == "RouterInterfaceNotFound"
    free = project.port(network["id"], fixed_ips=[{"ip_address": "10.23.0.9"}])
    by_port = {"port_id": free["id"]}
    assert project.call("PUT", path + "/add_router_interface", by_port)["port_id"] == free["id"]
    project.call("PUT", path + "/remove_router_interface", by_port)
    gateway = {"subnet": {"gateway_ip": project.port(network["id"])["fixed_ips"][0]["ip_address"]}}
    changed = refused(project, 409, "PUT", f"/v2.0/subnets/{subnet['id']}", gateway)
    assert changed == "IpAddressInUse"
    assert refused(project, 404, "GET", f"/v2.0/ports/{free['id']}") == "PortNotFound"
    project.call("DELETE", path, status=204)
    assert refused(project, 404, "GET", path) == "RouterNotFound"


def test_a_router_leads_to_the_external_network(project: Project) -> None:
    (external,) = project.call("GET", "/v2.0/networks", **{"router:external": "true"})["networks"]
    gateway = {"network_id": external["id"], "enable_snat": True}
    router = made(project, "router", external_gateway_info=gateway)
    assert router["external_gateway_info"].items() >= gateway.items()
    path = f"/v2.0/routers/{router['id']}"
    cleared = project.call("PUT", path, {"router": {"external_gateway_info": None}})
    assert cleared["router"]["external_gateway_info"] is None
    unknown = {"router": {"external_gateway_info": {"network_id": "unknown"}}}
    assert refused(project, 404, "PUT", path, unknown) == "NetworkNotFound"


def test_ports(project: Project, network: dict[str, Any]) -> None:
    group = made(project, "security_group", name="of-ports")
    port = project.port(
        network["id"],
        name="p",
        device_id="some-server",
        fixed_ips=[{"ip_address": "10.20.0.77"}],
        security_groups=[group["id"]],
    )
    assert (port["status"], port["security_groups"]) == ("ACTIVE", [group["id"]])
    assert len(port["mac_address"]) == 17
    path = "/v2.0/ports"
    for query in (
        {"fixed_ips": "ip_address=10.20.0.77"},
        {"device_id": "some-server"},
        {"security_groups": group["id"]},
        {"mac_address": port["mac_address"], "name": "p"},
    ):
        found = project.call("GET", path, **query)["ports"]
        assert [item["id"] for item in found] == [port["id"]], query
    taken = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.20.0.77"}]}}
    assert refused(project, 409, "POST", path, taken) == "IpAddressInUse"
    outside = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.2.0.7"}]}}
    assert refused(project, 400, "POST", path, outside) == "InvalidIpForSubnet"
    unknown = {"port": {"network_id": network["id"], "security_groups": ["unknown"]}}
    assert refused(project, 404, "POST", path, unknown) == "SecurityGroupNotFound"
    used = refused(project, 409, "DELETE", f"/v2.0/security-groups/{group['id']}")
    assert used == "SecurityGroupInUse"
    body = {"port": {"security_groups": [], "name": "q"}}
    changed = project.call("PUT", f"{path}/{port['id']}", body)["port"]
    assert (changed["name"], changed["security_groups"]) == ("q", [])
    project.call("DELETE", f"/v2.0/security-groups/{group['id']}", status=204)
    no_subnet = {"port": {"network_id": made(project, "network")["id"]}}
    assert refused(project, 400, "POST", path, no_subnet) == "InvalidInput"


def test_a_subnet_runs_out_of_addresses(project: Project) -> None:
    network = made(project, "network")
    made(project, "subnet", network_id=network["id"], cidr="10.24.0.0/28")
    addresses = {project.port(network["id"])["fixed_ips"][0]["ip_address"] for _ in range(13)}
    assert addresses == {f"10.24.0.{number}" for number in range(2, 15)}
    body = {"port": {"network_id": network["id"]}}
    assert refused(project, 409, "POST", "/v2.0/ports", body) == "IpAddressGenerationFailure"


def test_security_groups_and_rules(project: Project) -> None:
    group = made(project, "security_group", name="web", description="d")
    directions = [rule["direction"] for rule in group["security_group_rules"]]
    assert directions == ["egress", "egress"]
    rule = made(
        project,
        "security_group_rule",
        security_group_id=group["id"],
        direction="ingress",
        protocol="TCP",
        port_range_min=8635,
        port_range_max=8635,
        remote_ip_prefix="192.0.2.0/24",
    )
    assert (rule["ethertype"], rule["protocol"], rule["remote_group_id"]) == ("IPv4", "tcp", None)
    path = "/v2.0/security-group-rules"
    names = ("security_group_id", "direction", "protocol", "port_range_min", "port_range_max")
    same = {name: rule[name] for name in (*names, "remote_ip_prefix")}
    assert refused(project, 409, "POST", path, {"security_group_rule": same}) == (
        "SecurityGroupRuleExists"
    )
    for changes in (
        {"direction": "up"},
        {"ethertype": "IPX"},
        {"port_range_max": 65536},
        {"port_range_min": 9000},
        {"remote_ip_prefix": "words"},
        {"remote_ip_prefix": "2001:db8::/32"},
        {"remote_group_id": group["id"]},
    ):
        body = {"security_group_rule": same | changes}
        assert refused(project, 400, "POST", path, body) == "SecurityGroupInvalidRule", changes
    found = project.call("GET", path, security_group_id=group["id"], direction="ingress")
    assert [item["id"] for item in found["security_group_rules"]] == [rule["id"]]
    project.call("DELETE", f"{path}/{rule['id']}", status=204)
    assert refused(project, 404, "GET", f"{path}/{rule['id']}") == "SecurityGroupRuleNotFound"
    renamed = {"security_group": {"name": "www"}}
    shown = project.call("PUT", f"/v2.0/security-groups/{group['id']}", renamed)
    assert shown["security_group"]["name"] == "www"
    (default,) = project.call("GET", "/v2.0/security-groups", name="default")["security_groups"]
    own = f"/v2.0/security-groups/{default['id']}"
    assert refused(project, 409, "DELETE", own) == "SecurityGroupCannotRemoveDefault"
    assert refused(project, 409, "PUT", own, renamed) == "SecurityGroupCannotRemoveDefault"
    second = {"security_group": {"name": "default"}}
    assert refused(project, 409, "POST", "/v2.0/security-groups", second) == (
        "SecurityGroupDefaultAlreadyExists"
    )


def test_floating_ips_are_public_ips(project: Project, network: dict[str, Any]) -> None:
    (external,) = project.call("GET", "/v2.0/networks", name="admin_external_net")["networks"]
    floating = made(
        project, "floatingip", floating_network_id=external["id"], description="of tests"
    )
    address = floating["floating_ip_address"]
    as_vpc = f"/v1/{{p}}/publicips/{floating['id']}"
    shown = project.call("GET", as_vpc)["publicip"]
    assert (shown["public_ip_address"], shown["alias"]) == (address, "of tests")
    port = project.port(network["id"])
    path = f"/v2.0/floatingips/{floating['id']}"
    bound = project.call("PUT", path, {"floatingip": {"port_id": port["id"]}})["floatingip"]
    inside = port["fixed_ips"][0]["ip_address"]
    assert (bound["status"], bound["fixed_ip_address"]) == ("ACTIVE", inside)
    assert project.call("GET", as_vpc)["publicip"]["private_ip_address"] == inside
    freed = project.call("PUT", path, {"floatingip": {"port_id": None}})["floatingip"]
    assert (freed["status"], freed["port_id"]) == ("DOWN", None)
    project.call("DELETE", path, status=204)
    assert refused(project, 404, "GET", path) == "FloatingIPNotFound"
    body = {"floatingip": {"floating_network_id": network["id"]}}
    assert refused(project, 404, "POST", "/v2.0/floatingips", body) == "NetworkNotFound"


def test_pages_have_links(project: Project) -> None:
    ids = [item["id"] for item in project.call("GET", "/v2.0/networks")["networks"]]
    answer = project.call("GET", "/v2.0/networks", limit=2)
    assert [item["id"] for item in answer["networks"]] == ids[:2]
    (link,) = answer["networks_links"]
    assert link["rel"] == "next"
    assert f"marker={ids[1]}" in link["href"]
    following = project.call("GET", link["href"].removeprefix(project.iam))
    assert [item["id"] for item in following["networks"]] == ids[2:4]
    assert "networks_links" not in project.call("GET", "/v2.0/networks", marker=ids[-2])
    assert refused(project, 400, "GET", "/v2.0/networks?marker=unknown") == "InvalidInput"


def test_all_of_it_is_below_the_catalogs_address_too(project: Project) -> None:
    versions = project.call("GET", "/network")["versions"]
    assert versions[0]["links"][0]["href"] == f"{project.iam}/network/v2.0/"
    assert project.call("GET", "/network/v2.0/networks") == project.call("GET", "/v2.0/networks")
    assert project.call("GET", "/network/v1/{p}/vpcs") == project.call("GET", "/v1/{p}/vpcs")
    assert refused(project, 404, "GET", "/network/v2.0/ports/unknown") == "PortNotFound"
