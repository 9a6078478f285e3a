"""Public IPs and their bandwidths in the store. A public IP's row is the lease of its address.

A public IP may be bound to a port of Neutron, which is a record like the port itself, to a node of
a database instance, or to a NAT gateway, through which ports of it lead to nodes, each to one. DDS
alone binds to nodes and gateways and unbinds from them.
"""

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from shardhouse.domain.model import Gateway
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import tables, tags
from shardhouse.store.neighbours.records import UNBOUND, Bandwidth, Binding, PublicIp
from shardhouse.store.neighbours.rows import BANDWIDTHS, PUBLIC_IPS, new_row
from shardhouse.store.tables import NODES


def lease(
    connection: Connection,
    pool: Iterable[str],
    bandwidth: Bandwidth,
    *,
    wanted: str | None = None,
    **values: Any,
) -> PublicIp:
    """A public IP at the first address of `pool` that nothing has, or at the one that is wanted.

    Raises PUBLIC_IPS_EXHAUSTED, PUBLIC_IP_TAKEN (also for an address that is not in the pool).
    """
    taken = {*connection.scalars(select(tables.PUBLIC_IPS.c.address))}
    taken |= {*connection.scalars(select(NODES.c.address))}
    free = (address for address in pool if address not in taken)
    address = next((one for one in free if wanted in (None, one)), None)
    if address is None:
        if wanted:
            raise NeighbourError(
                Reason.PUBLIC_IP_TAKEN, f"The address {wanted} is taken, or not in public_network."
            )
        raise NeighbourError(
            Reason.PUBLIC_IPS_EXHAUSTED,
            "No address is left for a public IP: release one, or extend the setting "
            "public_network.",
        )
    row = new_row(
        project_id=bandwidth.project_id, address=address, bandwidth_id=bandwidth.id, **values
    )
    return PUBLIC_IPS.add(connection, PublicIp(**row))


def get(connection: Connection, project_id: str, id: str) -> PublicIp:
    """One of the project's. Raises PUBLIC_IP_NOT_FOUND."""
    return _required(PUBLIC_IPS.first(connection, project_id=project_id, id=id), id)


def at_address(connection: Connection, project_id: str, address: str) -> PublicIp:
    """The project's public IP at an address. Raises PUBLIC_IP_NOT_FOUND."""
    found = PUBLIC_IPS.first(connection, project_id=project_id, address=address)
    return _required(found, address)


def set_binding(connection: Connection, public_ip: PublicIp, binding: Binding) -> PublicIp:
    """Bind a public IP, or unbind it (UNBOUND); returns it as it is then. What it is bound to
    already is no change.

    Raises PUBLIC_IP_BOUND when it is bound to something else, PUBLIC_IP_PORT_TAKEN when another
    public IP is bound there.
    """
    if binding not in (UNBOUND, public_ip.binding):
        if public_ip.binding != UNBOUND:
            raise NeighbourError(
                Reason.PUBLIC_IP_BOUND,
                f"Public IP {public_ip.address} is bound to {public_ip.binding.holder}; unbind it "
                "first.",
            )
        by = {"node_id": binding.node_id} if binding.node_id else {"port_id": binding.port_id}
        alone = not binding.nat_gateway_id
        if alone and (other := PUBLIC_IPS.first(connection, **by)):
            raise NeighbourError(
                Reason.PUBLIC_IP_PORT_TAKEN,
                f"Public IP {other.address} is bound to {binding.holder}.",
            )
    return PUBLIC_IPS.change(connection, public_ip.id, vars(binding))


def bind_node(connection: Connection, public_address: str, node_id: str) -> None:
    """Bind the public IP of an address to a database node, or unbind it where the node's id is
    empty. One that is gone is unbound already.

    Raises PUBLIC_IP_NOT_FOUND, and what `set_binding` raises.
    """
    found = PUBLIC_IPS.first(connection, address=public_address)
    if found is None and not node_id:
        return
    address = connection.scalar(select(NODES.c.address).where(NODES.c.id == node_id))
    binding = Binding(node_id=node_id, private_ip_address=address) if address else UNBOUND
    set_binding(connection, _required(found, public_address), binding)


def unbind_nodes(connection: Connection, node_ids: Collection[str]) -> None:
    """Unbind whatever is bound or leads to these database nodes."""
    if node_ids:
        bound = tables.PUBLIC_IPS.c.node_id.in_(node_ids)
        connection.execute(update(tables.PUBLIC_IPS).where(bound).values(**vars(UNBOUND)))
        _close_gateways(connection, node_ids)


