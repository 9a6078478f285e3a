"""Request bodies made of what people type."""

import json
import math
from typing import Any, NoReturn

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
        return json.loads(text, parse_float=_finite, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text.split(",") if kind == "array" else text


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    """JSON has none such: the API is told the text, and says itself what is wrong with it."""
    raise ValueError(text)
