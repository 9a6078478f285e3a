"""Statements within a multi-document transaction, commitTransaction, abortTransaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.commands.call import READ_ATTEMPTS, Call
from shardhouse.router.errors import CommandError, NodeUnreachableError, wrong_type
from shardhouse.router.router import Router
from shardhouse.router.transactions.labels import (
    NO_SUCH_TRANSACTION,
    SNAPSHOT_CODES,
    UNSELECTABLE,
)
from shardhouse.router.transactions.plan import CommitPlan, plan, recovery
from shardhouse.router.transactions.transaction import LEVELS, Phase, Transaction
from shardhouse.router.upstream.client import PRIMARY, StaleRoutingError
from shardhouse.router.wire import raw

_ROUNDS = 5
_SERVED = frozenset(
    {
        "abortTransaction", "aggregate", "commitTransaction", "create", "createIndexes", "delete",
        "distinct", "find", "findAndModify", "getMore", "insert", "killCursors", "update",
    }
)  # fmt: skip
_CONTINUING = frozenset({"getMore", "killCursors", "commitTransaction", "abortTransaction"})
_ENDING = frozenset({"commitTransaction", "abortTransaction"})

Handler = Callable[[Call], Awaitable[raw.Document]]


async def within(call: Call, handler: Handler) -> raw.Document:
    """Run a command that carries `autocommit`, as part of its transaction.

    Any error aborts the transaction on all shards. Old routing and an unusable snapshot do not
    reach the client if what the statement did so far can be undone.
    """
    _check(call)
    if call.command.name in _ENDING:
        return await handler(call)
    transaction = _begin(call) if call.body.get("startTransaction") else _continue(call)
    async with transaction.lock:
        if not call.body.get("startTransaction"):
            _continue(call)  # it may have ended while we waited for our turn
        call.transaction = transaction
        reply = await statement(call, transaction, handler)
    return reply | {"recoveryToken": transaction.recovery_token}


def _check(call: Call) -> None:
    """The generic arguments of a transaction, as the server checks them."""
    body, name = call.body, call.command.name
    if "txnNumber" not in body:
        raise CommandError(72, "'autocommit' and 'startTransaction' need a 'txnNumber'")
    if body.get("autocommit") is not False:
        raise CommandError(72, "a transaction's commands carry 'autocommit': false")
    if not isinstance(body["txnNumber"], int) or isinstance(body["txnNumber"], bool):
        raise wrong_type("OperationSessionInfo.txnNumber", "long")
    if body.get("startTransaction") is False:
        raise CommandError(72, "'startTransaction' may only be true")
    if name not in _SERVED:
        raise CommandError(263, f"Cannot run '{name}' in a multi-document transaction.")
    if body.get("startTransaction") and name in _CONTINUING:
        raise CommandError(263, f"Cannot run '{name}' as the first operation in a transaction")
    if name in _ENDING:
        return
    if call.db in ("admin", "config", "local"):
        raise CommandError(
            263, f"Cannot run command against the '{call.db}' database in a transaction."
        )
    if "writeConcern" in body:
        raise CommandError(72, "writeConcern is not allowed within a multi-statement transaction")
    if "readConcern" in body and not body.get("startTransaction"):
        raise CommandError(72, "Only the first command in a transaction may specify a readConcern")
    mode = call.preference.get("mode")
    if mode != "primary":
        raise CommandError(263, f"Read preference in a transaction must be primary, not: {mode}")


def _begin(call: Call) -> Transaction:
    assert call.lsid is not None
    concern = {k: v for k, v in call.read_concern().items() if k != "provenance"}
    if concern["level"] not in LEVELS:
        raise CommandError(72, f"A transaction cannot have readConcern {concern['level']}")
    begun, left = call.router.transactions.begin(call.lsid, call.body["txnNumber"], concern)
    if left is not None:
        call.router.later(abort_everywhere(call.router, left))
    return begun


def _continue(call: Call) -> Transaction:
    assert call.lsid is not None
    return call.router.transactions.current(call.lsid, call.body["txnNumber"])


async def statement(call: Call, transaction: Transaction, handler: Handler) -> raw.Document:
    """Run one statement in a transaction; whatever goes wrong ends that on all shards."""
    rounds = 0
    while True:
        transaction.begin_statement(call.router.clock.now)
        try:
            reply = await handler(call)
        except CommandError as error:
            if isinstance(error, StaleRoutingError):
                value = call.command.value
                namespace = f"{call.db}.{value if isinstance(value, str) else '$cmd'}"
                await call.refresh(namespace, error.reply, rounds)
            await transaction.quiet()
            rounds += 1
            passing = isinstance(error, StaleRoutingError) or error.code in SNAPSHOT_CODES
            if passing and transaction.can_start_over and rounds < _ROUNDS:
                await retract(call, transaction)
                continue
            await abort_everywhere(call.router, transaction)
            raise
        except BaseException:
            # The client left: whether its statement took place is unknown.
            call.router.later(abort_everywhere(call.router, transaction))
            raise
        if reply.get("writeErrors"):
            await abort_everywhere(call.router, transaction)
        call.router.transactions.contacted += len(transaction.newcomers)
        return reply


async def retract(call: Call, transaction: Transaction) -> None:
    """Undo what the statement did on shards that had no part in the transaction before."""
    await transaction.quiet()
    await _tell_abort(call.router, transaction, transaction.start_over())


def _within_one(call: Call) -> dict[str, Any]:
    """The session of the transaction to be ended; its other arguments were checked by `within`."""
    if call.lsid is None or "autocommit" not in call.body:
        raise CommandError(125, f"{call.command.name} must be run within a transaction")
    return call.lsid


async def commit(call: Call) -> raw.Document:
    """commitTransaction; with a recovery token also for a transaction of another router."""
    lsid = _within_one(call)
    transaction = call.router.transactions.find(lsid, call.body["txnNumber"])
    if transaction is None:
        shard = _recovery_shard(call)
        fields = {"lsid": lsid, "txnNumber": call.body["txnNumber"], "autocommit": False}
        return await _carry_out(call, fields, recovery(shard))
    async with transaction.lock:
        reply = await commit_everywhere(call, transaction)
    return reply | {"recoveryToken": transaction.recovery_token}


async def commit_everywhere(call: Call, transaction: Transaction) -> raw.Document:
    """Commit what was not aborted; may be repeated until the outcome is known."""
    if transaction.phase is Phase.ABORTED:
        raise CommandError(
            NO_SUCH_TRANSACTION, f"Transaction {transaction.number} has been aborted"
        )
    known = call.router.transactions
    decided = plan(transaction.participants)
    if transaction.phase is Phase.OPEN:
        transaction.phase = Phase.COMMITTING
        known.committing += len(transaction.participants)
    try:
        reply = await _carry_out(call, transaction.fields, decided)
    except CommandError as error:
        if error.code == NO_SUCH_TRANSACTION:
            await abort_everywhere(call.router, transaction)
        raise
    if transaction.phase is not Phase.COMMITTED:
        transaction.phase = Phase.COMMITTED
        known.committed += 1
    await call.router.end_cursors(transaction.number, transaction.lsid)
    return reply


async def _carry_out(call: Call, fields: dict[str, Any], decided: CommitPlan) -> raw.Document:
    counts = call.router.transactions
    counts.initiated[decided.kind] += 1
    ending = {**fields, "writeConcern": call.write_concern()}
    if "maxTimeMS" in call.body:
        ending["maxTimeMS"] = call.body["maxTimeMS"]
    reply: raw.Document = {}
    for shards in decided.rounds:
        replies = await asyncio.gather(
            *(_end(call, shard, {"commitTransaction": 1, **ending}) for shard in shards)
        )
        for one in replies:
            reply = one if "writeConcernError" not in reply else reply
    if decided.coordinator is not None:
        members = [{"shardId": shard} for shard in decided.members]
        command = {"coordinateCommitTransaction": 1, "participants": members, **ending}
        reply = await _end(call, decided.coordinator, command)
    counts.successful[decided.kind] += 1
    return {name: reply[name] for name in ("writeConcernError",) if name in reply}


async def _end(call: Call, shard: str, command: dict[str, Any]) -> raw.Document:
    """Committing and aborting may safely run twice: follow a primary that moves."""
    outside = replace(call, transaction=None, preference=PRIMARY)
    try:
        reply = await outside.run(shard, command, db="admin", attempts=READ_ATTEMPTS)
    except CommandError as error:
        if error.code == UNSELECTABLE:  # no driver would take this for an unknown outcome
            raise NodeUnreachableError(shard, error.message) from error
        raise
    if outside.operation_time is not None:
        call.operation_time = outside.operation_time
    return reply.fields


def _recovery_shard(call: Call) -> str:
    token = call.command.get("recoveryToken", RawBSONDocument)
    if token is None:
        raise CommandError(50940, "cannot recover the transaction decision without a recoveryToken")
    shard = raw.shallow(bytes(token.raw)).get("recoveryShardId")
    if type(shard) is not str:
        raise CommandError(
            NO_SUCH_TRANSACTION,
            "the recovery token is empty: the transaction only read, and can safely be run again",
        )
    return shard


async def abort(call: Call) -> raw.Document:
    """abortTransaction."""
    lsid = _within_one(call)
    number = call.body["txnNumber"]
    transaction = call.router.transactions.find(lsid, number)
    if transaction is None:
        raise CommandError(NO_SUCH_TRANSACTION, f"this router does not know transaction {number}")
    async with transaction.lock:
        if transaction.phase is Phase.OPEN:
            await abort_everywhere(call.router, transaction)
        else:
            call.router.transactions.current(lsid, number)  # says what became of it
    return {}


async def abort_everywhere(router: Router, transaction: Transaction) -> None:
    """Abort on every participant; who cannot be told aborts by itself within a minute."""
    if transaction.phase is not Phase.ABORTED:
        transaction.phase = Phase.ABORTED
        router.transactions.aborted += 1
    await transaction.quiet()
    await _tell_abort(router, transaction, transaction.participants)
    await router.end_cursors(transaction.number, transaction.lsid)


async def _tell_abort(router: Router, transaction: Transaction, shards: Iterable[str]) -> None:
    command = {
        "abortTransaction": 1,
        **transaction.fields,
        "writeConcern": router.defaults.write_concern,
    }
    outcomes = await asyncio.gather(
        *(router.cluster.run(shard, command, "admin", patience=1.0) for shard in shards),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, CommandError):
            raise outcome


async def abort_all(router: Router) -> None:
    """Abort every transaction no client has ended: nobody will be there to do it."""
    left = [known for known in router.transactions.open if known.phase is Phase.OPEN]
    await asyncio.gather(*(abort_everywhere(router, transaction) for transaction in left))
