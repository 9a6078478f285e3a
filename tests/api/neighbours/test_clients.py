"""Clients nobody here wrote: openstacksdk with otcextensions, and the official SDKs.

Some calls of otcextensions fail before or after they send anything, with the openstacksdk that it
is installed with (`lts.create_group`, `lts.delete_group`, `vpc.add_eip_to_bandwidth`). The official
SDKs have them too.
"""

from collections.abc import Callable
from typing import Any

import openstack
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkeip import v2 as eip
from huaweicloudsdkeps import v1 as eps
from huaweicloudsdklts import v2 as lts
from huaweicloudsdkvpc import v2 as vpc
from huaweicloudsdkvpc import v3 as vpc_v3
from openstack.connection import Connection
from openstack.exceptions import BadRequestException, ConflictException, NotFoundException

from tests.api.neighbours.projects import Project


@pytest.fixture(scope="module")
def cloud(project: Project) -> Connection:
    admin = project.installation.admin
    return openstack.connect(
        auth_type="password",
        auth={
            "auth_url": f"{project.iam}/v3",
            "username": admin["user_name"],
            "password": admin["password"],
            "project_name": project.name,
            "user_domain_name": admin["domain_name"],
            "project_domain_name": admin["domain_name"],
        },
        region_name=admin["region"],
        vendor_hook="otcextensions.sdk:load",
        load_yaml_config=False,
        load_envvars=False,
    )


def test_openstacksdk_makes_networks(cloud: Connection) -> None:
    network = cloud.network.create_network(name="net")
    subnet = cloud.network.create_subnet(
        network_id=network.id, name="sub", cidr="10.30.0.0/24", ip_version=4
    )
    assert (subnet.gateway_ip, subnet.allocation_pools[0]["start"]) == ("10.30.0.1", "10.30.0.2")
    external = next(iter(cloud.network.networks(is_router_external=True)))
    router = cloud.network.create_router(
        name="router", external_gateway_info={"network_id": external.id}
    )
    cloud.network.add_interface_to_router(router, subnet_id=subnet.id)
    (interface,) = cloud.list_router_interfaces(router, interface_type="internal")
    assert interface.fixed_ips[0]["ip_address"] == "10.30.0.1"
    port = cloud.network.create_port(network_id=network.id, name="port")
    (found,) = cloud.network.ports(fixed_ips=f"ip_address={port.fixed_ips[0]['ip_address']}")
    assert found.id == port.id
    with pytest.raises(ConflictException, match=port.id):
        cloud.network.delete_network(network)
    other = cloud.network.create_network(name="other")
    overlapping = cloud.network.create_subnet(
        network_id=other.id, cidr="10.30.0.0/16", ip_version=4
    )
    with pytest.raises(BadRequestException, match=r"10\.30\.0\.0"):
        cloud.network.add_interface_to_router(router, subnet_id=overlapping.id)
    address = cloud.network.create_ip(floating_network_id=external.id, port_id=port.id)
    assert (address.status, address.router_id) == ("ACTIVE", router.id)
    assert cloud.network.find_ip(address.floating_ip_address).id == address.id
    cloud.network.update_ip(address, port_id=None)
    assert cloud.network.get_ip(address).status == "DOWN"
    cloud.network.delete_ip(address, ignore_missing=False)
    cloud.network.delete_port(port, ignore_missing=False)
    cloud.network.remove_interface_from_router(router, subnet_id=subnet.id)
    cloud.network.delete_router(router, ignore_missing=False)
    cloud.network.delete_network(network, ignore_missing=False)
    assert cloud.network.find_network("net") is None
    with pytest.raises(NotFoundException, match=subnet.id):
        cloud.network.get_subnet(subnet.id)


def test_openstacksdk_makes_security_groups(cloud: Connection) -> None:
    group = cloud.create_security_group("mongodb", "clients of databases")
    rule = cloud.create_security_group_rule(
        "mongodb", 8635, 8635, "tcp", "192.0.2.0/24", direction="ingress"
    )
    assert rule.id in [
        one["id"] for one in cloud.get_security_group("mongodb").security_group_rules
    ]
    assert cloud.network.find_security_group("default").name == "default"
    cloud.network.delete_security_group_rule(rule.id, ignore_missing=False)
    assert cloud.delete_security_group(group.id)


def test_openstacksdk_turns_pages(cloud: Connection) -> None:
    made = [cloud.network.create_network(name=f"page{number}").id for number in range(3)]
    ids = [network.id for network in cloud.network.networks()]
    assert [network.id for network in cloud.network.networks(limit=2)] == ids
    assert set(made) <= set(ids)
    vpcs = [item.id for item in cloud.vpc.vpcs()]
    assert [item.id for item in cloud.vpc.vpcs(limit=1)][:1] == vpcs[:1]


