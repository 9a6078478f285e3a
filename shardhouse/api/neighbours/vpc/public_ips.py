"""Public IPs (EIPs): addresses of `public_network`. Neutron's floating IPs are the same objects."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.wire import (
    BodyIn,
    Scope,
    ScopeIn,
    filtered,
    given,
    page,
    required_text,
    sized_text,
)
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks, public_ips
from shardhouse.store.neighbours.records import (
    ROUTER_INTERFACE,
    UNBOUND,
    Bandwidth,
    Binding,
    PublicIp,
)
from shardhouse.store.neighbours.rows import BANDWIDTHS, PORTS, PUBLIC_IPS

router = APIRouter()

PATHS = ("/v1/{project_id}/publicips", "/v2.0/{project_id}/publicips")
TYPES = ("5_bgp", "5_sbgp", "5_mailbgp", "5_gray")


@router.post(PATHS[0])
@router.post(PATHS[1])
def create_public_ip(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new public IP, with a bandwidth of its own or a shared one."""
    fields = Fields(body)
    wish, size = fields.object("publicip"), fields.object("bandwidth")
    kind = wish.text("type")
    if kind not in TYPES:
        raise NeighbourError(
            Reason.PUBLIC_IP_INVALID, f"publicip.type: {', '.join(TYPES)}; got {kind}."
        )
    _check_ip_version(wish)
    project = given(
        enterprise_project_id=sized_text(
            fields, "enterprise_project_id", Reason.PUBLIC_IP_INVALID, 36
        )
    )
    with scope.database.write() as connection:
        public_ip = public_ips.lease(
            connection,
            scope.pool.addresses(),
            _bandwidth(connection, scope, size, project),
            wanted=wish.optional_text("ip_address") or None,
            name=sized_text(wish, "alias", Reason.PUBLIC_IP_INVALID, 64) or "",
            type=kind,
            **project,
        )
        if port_id := wish.optional_text("port_id"):
            public_ip = bind(connection, public_ip, port_id)
        return JSONResponse({"publicip": _public_ip(connection, public_ip)})


