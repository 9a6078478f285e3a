"""Security groups and their rules. They are records: nothing lets packets through or keeps them
back."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.neutron.wire import common, listing, named
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, sized_text
from shardhouse.domain.networks import check_prefix
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import SecurityGroup, SecurityGroupRule
from shardhouse.store.neighbours.rows import SECURITY_GROUP_RULES, SECURITY_GROUPS

router = APIRouter()

PATH = "/v2.0/security-groups"
RULE_PATH = "/v2.0/security-group-rules"
DIRECTIONS = ("ingress", "egress")
ETHERTYPES = ("IPv4", "IPv6")


@router.post(PATH)
def create_group(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: a new group that lets everything out."""
    fields = Fields(body).object("security_group")
    name, values = fields.text("name"), named(fields)
    with scope.database.write() as connection:
        made = networks.add_group(connection, scope.project_id, name, values.get("description", ""))
        return JSONResponse({"security_group": group_fields(connection, made)}, 201)


@router.get(PATH)
def list_groups(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's groups with their rules, a page of them."""
    with scope.database.read() as connection:
        found = SECURITY_GROUPS.find(connection, project_id=scope.project_id)
        shown = [group_fields(connection, group) for group in found]
    return listing(request, "security_groups", shown)


@router.get(PATH + "/{group_id}")
def show_group(scope: ScopeIn, group_id: str) -> JSONResponse:
    """One group with its rules."""
    with scope.database.read() as connection:
        found = networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        return JSONResponse({"security_group": group_fields(connection, found)})


@router.put(PATH + "/{group_id}")
def change_group(scope: ScopeIn, body: BodyIn, group_id: str) -> JSONResponse:
    """200: the group with another name or description."""
    changes = named(Fields(body).object("security_group"))
    with scope.database.write() as connection:
        found = networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        changed = networks.change_group(connection, found, changes)
        return JSONResponse({"security_group": group_fields(connection, changed)})


@router.delete(PATH + "/{group_id}")
def delete_group(scope: ScopeIn, group_id: str) -> Response:
    """204: gone; 409 for `default`, and while ports or database instances have it."""
    with scope.database.write() as connection:
        networks.remove_group(
            connection, networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        )
    return Response(status_code=204)


@router.post(RULE_PATH)
def create_rule(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: a new rule of a group."""
    fields = Fields(body).object("security_group_rule")
    values = rule_values(fields)
    with scope.database.write() as connection:
        group = networks.get(
            connection, SECURITY_GROUPS, scope.project_id, fields.text("security_group_id")
        )
        made = networks.add_rule(connection, group, values)
    return JSONResponse({"security_group_rule": rule_fields(made)}, 201)


@router.get(RULE_PATH)
def list_rules(request: Request, scope: ScopeIn) -> JSONResponse:
    """The rules of the project's groups, a page of them."""
    with scope.database.read() as connection:
        found = SECURITY_GROUP_RULES.find(connection, project_id=scope.project_id)
    return listing(request, "security_group_rules", [rule_fields(rule) for rule in found])


@router.get(RULE_PATH + "/{rule_id}")
def show_rule(scope: ScopeIn, rule_id: str) -> JSONResponse:
    """One rule."""
    with scope.database.read() as connection:
        found = networks.get(connection, SECURITY_GROUP_RULES, scope.project_id, rule_id)
    return JSONResponse({"security_group_rule": rule_fields(found)})


@router.delete(RULE_PATH + "/{rule_id}")
def delete_rule(scope: ScopeIn, rule_id: str) -> Response:
    """204: gone."""
    with scope.database.write() as connection:
        found = networks.get(connection, SECURITY_GROUP_RULES, scope.project_id, rule_id)
        SECURITY_GROUP_RULES.remove(connection, id=found.id)
    return Response(status_code=204)


def rule_values(fields: Fields) -> dict[str, Any]:
    """What a rule is made of. Raises RULE_INVALID."""
    direction = fields.text("direction")
    ethertype = fields.optional_text("ethertype") or "IPv4"
    for name, value, allowed in (
        ("direction", direction, DIRECTIONS),
        ("ethertype", ethertype, ETHERTYPES),
    ):
        if value not in allowed:
            raise NeighbourError(
                Reason.RULE_INVALID, f"{name}: {' or '.join(allowed)}, got {value}."
            )
    prefix = sized_text(fields, "remote_ip_prefix", Reason.RULE_INVALID, 64)
    if prefix:
        check_prefix("remote_ip_prefix", prefix, Reason.RULE_INVALID)
        if (":" in prefix) != (ethertype == "IPv6"):
            raise NeighbourError(
                Reason.RULE_INVALID, f"remote_ip_prefix: {prefix} is not of ethertype {ethertype}."
            )
    protocol = fields.value("protocol")
    if not isinstance(protocol, (str, int, type(None))) or len(str(protocol)) > 32:
        raise NeighbourError(Reason.RULE_INVALID, "protocol: a name such as tcp, or a number.")
    protocol_name = str(protocol).lower() if protocol not in (None, "") else None
    first, last = (fields.optional_number(f"port_range_{end}") for end in ("min", "max"))
    check_ports(protocol_name, first, last)
    return {
        "description": sized_text(fields, "description", Reason.RULE_INVALID) or "",
        "direction": direction,
        "ethertype": ethertype,
        "protocol": protocol_name,
        "port_range_min": first,
        "port_range_max": last,
        "remote_ip_prefix": prefix or None,
        "remote_group_id": fields.optional_text("remote_group_id") or None,
    }


def check_ports(protocol: str | None, first: int | None, last: int | None) -> None:
    """Raises RULE_INVALID for what is no range of ports (for ICMP, no type and code)."""
    for name, port in (("port_range_min", first), ("port_range_max", last)):
        if port is not None and not 0 <= port <= 65535:
            raise NeighbourError(Reason.RULE_INVALID, f"{name}: 0 to 65535, got {port}.")
    if protocol in ("tcp", "udp") and first is not None and last is not None and first > last:
        raise NeighbourError(
            Reason.RULE_INVALID, f"port_range_max: {first} or more is required, got {last}."
        )


def group_fields(connection: Connection, group: SecurityGroup) -> dict[str, Any]:
    """A group with its rules."""
    rules = SECURITY_GROUP_RULES.find(connection, security_group_id=group.id)
    return {
        **common(group),
        "description": group.description,
        "security_group_rules": [rule_fields(rule) for rule in rules],
        "stateful": True,
    }


def rule_fields(rule: SecurityGroupRule) -> dict[str, Any]:
    """One rule."""
    shown = common(rule)
    del shown["name"]
    return {
        **shown,
        "security_group_id": rule.security_group_id,
        "description": rule.description,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
    }
