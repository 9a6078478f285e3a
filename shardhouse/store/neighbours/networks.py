"""VPCs, networks, subnets, ports and security groups in the store: added, changed and removed so
that they fit together, for VPC v1 and Neutron alike.

They are records: no packet is let through or kept back because of them. A VPC is Neutron's router,
a subnet of a VPC is Neutron's network with its one subnet and the router's interface in it.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select

from shardhouse.domain import networks as rules
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store import instances
from shardhouse.store.neighbours import tables, tags
from shardhouse.store.neighbours.records import (
    DEFAULT_GROUP,
    ROUTER_INTERFACE,
    Network,
    Port,
    Row,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
)
from shardhouse.store.neighbours.rows import (
    NETWORKS,
    PORTS,
    PUBLIC_IPS,
    SECURITY_GROUP_RULES,
    SECURITY_GROUPS,
    SUBNETS,
    VPCS,
    Rows,
    new_row,
)

R = TypeVar("R", bound=Row)

#: What each kind is called, and the reason when there is none.
KINDS: Mapping[Rows[Any], tuple[str, Reason]] = {
    VPCS: ("VPC", Reason.VPC_NOT_FOUND),
    NETWORKS: ("Network", Reason.NETWORK_NOT_FOUND),
    SUBNETS: ("Subnet", Reason.SUBNET_NOT_FOUND),
    PORTS: ("Port", Reason.PORT_NOT_FOUND),
    SECURITY_GROUPS: ("Security group", Reason.GROUP_NOT_FOUND),
    SECURITY_GROUP_RULES: ("Security group rule", Reason.RULE_NOT_FOUND),
}


@dataclass(frozen=True)
class DefaultNetworks:
    """Ids of the networks that a project gets when it is made."""

    vpc_id: str
    subnet_id: str
    security_group_id: str


def get(connection: Connection, rows: Rows[R], project_id: str, id: str) -> R:
    """One of a project's rows. Raises NeighbourError 404."""
    found = rows.first(connection, project_id=project_id, id=id)
    if found is None:
        noun, reason = KINDS[rows]
        raise NeighbourError(reason, f"{noun} {id} does not exist.")
    return found


def ensure_defaults(connection: Connection, project_id: str) -> DefaultNetworks:
    """The VPC, subnet and security group that a project got; made if it never got any."""
    found = select(tables.DEFAULT_NETWORKS).filter_by(project_id=project_id)
    if row := connection.execute(found).mappings().first():
        return DefaultNetworks(row["vpc_id"], row["subnet_id"], row["security_group_id"])
    vpc = VPCS.add(
        connection,
        Vpc(**new_row(project_id=project_id, name="vpc-default", cidr="192.168.0.0/16")),
    )
    network, _ = add_vpc_subnet(connection, vpc, name="subnet-default", cidr="192.168.0.0/24")
    made = DefaultNetworks(vpc.id, network.id, default_group(connection, project_id).id)
    values = {"project_id": project_id, **vars(made)}
    connection.execute(insert(tables.DEFAULT_NETWORKS).values(values))
    return made


# VPCs and the interfaces they have in subnets


def interfaces(connection: Connection, vpc_id: str) -> list[Port]:
    """A VPC's interfaces: one in each of its subnets."""
    return PORTS.find(connection, device_id=vpc_id, device_owner=ROUTER_INTERFACE)


def vpc_subnets(connection: Connection, vpc_id: str) -> list[Subnet]:
    """The subnets in which a VPC has an interface."""
    found = []
    for port in interfaces(connection, vpc_id):
        found += SUBNETS.find(connection, id=port.subnet_id)
    return found


def change_vpc(connection: Connection, vpc: Vpc, changes: Mapping[str, Any]) -> Vpc:
    """Raises VPC_INVALID, and VPC_EXCLUDES_SUBNET for a block without one of its subnets."""
    if changes.get("cidr"):
        subnets = vpc_subnets(connection, vpc.id)
        rules.check_contains(changes["cidr"], [subnet.cidr for subnet in subnets])
    return VPCS.change(connection, vpc.id, changes)


def remove_vpc(connection: Connection, vpc: Vpc) -> None:
    """Raises VPC_HAS_SUBNETS, VPC_IN_USE."""
    if interfaces(connection, vpc.id):
        raise NeighbourError(
            Reason.VPC_HAS_SUBNETS, f"VPC {vpc.id} has subnets; delete (or detach) them first."
        )
    _check_unused(connection, vpc, Reason.VPC_IN_USE, vpc_id=vpc.id)
    VPCS.remove(connection, id=vpc.id)
    tags.remove_all(connection, vpc.id)


