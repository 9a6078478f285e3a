"""Security groups and their rules in the shape of VPC v1; they are those of Neutron."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.neutron.security_groups import (
    delete_group,
    delete_rule,
    group_fields,
    rule_fields,
    rule_values,
    show_rule,
)
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, filtered, page, required_text
from shardhouse.errors import Reason
from shardhouse.store.neighbours import networks
from shardhouse.store.neighbours.records import SecurityGroup
from shardhouse.store.neighbours.rows import SECURITY_GROUP_RULES, SECURITY_GROUPS

router = APIRouter()

PATH = "/v1/{project_id}/security-groups"
RULE_PATH = "/v1/{project_id}/security-group-rules"


@router.post(PATH)
def create_group(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new group that lets everything out."""
    name = required_text(Fields(body).object("security_group"), "name", Reason.RULE_INVALID, 64)
    with scope.database.write() as connection:
        made = networks.add_group(connection, scope.project_id, name, "")
        return JSONResponse({"security_group": _group(connection, made)})


@router.get(PATH)
def list_groups(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's groups with their rules, a page of them."""
    with scope.database.read() as connection:
        found = SECURITY_GROUPS.find(connection, project_id=scope.project_id)
        shown = [_group(connection, group) for group in found]
    items, _ = page(request, filtered(request, shown))
    return JSONResponse({"security_groups": items})


@router.get(PATH + "/{group_id}")
def show_group(scope: ScopeIn, group_id: str) -> JSONResponse:
    """One group with its rules."""
    with scope.database.read() as connection:
        found = networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        return JSONResponse({"security_group": _group(connection, found)})


@router.post(RULE_PATH)
def create_rule(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """200: a new rule of a group."""
    fields = Fields(body).object("security_group_rule")
    values = rule_values(fields)
    with scope.database.write() as connection:
        group_id = fields.text("security_group_id")
        group = networks.get(connection, SECURITY_GROUPS, scope.project_id, group_id)
        made = networks.add_rule(connection, group, values)
    return JSONResponse({"security_group_rule": rule_fields(made)})


@router.get(RULE_PATH)
def list_rules(request: Request, scope: ScopeIn) -> JSONResponse:
    """The rules of the project's groups, a page of them."""
    with scope.database.read() as connection:
        found = SECURITY_GROUP_RULES.find(connection, project_id=scope.project_id)
    items, _ = page(request, filtered(request, [rule_fields(rule) for rule in found]))
    return JSONResponse({"security_group_rules": items})


# These answer as Neutron's do.
router.delete(PATH + "/{group_id}")(delete_group)
router.get(RULE_PATH + "/{rule_id}")(show_rule)
router.delete(RULE_PATH + "/{rule_id}")(delete_rule)


def _group(connection: Connection, group: SecurityGroup) -> dict[str, Any]:
    """A group belongs to no VPC and no enterprise project of its own."""
    return {**group_fields(connection, group), "vpc_id": "", "enterprise_project_id": "0"}
