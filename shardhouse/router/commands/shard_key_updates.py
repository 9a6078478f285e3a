"""update and findAndModify of a document whose new shard key belongs to another shard.

The shard that holds the document refuses with WouldChangeOwningShard and tells the document before
and after. In a transaction the router then deletes the one and inserts the other. A retryable write
becomes a transaction of the same session and number, as in a 6.0 mongos: whoever repeats the write
meets that transaction at the shards, so nothing is done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.catalog.chunks import RoutingTable
from shardhouse.router.catalog.targeting import owner_of_document
from shardhouse.router.commands import find_and_modify as modify
from shardhouse.router.commands import writes
from shardhouse.router.commands.call import Call, at
from shardhouse.router.commands.outcome import labelled
from shardhouse.router.commands.transactions import commit_everywhere, statement
from shardhouse.router.errors import (
    RETRYABLE_WRITE_CODES,
    WOULD_CHANGE_OWNING_SHARD,
    CommandError,
    ShardReplyError,
    caused_by,
    code_name,
)
from shardhouse.router.transactions.labels import TRANSIENT, UNSELECTABLE, label
from shardhouse.router.transactions.transaction import Phase, Transaction
from shardhouse.router.upstream.client import Reply
from shardhouse.router.wire import raw

_ROUNDS = 10
_CONFLICTING, _DUPLICATE_KEY, _NOT_SHARDED = 117, 11000, 118
_CONVERTED = (
    "Update operation was converted into a distributed transaction because the document being"
    " updated would move shards and that transaction failed."
)
_ID_TAKEN = (
    "Failed to update document's shard key field. There is either an orphan for this document or"
    " _id for this collection is not globally unique."
)
_OF_A_REPLY = frozenset({"ok", "code", "errmsg", "errorLabels"})

Handler = Callable[[Call], Awaitable[raw.Document]]


@dataclass(frozen=True, slots=True)
class Change:
    """A document before and after; with `upsert` there was none before."""

    before: RawBSONDocument
    after: RawBSONDocument
    upsert: bool

    @classmethod
    def read(cls, refusal: ShardReplyError) -> Change:
        """From the shard's refusal."""
        told = refusal.reply
        return cls(told["preImage"], told["postImage"], bool(told.get("shouldUpsert")))


async def update(call: Call) -> raw.Document:
    """update. A transaction made of a retryable write fails as a statement of the batch would."""
    try:
        return await writes.write(call)
    except ShardReplyError as refusal:
        if refusal.code != WOULD_CHANGE_OWNING_SHARD:
            raise
        if call.transaction is not None:
            return await _updated(call, Change.read(refusal))
    try:
        return await _as_transaction(call, update)
    except CommandError as error:
        if error.code in RETRYABLE_WRITE_CODES:
            raise  # with a label that lets the driver ask again
        details = {name: value for name, value in error.extra.items() if name != "codeName"}
        failed = {"index": 0, "code": error.code, "errmsg": error.message, **details}
        return {"n": 0, "nModified": 0, "writeErrors": [failed]}


async def find_and_modify(call: Call) -> raw.Document:
    """findAndModify."""
    try:
        return await modify.find_and_modify(call)
    except ShardReplyError as refusal:
        if refusal.code != WOULD_CHANGE_OWNING_SHARD:
            raise
        if call.transaction is not None:
            return await _modified(call, Change.read(refusal))
    return await _as_transaction(call, find_and_modify)


async def _as_transaction(call: Call, handler: Handler) -> raw.Document:
    """Run a retryable write as a transaction, again while that fails for a passing reason."""
    assert call.lsid is not None
    number = call.transaction_number
    for rounds in range(_ROUNDS):
        transaction = Transaction(call.lsid, number, {"level": "local"})
        inside = replace(call, transaction=transaction)
        call.router.transactions.started += 1
        try:
            reply = await statement(inside, transaction, handler)
            _check(reply)
            reply |= await commit_everywhere(inside, transaction)
        except CommandError as error:
            if rounds + 1 < _ROUNDS and _passing(error, transaction):
                await asyncio.sleep(0.01 * 2**rounds)
                continue
            told = error if _is_id_taken(error) else caused_by(_CONVERTED, error)
            details = {name: told.extra[name] for name in told.extra.keys() - _OF_A_REPLY}
            raise CommandError(told.code, told.message, extra=details) from error
        call.operation_time = inside.operation_time
        return labelled(reply, number)
    raise AssertionError("the last round returns or raises")


