"""What metrics and alarm rules of Cloud Eye share on the wire."""

import re
from collections.abc import Iterable
from typing import Any

from shardhouse.api.iam.wire import Fields
from shardhouse.domain.metric_dimensions import Dimensions
from shardhouse.errors import NeighbourError, Reason

PATH = "/V1.0/{project_id}"
LEVELS = 4
"""Dimensions that a metric may have."""


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


def invalid(message: str) -> NeighbourError:
    """The refusal of a query or a body."""
    return NeighbourError(Reason.METRIC_INVALID, message)
