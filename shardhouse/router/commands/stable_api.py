"""The stable API: what a client that declares `apiVersion` may use. Pure.

Shards refuse `apiStrict` on the cluster commands, so it is enforced here and not passed on. Names,
fields and stages outside version 1, and the errors' texts, are what a 6.0.5 server refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.command import Command
from shardhouse.router.errors import CommandError, wrong_type
from shardhouse.router.wire import raw

FIELDS = ("apiVersion", "apiStrict", "apiDeprecationErrors")

VERSION_1 = frozenset(
    {
        "abortTransaction", "aggregate", "authenticate", "collMod", "commitTransaction", "count",
        "create", "createIndexes", "delete", "drop", "dropDatabase", "dropIndexes", "endSessions",
        "explain", "find", "findAndModify", "getMore", "hello", "insert", "killCursors",
        "listCollections", "listDatabases", "listIndexes", "ping", "refreshSessions",
        "saslContinue", "saslStart", "testVersion1", "update",
    }
)  # fmt: skip
"""The commands of version 1."""

_UNSTABLE_FIELDS: Mapping[str, frozenset[str]] = {
    "find": frozenset(
        [
            "min",
            "max",
            "returnKey",
            "showRecordId",
            "noCursorTimeout",
            "tailable",
            "awaitData",
            "oplogReplay",
        ]
    ),
    "aggregate": frozenset({"explain"}),
    "create": frozenset(
        [
            "size",
            "max",
            "storageEngine",
            "indexOptionDefaults",
            "autoIndexId",
            "changeStreamPreAndPostImages",
        ]
    ),
    "collMod": frozenset(["changeStreamPreAndPostImages", "recordPreImages", "dryRun"]),
    "createIndexes": frozenset({"ignoreUnknownIndexOptions"}),
    "listIndexes": frozenset({"includeBuildUUIDs"}),
}
_UNSTABLE_STAGES = frozenset(
    {
        "$currentOp", "$fill", "$indexStats", "$listLocalSessions", "$listSessions",
        "$planCacheStats", "$search", "$shardedDataDistribution",
    }
)  # fmt: skip
_HELP = (
    "Information on supported commands and migrations in API Version 1 can be found at"
    " https://dochub.mongodb.org/core/manual-versioned-api"
)

Parameters = tuple[str | None, bool, bool]


def parameters(command: Command) -> Parameters:
    """`apiVersion`, `apiStrict`, `apiDeprecationErrors` as given, if they make sense."""
    version = command.body.get("apiVersion")
    flags = [command.body.get(name) for name in FIELDS[1:]]
    if version is None:
        if flags != [None, None]:
            raise CommandError(
                4886600,
                "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion",
            )
        return None, False, False
    if not isinstance(version, str):
        raise wrong_type("APIParametersFromClient.apiVersion", "string")
    for name, flag in zip(FIELDS[1:], flags, strict=True):
        if flag is not None and not isinstance(flag, bool):
            raise wrong_type(f"APIParametersFromClient.{name}", "bool")
    if version != "1":
        raise CommandError(322, f"Cannot accept API version {version}")
    return version, bool(flags[0]), bool(flags[1])


def check(command: Command, *, required: bool = False) -> None:
    """Refuse what the declared API does not have (322, 323), or a missing one if `required`."""
    version, strict, _ = parameters(command)
    if version is None and required and command.name not in ("hello", "isMaster", "ismaster"):
        raise CommandError(
            498870, "The apiVersion parameter is required, please configure your MongoClient's"
            " API version"
        )  # fmt: skip
    if strict:
        _check_strict(command)


def _check_strict(command: Command) -> None:
    if command.name not in VERSION_1:
        raise _refused(
            f"Provided apiStrict:true, but the command {command.name} is not in API Version 1."
            f" {_HELP}"
        )
    for field in command.body.keys() & _UNSTABLE_FIELDS.get(command.name, frozenset()):
        kind = "FindCommandRequest" if command.name == "find" else command.name
        raise _refused(f"BSON field '{kind}.{field}' is not allowed with apiStrict:true.")
    if command.name == "explain" and isinstance(command.value, RawBSONDocument):
        inner = raw.shallow(bytes(command.value.raw))
        _check_pipeline(inner.get("pipeline"))
    _check_pipeline(command.body.get("pipeline"))
    if command.name == "createIndexes":
        _check_indexes(command)


def _check_pipeline(pipeline: object) -> None:
    for name, argument in _stages(pipeline):
        if name in _UNSTABLE_STAGES:
            raise _refused(f"{name} is not allowed with 'apiStrict: true' in API Version 1")
        options = _fields(argument)
        if name == "$collStats" and options.keys() - {"count"}:
            raise _refused("only the 'count' option to $collStats is supported in API Version 1")
        if name in ("$lookup", "$unionWith"):
            _check_pipeline(options.get("pipeline"))
        elif name == "$facet":
            for inner in options.values():
                _check_pipeline(inner)


def _check_indexes(command: Command) -> None:
    for content in command.documents("indexes"):
        key = raw.shallow(content).get("key")
        if "text" in _fields(key).values():
            raise _refused("text indexes cannot be created with apiStrict: true")


def _stages(pipeline: object) -> Iterator[tuple[str, Any]]:
    for stage in pipeline if isinstance(pipeline, list) else ():
        yield from _fields(stage).items()


def _fields(value: object) -> raw.Document:
    return raw.shallow(bytes(value.raw)) if isinstance(value, RawBSONDocument) else {}


def _refused(message: str) -> CommandError:
    return CommandError(323, message)
