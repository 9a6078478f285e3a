"""Request bodies made of what people type."""

import json
from typing import Any

from shardhouse.contract.reference import FieldReference


def put(body: dict[str, Any], field: FieldReference, text: str) -> None:
    """Set a field, which may lie in an object of the body: JSON where it is no string, or the items
    of a list separated by commas."""
    *path, last = field.name.split(".")
    for part in path:
        body = body.setdefault(part, {})
    body[last] = _value(text, field.type)


def _value(text: str, kind: str) -> Any:
    if kind == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text.split(",") if kind == "array" else text
