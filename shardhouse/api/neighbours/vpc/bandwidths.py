"""Bandwidths: of one public IP (`PER`), or shared by several (`WHOLE`). Nothing is throttled."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.vpc.public_ips import bandwidth_size
from shardhouse.api.neighbours.wire import (
    BodyIn,
    ScopeIn,
    filtered,
    given,
    moment,
    page,
    required_text,
    sized_text,
)
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import public_ips
from shardhouse.store.neighbours.records import Bandwidth, PublicIp
from shardhouse.store.neighbours.rows import BANDWIDTHS, PUBLIC_IPS

router = APIRouter()

PATH = "/v1/{project_id}/bandwidths"
SHARED_PATH = "/v2.0/{project_id}/bandwidths"


@router.get(PATH)
def list_bandwidths(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's bandwidths, a page of them."""
    with scope.database.read() as connection:
        found = BANDWIDTHS.find(connection, project_id=scope.project_id)
        shown = [_bandwidth(connection, bandwidth) for bandwidth in found]
    items, _ = page(request, filtered(request, shown))
    return JSONResponse({"bandwidths": items})


@router.get(PATH + "/{bandwidth_id}")
def show_bandwidth(scope: ScopeIn, bandwidth_id: str) -> JSONResponse:
    """One bandwidth."""
    with scope.database.read() as connection:
        found = public_ips.bandwidth(connection, scope.project_id, bandwidth_id)
        return JSONResponse({"bandwidth": _bandwidth(connection, found)})


@router.put(PATH + "/{bandwidth_id}")
@router.put(SHARED_PATH + "/{bandwidth_id}")
def change_bandwidth(scope: ScopeIn, body: BodyIn, bandwidth_id: str) -> JSONResponse:
    """200: the bandwidth with another name, size or charge mode."""
    fields = Fields(body).object("bandwidth")
    changes = given(
        name=sized_text(fields, "name", Reason.BANDWIDTH_INVALID, 64),
        size=bandwidth_size(fields) if "size" in fields else None,
        charge_mode=sized_text(fields, "charge_mode", Reason.BANDWIDTH_INVALID, 32),
    )
    with scope.database.write() as connection:
        found = public_ips.bandwidth(connection, scope.project_id, bandwidth_id)
        changed = BANDWIDTHS.change(connection, found.id, changes)
        return JSONResponse({"bandwidth": _bandwidth(connection, changed)})


@router.post(SHARED_PATH)
def create_shared_bandwidth(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new shared bandwidth."""
    fields = Fields(body).object("bandwidth")
    size = bandwidth_size(fields)
    values = given(
        charge_mode=sized_text(fields, "charge_mode", Reason.BANDWIDTH_INVALID, 32),
        enterprise_project_id=sized_text(
            fields, "enterprise_project_id", Reason.BANDWIDTH_INVALID, 36
        ),
    )
    with scope.database.write() as connection:
        made = public_ips.add_bandwidth(
            connection,
            scope.project_id,
            required_text(fields, "name", Reason.BANDWIDTH_INVALID, 64),
            size=size,
            share_type="WHOLE",
            **values,
        )
        return JSONResponse({"bandwidth": _bandwidth(connection, made)})


@router.delete(SHARED_PATH + "/{bandwidth_id}")
def delete_shared_bandwidth(scope: ScopeIn, bandwidth_id: str) -> Response:
    """204: gone; 409 while public IPs share it."""
    with scope.database.write() as connection:
        found = public_ips.shared_bandwidth(connection, scope.project_id, bandwidth_id)
        if sharing := PUBLIC_IPS.find(connection, bandwidth_id=found.id):
            raise NeighbourError(
                Reason.BANDWIDTH_IN_USE,
                f"Bandwidth {found.id} is that of {', '.join(one.address for one in sharing)}.",
            )
        BANDWIDTHS.remove(connection, id=found.id)
    return Response(status_code=204)


@router.post(SHARED_PATH + "/{bandwidth_id}/insert")
def insert_public_ips(scope: ScopeIn, body: BodyIn, bandwidth_id: str) -> JSONResponse:
    """200: the shared bandwidth, which is now that of the public IPs as well."""
    wish = Fields(body).object("bandwidth")
    with scope.database.write() as connection:
        found = public_ips.shared_bandwidth(connection, scope.project_id, bandwidth_id)
        for public_ip in _named(connection, scope.project_id, wish):
            public_ips.move(connection, public_ip, found)
        return JSONResponse({"bandwidth": _bandwidth(connection, found)})


@router.post(SHARED_PATH + "/{bandwidth_id}/remove")
def remove_public_ips(scope: ScopeIn, body: BodyIn, bandwidth_id: str) -> Response:
    """204: the public IPs have bandwidths of their own, of the size that is given."""
    fields = Fields(body).object("bandwidth")
    size = bandwidth_size(fields)
    mode = given(charge_mode=sized_text(fields, "charge_mode", Reason.BANDWIDTH_INVALID, 32))
    with scope.database.write() as connection:
        found = public_ips.shared_bandwidth(connection, scope.project_id, bandwidth_id)
        for public_ip in _named(connection, scope.project_id, fields):
            if public_ip.bandwidth_id != found.id:
                raise NeighbourError(
                    Reason.BANDWIDTH_INVALID,
                    f"bandwidth.publicip_info: {public_ip.id} has another bandwidth.",
                )
            name = f"bandwidth-{public_ip.address}"
            own = public_ips.add_bandwidth(connection, scope.project_id, name, size=size, **mode)
            public_ips.move(connection, public_ip, own)
    return Response(status_code=204)


def _named(connection: Connection, project_id: str, fields: Fields) -> list[PublicIp]:
    ids = [item.text("publicip_id") for item in fields.objects("publicip_info")]
    return [public_ips.get(connection, project_id, id) for id in ids]


def _bandwidth(connection: Connection, bandwidth: Bandwidth) -> dict[str, Any]:
    sharing = PUBLIC_IPS.find(connection, bandwidth_id=bandwidth.id)
    return {
        "id": bandwidth.id,
        "name": bandwidth.name,
        "size": bandwidth.size,
        "share_type": bandwidth.share_type,
        "bandwidth_type": "share" if bandwidth.share_type == "WHOLE" else "bgp",
        "charge_mode": bandwidth.charge_mode,
        "billing_info": "",
        "status": "NORMAL",
        "publicip_info": [
            {
                "publicip_id": public_ip.id,
                "publicip_address": public_ip.address,
                "publicip_type": public_ip.type,
                "ip_version": 4,
            }
            for public_ip in sharing
        ],
        "enterprise_project_id": bandwidth.enterprise_project_id,
        "tenant_id": bandwidth.project_id,
        "created_at": moment(bandwidth.created_at),
        "updated_at": moment(bandwidth.updated_at),
    }
