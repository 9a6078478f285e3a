"""Slow operations, as lines of a mongod's log describe them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shardhouse.logs.lines import SLOW_QUERY
from shardhouse.mongo import admin, probe

_INTERNAL_DATABASES = frozenset({"local", "config", probe.DATABASE})
_BETWEEN_SERVERS = frozenset({"hello", "isMaster", "ismaster"})
_PREFIXES = ("_", "replSet")


class Type(StrEnum):
    """What an operation does."""

    INSERT = "INSERT"
    QUERY = "QUERY"
    UPDATE = "UPDATE"
    REMOVE = "REMOVE"
    GETMORE = "GETMORE"
    COMMAND = "COMMAND"
    KILLCURSORS = "KILLCURSORS"


_TYPES = {
    "insert": Type.INSERT,
    "find": Type.QUERY,
    "query": Type.QUERY,
    "update": Type.UPDATE,
    "delete": Type.REMOVE,
    "remove": Type.REMOVE,
    "getMore": Type.GETMORE,
    "getmore": Type.GETMORE,
    "killCursors": Type.KILLCURSORS,
    "killcursors": Type.KILLCURSORS,
}


@dataclass(frozen=True)
class SlowOperation:
    """What a line says. Times are milliseconds, `waited` for locks is microseconds; `examined` and
    `returned` count documents. The collection is empty where an operation is about none."""

    type: Type
    database: str
    collection: str
    took: int
    waited: int
    returned: int
    examined: int


def slow_operation(entry: Mapping[str, Any]) -> SlowOperation | None:
    """A client's operation; None where the line is of none: the server's own threads have no
    `remote`, members of the instance talk in commands and databases of their own, and our own work
    has our name."""
    attributes = entry.get("attr")
    if entry.get("id") != SLOW_QUERY or not isinstance(attributes, dict):
        return None
    command = attributes.get("command")
    command = command if isinstance(command, dict) else {}
    name = next(iter(command), "")
    database, collection = _namespace(str(attributes.get("ns", "")), name, command)
    internal = (
        "remote" not in attributes
        or attributes.get("appName") == admin.APPLICATION
        or database in _INTERNAL_DATABASES
        or name in _BETWEEN_SERVERS
        or name.startswith(_PREFIXES)
    )
    if internal:
        return None
    kind = str(attributes.get("type", ""))
    return SlowOperation(
        type=_TYPES.get(name if kind == "command" else kind, Type.COMMAND),
        database=database,
        collection=collection,
        took=_number(attributes.get("durationMillis")),
        waited=_waited(attributes.get("locks")),
        returned=_number(attributes.get("nreturned")),
        examined=_number(attributes.get("docsExamined")),
    )


def _namespace(ns: str, name: str, command: Mapping[str, Any]) -> tuple[str, str]:
    """Database and collection. Commands that write have `<database>.$cmd`, and name the collection
    themselves."""
    database, _, collection = ns.partition(".")
    if collection.startswith("$cmd"):
        named = command.get(name)
        is_one = name in _TYPES and isinstance(named, str)
        collection = str(named) if is_one else ""
    return database, collection


def _waited(locks: Any) -> int:
    """Microseconds that acquiring all locks took."""
    if not isinstance(locks, dict):
        return 0
    found = (lock.get("timeAcquiringMicros") for lock in locks.values() if isinstance(lock, dict))
    return sum(
        _number(micros) for modes in found if isinstance(modes, dict) for micros in modes.values()
    )


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
