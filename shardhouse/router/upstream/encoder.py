"""The only writer of what goes to a shard: a command not allowed here cannot be sent at all.

Besides the allow-list (`rules`), five combinations which crash or leak in a 6.0.5 shard are out:

1. a transaction number on a cluster command aborts the process;
2. a tailable or change stream cursor under a cluster command aborts it;
3. explaining a cluster write recurses until it dies;
4. `killCursors` does not reach a cluster cursor, which then leaks: `kill` ends each kind its way;
5. the `operationTime` in a cluster command's reply is another node's: `operation_time` mends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bson import Int64, Timestamp

from shardhouse.router.errors import CommandError
from shardhouse.router.upstream.rules import ENDINGS, EXPLAINABLE, RULES, Rule
from shardhouse.router.wire import raw
from shardhouse.router.wire.messages import MAX_MESSAGE

_MAX_BODY = (16 << 20) + (16 << 10)
"""The most a server takes for a command without its sequences."""

MAX_PAYLOAD = MAX_MESSAGE - _MAX_BODY - 64
"""Bytes of a document sequence that fit one message beside a command of any size."""

_OF_A_TRANSACTION = frozenset({"autocommit", "startTransaction", "coordinator"})
_NUMBERS = _OF_A_TRANSACTION | {"txnNumber", "stmtIds"}
_SPLICED = frozenset({"find", "insert", "update", "delete"})
_CHANGE_STREAM = b"\x03$changeStream\0"  # a field of that name that holds an object


class ForbiddenError(Exception):
    """The router tried to send what no shard may receive. A mistake in the router."""


class DirectCursorId(Int64):
    """A cursor of a plain command: `getMore` and `killCursors` know it."""


class ClusterCursorId(Int64):
    """A cursor of a cluster command: only `clusterGetMore` knows it."""


CursorId = DirectCursorId | ClusterCursorId


@dataclass(frozen=True, slots=True)
class Encoded:
    """A command that passed. Made by `encode` only."""

    name: str
    body: bytes
    sequences: Sequence[tuple[str, bytes]] = ()


def encode(
    command: Mapping[str, Any], db: str, sequences: Sequence[tuple[str, bytes]] = ()
) -> Encoded:
    """Check and encode one command; ForbiddenError if it may not be sent, BSONObjectTooLarge
    (10334) if no server would take it."""
    name = next(iter(command), "")
    rule = _check_fields(name, command)
    for field, _ in sequences:
        if field not in rule.client:
            raise ForbiddenError(f"{name} may not carry a sequence {field!r}")
    if rule.cluster:
        _check_cluster(name, command, sequences)
    elif name == "explain":
        _check_explain(command)
    elif name == "killCursors" and not all(
        isinstance(cursor, DirectCursorId) for cursor in command["cursors"]
    ):
        raise ForbiddenError("killCursors may only name cursors of plain commands")
    elif name == "getMore" and not isinstance(command[name], DirectCursorId):
        raise ForbiddenError("getMore may only name a cursor of a plain command")
    if not _OF_A_TRANSACTION.isdisjoint(command):
        _check_transaction(name, command)
    else:
        _check_concerns(name, rule, command)
    return _sized(name, raw.encode({**command, "$db": db}), sequences)


def splice(
    name: str, fields: Mapping[str, bytes], sequences: Sequence[tuple[str, bytes]] = ()
) -> Encoded:
    """As `encode`, for a plain read or write of one statement whose fields, `$db` among them, are
    encoded already; `fields` has the command's name first."""
    if name not in _SPLICED or next(iter(fields), "") != name:
        raise ForbiddenError(f"{name!r} may not be put together from encoded fields")
    rule = RULES[name]
    if not rule.fields.issuperset(islice(fields, 1, None)):
        raise ForbiddenError(f"{name} may not carry all of {sorted(fields)}")
    if any(field not in rule.client for field, _ in sequences):
        raise ForbiddenError(f"{name} may not carry all of its sequences")
    if not _OF_A_TRANSACTION.isdisjoint(fields):
        raise ForbiddenError(f"{name} in a transaction may not be put together")
    _check_concerns(name, rule, fields)
    return _sized(name, raw.assembled(fields.values()), sequences)


