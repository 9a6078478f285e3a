"""What the services beside DDS share on the wire: the scope of a call, sizes of text, filters,
pages, moments."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import urlencode

from fastapi import Depends, Request

from shardhouse.api.authentication import READING_METHODS, Caller, gateway_caller, iam_body
from shardhouse.api.bodies import ANONYMOUS_BODY_LIMIT, BODY_LIMIT
from shardhouse.api.iam.wire import Fields, base_url
from shardhouse.errors import NeighbourError, Reason
from shardhouse.nodes.local.addresses import NodeNetwork
from shardhouse.store.database import Database

MAX_LIMIT = 2000


@dataclass(frozen=True)
class Scope:
    """What a call may be about: a project, on which the caller has the role that the call needs."""

    project_id: str
    database: Database
    pool: NodeNetwork


async def _project_scope(request: Request) -> Scope:
    """The project of the path; where the path has none, that of the token or of X-Project-Id.

    Raises GatewayError 401, NeighbourError 403.
    """
    return await _scope(request, ANONYMOUS_BODY_LIMIT, reads=request.method in READING_METHODS)


async def _reading_scope(request: Request) -> Scope:
    """The same for a call that only reads, whatever its method is, and may have a large body."""
    return await _scope(request, BODY_LIMIT, reads=True)


async def _scope(request: Request, limit: int, *, reads: bool) -> Scope:
    in_path = request.path_params.get("project_id")
    wanted = in_path or request.headers.get("x-project-id") or None
    caller = await gateway_caller(request, wanted, limit)
    if caller.project_id is None or in_path not in (None, caller.project_id):
        scope = f"project {caller.project_id}" if caller.project_id else "no project"
        raise NeighbourError(
            Reason.FORBIDDEN,
            f"The credentials are scoped to {scope}, and the call is about "
            f"{f'project {wanted}' if wanted else 'a project'}.",
        )
    _check_role(request, caller, reads=reads)
    state = request.app.state
    return Scope(caller.project_id, cast(Database, state.database), cast(NodeNetwork, state.pool))


async def domain_caller(request: Request) -> Caller:
    """The caller of a service of the whole domain, with a role in whatever scope there is.

    Raises GatewayError 401, NeighbourError 403.
    """
    project_id = request.headers.get("x-project-id") or None
    caller = await gateway_caller(request, project_id, ANONYMOUS_BODY_LIMIT)
    _check_role(request, caller, reads=request.method in READING_METHODS)
    return caller


def _check_role(request: Request, caller: Caller, *, reads: bool) -> None:
    if not (caller.may_write or (reads and caller.may_read)):
        raise NeighbourError(
            Reason.FORBIDDEN,
            f"User {caller.user_name} has no role that allows {request.method} here.",
        )


ScopeIn = Annotated[Scope, Depends(_project_scope)]
ReadingScopeIn = Annotated[Scope, Depends(_reading_scope)]
DomainCallerIn = Annotated[Caller, Depends(domain_caller)]
BodyIn = Annotated[dict[str, Any], Depends(iam_body)]


def database_of(request: Request) -> Database:
    """The application's `state.database`."""
    return cast(Database, request.app.state.database)


def sized_text(fields: Fields, name: str, reason: Reason, length: int = 255) -> str | None:
    """A text of at most `length` characters, None where it is absent. Raises NeighbourError."""
    text = fields.optional_text(name)
    if text is not None and len(text) > length:
        raise NeighbourError(reason, f"{name}: at most {length} characters, got {len(text)}.")
    return text


def required_text(fields: Fields, name: str, reason: Reason, length: int = 255) -> str:
    """A text that must be there, of at most `length` characters. Raises IamError or NeighbourError
    400."""
    fields.text(name)
    return sized_text(fields, name, reason, length) or ""


def given(**values: Any) -> dict[str, Any]:
    """Those values that are not None: what a request changes."""
    return {name: value for name, value in values.items() if value is not None}


def filtered(request: Request, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The items that the query names by their own fields; a field named twice may have either
    value. What is no field of theirs, or a list, is no filter."""
    wanted: dict[str, set[str]] = {}
    for name, value in request.query_params.multi_items():
        wanted.setdefault(name, set()).add(value.lower())
    return [
        item
        for item in items
        if all(
            _text(item[name]) in values
            for name, values in wanted.items()
            if name in item and not isinstance(item[name], list)
        )
    ]


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower()


def page(
    request: Request, items: Sequence[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], str | None]:
    """What comes after `marker` (an id), `limit` items of it; and the next page's address, None on
    the last. Raises NeighbourError 400 for a marker or limit that is none."""
    marker = request.query_params.get("marker")
    start = 0
    if marker:
        ids = [item["id"] for item in items]
        if marker not in ids:
            raise NeighbourError(Reason.INVALID, f"marker: no {marker} in this list.")
        start = ids.index(marker) + 1
    limit = request.query_params.get("limit") or "0"
    if not re.fullmatch("[0-9]{1,9}", limit):
        raise NeighbourError(Reason.INVALID, f"limit: a number of items is required, got {limit}.")
    count = int(limit)
    end = start + min(count or MAX_LIMIT, MAX_LIMIT)
    chosen = list(items[start:end])
    if end >= len(items):
        return chosen, None
    query = [pair for pair in request.query_params.multi_items() if pair[0] != "marker"]
    following = urlencode([*query, ("marker", chosen[-1]["id"])])
    return chosen, f"{base_url(request)}{request.url.path}?{following}"


def moment(value: datetime) -> str:
    """`2026-01-31T23:59:59Z`."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
