"""When two answers are equal.

Errors by code and code name; writes by their counts and the index and code of each error; results
as multisets, in order if the operation asks for a total order. Numbers keep their types, except
where an operation calls for values only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any

from bson import Decimal128, ObjectId
from bson.regex import Regex

from tests.router.differential.operations import Operation
from tests.router.differential.sides import MEASURES, Answer

_ROUNDED = Context(prec=11)
_GENERATED = b"\x01"
"""Generated ObjectIds begin with today's time, ours with zeros."""

COUNTS = ("n", "nModified", "value", "values", "lastErrorObject", "cursorsKilled",
          "cursorsNotFound", "cursorsAlive", "results", "result")  # fmt: skip
"""Fields of replies that are compared, beside cursors and the errors of statements."""


def equal(operation: Operation, here: Answer, there: Answer) -> bool:
    """Whether the answers say the same."""
    return seen(operation, here) == seen(operation, there)


def seen(operation: Operation, answer: Answer) -> Any:
    """What counts of an answer."""
    if answer.error is not None:
        return ("error", *answer.error)
    if operation.name == "explain" or operation.command.get("explain") is True:
        return "explained"
    reply, canonical = answer.reply, _canonical(operation)
    if "cursor" in reply:
        return _results(operation, reply["cursor"], canonical)
    kept: dict[str, Any] = {}
    for name in COUNTS:
        if name in reply:
            value = reply[name]
            free = name in ("values", "results")
            kept[name] = _multiset(value, canonical) if free else canonical(value)
    for name in ("writeErrors", "upserted"):
        if name in reply:
            kept[name] = [
                (item["index"], item.get("code"), canonical(item.get("_id")))
                for item in reply[name]
            ]
    if "writeConcernError" in reply:
        kept["writeConcernError"] = reply["writeConcernError"]["code"]
    return kept


def _results(operation: Operation, cursor: Any, canonical: Callable[[Any], Any]) -> Any:
    if "documents" not in cursor:
        return canonical(cursor)
    documents = cursor["documents"]
    if operation.name == "listCollections":
        documents = [_without_identity(one) for one in documents]
    if operation.counted:
        return cursor["ns"], len(documents)
    body = operation.command.get("cursor") or operation.command
    size = body.get("batchSize") if isinstance(body, Mapping) else None
    first = cursor["first"] if size and operation.name in ("find", "aggregate") else None
    if operation.ordered:
        return cursor["ns"], first, [canonical(one) for one in documents]
    return cursor["ns"], first, _multiset(documents, canonical)


def _without_identity(listed: Mapping[str, Any]) -> Mapping[str, Any]:
    info = {key: value for key, value in listed.get("info", {}).items() if key != "uuid"}
    return {**listed, "info": info}


def _multiset(values: Any, canonical: Callable[[Any], Any]) -> list[Any]:
    return sorted((canonical(value) for value in values), key=repr)


def _canonical(operation: Operation) -> Callable[[Any], Any]:
    """How values are compared. With a collation, which of "a" and "A" stands for both is as free
    as which of 1 and 1.0."""
    collated = "collation" in operation.command or operation.collection.startswith("caseless")
    folded = operation.loose and collated

    def canonical(value: Any) -> Any:
        if isinstance(value, Mapping):
            # Measurements are put together from buckets, their fields in no certain order.
            items = sorted(value.items()) if operation.collection in MEASURES else value.items()
            return tuple(
                (key, _multiset(item, canonical))
                if key.startswith("set") and isinstance(item, list)
                else (key, canonical(item))
                for key, item in items
            )
        if isinstance(value, list):
            return [canonical(item) for item in value]
        if isinstance(value, ObjectId) and value.binary > _GENERATED:
            return "a new ObjectId"
        if folded and isinstance(value, str):
            return unicodedata.normalize("NFD", value.casefold())[:1] + f"…{len(value)}"
        if operation.loose and isinstance(value, int | float | Decimal128):
            return _number(value)
        if isinstance(value, Regex):
            return ("Regex", value.pattern, value.flags)
        return (type(value).__name__, repr(value))

    return canonical


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    exact = value.to_decimal() if isinstance(value, Decimal128) else Decimal(value)
    if not exact.is_finite():
        return "nan" if exact.is_nan() else str(exact)
    return str((exact.normalize(_ROUNDED) + 0).normalize(_ROUNDED))
