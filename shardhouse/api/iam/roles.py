"""Roles and their assignment to users, on projects and on the domain (Keystone's paths)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from shardhouse.api.authentication import Caller, iam_caller, iam_of
from shardhouse.api.iam.wire import base_url, link, listing
from shardhouse.iam.refusals import not_found
from shardhouse.iam.roles import ROLES, Role
from shardhouse.store.iam.records import Assignment, Target

router = APIRouter()

CallerIn = Annotated[Caller, Depends(iam_caller)]
GRANTS = "/v3/{kind}/{target_id}/users/{user_id}/roles"
GRANT = GRANTS + "/{role_id}"
Kind = Literal["projects", "domains"]
TARGETS: dict[Kind, Target] = {"projects": "project", "domains": "domain"}


@router.get("/v3/roles")
def list_roles(request: Request, caller: CallerIn) -> JSONResponse:
    """The built-in roles, or those of `?name=` or `?display_name=`."""
    found = [_role(request, role) for role in ROLES.values()]
    for name in ("name", "display_name"):
        wanted = request.query_params.get(name)
        if wanted is not None:
            found = [item for item in found if item[name] == wanted]
    return JSONResponse(listing(request, "roles", found))


@router.get("/v3/roles/{role_id}")
def show_role(request: Request, caller: CallerIn, role_id: str) -> JSONResponse:
    """One role."""
    if role_id not in ROLES:
        raise not_found("role", role_id)
    return JSONResponse({"role": _role(request, ROLES[role_id])})


@router.get(GRANTS)
def list_grants(
    request: Request, caller: CallerIn, kind: Kind, target_id: str, user_id: str
) -> JSONResponse:
    """A user's roles on exactly this project or domain."""
    found = iam_of(request).assignments.roles(caller, TARGETS[kind], target_id, user_id)
    return JSONResponse(listing(request, "roles", [_role(request, role) for role in found]))


@router.put(GRANT)
def grant(
    request: Request, caller: CallerIn, kind: Kind, target_id: str, user_id: str, role_id: str
) -> Response:
    """204: the user has the role."""
    assignment = Assignment(user_id, TARGETS[kind], target_id, role_id)
    iam_of(request).assignments.add(caller, assignment)
    return Response(status_code=204)


@router.get(GRANT)
@router.head(GRANT)
def check_grant(
    request: Request, caller: CallerIn, kind: Kind, target_id: str, user_id: str, role_id: str
) -> Response:
    """204 when the user has the role there, 404 otherwise."""
    found = iam_of(request).assignments.roles(caller, TARGETS[kind], target_id, user_id)
    if role_id not in {role.id for role in found}:
        raise not_found("role assignment", role_id)
    return Response(status_code=204)


@router.delete(GRANT)
def revoke(
    request: Request, caller: CallerIn, kind: Kind, target_id: str, user_id: str, role_id: str
) -> Response:
    """204: the user no longer has the role, and the user's tokens are void."""
    assignment = Assignment(user_id, TARGETS[kind], target_id, role_id)
    iam_of(request).assignments.remove(caller, assignment)
    return Response(status_code=204)


@router.get("/v3/role_assignments")
def list_assignments(request: Request, caller: CallerIn) -> JSONResponse:
    """Assignments in the domain (the caller's own without administration), filtered by `user.id`,
    `role.id`, `scope.project.id` and `scope.domain.id`.
    """
    query = request.query_params
    found = [
        _assignment(request, item)
        for item in iam_of(request).assignments.all(caller)
        if query.get("user.id", item.user_id) == item.user_id
        and query.get("role.id", item.role_id) == item.role_id
        and _in_scope(item, "project", query.get("scope.project.id"))
        and _in_scope(item, "domain", query.get("scope.domain.id"))
    ]
    return JSONResponse(listing(request, "role_assignments", found))


def _in_scope(assignment: Assignment, target: Target, wanted: str | None) -> bool:
    return wanted is None or (assignment.target, assignment.target_id) == (target, wanted)


def _assignment(request: Request, assignment: Assignment) -> dict[str, Any]:
    path = (
        f"/v3/{assignment.target}s/{assignment.target_id}/users/{assignment.user_id}"
        f"/roles/{assignment.role_id}"
    )
    return {
        "role": {"id": assignment.role_id},
        "user": {"id": assignment.user_id},
        "scope": {assignment.target: {"id": assignment.target_id}},
        "links": {"assignment": base_url(request) + path},
    }


def _role(request: Request, role: Role) -> dict[str, Any]:
    return {
        "id": role.id,
        "name": role.name,
        "display_name": role.display_name,
        "description": role.description,
        "domain_id": None,
        "links": link(request, f"/v3/roles/{role.id}"),
    }