def test_openstacksdk_lists_zones(cloud: Connection) -> None:
    zones = ["local-01", "local-02", "local-03"]
    assert [zone.name for zone in cloud.compute.availability_zones()] == zones
    assert [zone.name for zone in cloud.compute.availability_zones(details=True)] == zones
    assert cloud.list_availability_zone_names() == zones


def test_otcextensions_makes_vpcs(cloud: Connection) -> None:
    made = cloud.vpc.create_vpc(name="otc", cidr="10.31.0.0/16")
    assert cloud.vpc.find_vpc("otc").status == "OK"
    subnet = cloud.vpc.create_subnet(
        vpc_id=made.id, name="otc", cidr="10.31.1.0/24", gateway_ip="10.31.1.1"
    )
    assert [item.id for item in cloud.vpc.subnets(vpc_id=made.id)] == [subnet.id]
    assert cloud.network.get_network(subnet.id).subnet_ids == [subnet.neutron_subnet_id]
    with pytest.raises(ConflictException):
        cloud.vpc.delete_vpc(made)
    cloud.vpc.update_subnet(subnet, name="renamed")
    assert cloud.vpc.get_subnet(subnet.id).name == "renamed"
    cloud.vpc.delete_subnet(subnet)
    cloud.vpc.delete_vpc(made)
    assert cloud.vpc.find_vpc("otc", ignore_missing=True) is None
    bandwidth = cloud.vpc.assign_bandwidth(name="otc", size=5)
    assert cloud.vpc.find_bandwidth("otc").share_type == "WHOLE"
    cloud.vpc.delete_bandwidth(bandwidth)


def test_otcextensions_lists_log_groups(cloud: Connection, project: Project) -> None:
    project.call("POST", "/v2/{p}/groups", {"log_group_name": "otc"}, status=201)
    (group,) = [one for one in cloud.lts.groups() if one.name == "otc"]
    assert cloud.lts.create_stream(group, log_stream_name="slow").id
    assert [stream.name for stream in cloud.lts.streams(group)] == ["slow"]


@pytest.fixture(scope="module")
def sdk(project: Project) -> Callable[[Any], Any]:
    """A client of the official SDK, signed with AK/SK."""
    admin = project.installation.admin
    key = (admin["access_key"], admin["secret_key"])

    def client(kind: Any) -> Any:
        credentials: Any = BasicCredentials(*key, project.id)
        if kind is eps.EpsClient:
            credentials = GlobalCredentials(*key, "unused")
        builder = kind.new_builder().with_credentials(credentials)
        return builder.with_endpoint(project.iam).build()

    return client


def test_the_official_vpc_sdk(sdk: Callable[[Any], Any]) -> None:
    client: vpc.VpcClient = sdk(vpc.VpcClient)
    wish = vpc.CreateVpcOption(name="sdk", cidr="10.32.0.0/16", description="d")
    made = client.create_vpc(vpc.CreateVpcRequest(vpc.CreateVpcRequestBody(wish))).vpc
    assert (made.status, made.cidr) == ("OK", "10.32.0.0/16")
    option = vpc.CreateSubnetOption(
        name="sdk", cidr="10.32.1.0/24", vpc_id=made.id, gateway_ip="10.32.1.1"
    )
    request = vpc.CreateSubnetRequest(vpc.CreateSubnetRequestBody(option))
    subnet = client.create_subnet(request).subnet
    assert client.show_subnet(vpc.ShowSubnetRequest(subnet.id)).subnet.status == "ACTIVE"
    listed = client.list_subnets(vpc.ListSubnetsRequest(vpc_id=made.id, limit=5)).subnets
    assert [item.id for item in listed] == [subnet.id]
    with pytest.raises(ClientRequestException) as refused:
        client.delete_vpc(vpc.DeleteVpcRequest(made.id))
    assert (refused.value.status_code, refused.value.error_code) == (409, "VPC.0104")
    client.delete_subnet(vpc.DeleteSubnetRequest(made.id, subnet.id))
    client.delete_vpc(vpc.DeleteVpcRequest(made.id))
    with pytest.raises(ClientRequestException) as unknown:
        client.show_vpc(vpc.ShowVpcRequest(made.id))
    assert (unknown.value.status_code, unknown.value.error_code) == (404, "VPC.0202")


def test_the_official_vpc_sdk_speaks_v3(sdk: Callable[[Any], Any]) -> None:
    client: vpc_v3.VpcClient = sdk(vpc_v3.VpcClient)
    (first, *_) = client.list_vpcs(vpc_v3.ListVpcsRequest(limit=1)).vpcs
    assert client.show_vpc(vpc_v3.ShowVpcRequest(first.id)).vpc.name == "vpc-default"


