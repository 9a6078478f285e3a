"""Tags of VPCs, subnets, public IPs and security groups."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.wire import BodyIn, Scope, ScopeIn
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import networks, public_ips, tags
from shardhouse.store.neighbours.rows import NETWORKS, SECURITY_GROUPS, VPCS, Rows

router = APIRouter()

PATH = "/v2.0/{project_id}/{kind}/{resource_id}/tags"
ROWS: dict[str, Rows[Any]] = {
    "vpcs": VPCS,
    "subnets": NETWORKS,
    "security-groups": SECURITY_GROUPS,
}
KINDS = (*ROWS, "publicips")
ACTIONS = ("create", "delete")


@router.get(PATH)
def list_tags(scope: ScopeIn, kind: str, resource_id: str) -> JSONResponse:
    """All tags of one resource."""
    with scope.database.read() as connection:
        _check_resource(connection, scope, kind, resource_id)
        pairs = tags.find(connection, resource_id)
    return JSONResponse({"tags": [{"key": key, "value": value} for key, value in pairs]})


@router.post(PATH)
def add_tag(scope: ScopeIn, body: BodyIn, kind: str, resource_id: str) -> Response:
    """204: a tag more, or one with another value."""
    key, value = _tag(Fields(body).object("tag"))
    with scope.database.write() as connection:
        _check_resource(connection, scope, kind, resource_id)
        tags.put(connection, scope.project_id, resource_id, key, value)
    return Response(status_code=204)


@router.post(PATH + "/action")
def change_tags(scope: ScopeIn, body: BodyIn, kind: str, resource_id: str) -> Response:
    """204: tags created or deleted."""
    fields = Fields(body)
    action = fields.text("action")
    if action not in ACTIONS:
        raise NeighbourError(Reason.TAG_INVALID, f"action: create or delete, got {action}.")
    pairs = [_tag(item) for item in fields.objects("tags")]
    with scope.database.write() as connection:
        _check_resource(connection, scope, kind, resource_id)
        for key, value in pairs:
            if action == "create":
                tags.put(connection, scope.project_id, resource_id, key, value)
            else:
                tags.remove(connection, resource_id, key)
    return Response(status_code=204)


@router.delete(PATH + "/{key}")
def delete_tag(scope: ScopeIn, kind: str, resource_id: str, key: str) -> Response:
    """204: gone."""
    with scope.database.write() as connection:
        _check_resource(connection, scope, kind, resource_id)
        if not tags.remove(connection, resource_id, key):
            raise NeighbourError(Reason.TAG_NOT_FOUND, f"Tag {key} does not exist.")
    return Response(status_code=204)


def _check_resource(connection: Connection, scope: Scope, kind: str, resource_id: str) -> None:
    """Raises NeighbourError 404."""
    if kind == "publicips":
        public_ips.get(connection, scope.project_id, resource_id)
    elif kind in ROWS:
        networks.get(connection, ROWS[kind], scope.project_id, resource_id)
    else:
        raise NeighbourError(Reason.TAG_INVALID, f"{kind}: tags are for {', '.join(KINDS)}.")


def _tag(fields: Fields) -> tuple[str, str]:
    key, value = fields.text("key"), fields.optional_text("value") or ""
    if not 1 <= len(key) <= 36 or len(value) > 43:
        raise NeighbourError(
            Reason.TAG_INVALID, "tag: a key of 1 to 36 and a value of 0 to 43 characters."
        )
    return key, value
