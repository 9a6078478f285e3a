"""Users: `/v3/users`, and `/v3.0/OS-USER/users` for the newer way to create one."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
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
from shardhouse.api.iam.wire import Fields, flag, link, listing, moment
from shardhouse.store.iam.records import User

router = APIRouter()

CallerIn = Annotated[Caller, Depends(iam_caller)]
BodyIn = Annotated[dict[str, Any], Depends(iam_body)]


@router.get("/v3/users")
def list_users(request: Request, caller: CallerIn) -> JSONResponse:
    """The domain's users, filtered by `name`, `domain_id` and `enabled`."""
    found = [_user(request, user) for user in iam_of(request).users.all(caller)]
    for name in ("name", "domain_id"):
        wanted = request.query_params.get(name)
        if wanted is not None:
            found = [item for item in found if item[name] == wanted]
    enabled = flag(request, "enabled")
    if enabled is not None:
        found = [item for item in found if item["enabled"] is enabled]
    return JSONResponse(listing(request, "users", found))


@router.post("/v3/users")
async def create_user(request: Request, caller: CallerIn, body: BodyIn) -> JSONResponse:
    """201: a new user, without any role."""
    user = await _create(request, caller, body, strict_name=True)
    return JSONResponse({"user": _user(request, user)}, 201)


@router.post("/v3.0/OS-USER/users")
async def create_os_user(request: Request, caller: CallerIn, body: BodyIn) -> JSONResponse:
    """201: a new user; names are freer here, and the answer has the newer fields."""
    user = await _create(request, caller, body, strict_name=False)
    content = {
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "description": user.description,
        "enabled": user.enabled,
        "status": 1 if user.enabled else 0,
        "access_mode": "default",
        "is_domain_owner": False,
        "email": "",
        "areacode": "",
        "phone": "",
        "xuser_id": "",
        "xuser_type": "",
        "pwd_status": False,
        "password_expires_at": None,
        "create_time": moment(user.created_at),
    }
    return JSONResponse({"user": content}, 201)


@router.get("/v3/users/{user_id}")
def show_user(request: Request, caller: CallerIn, user_id: str) -> JSONResponse:
    """One user."""
    user = iam_of(request).users.show(caller, user_id)
    return JSONResponse({"user": _user(request, user)})


@router.patch("/v3/users/{user_id}")
async def change_user(
    request: Request, caller: CallerIn, body: BodyIn, user_id: str
) -> JSONResponse:
    """200: the changed user."""
    fields = Fields(body).object("user")
    password = fields.optional_text("password")
    change = partial(
        iam_of(request).users.change,
        caller,
        user_id,
        name=fields.optional_text("name"),
        password=password,
        description=fields.optional_text("description"),
        enabled=fields.optional_flag("enabled"),
    )
    user = await (run_in_threadpool(change) if password is None else in_turn(request, change))
    return JSONResponse({"user": _user(request, user)})


@router.delete("/v3/users/{user_id}")
def delete_user(request: Request, caller: CallerIn, user_id: str) -> Response:
    """204: gone, with all keys, tokens and roles."""
    iam_of(request).users.delete(caller, user_id)
    return Response(status_code=204)


@router.post("/v3/users/{user_id}/password")
async def change_password(
    request: Request, caller: CallerIn, body: BodyIn, user_id: str
) -> Response:
    """204: the caller has a new password, and no token."""
    fields = Fields(body).object("user")
    change = partial(
        iam_of(request).users.change_own_password,
        caller,
        user_id,
        original=fields.text("original_password"),
        password=fields.text("password"),
        source=source_of(request),
    )
    await in_turn(request, change)
    return Response(status_code=204)


async def _create(
    request: Request, caller: Caller, body: dict[str, Any], *, strict_name: bool
) -> User:
    fields = Fields(body).object("user")
    enabled = fields.optional_flag("enabled")
    create = partial(
        iam_of(request).users.create,
        caller,
        name=fields.text("name"),
        password=fields.optional_text("password"),
        description=fields.optional_text("description") or "",
        enabled=True if enabled is None else enabled,
        domain_id=fields.optional_text("domain_id"),
        strict_name=strict_name,
    )
    return await in_turn(request, create)


def _user(request: Request, user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "description": user.description,
        "enabled": user.enabled,
        "password_expires_at": None,
        "pwd_status": False,
        "pwd_strength": user.password_strength,
        "last_project_id": "",
        "links": link(request, f"/v3/users/{user.id}"),
    }
