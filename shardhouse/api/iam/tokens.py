"""`/v3/auth/tokens`: issue, validate, revoke."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from shardhouse.api.authentication import (
    Caller,
    iam_body,
    iam_caller,
    iam_of,
    in_turn,
    source_of,
)
from shardhouse.api.iam.catalog import catalog
from shardhouse.api.iam.wire import Fields, moment
from shardhouse.errors import IamError
from shardhouse.iam.tokens import Login, Scope, Token

router = APIRouter()

PATH = "/v3/auth/tokens"
SUBJECT = "X-Subject-Token"
Subject = Annotated[str | None, Header(alias=SUBJECT)]


@router.post(PATH)
async def issue(
    request: Request, body: Annotated[dict[str, Any], Depends(iam_body)]
) -> JSONResponse:
    """201: a token for a password or another token; `?nocatalog=x` leaves the catalog out."""
    auth = Fields(body).object("auth")
    identity = auth.object("identity")
    methods = identity.texts("methods")
    scope = _scope(auth.optional_object("scope"))
    tokens = iam_of(request).tokens
    match methods:
        case ("password",):
            login, source = _login(identity.object("password").object("user")), source_of(request)
            token = await in_turn(
                request,
                partial(tokens.by_password, login, scope, source),
                check=partial(tokens.check_pace, login, source),
            )
        case ("token",):
            text = identity.object("token").text("id")
            token = await run_in_threadpool(tokens.by_token, text, scope)
        case _:
            raise IamError(
                'auth.identity.methods: ["password"] or ["token"] is expected, it is '
                f"{list(methods)}; MFA codes and agencies are not supported."
            )
    with_catalog = not request.query_params.get("nocatalog")
    return _answer(request, token, 201, with_catalog=with_catalog)


@router.get(PATH)
def validate(
    request: Request, caller: Annotated[Caller, Depends(iam_caller)], subject: Subject = None
) -> JSONResponse:
    """200: the subject token's content; 404 when it is not valid."""
    token = iam_of(request).tokens.inspect(caller, _required(subject))
    silent = request.query_params.get("nocatalog") or request.headers.get("nocatalog")
    return _answer(request, token, 200, with_catalog=not silent)


@router.delete(PATH)
def revoke(
    request: Request, caller: Annotated[Caller, Depends(iam_caller)], subject: Subject = None
) -> Response:
    """204: the subject token is no longer valid."""
    iam_of(request).tokens.revoke(caller, _required(subject))
    return Response(status_code=204)


def _required(subject: str | None) -> str:
    if not subject:
        raise IamError(f"The header {SUBJECT} is required: the token that is meant.")
    return subject


def _login(user: Fields) -> Login:
    password = user.text("password")
    if "id" in user:
        return Login(password, user_id=user.text("id"))
    domain = user.object("domain")
    domain_id = domain.optional_text("id")
    return Login(
        password,
        user_name=user.text("name"),
        domain_id=domain_id,
        domain_name=None if domain_id else domain.text("name"),
    )


def _scope(scope: Fields) -> Scope | None:
    """Project over domain where both are given; None where neither is."""
    if "project" in scope:
        project = scope.object("project")
        domain = project.optional_object("domain")
        project_id = project.optional_text("id")
        return Scope(
            "project",
            id=project_id,
            name=None if project_id else project.text("name"),
            domain_id=domain.optional_text("id"),
            domain_name=domain.optional_text("name"),
        )
    if "domain" in scope:
        domain = scope.object("domain")
        domain_id = domain.optional_text("id")
        return Scope("domain", id=domain_id, name=None if domain_id else domain.text("name"))
    return None


def _answer(request: Request, token: Token, status: int, *, with_catalog: bool) -> JSONResponse:
    caller = token.caller
    domain = {"id": caller.domain_id, "name": caller.domain_name}
    content: dict[str, Any] = {
        "methods": list(token.methods),
        "issued_at": moment(token.issued_at),
        "expires_at": moment(token.expires_at),
        "user": {
            "id": caller.user_id,
            "name": caller.user_name,
            "domain": domain,
            "password_expires_at": None,
        },
        "roles": [{"id": role.id, "name": role.name} for role in caller.roles],
    }
    if caller.project_id:
        content["project"] = {
            "id": caller.project_id,
            "name": caller.project_name,
            "domain": domain,
        }
    else:
        content["domain"] = domain
    if with_catalog:
        content["catalog"] = catalog(request, caller.project_id)
    return JSONResponse({"token": content}, status, {SUBJECT: token.text})
