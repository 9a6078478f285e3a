"""What Neutron's resources share on the wire: lists with links, a subject in the body, times."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.wire import filtered, given, moment, page, sized_text
from shardhouse.errors import Reason
from shardhouse.store.neighbours.records import Row


def listing(request: Request, name: str, items: Sequence[Mapping[str, Any]]) -> JSONResponse:
    """A filtered list, a page of it, and the link to the next page where there is one."""
    chosen, following = page(request, filtered(request, items))
    links = {f"{name}_links": [{"rel": "next", "href": following}]} if following else {}
    return JSONResponse({name: chosen, **links})


def common(row: Row) -> dict[str, Any]:
    """Fields that all resources have."""
    return {
        "id": row.id,
        "name": row.name,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def named(fields: Fields) -> dict[str, Any]:
    """`name` and `description`, as far as they are given."""
    return given(
        name=sized_text(fields, "name", Reason.INVALID),
        description=sized_text(fields, "description", Reason.INVALID),
    )
