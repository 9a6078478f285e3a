"""What metrics and alarm rules of Cloud Eye share on the wire."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from shardhouse.api.iam.wire import Fields
from shardhouse.domain.metric_dimensions import Dimensions
from shardhouse.errors import NeighbourError, Reason

PATH = "/V1.0/{project_id}"
PATH_V2 = "/v2/{project_id}"
LEVELS = 4
"""Dimensions that a metric may have."""
MAX_PAGE = 100
MAX_OFFSET = 1_000_000_000
LAST_MOMENT = 9_999_999_999_999
"""Milliseconds since 1970, as the API bounds them."""


def dimensions(fields: Fields) -> Dimensions:
    """The dimensions of a metric in a body. Raises NeighbourError 400, as all here do."""
    found = fields.objects("dimensions")
    if not 1 <= len(found) <= LEVELS:
        raise invalid(f"dimensions: 1 to {LEVELS}, got {len(found)}.")
    return tuple((one.text("name"), one.text("value")) for one in found)


def digits(value: Any, name: str) -> int:
    """A number, or text that is one."""
    written = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch("[0-9]{1,15}", written):
        raise invalid(f"{name}: a number is required, got {value}.")
    return int(written)


def text(fields: Fields, name: str, length: int) -> str:
    """Text of 1 to `length` characters."""
    found = fields.text(name)
    if not 1 <= len(found) <= length:
        raise invalid(f"{name}: 1 to {length} characters, got {len(found)}.")
    return found


def word(value: Any, name: str, allowed: Iterable[str]) -> str:
    """One of the words that are allowed."""
    if value not in (words := tuple(allowed)):
        raise invalid(f"{name}: one of {', '.join(words)} is required, got {value}.")
    return str(value)


def bounds(request: Request, offset_name: str, default: int) -> tuple[int, int]:
    """From which item on a page begins, by the query's `offset_name`, and how many it may have."""
    query = request.query_params
    offset = digits(query.get(offset_name) or 0, offset_name)
    limit = digits(query.get("limit") or default, "limit")
    if not 1 <= limit <= MAX_PAGE:
        raise invalid(f"limit: 1 to {MAX_PAGE}, got {limit}.")
    return min(offset, MAX_OFFSET), limit


def moments(request: Request) -> tuple[datetime | None, datetime | None]:
    """`from` and `to` of a query, in milliseconds, as far as they are given."""
    query = request.query_params
    begin, end = (
        digits(text, name) if (text := query.get(name)) else None for name in ("from", "to")
    )
    if begin is not None and end is not None and begin >= end:
        raise invalid("from: it must be before `to`.")
    return _moment(begin, "from"), _moment(end, "to")


def _moment(number: int | None, name: str) -> datetime | None:
    if number is None:
        return None
    if number > LAST_MOMENT:
        raise invalid(f"{name}: milliseconds since 1970 are required, got {number}.")
    return datetime.fromtimestamp(number / 1000, UTC)


def milliseconds(moment: datetime) -> int:
    """A time as version 1 of the API has it."""
    return int(moment.timestamp() * 1000)


def notifications_v2(actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Actions of a rule, as version 2 of the API writes them."""
    return [
        {"type": one["type"], "notification_list": list(one["notificationList"])} for one in actions
    ]


def invalid(message: str) -> NeighbourError:
    """The refusal of a query or a body."""
    return NeighbourError(Reason.METRIC_INVALID, message)