def test_the_official_vpc_sdk_speaks_neutron(sdk: Callable[[Any], Any]) -> None:
    client: vpc.VpcClient = sdk(vpc.VpcClient)
    wish = vpc.NeutronCreateNetworkOption(name="sdk")
    made = client.neutron_create_network(
        vpc.NeutronCreateNetworkRequest(vpc.NeutronCreateNetworkRequestBody(wish))
    ).network
    found = client.neutron_list_networks(vpc.NeutronListNetworksRequest(name="sdk")).networks
    assert [item.id for item in found] == [made.id]
    client.neutron_delete_network(vpc.NeutronDeleteNetworkRequest(made.id))
    groups = client.neutron_list_security_groups(vpc.NeutronListSecurityGroupsRequest())
    assert "default" in [group.name for group in groups.security_groups]
    with pytest.raises(ClientRequestException) as unknown:
        client.neutron_show_network(vpc.NeutronShowNetworkRequest(made.id))
    assert unknown.value.status_code == 404


def test_the_official_eip_sdk(sdk: Callable[[Any], Any]) -> None:
    client: eip.EipClient = sdk(eip.EipClient)
    body = eip.CreatePublicipRequestBody(
        bandwidth=eip.CreatePublicipBandwidthOption(name="sdk", share_type="PER", size=5),
        publicip=eip.CreatePublicipOption(type="5_bgp", alias="sdk"),
    )
    made = client.create_publicip(eip.CreatePublicipRequest(body)).publicip
    shown = client.show_publicip(eip.ShowPublicipRequest(made.id)).publicip
    assert (shown.status, shown.public_ip_address) == ("DOWN", made.public_ip_address)
    listed = client.list_publicips(eip.ListPublicipsRequest(id=[made.id]))
    assert [item.alias for item in listed.publicips] == ["sdk"]
    bandwidth = client.show_bandwidth(eip.ShowBandwidthRequest(shown.bandwidth_id)).bandwidth
    assert (bandwidth.size, bandwidth.publicip_info[0].publicip_id) == (5, made.id)
    floating = client.neutron_show_floating_ip(eip.NeutronShowFloatingIpRequest(made.id))
    assert floating.floatingip.floating_ip_address == made.public_ip_address
    client.delete_publicip(eip.DeletePublicipRequest(made.id))
    with pytest.raises(ClientRequestException) as unknown:
        client.show_publicip(eip.ShowPublicipRequest(made.id))
    assert (unknown.value.status_code, unknown.value.error_code) == (404, "VPC.0504")


def test_the_official_eps_sdk(sdk: Callable[[Any], Any]) -> None:
    client: eps.EpsClient = sdk(eps.EpsClient)
    wish = eps.EnterpriseProject(name="sdk", description="d", type="prod")
    made = client.create_enterprise_project(eps.CreateEnterpriseProjectRequest(wish))
    project_id = made.enterprise_project.id
    listed = client.list_enterprise_project(eps.ListEnterpriseProjectRequest())
    ids = [item.id for item in listed.enterprise_projects]
    assert ids[0] == "0"
    assert project_id in ids
    disable = eps.DisableEnterpriseProjectRequest(project_id, eps.DisableAction("disable"))
    client.disable_enterprise_project(disable)
    shown = client.show_enterprise_project(eps.ShowEnterpriseProjectRequest(project_id))
    assert shown.enterprise_project.status == 2
    client.delete_enterprise_project(eps.DeleteEnterpriseProjectRequest(project_id))


def test_the_official_lts_sdk(sdk: Callable[[Any], Any]) -> None:
    client: lts.LtsClient = sdk(lts.LtsClient)
    body = lts.CreateLogGroupParams(log_group_name="sdk", ttl_in_days=7)
    group_id = client.create_log_group(lts.CreateLogGroupRequest(body=body)).log_group_id
    wish = lts.CreateLogStreamParams(log_stream_name="audit")
    stream_id = client.create_log_stream(
        lts.CreateLogStreamRequest(log_group_id=group_id, body=wish)
    ).log_stream_id
    streams = client.list_log_stream(lts.ListLogStreamRequest(log_group_id=group_id)).log_streams
    assert [stream.log_stream_id for stream in streams] == [stream_id]
    groups = client.list_log_groups(lts.ListLogGroupsRequest()).log_groups
    assert "sdk" in [group.log_group_name for group in groups]
    client.delete_log_stream(
        lts.DeleteLogStreamRequest(log_group_id=group_id, log_stream_id=stream_id)
    )
    client.delete_log_group(lts.DeleteLogGroupRequest(log_group_id=group_id))