def _passing(error: CommandError, transaction: Transaction) -> bool:
    """Whether the transaction is known to be over and may do better next time."""
    found = label("update", error.code, in_transaction=True, numbered=True)
    over = transaction.phase is Phase.ABORTED
    return over and found == TRANSIENT and error.code != UNSELECTABLE


async def _updated(call: Call, change: Change) -> raw.Document:
    await _move(call, change)
    if not change.upsert:
        return {"n": 1, "nModified": 1}
    return {"n": 1, "nModified": 0, "upserted": [{"index": 0, "_id": _identity(change.after)}]}


async def _modified(call: Call, change: Change) -> raw.Document:
    new = bool(call.body.get("new"))
    try:
        value = None if new or change.upsert else await _shown(call, change.before, call.body)
        await _move(call, change)
        if new:
            value = await _shown(call, change.after, {})
    except CommandError as error:
        raise caused_by("findAndModify", error) from error
    last_error: raw.Document = {"n": 1, "updatedExisting": not change.upsert}
    if change.upsert:
        last_error["upserted"] = _identity(change.after)
    return {"lastErrorObject": last_error, "value": value}


async def _shown(call: Call, document: RawBSONDocument, body: Mapping[str, Any]) -> Any:
    """The document as the client wants to see it. The shard that holds it applies `fields`, which
    may refer to what the query in `body` matched."""
    if not call.body.get("fields"):
        return document
    command = {
        "find": call.command.collection,
        "filter": {"$and": [body.get("query", {}), _named(document)]},
        "projection": call.body["fields"],
        "singleBatch": True,
    }
    command |= {name: body[name] for name in ("collation", "let") if name in body}
    reply = await _send(call, await _table(call), document, command)
    return raw.shallow(bytes(reply.fields["cursor"].raw))["firstBatch"][0]


async def _move(call: Call, change: Change) -> None:
    """Delete the one, insert the other, in the call's transaction."""
    table = await _table(call)
    collection = call.command.collection
    if not change.upsert:
        deletes = [{"q": _named(change.before), "limit": 1}]
        delete = {"delete": collection, "deletes": deletes}
        try:
            reply = await _send(call, table, change.before, delete)
        except CommandError as error:
            raise caused_by("During delete stage of updating a shard key", error) from error
        if reply.fields["n"] != 1:
            raise CommandError(_CONFLICTING, "the document to move has gone")
    insert: raw.Document = {"insert": collection, "documents": [change.after]}
    if "bypassDocumentValidation" in call.body:
        insert["bypassDocumentValidation"] = call.body["bypassDocumentValidation"]
    try:
        await _send(call, table, change.after, insert)
    except CommandError as error:
        staged = caused_by("During insert stage of updating a shard key", error)
        raise (caused_by(_ID_TAKEN, staged) if _is_id_taken(staged) else staged) from error


async def _send(
    call: Call, table: RoutingTable, document: RawBSONDocument, command: Mapping[str, Any]
) -> Reply:
    """Run on the shard a document belongs to."""
    shard = owner_of_document(table, bytes(document.raw))
    reply = await call.run(shard, {**command, **at(table, shard)})
    _check(reply.fields)
    return reply


async def _table(call: Call) -> RoutingTable:
    namespace = call.command.namespace
    table = (await call.router.catalog.routing(namespace)).table
    if table is None:
        raise CommandError(_NOT_SHARDED, f"{namespace} is not sharded any more")
    return table


def _named(document: RawBSONDocument) -> raw.Document:
    return {"_id": {"$eq": _identity(document)}}


def _identity(document: RawBSONDocument) -> Any:
    return raw.faithful(bytes(document.raw))["_id"]


def _check(reply: Mapping[str, Any]) -> None:
    """Raise the first of a reply's write errors."""
    for item in reply.get("writeErrors", ()):
        failed = raw.shallow(bytes(item.raw)) if isinstance(item, RawBSONDocument) else item
        told = {name: value for name, value in failed.items() if name != "index"}
        raise ShardReplyError({"ok": 0.0, **told, "codeName": code_name(told["code"])})


def _is_id_taken(error: CommandError) -> bool:
    return error.code == _DUPLICATE_KEY and "_id" in error.extra.get("keyPattern", ())