@router.get(PATHS[0])
@router.get(PATHS[1])
def list_public_ips(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's public IPs, a page of them."""
    with scope.database.read() as connection:
        found = PUBLIC_IPS.find(connection, project_id=scope.project_id)
        shown = [_public_ip(connection, public_ip) for public_ip in found]
    items, _ = page(request, filtered(request, shown))
    return JSONResponse({"publicips": items})


@router.get(PATHS[0] + "/{publicip_id}")
@router.get(PATHS[1] + "/{publicip_id}")
def show_public_ip(scope: ScopeIn, publicip_id: str) -> JSONResponse:
    """One public IP."""
    with scope.database.read() as connection:
        found = public_ips.get(connection, scope.project_id, publicip_id)
        return JSONResponse({"publicip": _public_ip(connection, found)})


@router.put(PATHS[0] + "/{publicip_id}")
@router.put(PATHS[1] + "/{publicip_id}")
def change_public_ip(scope: ScopeIn, body: BodyIn, publicip_id: str) -> JSONResponse:
    """200: bound to `port_id`, unbound where that is empty, or with another `alias`. A body that
    has nothing at all unbinds as well: some clients leave out what is empty."""
    fields = Fields(body).object("publicip")
    _check_ip_version(fields)
    alias = sized_text(fields, "alias", Reason.PUBLIC_IP_INVALID, 64)
    with scope.database.write() as connection:
        public_ip = public_ips.get(connection, scope.project_id, publicip_id)
        if alias is not None:
            public_ip = PUBLIC_IPS.change(connection, public_ip.id, {"name": alias})
        if fields.gives("port_id") or not (alias is not None or fields.gives("ip_version")):
            public_ip = bind(connection, public_ip, fields.optional_text("port_id") or "")
        return JSONResponse({"publicip": _public_ip(connection, public_ip)})


@router.delete(PATHS[0] + "/{publicip_id}")
@router.delete(PATHS[1] + "/{publicip_id}")
def delete_public_ip(scope: ScopeIn, publicip_id: str) -> Response:
    """204: its address is free; 409 while it is bound."""
    with scope.database.write() as connection:
        public_ips.release(connection, public_ips.get(connection, scope.project_id, publicip_id))
    return Response(status_code=204)


def bind(connection: Connection, public_ip: PublicIp, port_id: str) -> PublicIp:
    """Record that a public IP is bound to a port, or to nothing where `port_id` is empty.

    Raises PORT_NOT_FOUND, INVALID for a router's interface, PUBLIC_IP_PORT_TAKEN, and
    PUBLIC_IP_BOUND, also for one that leads to database nodes: DDS unbinds that.
    """
    if public_ip.node_id or public_ip.nat_gateway_id:
        raise NeighbourError(
            Reason.PUBLIC_IP_BOUND,
            f"Public IP {public_ip.address} is bound to {public_ip.binding.holder}; unbind it with "
            "the DDS API.",
        )
    if not port_id:
        return public_ips.set_binding(connection, public_ip, UNBOUND)
    port = networks.get(connection, PORTS, public_ip.project_id, port_id)
    if port.device_owner == ROUTER_INTERFACE:
        raise NeighbourError(Reason.INVALID, f"port_id: {port_id} is an interface of a router.")
    return public_ips.set_binding(
        connection, public_ip, Binding(port_id=port.id, private_ip_address=port.ip_address)
    )


def _bandwidth(
    connection: Connection, scope: Scope, fields: Fields, project: dict[str, Any]
) -> Bandwidth:
    share_type = fields.text("share_type")
    if share_type == "WHOLE":
        return public_ips.shared_bandwidth(connection, scope.project_id, fields.text("id"))
    if share_type != "PER":
        raise NeighbourError(
            Reason.BANDWIDTH_INVALID, f"bandwidth.share_type: PER or WHOLE, got {share_type}."
        )
    mode = sized_text(fields, "charge_mode", Reason.BANDWIDTH_INVALID, 32)
    return public_ips.add_bandwidth(
        connection,
        scope.project_id,
        required_text(fields, "name", Reason.BANDWIDTH_INVALID, 64),
        size=bandwidth_size(fields),
        **given(charge_mode=mode),
        **project,
    )


def bandwidth_size(fields: Fields) -> int:
    """`size` in Mbit/s, 1 to 2000. Raises BANDWIDTH_INVALID."""
    size = fields.optional_number("size")
    if size is None or not 1 <= size <= 2000:
        raise NeighbourError(
            Reason.BANDWIDTH_INVALID, f"bandwidth.size: 1 to 2000 Mbit/s are required, got {size}."
        )
    return size


def _check_ip_version(fields: Fields) -> None:
    if fields.gives("ip_version") and str(fields.value("ip_version")) not in ("4", "", "None"):
        raise NeighbourError(
            Reason.PUBLIC_IP_INVALID, "publicip.ip_version: 4 is what there is here."
        )


def _public_ip(connection: Connection, public_ip: PublicIp) -> dict[str, Any]:
    (bandwidth,) = BANDWIDTHS.find(connection, id=public_ip.bandwidth_id)
    return {
        "id": public_ip.id,
        "alias": public_ip.name,
        "type": public_ip.type,
        "status": public_ip.status,
        "public_ip_address": public_ip.address,
        "private_ip_address": public_ip.private_ip_address,
        "port_id": public_ip.port_id,
        "ip_version": 4,
        "bandwidth_id": bandwidth.id,
        "bandwidth_name": bandwidth.name,
        "bandwidth_size": bandwidth.size,
        "bandwidth_share_type": bandwidth.share_type,
        "enterprise_project_id": public_ip.enterprise_project_id,
        "tenant_id": public_ip.project_id,
        "create_time": public_ip.created_at.strftime("%Y-%m-%d %H:%M:%S"),
    }
