"""Nova v2.1: availability zones, security groups and floating IPs; there are no servers.

Security groups and floating IPs are those of Neutron in Nova's older shape.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields, base_url, settings_of
from shardhouse.api.neighbours.neutron.floating_ips import lease
from shardhouse.api.neighbours.neutron.networks import EXTERNAL_NAME
from shardhouse.api.neighbours.neutron.security_groups import check_ports
from shardhouse.api.neighbours.neutron.wire import named
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, sized_text
from shardhouse.domain.networks import check_prefix
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks, public_ips
from shardhouse.store.neighbours.records import PublicIp, SecurityGroup, SecurityGroupRule
from shardhouse.store.neighbours.rows import PUBLIC_IPS, SECURITY_GROUP_RULES, SECURITY_GROUPS

router = APIRouter()

BASE = "/v2.1/{project_id}"
GROUPS = BASE + "/os-security-groups"
RULES = BASE + "/os-security-group-rules"
FLOATING_IPS = BASE + "/os-floating-ips"


@router.get("/v2.1")
def version(request: Request) -> JSONResponse:
    """The version, without microversions; for everybody."""
    link = {"rel": "self", "href": f"{base_url(request)}/v2.1/"}
    shown = {"id": "v2.1", "status": "CURRENT", "version": "2.1", "min_version": "2.1"}
    return JSONResponse({"version": {**shown, "links": [link]}})


@router.get(BASE + "/os-availability-zone")
@router.get(BASE + "/os-availability-zone/detail")
def list_zones(request: Request, scope: ScopeIn) -> JSONResponse:
    """The zones of the settings, all of them available."""
    zones = [
        {"zoneName": name, "zoneState": {"available": True}, "hosts": None}
        for name in settings_of(request).offered_zones
    ]
    return JSONResponse({"availabilityZoneInfo": zones})


@router.get(GROUPS)
def list_groups(scope: ScopeIn) -> JSONResponse:
    """The project's security groups with what they let in."""
    with scope.database.read() as connection:
        found = SECURITY_GROUPS.find(connection, project_id=scope.project_id)
        shown = [_group(connection, group) for group in found]
    return JSONResponse({"security_groups": shown})


