"""Projects and domains: what the caller has, and the administration of projects."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from shardhouse.api.authentication import Caller, iam_body, iam_caller, iam_of
from shardhouse.api.iam.wire import Fields, flag, link, listing
from shardhouse.iam.passwords import RULE_REGEX, RULE_TEXT
from shardhouse.iam.refusals import not_found
from shardhouse.store.iam.records import Project

router = APIRouter()

CallerIn = Annotated[Caller, Depends(iam_caller)]
BodyIn = Annotated[dict[str, Any], Depends(iam_body)]


@router.get("/v3/projects")
@router.get("/v3/auth/projects")
def list_projects(request: Request, caller: CallerIn) -> JSONResponse:
    """The projects the caller may use (all of the domain for its administrator), filtered by
    `name`, `domain_id`, `parent_id`, `enabled` and `is_domain`.
    """
    found = [_project(request, project) for project in iam_of(request).projects.all(caller)]
    for name in ("name", "domain_id", "parent_id"):
        wanted = request.query_params.get(name)
        if wanted is not None:
            found = [item for item in found if item[name] == wanted]
    for name in ("enabled", "is_domain"):
        state = flag(request, name)
        if state is not None:
            found = [item for item in found if item[name] is state]
    return JSONResponse(listing(request, "projects", found))


@router.get("/v3/users/{user_id}/projects")
def list_projects_of_user(request: Request, caller: CallerIn, user_id: str) -> JSONResponse:
    """The projects a user has a role on."""
    found = iam_of(request).projects.of_user(caller, user_id)
    return JSONResponse(listing(request, "projects", [_project(request, p) for p in found]))


@router.get("/v3/projects/{project_id}")
def show_project(request: Request, caller: CallerIn, project_id: str) -> JSONResponse:
    """One project."""
    project = iam_of(request).projects.show(caller, project_id)
    return JSONResponse({"project": _project(request, project)})


@router.post("/v3/projects")
def create_project(request: Request, caller: CallerIn, body: BodyIn) -> JSONResponse:
    """201: a new project."""
    fields = Fields(body).object("project")
    enabled = fields.optional_flag("enabled")
    project = iam_of(request).projects.create(
        caller,
        name=fields.text("name"),
        description=fields.optional_text("description") or "",
        parent_id=fields.optional_text("parent_id"),
        domain_id=fields.optional_text("domain_id"),
        enabled=True if enabled is None else enabled,
    )
    return JSONResponse({"project": _project(request, project)}, 201)


@router.patch("/v3/projects/{project_id}")
def change_project(
    request: Request, caller: CallerIn, body: BodyIn, project_id: str
) -> JSONResponse:
    """200: the changed project."""
    fields = Fields(body).object("project")
    project = iam_of(request).projects.change(
        caller,
        project_id,
        name=fields.optional_text("name"),
        description=fields.optional_text("description"),
        enabled=fields.optional_flag("enabled"),
    )
    return JSONResponse({"project": _project(request, project)})


@router.delete("/v3/projects/{project_id}")
def delete_project(request: Request, caller: CallerIn, project_id: str) -> Response:
    """204: gone; 409 while it owns instances."""
    iam_of(request).projects.delete(caller, project_id)
    return Response(status_code=204)


@router.get("/v3/auth/domains")
def list_domains(request: Request, caller: CallerIn) -> JSONResponse:
    """The caller's own domain."""
    domain = iam_of(request).projects.domain(caller)
    item = {
        "id": domain.id,
        "name": domain.name,
        "description": "",
        "enabled": domain.enabled,
        "links": link(request, f"/v3/domains/{domain.id}"),
    }
    wanted = request.query_params.get("name", domain.name)
    return JSONResponse(listing(request, "domains", [item] if wanted == domain.name else []))


@router.get("/v3/domains/{domain_id}/config/security_compliance")
def security_compliance(request: Request, caller: CallerIn, domain_id: str) -> JSONResponse:
    """What a password must look like, as a regular expression and in words."""
    if domain_id != caller.domain_id:
        raise not_found("domain", domain_id)
    rule = {"password_regex": RULE_REGEX, "password_regex_description": RULE_TEXT}
    return JSONResponse({"config": {"security_compliance": rule}})


@router.get("/v5/caller-identity")
def caller_identity(caller: CallerIn) -> JSONResponse:
    """Whose credentials these are (the security token service's path)."""
    return JSONResponse(
        {
            "account_id": caller.domain_id,
            "principal_id": caller.user_id,
            "principal_urn": f"iam::{caller.domain_id}:user:{caller.user_name}",
        }
    )


def _project(request: Request, project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "parent_id": project.parent_id,
        "description": project.description,
        "enabled": project.enabled,
        "is_domain": False,
        "links": link(request, f"/v3/projects/{project.id}"),
    }
