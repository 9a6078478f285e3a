"""EPS: enterprise projects, labels for resources of a whole domain. Project `0`, `default`, is
always there."""

import re
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.wire import (
    BodyIn,
    DomainCallerIn,
    database_of,
    filtered,
    given,
    moment,
    sized_text,
)
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours.records import EnterpriseProject
from shardhouse.store.neighbours.rows import ENTERPRISE_PROJECTS, new_row

router = APIRouter()

PATH = "/v1.0/enterprise-projects"
NAME = re.compile(r"[\w-]{1,255}")
DEFAULT_ID = "0"
TYPES = ("prod", "poc")
ACTIONS = {"enable": True, "disable": False}
#: What `status` says.
ENABLED, DISABLED = 1, 2
MAX_LIMIT = 1000


@router.post(PATH)
def create_project(request: Request, caller: DomainCallerIn, body: BodyIn) -> JSONResponse:
    """200: a new enterprise project."""
    fields = Fields(body)
    values = {"name": _name(fields.text("name")), **_changes(fields)}
    kind = fields.optional_text("type") or "prod"
    if kind not in TYPES:
        raise NeighbourError(
            Reason.PROJECT_ACTION_INVALID, f"type: {' or '.join(TYPES)}, got {kind}."
        )
    row = new_row(domain_id=caller.domain_id, type=kind, **values)
    try:
        with database_of(request).write() as connection:
            made = ENTERPRISE_PROJECTS.add(connection, EnterpriseProject(**row))
    except IntegrityError:
        raise _taken(values["name"]) from None
    return JSONResponse({"enterprise_project": _project(made)})


@router.get(PATH)
def list_projects(request: Request, caller: DomainCallerIn) -> JSONResponse:
    """The domain's enterprise projects: those of `name`, `id`, `status` and `type`, `limit` of them
    from `offset` on."""
    with database_of(request).read() as connection:
        found = ENTERPRISE_PROJECTS.find(connection, domain_id=caller.domain_id)
    items = filtered(request, [_default(), *(_project(project) for project in found)])
    offset, limit = _number(request, "offset", 0), _number(request, "limit", MAX_LIMIT)
    page = items[offset : offset + min(limit, MAX_LIMIT)]
    return JSONResponse({"enterprise_projects": page, "total_count": len(items)})


@router.get(PATH + "/{id}")
def show_project(request: Request, caller: DomainCallerIn, id: str) -> JSONResponse:
    """One enterprise project."""
    if id == DEFAULT_ID:
        return JSONResponse({"enterprise_project": _default()})
    with database_of(request).read() as connection:
        found = _get(connection, caller.domain_id, id)
    return JSONResponse({"enterprise_project": _project(found)})


@router.put(PATH + "/{id}")
def change_project(request: Request, caller: DomainCallerIn, body: BodyIn, id: str) -> JSONResponse:
    """200: the enterprise project with another name or description."""
    fields = Fields(body)
    changes = given(name=fields.optional_text("name"), **_changes(fields))
    if "name" in changes:
        _name(changes["name"])
    try:
        with database_of(request).write() as connection:
            found = _get(connection, caller.domain_id, id)
            if not found.enabled:
                raise NeighbourError(
                    Reason.PROJECT_DISABLED, f"Enterprise project {id} is disabled; enable it."
                )
            changed = ENTERPRISE_PROJECTS.change(connection, id, changes)
    except IntegrityError:
        raise _taken(changes["name"]) from None
    return JSONResponse({"enterprise_project": _project(changed)})


@router.post(PATH + "/{id}/action")
def switch_project(request: Request, caller: DomainCallerIn, body: BodyIn, id: str) -> Response:
    """204: enabled or disabled."""
    action = Fields(body).text("action")
    if action not in ACTIONS:
        raise NeighbourError(
            Reason.PROJECT_ACTION_INVALID, f"action: {' or '.join(ACTIONS)}, got {action}."
        )
    with database_of(request).write() as connection:
        found = _get(connection, caller.domain_id, id)
        ENTERPRISE_PROJECTS.change(connection, found.id, {"enabled": ACTIONS[action]})
    return Response(status_code=204)


@router.delete(PATH + "/{id}")
def delete_project(request: Request, caller: DomainCallerIn, id: str) -> Response:
    """204: gone. What was labelled with it keeps the label."""
    with database_of(request).write() as connection:
        found = _get(connection, caller.domain_id, id)
        ENTERPRISE_PROJECTS.remove(connection, id=found.id)
    return Response(status_code=204)


def _get(connection: Connection, domain_id: str, id: str) -> EnterpriseProject:
    """Raises PROJECT_NOT_FOUND, PROJECT_IS_DEFAULT."""
    if id == DEFAULT_ID:
        raise NeighbourError(
            Reason.PROJECT_IS_DEFAULT, "The default enterprise project cannot be changed."
        )
    found = ENTERPRISE_PROJECTS.first(connection, domain_id=domain_id, id=id)
    if found is None:
        raise NeighbourError(Reason.PROJECT_NOT_FOUND, f"Enterprise project {id} does not exist.")
    return found


def _name(name: str) -> str:
    if not NAME.fullmatch(name) or name.lower() == "default":
        raise NeighbourError(
            Reason.PROJECT_NAME_INVALID,
            "name: 1 to 255 letters, digits, hyphens and underscores, other than default; "
            f"got {name}.",
        )
    return name


def _taken(name: str) -> NeighbourError:
    return NeighbourError(
        Reason.PROJECT_NAME_TAKEN, f"name: the domain has an enterprise project {name}."
    )


def _changes(fields: Fields) -> dict[str, Any]:
    return given(
        description=sized_text(fields, "description", Reason.PROJECT_DESCRIPTION_INVALID, 512)
    )


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,9}", text):
        raise NeighbourError(Reason.INVALID, f"{name}: a number is required, got {text}.")
    return int(text)


def _project(project: EnterpriseProject) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "type": project.type,
        "status": ENABLED if project.enabled else DISABLED,
        "delete_flag": True,
        "created_at": moment(project.created_at),
        "updated_at": moment(project.updated_at),
    }


def _default() -> dict[str, Any]:
    """Older than all the others."""
    beginning = "2018-01-01T00:00:00Z"
    return {
        "id": DEFAULT_ID,
        "name": "default",
        "description": "",
        "type": "prod",
        "status": ENABLED,
        "delete_flag": False,
        "created_at": beginning,
        "updated_at": beginning,
    }
