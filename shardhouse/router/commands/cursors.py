"""Cursors in replies, getMore, killCursors: a cursor obeys only who opened it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from bson import Int64
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.privileges import Need, Requirement, Resource
from shardhouse.router.commands import change_streams, snapshots, testing
from shardhouse.router.commands.call import Call
from shardhouse.router.cursors import Cursor
from shardhouse.router.errors import CommandError, missing_field, unauthorized, wrong_type
from shardhouse.router.fail_points import FAIL_GET_MORE
from shardhouse.router.streams.stream import ChangeStream
from shardhouse.router.upstream.client import Reply
from shardhouse.router.upstream.encoder import ClusterCursorId, DirectCursorId
from shardhouse.router.wire import raw


def opened(
    call: Call,
    reply: Reply,
    namespace: str,
    kind: type[DirectCursorId] | type[ClusterCursorId],
    needs: Sequence[Requirement] | None = None,
) -> raw.Document:
    """The reply with its cursor under our number; an open cursor is remembered.

    `needs` is what each getMore must still be allowed, `find` on the namespace if not given.
    """
    content = bytes(reply.fields["cursor"].raw)
    remote = _cursor_number(content)
    database, _, collection = namespace.partition(".")
    number = Int64(0)
    if remote:
        number = call.router.cursors.new_id()
        default = [Need(Resource(database, collection), "find")]
        call.router.cursors.add(
            Cursor(
                id=number,
                remote=kind(remote),
                address=reply.address,
                shard=reply.shard,
                database=call.db,
                collection=_collection_upstream(content),
                namespace=namespace,
                owner=call.session.identity,
                lsid=call.lsid,
                needs=default if needs is None else needs,
                transaction=call.transaction.number if call.transaction else None,
                read_concern=None if call.transaction else snapshots.concern_of(content),
                never_times_out=bool(call.body.get("noCursorTimeout")),
            )
        )
    reply.fields["cursor"] = _rewritten(content, number, namespace)
    return reply.fields


async def get_more(call: Call) -> raw.Document:
    """getMore."""
    number = call.command.value
    if not isinstance(number, int):
        raise wrong_type("getMore.getMore", "long")
    _check_get_more(call)
    cursor = _own(call, int(number))
    if call.body.get("collection") != cursor.namespace.partition(".")[2]:
        raise unauthorized(
            f"Requested getMore on namespace '{call.db}.{call.body.get('collection')}', but cursor"
            " belongs to a different namespace"
        )
    if cursor.session_id != (bytes(call.lsid["id"]) if call.lsid else None):
        raise CommandError(50738, f"cursor id {number} was created in another session")
    if cursor.transaction != (call.transaction.number if call.transaction else None):
        raise CommandError(50741, f"cursor id {number} belongs to another transaction")
    if cursor.in_use:
        raise CommandError(12051, f"cursor id {number} is already in use")
    call.require(cursor.needs)
    cursor.in_use = True
    if isinstance(cursor.remote, ClusterCursorId):
        return await _uninterrupted(call, cursor)
    return await _continue(call, cursor)


def _check_get_more(call: Call) -> None:
    collection = call.command.get("collection", str)
    if collection is None:
        raise missing_field("getMore.collection")
    if not collection:
        raise CommandError(73, "Collection names cannot be empty")
    call.build("getMore", call.command.value)
    call.command.counts("batchSize")


async def _continue(call: Call, cursor: Cursor) -> raw.Document:
    try:
        await _fail_if_wanted(call, cursor)
        return await _next_batch(call, cursor)
    except BaseException:
        # Whether it still lives on its node is unknown: whoever looks after the table ends it.
        cursor.abandoned = True
        raise
    finally:
        cursor.in_use = False
        cursor.touched = time.monotonic()


async def _fail_if_wanted(call: Call, cursor: Cursor) -> None:
    failure = testing.hit(call, FAIL_GET_MORE)
    if failure is None:
        return
    try:
        await testing.suffer(call, failure)
    except CommandError as error:
        raise (change_streams.labelled(error) if cursor.stream is not None else error) from error


async def _uninterrupted(call: Call, cursor: Cursor) -> raw.Document:
    """The next batch of a cluster cursor. If the client goes away meanwhile, the batch is awaited
    and the cursor ended: a node that is interrupted in it may leave the cursors of other shards
    behind, where nobody can reach them any more."""
    batch = asyncio.create_task(_continue(call, cursor))
    try:
        return await asyncio.shield(batch)
    except asyncio.CancelledError:
        call.router.later(_end_after(call, batch, cursor))
        raise


async def _end_after(call: Call, batch: asyncio.Task[raw.Document], cursor: Cursor) -> None:
    with contextlib.suppress(CommandError):
        await batch
        if call.router.cursors.get(cursor.id) is cursor:
            await call.router.kill_cursor(cursor)


async def _next_batch(call: Call, cursor: Cursor) -> raw.Document:
    if isinstance(cursor.stream, ChangeStream):
        return await change_streams.next_batch(call, cursor, cursor.stream)
    clustered = isinstance(cursor.remote, ClusterCursorId)
    name = "clusterGetMore" if clustered else "getMore"
    command: dict[str, Any] = {name: cursor.remote, "collection": cursor.collection}
    for field in ("batchSize", *(() if clustered else ("maxTimeMS",))):
        if field in call.body:
            command[field] = call.body[field]
    if cursor.lsid is not None:
        command["lsid"] = cursor.lsid
    if call.transaction is not None:
        command |= call.transaction.fields
    elif cursor.read_concern is not None and not clustered:
        command["readConcern"] = cursor.read_concern
    reply = await call.router.cluster.run_on(cursor.address, cursor.shard, command, cursor.database)
    call.saw(reply)
    content = bytes(reply.fields["cursor"].raw)
    if _cursor_number(content):
        reply.fields["cursor"] = _rewritten(content, cursor.id, cursor.namespace)
    else:
        call.router.cursors.remove(cursor)
        reply.fields["cursor"] = _rewritten(content, Int64(0), cursor.namespace)
    return reply.fields


async def kill_cursors(call: Call) -> raw.Document:
    """killCursors: each number is reported as killed or not found."""
    namespace = call.command.namespace
    numbers = call.command.get("cursors", list)
    if numbers is None:
        raise missing_field("killCursors.cursors")
    if not all(isinstance(number, Int64) for number in numbers):
        raise wrong_type("killCursors.cursors", "long")
    killed, missing = [], []
    for number in numbers:
        cursor = call.router.cursors.get(int(number))
        if cursor is None or cursor.namespace != namespace:
            missing.append(Int64(number))
            continue
        if cursor.owner != call.session.identity:
            call.require([Need(Resource(*_split(cursor.namespace)), "killAnyCursor")])
        await call.router.kill_cursor(cursor)
        killed.append(Int64(number))
    return {
        "cursorsKilled": killed,
        "cursorsNotFound": missing,
        "cursorsAlive": [],
        "cursorsUnknown": [],
    }


def _own(call: Call, number: int) -> Cursor:
    cursor = call.router.cursors.get(number)
    if cursor is None:
        raise CommandError(43, f"cursor id {number} not found")
    if cursor.owner != call.session.identity:
        raise unauthorized(f"cursor id {number} was not created by the authenticated user")
    return cursor


def _split(namespace: str) -> tuple[str, str]:
    database, _, collection = namespace.partition(".")
    return database, collection


def _cursor_number(content: bytes) -> int:
    element = raw.find(content, "id")
    return int.from_bytes(element.value, "little", signed=True) if element else 0


def _collection_upstream(content: bytes) -> str:
    element = raw.find(content, "ns")
    name = raw.text(element.value[4:-1]) if element else "."
    return name.partition(".")[2]


def _rewritten(content: bytes, number: int, namespace: str) -> RawBSONDocument:
    """The cursor document with our number, and the namespace the client knows."""
    number_bytes = int(number).to_bytes(8, "little", signed=True)
    for kind, name, start, end in raw.elements(content):
        if name == "id" and kind == 0x12 and content[start:end] != number_bytes:
            content = content[:start] + number_bytes + content[end:]
        elif name == "ns" and content[start + 4 : end - 1] != raw.octets(namespace):
            text = raw.octets(namespace) + b"\0"
            changed = content[:start] + len(text).to_bytes(4, "little") + text + content[end:]
            content = len(changed).to_bytes(4, "little") + changed[4:]
    return RawBSONDocument(content, raw.RAW)
