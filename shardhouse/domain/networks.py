"""Rules of networks: CIDR blocks of VPCs and subnets, gateways, addresses of ports.

IPv4 alone, as nodes have. Each rule raises NeighbourError that says what is allowed and what came.
"""

import ipaddress
from collections.abc import Collection, Iterable

from shardhouse.errors import NeighbourError, Reason

Network = ipaddress.IPv4Network
Address = ipaddress.IPv4Address

#: Where blocks of a VPC may lie.
PRIVATE = tuple(map(Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
LONGEST_PREFIX = 28


def vpc_block(text: str) -> Network:
    """The block of a VPC: private, with a prefix of at most 28 bits. Raises VPC_INVALID."""
    block = _block(text, "vpc.cidr", Reason.VPC_INVALID)
    if block.prefixlen > LONGEST_PREFIX or not any(block.subnet_of(whole) for whole in PRIVATE):
        raise NeighbourError(
            Reason.VPC_INVALID,
            f"vpc.cidr: a block within {', '.join(map(str, PRIVATE))} with a prefix of at most "
            f"{LONGEST_PREFIX} bits is required, got {text}.",
        )
    return block


def subnet_block(text: str) -> Network:
    """The block of a subnet, with at least one address for a host. Raises SUBNET_CIDR_INVALID."""
    block = _block(text, "subnet.cidr", Reason.SUBNET_CIDR_INVALID)
    if block.prefixlen > LONGEST_PREFIX:
        raise NeighbourError(
            Reason.SUBNET_CIDR_INVALID,
            f"subnet.cidr: a prefix of at most {LONGEST_PREFIX} bits is required, got {text}.",
        )
    return block


def check_within(block: Network, vpc_cidr: str) -> None:
    """Raises SUBNET_OUTSIDE_VPC; a VPC without a block of its own takes any."""
    if vpc_cidr and not block.subnet_of(Network(vpc_cidr)):
        raise NeighbourError(
            Reason.SUBNET_OUTSIDE_VPC,
            f"subnet.cidr: {block} is not within the VPC's block {vpc_cidr}.",
        )


def check_apart(block: Network, others: Iterable[str]) -> None:
    """Raises SUBNET_OVERLAPS when the block has addresses of another one."""
    for other in others:
        if block.overlaps(Network(other)):
            raise NeighbourError(
                Reason.SUBNET_OVERLAPS, f"subnet.cidr: {block} overlaps with subnet {other}."
            )


def check_contains(vpc_cidr: str, subnets: Iterable[str]) -> None:
    """Raises VPC_EXCLUDES_SUBNET when a subnet would be outside of its VPC's new block."""
    block = vpc_block(vpc_cidr)
    for subnet in subnets:
        if not Network(subnet).subnet_of(block):
            raise NeighbourError(
                Reason.VPC_EXCLUDES_SUBNET,
                f"vpc.cidr: {vpc_cidr} does not contain the VPC's subnet {subnet}.",
            )


def gateway(text: str | None, block: Network) -> str:
    """The gateway's address: the one asked for, else the block's first. Raises SUBNET_INVALID for
    an address that is not one for a host of the block."""
    if not text:
        return str(block[1])
    if not _is_host(text, block):
        raise NeighbourError(
            Reason.SUBNET_INVALID,
            f"subnet.gateway_ip: an address between {block[1]} and {block[-2]} is required, "
            f"got {text}.",
        )
    return text


def check_address(name: str, text: str, reason: Reason) -> None:
    """Raises NeighbourError for what is no IPv4 address."""
    try:
        Address(text)
    except ValueError:
        raise NeighbourError(reason, f"{name}: an IPv4 address is required, got {text}.") from None


def check_prefix(name: str, text: str, reason: Reason) -> None:
    """Raises NeighbourError for what is no network of IPv4 or IPv6."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise NeighbourError(
            reason, f"{name}: a CIDR block such as 192.0.2.0/24 is required, got {text}."
        ) from None


def port_address(wanted: str | None, cidr: str, taken: Collection[str]) -> str:
    """The address of a new port: the one asked for, else the subnet's first free one.

    Raises PORT_ADDRESS_INVALID, PORT_ADDRESS_IN_USE, SUBNET_FULL.
    """
    block = Network(cidr)
    if wanted:
        if not _is_host(wanted, block):
            raise NeighbourError(
                Reason.PORT_ADDRESS_INVALID,
                f"fixed_ips.ip_address: {wanted} is not an address for a host in {cidr}.",
            )
        if wanted in taken:
            raise NeighbourError(
                Reason.PORT_ADDRESS_IN_USE, f"fixed_ips.ip_address: {wanted} is in use in {cidr}."
            )
        return wanted
    for host in block.hosts():
        if str(host) not in taken:
            return str(host)
    raise NeighbourError(Reason.SUBNET_FULL, f"No address of {cidr} is free.")


def pool(cidr: str, gateway_ip: str) -> tuple[str, str]:
    """First and last address that ports are given, as Neutron shows them."""
    block = Network(cidr)
    first, last = block[1], block[-2]
    if gateway_ip == str(first):
        first += 1
    elif gateway_ip == str(last):
        last -= 1
    return str(first), str(last)


def _block(text: str, name: str, reason: Reason) -> Network:
    try:
        return Network(text)
    except ValueError:
        raise NeighbourError(
            reason,
            f"{name}: an IPv4 block such as 192.168.0.0/16, without bits beyond the prefix, is "
            f"required, got {text}.",
        ) from None


def _is_host(text: str, block: Network) -> bool:
    try:
        return block[1] <= Address(text) <= block[-2]
    except ValueError:
        return False
