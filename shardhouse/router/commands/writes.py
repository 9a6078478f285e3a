"""insert, update, delete: batches of statements, each sent to the shard that owns what it touches.

A batch that one shard can take whole goes there. Otherwise statements that carry a transaction
number are cut by owner and sent directly, with their statement ids, so that a repeated write is
recognised by the shard; those without are left to a shard's cluster command. What does not fit one
message beside a command of any size goes in several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shardhouse.router.catalog.cache import Routing
from shardhouse.router.catalog.chunks import RoutingTable
from shardhouse.router.catalog.targeting import may_change_key
from shardhouse.router.catalog.versions import IGNORED
from shardhouse.router.commands.call import NOWHERE, STALE_ROUNDS, Call, at, at_home
from shardhouse.router.commands.outcome import Outcome, first_stale, labelled
from shardhouse.router.commands.reads import through_cluster
from shardhouse.router.commands.write_targets import shards_of, with_id
from shardhouse.router.errors import (
    RETRYABLE_WRITE_CODES,
    WOULD_CHANGE_OWNING_SHARD,
    CommandError,
    ShardReplyError,
)
from shardhouse.router.upstream.client import Reply, StaleRoutingError
from shardhouse.router.upstream.encoder import MAX_PAYLOAD
from shardhouse.router.wire import raw

MAX_STATEMENTS = 100_000
_MOVE_IN_BATCH = (
    "Document shard key value updates that cause the doc to move shards must be sent with write"
    " batch of size 1"
)


@dataclass(frozen=True, slots=True)
class _Kind:
    field: str
    cluster: str


_KINDS = {
    "insert": _Kind("documents", "clusterInsert"),
    "update": _Kind("updates", "clusterUpdate"),
    "delete": _Kind("deletes", "clusterDelete"),
}


@dataclass(slots=True)
class _Group:
    """Statements that go to the same shards together; by a cluster command if there are none."""

    shards: tuple[str, ...]
    indexes: list[int]
    error: CommandError | None = None
    alone: bool = False


async def write(call: Call) -> raw.Document:
    """insert, update or delete."""
    kind = _KINDS[call.command.name]
    namespace = call.command.namespace
    statements = call.command.documents(kind.field)
    if not 0 < len(statements) <= MAX_STATEMENTS:
        raise CommandError(
            16, f"Write batch sizes must be between 1 and {MAX_STATEMENTS}. Got {len(statements)}"
        )
    call.router.statistics.statements[call.command.name] += len(statements)
    outcome = Outcome()
    outcome.counts = {"n": 0, "nModified": 0} if call.command.name == "update" else {"n": 0}
    pending = list(range(len(statements)))
    for rounds in range(STALE_ROUNDS):
        routing = await call.router.catalog.routing(namespace)
        if routing.table is not None and call.command.name == "insert":
            statements = [with_id(statement) for statement in statements]
        if routing.database is None:
            if _may_create(call, statements):
                await call.create_database(call.db)
                continue
            if len(pending) < len(statements):
                return outcome.reply()
        try:
            pending, stale = await _round(call, kind, routing, statements, pending, outcome)
        except StaleRoutingError as error:
            if call.transaction is not None:
                raise
            stale = error.reply
        if stale is None:
            if call.command.unacknowledged:  # servers leave out what the client does not want
                return dict.fromkeys(outcome.counts, 0)
            return labelled(outcome.reply(), call.transaction_number)
        await call.refresh(namespace, stale, rounds)
    raise CommandError(82, f"routing of {namespace} kept changing")


def _may_create(call: Call, statements: Sequence[bytes]) -> bool:
    if call.command.name == "insert":
        return True
    return any(raw.shallow(statement).get("upsert") for statement in statements)


async def _send(
    call: Call, shard: str, command: raw.Document, sequences: Sequence[tuple[str, bytes]]
) -> Reply:
    number = call.transaction_number
    if number is not None:
        command["txnNumber"] = number
    return await call.run(shard, command, sequences=sequences, attempts=1 if number is None else 2)


async def _round(
    call: Call,
    kind: _Kind,
    routing: Routing,
    statements: Sequence[bytes],
    pending: list[int],
    outcome: Outcome,
) -> tuple[list[int], Mapping[str, Any] | None]:
    """Send each statement where it belongs; returns those to be sent again, and the reason."""
    # A transaction is over at its first error, and one session does one thing at a time.
    ordered = bool(call.body.get("ordered", True)) or call.transaction is not None
    planned = await _plan(call, routing, statements, pending, ordered, outcome)
    groups = [part for group in planned for part in _parts(group, statements)]
    if ordered:
        for position, group in enumerate(groups):
            errors = len(outcome.errors)
            again, stale = await _group(call, kind, routing, statements, group, outcome)
            if stale is not None:
                later = [index for after in groups[position + 1 :] for index in after.indexes]
                return [*again, *later], stale
            if len(outcome.errors) > errors:
                return [], None
        return [], None
    results = await asyncio.gather(
        *(_group(call, kind, routing, statements, group, outcome) for group in groups)
    )
    pending = sorted(index for again, _ in results for index in again)
    return pending, next((stale for _, stale in results if stale is not None), None)


async def _plan(
    call: Call,
    routing: Routing,
    statements: Sequence[bytes],
    pending: list[int],
    ordered: bool,
    outcome: Outcome,
) -> list[_Group]:
    """Which statements go together, and where."""
    table = routing.table
    if table is None and routing.buckets is None:
        home = routing.database
        shard = home.primary if home is not None else (await call.nowhere())[0]
        return [_Group((shard,), pending)]
    if table is None or routing.buckets is not None or table.collection.is_timeseries:
        return [_Group((), pending)]
    numbered = call.transaction_number is not None or call.transaction is not None
    if not numbered and len(statements) > 1:
        return [_Group((), pending)]
    return await _by_owner(call, table, statements, pending, ordered, outcome)


def _parts(group: _Group, statements: Sequence[bytes]) -> list[_Group]:
    """The group, cut where it would be too large for one message."""
    parts, size = [replace(group, indexes=[])], 0
    for index in group.indexes:
        size += len(statements[index])
        if size > MAX_PAYLOAD and parts[-1].indexes:
            parts.append(replace(group, indexes=[]))
            size = len(statements[index])
        parts[-1].indexes.append(index)
    return parts


async def _by_owner(
    call: Call,
    table: RoutingTable,
    statements: Sequence[bytes],
    pending: Sequence[int],
    ordered: bool,
    outcome: Outcome,
) -> list[_Group]:
    groups: list[_Group] = []
    by_shards: dict[tuple[str, ...], _Group] = {}
    for index in pending:
        try:
            shards = await shards_of(call, table, statements[index])
        except CommandError as error:
            if error.code == 14:  # not a statement at all: the whole command is refused
                raise
            if ordered:
                groups.append(_Group((), [index], error))
                return groups
            outcome.fail(index, error)
            continue
        if call.command.name == "update" and may_change_key(table, statements[index]):
            # A shard refuses all it was sent at once if one document would have to leave it.
            groups.append(_Group(shards, [index], alone=True))
        elif ordered and groups and groups[-1].shards == shards and not groups[-1].alone:
            groups[-1].indexes.append(index)
        elif not ordered and shards in by_shards:
            by_shards[shards].indexes.append(index)
        else:
            by_shards[shards] = group = _Group(shards, [index])
            groups.append(group)
    return groups


async def _group(
    call: Call,
    kind: _Kind,
    routing: Routing,
    statements: Sequence[bytes],
    group: _Group,
    outcome: Outcome,
) -> tuple[list[int], Mapping[str, Any] | None]:
    indexes = group.indexes
    if group.error is not None:
        outcome.fail(indexes[0], group.error)
        return [], None
    payload = b"".join(statements[index] for index in indexes)
    sequences = [(kind.field, payload)]
    try:
        if group.shards:
            command = _stripped(call, call.command.name, kind)
            if call.transaction_number is not None and len(indexes) < len(statements):
                command["stmtIds"] = indexes
            replies = await asyncio.gather(
                *(
                    _send(
                        call,
                        shard,
                        {**command, **_versions(call, routing, shard, len(group.shards))},
                        sequences,
                    )
                    for shard in group.shards
                )
            )
        else:
            command = _stripped(call, kind.cluster, kind)
            replies = [await through_cluster(call, routing, command, sequences)]
    except StaleRoutingError as error:
        if call.transaction is not None:
            raise
        return indexes, error.reply
    except ShardReplyError as error:
        if error.code == WOULD_CHANGE_OWNING_SHARD and len(statements) > 1:
            refused = CommandError(72, _MOVE_IN_BATCH)
            if call.transaction is not None:
                raise refused from error
            outcome.fail(indexes[0], refused)
            return [], None
        if (
            call.transaction is not None
            or len(statements) == len(indexes)
            or error.code in RETRYABLE_WRITE_CODES
        ):
            raise
        for index in indexes[:1] if call.body.get("ordered", True) else indexes:
            outcome.fail(index, error)
        return [], None
    again: set[int] = set()
    stale: Mapping[str, Any] | None = None
    for reply in replies:
        called_stale = outcome.add(reply.fields, indexes)
        stale = stale or first_stale(reply.fields)
        again.update(called_stale)
    return _remaining(call, sorted(again), indexes), stale


def _remaining(call: Call, stale: list[int], indexes: list[int]) -> list[int]:
    """What is still to be done: in order, nothing after the first stale statement was tried."""
    if stale and call.body.get("ordered", True):
        return [index for index in indexes if index >= min(stale)]
    return stale


def _stripped(call: Call, name: str, kind: _Kind) -> raw.Document:
    command = call.build(name, call.command.collection)
    command.pop(kind.field, None)
    return command


def _versions(call: Call, routing: Routing, shard: str, shards: int) -> dict[str, Any]:
    if routing.database is None:
        return NOWHERE
    if routing.table is None:
        return at_home(routing.database)
    exact = shards == 1 or call.transaction is not None  # a transaction can always start over
    return at(routing.table, shard) if exact else {"shardVersion": IGNORED}