@router.post(GROUPS)
def create_group(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new security group."""
    fields = Fields(body).object("security_group")
    name, values = fields.text("name"), named(fields)
    with scope.database.write() as connection:
        made = networks.add_group(connection, scope.project_id, name, values.get("description", ""))
        return JSONResponse({"security_group": _group(connection, made)})


@router.get(GROUPS + "/{group_id}")
def show_group(scope: ScopeIn, group_id: str) -> JSONResponse:
    """One security group."""
    with scope.database.read() as connection:
        found = networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        return JSONResponse({"security_group": _group(connection, found)})


@router.put(GROUPS + "/{group_id}")
def change_group(scope: ScopeIn, body: BodyIn, group_id: str) -> JSONResponse:
    """200: the security group with another name or description."""
    changes = named(Fields(body).object("security_group"))
    with scope.database.write() as connection:
        found = networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        changed = networks.change_group(connection, found, changes)
        return JSONResponse({"security_group": _group(connection, changed)})


@router.delete(GROUPS + "/{group_id}")
def delete_group(scope: ScopeIn, group_id: str) -> Response:
    """202: gone; 409 while something has it."""
    with scope.database.write() as connection:
        networks.remove_group(
            connection, networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        )
    return Response(status_code=202)


@router.post(RULES)
def create_rule(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new rule for what comes in, from a block (any without one) or a group."""
    fields = Fields(body).object("security_group_rule")
    protocol = (sized_text(fields, "ip_protocol", Reason.RULE_INVALID, 32) or "").lower() or None
    first, last = (_port(fields, name) for name in ("from_port", "to_port"))
    check_ports(protocol, first, last)
    block = sized_text(fields, "cidr", Reason.RULE_INVALID, 64)
    if block:
        check_prefix("cidr", block, Reason.RULE_INVALID)
    values = {
        "direction": "ingress",
        "ethertype": "IPv6" if block and ":" in block else "IPv4",
        "protocol": protocol,
        "port_range_min": first,
        "port_range_max": last,
        "remote_ip_prefix": block or None,
        "remote_group_id": fields.optional_text("group_id") or None,
    }
    with scope.database.write() as connection:
        group = networks.get(
            connection, SECURITY_GROUPS, scope.project_id, fields.text("parent_group_id")
        )
        made = networks.add_rule(connection, group, values)
        return JSONResponse({"security_group_rule": _rule(connection, made)})


@router.delete(RULES + "/{rule_id}")
def delete_rule(scope: ScopeIn, rule_id: str) -> Response:
    """202: gone."""
    with scope.database.write() as connection:
        found = networks.get(connection, SECURITY_GROUP_RULES, scope.project_id, rule_id)
        SECURITY_GROUP_RULES.remove(connection, id=found.id)
    return Response(status_code=202)


@router.get(BASE + "/os-floating-ip-pools")
def list_pools(scope: ScopeIn) -> JSONResponse:
    """The one pool."""
    return JSONResponse({"floating_ip_pools": [{"name": EXTERNAL_NAME}]})


@router.get(FLOATING_IPS)
def list_floating_ips(scope: ScopeIn) -> JSONResponse:
    """The project's public IPs."""
    with scope.database.read() as connection:
        found = PUBLIC_IPS.find(connection, project_id=scope.project_id)
    return JSONResponse({"floating_ips": [_floating_ip(public_ip) for public_ip in found]})


@router.post(FLOATING_IPS)
def create_floating_ip(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new public IP of the one pool."""
    pool = Fields(body).optional_text("pool") or EXTERNAL_NAME
    if pool != EXTERNAL_NAME:
        raise NeighbourError(
            Reason.NETWORK_NOT_FOUND, f"pool: {EXTERNAL_NAME} is the only one, got {pool}."
        )
    with scope.database.write() as connection:
        made = lease(connection, scope)
    return JSONResponse({"floating_ip": _floating_ip(made)})


@router.get(FLOATING_IPS + "/{floating_ip_id}")
def show_floating_ip(scope: ScopeIn, floating_ip_id: str) -> JSONResponse:
    """One public IP."""
    with scope.database.read() as connection:
        found = public_ips.get(connection, scope.project_id, floating_ip_id)
    return JSONResponse({"floating_ip": _floating_ip(found)})


@router.delete(FLOATING_IPS + "/{floating_ip_id}")
def delete_floating_ip(scope: ScopeIn, floating_ip_id: str) -> Response:
    """202: its address is free; 409 while it is bound."""
    with scope.database.write() as connection:
        public_ips.release(connection, public_ips.get(connection, scope.project_id, floating_ip_id))
    return Response(status_code=202)


def _port(fields: Fields, name: str) -> int | None:
    """A port; -1 means any, as Nova's clients write it."""
    port = fields.optional_number(name)
    return None if port == -1 else port


def _group(connection: Connection, group: SecurityGroup) -> dict[str, Any]:
    rules = SECURITY_GROUP_RULES.find(connection, security_group_id=group.id, direction="ingress")
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenant_id": group.project_id,
        "rules": [_rule(connection, rule) for rule in rules],
    }


def _rule(connection: Connection, rule: SecurityGroupRule) -> dict[str, Any]:
    remote = rule.remote_group_id and SECURITY_GROUPS.first(connection, id=rule.remote_group_id)
    everywhere = "::/0" if rule.ethertype == "IPv6" else "0.0.0.0/0"
    return {
        "id": rule.id,
        "parent_group_id": rule.security_group_id,
        "ip_protocol": rule.protocol,
        "from_port": -1 if rule.port_range_min is None else rule.port_range_min,
        "to_port": -1 if rule.port_range_max is None else rule.port_range_max,
        "ip_range": {} if remote else {"cidr": rule.remote_ip_prefix or everywhere},
        "group": {"name": remote.name, "tenant_id": remote.project_id} if remote else {},
    }


def _floating_ip(public_ip: PublicIp) -> dict[str, Any]:
    return {
        "id": public_ip.id,
        "ip": public_ip.address,
        "fixed_ip": public_ip.private_ip_address or None,
        "instance_id": None,
        "pool": EXTERNAL_NAME,
    }