def attach(connection: Connection, vpc: Vpc, subnet: Subnet, port: Port | None = None) -> Port:
    """Give a VPC an interface in a subnet, at the gateway's address; or make a port that belongs to
    nothing into one. Returns the interface.

    Raises INTERFACE_REFUSED, SUBNET_OUTSIDE_VPC, SUBNET_OVERLAPS, PORT_IN_USE, PORT_ADDRESS_IN_USE.
    """
    if interface_in(connection, subnet):
        raise NeighbourError(
            Reason.INTERFACE_REFUSED, f"Subnet {subnet.id} has a router's interface already."
        )
    block = rules.Network(subnet.cidr)
    rules.check_within(block, vpc.cidr)
    rules.check_apart(block, [other.cidr for other in vpc_subnets(connection, vpc.id)])
    owner = {"device_id": vpc.id, "device_owner": ROUTER_INTERFACE}
    if port is not None:
        if port.device_id or PUBLIC_IPS.first(connection, port_id=port.id):
            raise NeighbourError(
                Reason.PORT_IN_USE, f"Port {port.id} belongs to a device or has a public IP."
            )
        return PORTS.change(connection, port.id, owner)
    if not subnet.gateway_ip:
        raise NeighbourError(Reason.INTERFACE_REFUSED, f"Subnet {subnet.id} has no gateway_ip.")
    return add_port(connection, subnet, ip_address=subnet.gateway_ip, **owner)


def detach(connection: Connection, vpc: Vpc, port: Port | None) -> Port:
    """Remove a VPC's interface; returns what it was. Raises INTERFACE_NOT_FOUND."""
    if port is None or (port.device_id, port.device_owner) != (vpc.id, ROUTER_INTERFACE):
        raise NeighbourError(Reason.INTERFACE_NOT_FOUND, f"Router {vpc.id} has no such interface.")
    PORTS.remove(connection, id=port.id)
    return port


def interface_in(connection: Connection, subnet: Subnet) -> Port | None:
    """The interface of a VPC in a subnet, if one has one there."""
    return PORTS.first(connection, subnet_id=subnet.id, device_owner=ROUTER_INTERFACE)


# Networks and subnets


def add_vpc_subnet(
    connection: Connection, vpc: Vpc, *, name: str, cidr: str, **values: Any
) -> tuple[Network, Subnet]:
    """A subnet as VPC v1 has it: a network, its subnet, and the VPC's interface.

    Raises SUBNET_INVALID, SUBNET_CIDR_INVALID, SUBNET_OUTSIDE_VPC, SUBNET_OVERLAPS.
    """
    description = values.get("description", "")
    network = NETWORKS.add(
        connection,
        Network(**new_row(project_id=vpc.project_id, name=name, description=description)),
    )
    subnet = add_subnet(connection, network, name=name, cidr=cidr, **values)
    attach(connection, vpc, subnet)
    return network, subnet


def add_subnet(
    connection: Connection,
    network: Network,
    *,
    cidr: str,
    gateway_ip: str | None = None,
    has_gateway: bool = True,
    **values: Any,
) -> Subnet:
    """A network's subnet. Raises NETWORK_HAS_SUBNET, SUBNET_INVALID, SUBNET_CIDR_INVALID."""
    if SUBNETS.first(connection, network_id=network.id):
        raise NeighbourError(
            Reason.NETWORK_HAS_SUBNET, f"Network {network.id} has a subnet; it can have one only."
        )
    block = rules.subnet_block(cidr)
    gateway = rules.gateway(gateway_ip, block) if has_gateway else ""
    row = new_row(
        project_id=network.project_id,
        network_id=network.id,
        cidr=cidr,
        gateway_ip=gateway,
        **values,
    )
    return SUBNETS.add(connection, Subnet(**row))