def _sized(name: str, body: bytes, sequences: Sequence[tuple[str, bytes]]) -> Encoded:
    """BSONObjectTooLarge (10334) for what a node would not take: to a message that is too large it
    answers nothing, but closes the connection."""
    if len(body) > _MAX_BODY:
        raise CommandError(
            10334, f"{name} has {len(body)} bytes with what the router adds to it; allowed are"
            f" {_MAX_BODY}",
        )  # fmt: skip
    room = MAX_PAYLOAD
    for _, payload in sequences:
        room -= len(payload)
    if room < 0:
        raise ForbiddenError(f"{name} has too many documents for one message")
    return Encoded(name, body, sequences)


def kill(cursor: CursorId, collection: str, lsid: Mapping[str, Any] | None) -> dict[str, Any]:
    """The command that ends an open cursor.

    A cluster cursor dies, with all its remote halves, of a getMore with a time limit (which such a
    cursor does not accept); the reply to that is error 2.
    """
    session = {"lsid": lsid} if lsid else {}
    if isinstance(cursor, ClusterCursorId):
        return {"clusterGetMore": cursor, "collection": collection, "maxTimeMS": 1, **session}
    return {"killCursors": collection, "cursors": [cursor], **session}


def operation_time(name: str, reply: Mapping[str, Any]) -> Timestamp | None:
    """The time at which what this reply tells can be read back."""
    if name.startswith("cluster"):
        gossip = reply.get("$clusterTime")
        return gossip["clusterTime"] if gossip is not None else None
    return reply.get("operationTime")


def _check_fields(name: str, command: Mapping[str, Any]) -> Rule:
    rule = RULES.get(name)
    if rule is None:
        raise ForbiddenError(f"{name!r} may not be sent to a shard")
    for field in command:
        if field != name and field not in rule.client and field not in rule.internal:
            raise ForbiddenError(f"{name} may not carry {field!r}")
    return rule


def _check_cluster(
    name: str, command: Mapping[str, Any], sequences: Sequence[tuple[str, bytes]]
) -> None:
    if not _NUMBERS.isdisjoint(command):
        raise ForbiddenError(f"{name} may not carry a transaction number")
    if command.get("tailable") or command.get("awaitData"):
        raise ForbiddenError(f"{name} may not be tailable")
    if name == "clusterGetMore" and not isinstance(command[name], ClusterCursorId):
        raise ForbiddenError("clusterGetMore may only name a cursor of a cluster command")
    pipeline = command.get("pipeline")
    if pipeline is not None and has_change_stream(pipeline):
        raise ForbiddenError(f"{name} may not open a change stream")
    if name == "clusterAggregate" and sequences:
        raise ForbiddenError("clusterAggregate takes its pipeline in the command")


def has_change_stream(pipeline: object) -> bool:
    """Whether `$changeStream` is anywhere in a pipeline, however deep."""
    return _CHANGE_STREAM in raw.encode({"": pipeline})


def _check_explain(command: Mapping[str, Any]) -> None:
    inner = raw.shallow(raw.encode(command["explain"]))
    name = next(iter(inner), "")
    if name not in EXPLAINABLE:
        raise ForbiddenError(f"explain may not hold {name!r}")
    rule = _check_fields(name, inner)
    if rule.cluster:
        _check_cluster(name, inner, ())


def _check_transaction(name: str, command: Mapping[str, Any]) -> None:
    """Only the first statement states a read concern, only the ending a write concern."""
    if command.get("autocommit") is not False or not {"lsid", "txnNumber"} <= command.keys():
        raise ForbiddenError(f"{name} in a transaction needs its session and its number")
    first = "startTransaction" in command
    if first != ("readConcern" in command) or ("coordinator" in command and not first):
        raise ForbiddenError(f"{name} must bring the read concern exactly if it comes first")
    if (name in ENDINGS) != ("writeConcern" in command):
        raise ForbiddenError(f"{name} may state a write concern only to end the transaction")


def _check_concerns(name: str, rule: Rule, command: Mapping[str, Any]) -> None:
    """Cluster members must state their concerns; the server refuses the request otherwise."""
    if rule.read_concern and "readConcern" not in command:
        raise ForbiddenError(f"{name} needs a readConcern")
    if rule.write_concern and "writeConcern" not in command:
        raise ForbiddenError(f"{name} needs a writeConcern")
