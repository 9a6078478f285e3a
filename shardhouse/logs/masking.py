"""Log lines without the values of clients: names of fields, operators, databases and collections
stay, every value becomes `###`. Pure functions of a line's JSON.

Of a slow operation all that is not known to be harmless is masked, so that attributes of later
releases are. Of other lines only what quotes a client is: commands, documents, and what went wrong
with them.
"""

import re
from collections.abc import Mapping
from typing import Any

from shardhouse.logs.lines import SLOW_QUERY

MASK = "###"
_COMMANDS = frozenset({"command", "originatingCommand", "cmd", "cmdObj", "commandArgs"})
_HARMLESS = frozenset(
    {
        "type", "ns", "appName", "planSummary", "queryHash", "planCacheKey", "queryShapeHash",
        "planCacheShapeHash", "queryFramework", "errName", "remote", "protocol", "locks", "storage",
        "flowControl", "readConcern", "writeConcern", "truncated",
    }
)  # fmt: skip
"""Attributes of a slow operation that hold no value of a client. Numbers never do: there they count
something."""
_DOCUMENTS = frozenset(
    {
        "query", "filter", "q", "u", "update", "updateobj", "doc", "document", "stats", "keyValue",
        "foundValue", "resolvedViews",
    }
)  # fmt: skip
"""Attributes of other lines that hold documents of clients."""
_ERRORS = frozenset({"errMsg", "errmsg", "error", "reason"})
"""Attributes that say what went wrong, as text or as an object: of a client's command in words that
may quote it."""
_DUPLICATE = re.compile(r"(dup key: )\{.*\}", re.DOTALL)
_PLAIN_FIELDS = frozenset(
    {
        "$db", "collection", "ordered", "limit", "skip", "batchSize", "singleBatch", "maxTimeMS",
        "multi", "upsert", "new", "remove", "readConcern", "writeConcern", "$readPreference",
        "cursor", "cursors", "allowDiskUse", "txnNumber", "autocommit", "startTransaction",
        "bypassDocumentValidation", "tailable", "awaitData", "noCursorTimeout",
    }
)  # fmt: skip
"""Fields of commands that say how it is done, not with which values."""
_ERROR_NAMES = frozenset({"code", "codeName"})
_EXTENDED = frozenset(
    {
        "$oid", "$date", "$binary", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal",
        "$timestamp", "$uuid", "$regularExpression", "$symbol", "$code", "$scope", "$minKey",
        "$maxKey", "$undefined", "$dbPointer",
    }
)  # fmt: skip
"""Names of types in MongoDB's extended JSON."""


def masked(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A line without the values of clients."""
    attributes = entry.get("attr")
    if not isinstance(attributes, Mapping):
        return dict(entry)
    if entry.get("id") == SLOW_QUERY:
        shown = {name: _slow(name, value) for name, value in attributes.items()}
    else:
        of_command = not _COMMANDS.isdisjoint(attributes)
        shown = {name: _other(name, value, of_command) for name, value in attributes.items()}
    return {**entry, "attr": shown}


def _slow(name: str, value: Any) -> Any:
    if name in _COMMANDS:
        return _command(value)
    harmless = name in _HARMLESS or isinstance(value, int | float)
    return value if harmless else _values(value)


def _other(name: str, value: Any, of_command: bool) -> Any:
    if name in _COMMANDS:
        return _command(value)
    if name in _DOCUMENTS:
        return _values(value)
    return _error(value, of_command) if name in _ERRORS else value


def _error(value: Any, of_command: bool) -> Any:
    if isinstance(value, Mapping):
        return {name: _error_part(name, part, of_command) for name, part in value.items()}
    if of_command:
        return _values(value)
    return _DUPLICATE.sub(rf"\1{MASK}", value) if isinstance(value, str) else value


def _error_part(name: str, value: Any, of_command: bool) -> Any:
    if name in _ERROR_NAMES:
        return value
    return _values(value) if name in _DOCUMENTS else _error(value, of_command)


def _command(command: Any) -> Any:
    """A command. Its first field names it, and what it is about where that is a name; one statement
    of a write (`q`, `u`) has no name."""
    if not isinstance(command, Mapping):
        return _values(command)
    first = next(iter(command), "")
    return {
        field: value
        if field in _PLAIN_FIELDS or (field == first and _is_target(field, value))
        else _values(value)
        for field, value in command.items()
    }


def _is_target(field: str, value: Any) -> bool:
    is_name = field not in ("q", "u") and not field.startswith("$")
    return is_name and isinstance(value, str | int | float)


def is_extended(value: Any) -> bool:
    """Whether it is a single value in extended JSON, as `{"$oid": ...}`, and no document."""
    return isinstance(value, Mapping) and bool(value) and _EXTENDED.issuperset(value)


def _values(value: Any) -> Any:
    """Documents and lists keep their shape. A value in extended JSON is one."""
    if is_extended(value):
        return MASK
    if isinstance(value, Mapping):
        return {field: _values(item) for field, item in value.items()}
    if isinstance(value, list):
        return [_values(item) for item in value]
    return MASK