def change_subnet(connection: Connection, subnet: Subnet, changes: Mapping[str, Any]) -> Subnet:
    """Raises SUBNET_INVALID for a gateway outside, SUBNET_IN_USE for another one than that of a
    VPC's interface, PORT_ADDRESS_IN_USE for one that is a port's."""
    if "gateway_ip" in changes and changes["gateway_ip"] != subnet.gateway_ip:
        if changes["gateway_ip"]:
            rules.gateway(changes["gateway_ip"], rules.Network(subnet.cidr))
        if interface_in(connection, subnet):
            raise NeighbourError(
                Reason.SUBNET_IN_USE,
                f"The gateway of subnet {subnet.id} is a router's interface; detach that first.",
            )
        if any(port.ip_address == changes["gateway_ip"] for port in _ports(connection, subnet)):
            raise NeighbourError(
                Reason.PORT_ADDRESS_IN_USE, f"gateway_ip: {changes['gateway_ip']} is a port's."
            )
    return SUBNETS.change(connection, subnet.id, changes)


def remove_vpc_subnet(connection: Connection, subnet: Subnet) -> None:
    """Remove a subnet with its network and interface. Raises SUBNET_IN_USE while it has ports of
    its own or a database instance is in it."""
    _check_free(connection, subnet, [p for p in _ports(connection, subnet) if not _is_interface(p)])
    NETWORKS.remove(connection, id=subnet.network_id)
    tags.remove_all(connection, subnet.network_id)


def remove_subnet(connection: Connection, subnet: Subnet) -> None:
    """Remove a network's subnet. Raises SUBNET_IN_USE while it has ports, also a router's."""
    _check_free(connection, subnet, _ports(connection, subnet))
    SUBNETS.remove(connection, id=subnet.id)


def remove_network(connection: Connection, network: Network) -> None:
    """Remove a network with its subnet. Raises NETWORK_IN_USE while it has ports."""
    if ports := PORTS.find(connection, network_id=network.id):
        raise NeighbourError(
            Reason.NETWORK_IN_USE, f"Network {network.id} has ports: {_ids(ports)}."
        )
    _check_unused(connection, network, Reason.NETWORK_IN_USE, subnet_id=network.id)
    NETWORKS.remove(connection, id=network.id)
    tags.remove_all(connection, network.id)


def _ports(connection: Connection, subnet: Subnet) -> list[Port]:
    return PORTS.find(connection, subnet_id=subnet.id)


def _is_interface(port: Port) -> bool:
    return port.device_owner == ROUTER_INTERFACE


def _check_free(connection: Connection, subnet: Subnet, ports: Sequence[Port]) -> None:
    if ports:
        raise NeighbourError(Reason.SUBNET_IN_USE, f"Subnet {subnet.id} has ports: {_ids(ports)}.")
    _check_unused(connection, subnet, Reason.SUBNET_IN_USE, subnet_id=subnet.network_id)


# Ports


def add_port(
    connection: Connection,
    subnet: Subnet,
    *,
    ip_address: str | None = None,
    name: str = "",
    **values: Any,
) -> Port:
    """A port in a subnet, at an address asked for or a free one.

    Raises PORT_ADDRESS_INVALID, PORT_ADDRESS_IN_USE, SUBNET_FULL.
    """
    taken = {port.ip_address for port in _ports(connection, subnet)}
    if ip_address != subnet.gateway_ip:  # it is a router's, whether that is there or not
        taken.add(subnet.gateway_ip)
    row = new_row(
        project_id=subnet.project_id,
        name=name,
        network_id=subnet.network_id,
        subnet_id=subnet.id,
        ip_address=rules.port_address(ip_address, subnet.cidr, taken),
        mac_address=_mac_address(),
        **values,
    )
    return PORTS.add(connection, Port(**row))


def remove_port(connection: Connection, port: Port) -> None:
    """Remove a port, and the binding of its public IP. Raises INTERFACE_IN_USE for a router's
    interface."""
    if _is_interface(port):
        raise NeighbourError(
            Reason.INTERFACE_IN_USE,
            f"Port {port.id} is an interface of router {port.device_id}; remove it there.",
        )
    for public_ip in PUBLIC_IPS.find(connection, port_id=port.id):
        PUBLIC_IPS.change(connection, public_ip.id, {"port_id": "", "private_ip_address": ""})
    PORTS.remove(connection, id=port.id)


def _mac_address() -> str:
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


# Security groups


def default_group(connection: Connection, project_id: str) -> SecurityGroup:
    """The project's group `default`; made if it is not there."""
    found = SECURITY_GROUPS.first(connection, project_id=project_id, name=DEFAULT_GROUP)
    if found:
        return found
    group = _new_group(connection, project_id, DEFAULT_GROUP, "Default security group")
    for ethertype in ("IPv4", "IPv6"):
        _new_rule(connection, group, ethertype=ethertype, remote_group_id=group.id)
    return group