def set_gateway(connection: Connection, node_id: str, gateway: Gateway | None) -> None:
    """Have a database node reached through a gateway, or not any more. A public IP belongs to the
    gateway as long as a port of it leads to a node.

    Raises PUBLIC_IP_NOT_FOUND, and PUBLIC_IP_BOUND when the public IP is bound to something else,
    or its port leads to another node.
    """
    if gateway is None:
        _close_gateways(connection, [node_id])
        return
    found = PUBLIC_IPS.first(connection, id=gateway.public_ip_id)
    public_ip = _required(found, gateway.public_ip_id)
    set_binding(connection, public_ip, Binding(nat_gateway_id=gateway.nat_gateway_id))
    columns = tables.GATEWAYS.c
    at_port = (columns.public_ip_id == public_ip.id) & (columns.port == gateway.port)
    other = connection.scalar(select(columns.node_id).where(at_port))
    if other is not None:
        raise NeighbourError(
            Reason.PUBLIC_IP_BOUND,
            f"Port {gateway.port} of public IP {public_ip.address} leads to node {other}.",
        )
    connection.execute(
        insert(tables.GATEWAYS).values(
            node_id=node_id,
            nat_gateway_id=gateway.nat_gateway_id,
            public_ip_id=public_ip.id,
            port=gateway.port,
        )
    )


def _close_gateways(connection: Connection, node_ids: Collection[str]) -> None:
    """Nothing leads to these nodes; public IPs of which no port leads anywhere are free."""
    columns, public_ip = tables.GATEWAYS.c, tables.PUBLIC_IPS.c
    connection.execute(delete(tables.GATEWAYS).where(columns.node_id.in_(node_ids)))
    unused = public_ip.id.not_in(select(columns.public_ip_id))
    connection.execute(
        update(tables.PUBLIC_IPS)
        .where(public_ip.nat_gateway_id != "", unused)
        .values(**vars(UNBOUND))
    )


def follow_node(connection: Connection, node_id: str) -> None:
    """The binding to a database node says the address that the node has by now."""
    address = select(NODES.c.address).where(NODES.c.id == node_id).scalar_subquery()
    bound = tables.PUBLIC_IPS.c.node_id == node_id
    connection.execute(update(tables.PUBLIC_IPS).where(bound).values(private_ip_address=address))


def release(connection: Connection, public_ip: PublicIp) -> None:
    """Free the address; a bandwidth of its own goes with it. Raises PUBLIC_IP_BOUND."""
    if public_ip.binding != UNBOUND:
        raise NeighbourError(
            Reason.PUBLIC_IP_BOUND,
            f"Public IP {public_ip.address} is bound to {public_ip.binding.holder}; unbind it "
            "first.",
        )
    PUBLIC_IPS.remove(connection, id=public_ip.id)
    BANDWIDTHS.remove(connection, id=public_ip.bandwidth_id, share_type="PER")
    tags.remove_all(connection, public_ip.id)


def add_bandwidth(connection: Connection, project_id: str, name: str, **values: Any) -> Bandwidth:
    """A bandwidth, of its public IP alone unless `share_type` is WHOLE."""
    row = new_row(project_id=project_id, name=name, **values)
    return BANDWIDTHS.add(connection, Bandwidth(**row))


def bandwidth(connection: Connection, project_id: str, id: str) -> Bandwidth:
    """One of the project's. Raises BANDWIDTH_NOT_FOUND."""
    found = BANDWIDTHS.first(connection, project_id=project_id, id=id)
    if found is None:
        raise NeighbourError(Reason.BANDWIDTH_NOT_FOUND, f"Bandwidth {id} does not exist.")
    return found


def shared_bandwidth(connection: Connection, project_id: str, id: str) -> Bandwidth:
    """One of the project's shared ones. Raises BANDWIDTH_NOT_FOUND, BANDWIDTH_INVALID."""
    found = bandwidth(connection, project_id, id)
    if found.share_type != "WHOLE":
        raise NeighbourError(
            Reason.BANDWIDTH_INVALID, f"Bandwidth {id} is that of one public IP, not a shared one."
        )
    return found


def move(connection: Connection, public_ip: PublicIp, to: Bandwidth) -> None:
    """Give a public IP another bandwidth; one that was its own goes."""
    if to.id == public_ip.bandwidth_id:
        return
    PUBLIC_IPS.change(connection, public_ip.id, {"bandwidth_id": to.id})
    BANDWIDTHS.remove(connection, id=public_ip.bandwidth_id, share_type="PER")


def _required(found: PublicIp | None, wanted: str) -> PublicIp:
    if found is None:
        raise NeighbourError(Reason.PUBLIC_IP_NOT_FOUND, f"Public IP {wanted} does not exist.")
    return found
