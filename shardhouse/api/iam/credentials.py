"""Access keys: permanent ones under `credentials`, temporary ones under `securitytokens`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from shardhouse.api.authentication import Caller, iam_body, iam_caller, iam_of
from shardhouse.api.iam.wire import Fields, listing, moment
from shardhouse.errors import IamError
from shardhouse.iam.temporary_keys import DEFAULT_SECONDS
from shardhouse.store.iam.records import AccessKey

router = APIRouter()

PATH = "/v3.0/OS-CREDENTIAL/credentials"
STATUS = {"active": True, "inactive": False}
CallerIn = Annotated[Caller, Depends(iam_caller)]
BodyIn = Annotated[dict[str, Any], Depends(iam_body)]


@router.post(PATH)
def create_credential(request: Request, caller: CallerIn, body: BodyIn) -> JSONResponse:
    """201: a new key; the only answer that shows its secret."""
    fields = Fields(body).object("credential")
    made = iam_of(request).access_keys.create(
        caller,
        fields.optional_text("user_id") or caller.user_id,
        fields.optional_text("description") or "",
    )
    return JSONResponse({"credential": _key(made.key) | {"secret": made.secret_key}}, 201)


@router.get(PATH)
def list_credentials(request: Request, caller: CallerIn) -> JSONResponse:
    """The keys of `?user_id=`, the caller's own without it."""
    user_id = request.query_params.get("user_id") or caller.user_id
    found = iam_of(request).access_keys.of_user(caller, user_id)
    return JSONResponse(listing(request, "credentials", [_key(key) for key in found]))


@router.get(PATH + "/{access_key}")
def show_credential(request: Request, caller: CallerIn, access_key: str) -> JSONResponse:
    """One key."""
    return JSONResponse({"credential": _key(iam_of(request).access_keys.show(caller, access_key))})


@router.put(PATH + "/{access_key}")
def change_credential(
    request: Request, caller: CallerIn, body: BodyIn, access_key: str
) -> JSONResponse:
    """200: the key with its new status or description."""
    fields = Fields(body).object("credential")
    status = fields.optional_text("status")
    if status is not None and status not in STATUS:
        raise IamError(f"credential.status: active or inactive, it is {status}.")
    key = iam_of(request).access_keys.change(
        caller,
        access_key,
        active=None if status is None else STATUS[status],
        description=fields.optional_text("description"),
    )
    return JSONResponse({"credential": _key(key)})


@router.delete(PATH + "/{access_key}")
def delete_credential(request: Request, caller: CallerIn, access_key: str) -> Response:
    """204: gone."""
    iam_of(request).access_keys.delete(caller, access_key)
    return Response(status_code=204)


async def _holder(request: Request) -> Caller:
    """Who wants a temporary key: X-Auth-Token or a signature, else the token in the body."""
    if request.headers.get("x-auth-token") or request.headers.get("authorization"):
        return await iam_caller(request)
    wish = _token_wish(await iam_body(request))
    tokens = iam_of(request).tokens
    return (await run_in_threadpool(tokens.authenticate, wish.text("id"))).caller


@router.post("/v3.0/OS-CREDENTIAL/securitytokens")
def create_security_token(
    request: Request, caller: Annotated[Caller, Depends(_holder)], body: BodyIn
) -> JSONResponse:
    """201: a temporary key with its security token, for 900 s or `duration_seconds`."""
    seconds = _token_wish(body).optional_number("duration_seconds")
    key = iam_of(request).temporary_keys.create(
        caller, DEFAULT_SECONDS if seconds is None else seconds
    )
    content = {
        "access": key.access_key,
        "secret": key.secret_key,
        "securitytoken": key.security_token,
        "expires_at": moment(key.expires_at),
    }
    return JSONResponse({"credential": content}, 201)


def _token_wish(body: dict[str, Any]) -> Fields:
    """`auth.identity.token`. Raises IamError 400 for another method than `token`."""
    identity = Fields(body).object("auth").object("identity")
    methods = identity.texts("methods")
    if methods != ("token",):
        raise IamError(
            f'auth.identity.methods: ["token"] is expected, it is {list(methods)}; agencies are '
            "not supported."
        )
    return identity.optional_object("token")


def _key(key: AccessKey) -> dict[str, Any]:
    return {
        "access": key.access_key,
        "user_id": key.user_id,
        "status": "active" if key.active else "inactive",
        "description": key.description,
        "create_time": moment(key.created_at),
    }