def add_group(
    connection: Connection, project_id: str, name: str, description: str
) -> SecurityGroup:
    """A security group that lets everything out. Raises GROUP_DEFAULT_EXISTS."""
    if name == DEFAULT_GROUP:
        raise NeighbourError(
            Reason.GROUP_DEFAULT_EXISTS, f"The project has its security group {DEFAULT_GROUP}."
        )
    return _new_group(connection, project_id, name, description)


def change_group(
    connection: Connection, group: SecurityGroup, changes: Mapping[str, Any]
) -> SecurityGroup:
    """Raises GROUP_IS_DEFAULT for another name of `default`, GROUP_DEFAULT_EXISTS for its name."""
    if changes.get("name", group.name) != group.name:
        if group.name == DEFAULT_GROUP:
            raise NeighbourError(
                Reason.GROUP_IS_DEFAULT, f"The security group {DEFAULT_GROUP} keeps its name."
            )
        if changes["name"] == DEFAULT_GROUP:
            raise NeighbourError(
                Reason.GROUP_DEFAULT_EXISTS, f"The project has its security group {DEFAULT_GROUP}."
            )
    return SECURITY_GROUPS.change(connection, group.id, changes)


def remove_group(connection: Connection, group: SecurityGroup) -> None:
    """Raises GROUP_IS_DEFAULT, and GROUP_IN_USE while a port or a database instance has it."""
    if group.name == DEFAULT_GROUP:
        raise NeighbourError(
            Reason.GROUP_IS_DEFAULT, f"The security group {DEFAULT_GROUP} cannot be deleted."
        )
    ports = [
        port
        for port in PORTS.find(connection, project_id=group.project_id)
        if group.id in port.security_groups
    ]
    if ports:
        raise NeighbourError(
            Reason.GROUP_IN_USE, f"Security group {group.id} is that of ports: {_ids(ports)}."
        )
    _check_unused(connection, group, Reason.GROUP_IN_USE, security_group_id=group.id)
    SECURITY_GROUP_RULES.remove(connection, remote_group_id=group.id)
    SECURITY_GROUPS.remove(connection, id=group.id)
    tags.remove_all(connection, group.id)


def add_rule(
    connection: Connection, group: SecurityGroup, values: Mapping[str, Any]
) -> SecurityGroupRule:
    """A rule of a group. Raises RULE_INVALID, RULE_EXISTS, GROUP_NOT_FOUND for its remote group."""
    if values.get("remote_group_id") and values.get("remote_ip_prefix"):
        raise NeighbourError(
            Reason.RULE_INVALID, "Only one of remote_group_id and remote_ip_prefix can be given."
        )
    if values.get("remote_group_id"):
        get(connection, SECURITY_GROUPS, group.project_id, values["remote_group_id"])
    wanted = {
        name: values.get(name)
        for name in (
            "direction",
            "ethertype",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "remote_group_id",
        )
    }
    if same := SECURITY_GROUP_RULES.first(connection, security_group_id=group.id, **wanted):
        raise NeighbourError(Reason.RULE_EXISTS, f"Rule {same.id} of the group is the same.")
    return _new_rule(connection, group, **values)


def _new_group(
    connection: Connection, project_id: str, name: str, description: str
) -> SecurityGroup:
    row = new_row(project_id=project_id, name=name, description=description)
    group = SECURITY_GROUPS.add(connection, SecurityGroup(**row))
    for ethertype in ("IPv4", "IPv6"):
        _new_rule(connection, group, direction="egress", ethertype=ethertype)
    return group


def _new_rule(connection: Connection, group: SecurityGroup, **values: Any) -> SecurityGroupRule:
    row = new_row(project_id=group.project_id, name="", security_group_id=group.id, **values)
    return SECURITY_GROUP_RULES.add(connection, SecurityGroupRule(**row))


# What all have in common


def _check_unused(connection: Connection, row: Row, reason: Reason, **by: str) -> None:
    if names := instances.using(connection, row.project_id, **by):
        raise NeighbourError(reason, f"{row.id} is used by database instances: {', '.join(names)}.")


def _ids(ports: Sequence[Port]) -> str:
    return ", ".join(port.id for port in ports)
