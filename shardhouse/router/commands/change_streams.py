"""Change streams on a collection, a database or the cluster: opened by aggregate, then getMore."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.pipelines import needs
from shardhouse.router.commands.call import READ_ATTEMPTS, Call
from shardhouse.router.cursors import Cursor
from shardhouse.router.errors import RETRYABLE_WRITE_CODES, STALE_CODES, CommandError, wrong_type
from shardhouse.router.fail_points import InjectedError
from shardhouse.router.streams import tokens
from shardhouse.router.streams.merge import Batch
from shardhouse.router.streams.stream import ChangeStream
from shardhouse.router.upstream.encoder import DirectCursorId
from shardhouse.router.wire import raw

_PATIENCE_MS = 1000
"""What an empty getMore waits if its client does not say."""

_STARTS = ("resumeAfter", "startAfter", "startAtOperationTime")
_OPTIONS = frozenset(
    {
        *_STARTS, "allChangesForCluster", "fullDocument", "fullDocumentBeforeChange",
        "showExpandedEvents", "showMigrationEvents", "showRawUpdateDescription",
    }
)  # fmt: skip
_RESUMABLE = RETRYABLE_WRITE_CODES | STALE_CODES | {43, 63, 133, 150, 234}
"""Errors after which a driver opens the stream again where it was (public specification)."""


async def watch(call: Call) -> raw.Document:
    """An aggregate whose pipeline starts with $changeStream."""
    if call.transaction is not None:
        raise CommandError(263, "$changeStream cannot be run within a transaction")
    pipeline = call.body["pipeline"]
    spec = raw.shallow(bytes(pipeline[0].raw))["$changeStream"]
    if not isinstance(spec, RawBSONDocument):
        raise CommandError(50808, "$changeStream stage expects a document as argument")
    given = raw.shallow(bytes(spec.raw))
    _check(call, given)
    options = {name: value for name, value in given.items() if name not in _STARTS}
    command = {
        **call.build("aggregate", call.command.value),
        "pipeline": pipeline[1:],
        "fromMongos": True,
        "needsMerge": False,
        "readConcern": _concern(call),
    }
    if call.lsid is not None:
        command["lsid"] = call.lsid
    stream = ChangeStream(call.router.cluster, command, options, call.db, call.preference)
    after = _after(given)
    time = given.get("startAtOperationTime")
    if time is None:
        time = await _now(call) if after is None else after.time
    try:
        await stream.open(time, after)
    except CommandError as error:
        raise labelled(error) from error
    return _opened(call, stream)


def _check(call: Call, given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in _OPTIONS:
            raise CommandError(40415, f"BSON field '$changeStream.{name}' is an unknown field.")
    if sum(name in given for name in _STARTS) > 1:
        raise CommandError(40674, "Only one type of resume option is allowed, but multiple found")
    if "startAtOperationTime" in given and not isinstance(given["startAtOperationTime"], Timestamp):
        raise wrong_type("$changeStream.startAtOperationTime", "timestamp")
    everywhere = bool(given.get("allChangesForCluster"))
    whole = call.command.value in (1, 1.0)
    if everywhere and not (whole and call.db == "admin"):
        raise CommandError(
            72, "A cluster-wide $changeStream is opened on 'admin' with aggregate: 1"
        )
    if call.db in ("config", "local") or (call.db == "admin" and not everywhere):
        raise CommandError(
            73, f"$changeStream may not be opened on the internal {call.db} database"
        )
    if call.command.get("cursor", Mapping) is None:
        raise CommandError(9, "The 'cursor' option is required, except for aggregate with explain")


def _concern(call: Call) -> Mapping[str, Any]:
    given = call.command.get("readConcern", RawBSONDocument)
    concern = raw.shallow(bytes(given.raw)) if given is not None else {}
    return {"level": "majority", **concern}


def _after(given: Mapping[str, Any]) -> tokens.Token | None:
    if "resumeAfter" in given:
        token = tokens.parse(given["resumeAfter"])
        if token.is_invalidation:
            raise CommandError(
                260,
                "an invalidated change stream is continued with 'startAfter', not 'resumeAfter'",
            )
        return token
    return tokens.parse(given["startAfter"]) if "startAfter" in given else None


async def _now(call: Call) -> Timestamp:
    """The first moment after everything any shard did so far."""
    await asyncio.gather(
        *(
            call.run(shard, {"ping": 1}, db="admin", attempts=READ_ATTEMPTS)
            for shard in call.router.cluster.shards
        )
    )
    now = call.router.clock.now
    return Timestamp(now.time, now.inc + 1)


def _opened(call: Call, stream: ChangeStream) -> raw.Document:
    whole = call.command.value in (1, 1.0)
    collection = "$cmd.aggregate" if whole else call.command.collection
    named = "" if whole else call.command.collection
    number = call.router.cursors.new_id()
    call.router.cursors.add(
        Cursor(
            id=number,
            remote=DirectCursorId(0),
            address="",
            shard="",
            database=call.db,
            collection=collection,
            namespace=f"{call.db}.{collection}",
            owner=call.session.identity,
            lsid=call.lsid,
            needs=list(needs(call.db, named, call.body["pipeline"])),
            stream=stream,
        )
    )
    return {"cursor": _cursor("firstBatch", [], number, stream.token, f"{call.db}.{collection}")}


async def next_batch(call: Call, cursor: Cursor, stream: ChangeStream) -> raw.Document:
    """A getMore; the stream ends with the event that invalidates it."""
    limited = call.body.get("maxTimeMS") is not None
    milliseconds = call.command.whole("maxTimeMS") if limited else _PATIENCE_MS
    try:
        batch: Batch = await stream.next_batch(
            call.command.whole("batchSize") or None, min(milliseconds / 1000, 3600.0)
        )
    except CommandError as error:
        raise labelled(error) from error
    number = cursor.id
    if batch.ended:
        call.router.later(call.router.kill_cursor(cursor))
        number = Int64(0)
    events = [RawBSONDocument(event, raw.RAW) for event in batch.events]
    return {"cursor": _cursor("nextBatch", events, number, batch.token, cursor.namespace)}


def _cursor(
    batch: str, events: list[RawBSONDocument], number: Int64, token: str, namespace: str
) -> raw.Document:
    return {
        batch: events,
        "postBatchResumeToken": {"_data": token},
        "id": number,
        "ns": namespace,
    }


def labelled(error: CommandError) -> CommandError:
    """The error, labelled if a driver shall open the stream again where it was."""
    if error.code in _RESUMABLE and not isinstance(error, InjectedError):
        error.labels.append("ResumableChangeStreamError")
    return error
