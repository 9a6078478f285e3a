"""Logical sessions: a client's `lsid` made unmistakable, and the commands on sessions."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from bson import Binary
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth.privileges import CLUSTER, Need
from shardhouse.router.auth.users import User
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.transactions import abort_everywhere
from shardhouse.router.errors import CommandError
from shardhouse.router.transactions.transaction import Phase
from shardhouse.router.wire import raw

_NOBODY = hashlib.sha256(b"").digest()


def stamped(given: object, user: User | None) -> dict[str, Any]:
    """A client's lsid with the digest of its user, which keeps users' sessions apart."""
    if not isinstance(given, RawBSONDocument):
        raise CommandError(14, "'lsid' must be an object")
    content = raw.shallow(bytes(given.raw))
    identifier = content.get("id")
    if not isinstance(identifier, Binary) or identifier.subtype != 4 or len(identifier) != 16:
        raise CommandError(14, "'lsid.id' must be a UUID")
    own = user.digest if user else _NOBODY
    if "uid" in content and content["uid"] != own:
        raise CommandError(13, "Unauthorized to set user digest in LogicalSessionId")
    return {"id": identifier, "uid": own}


async def start(call: Call) -> raw.Document:
    """startSession."""
    identifier = bytearray(os.urandom(16))
    identifier[6] = identifier[6] & 0x0F | 0x40
    identifier[8] = identifier[8] & 0x3F | 0x80
    return {"id": {"id": Binary(bytes(identifier), 4)}, "timeoutMinutes": 30}


async def refresh_cache(call: Call) -> raw.Document:
    """refreshLogicalSessionCacheNow: sessions are kept by the shards, there is nothing to do."""
    return {}


async def end(call: Call) -> raw.Document:
    """endSessions, refreshSessions."""
    await _everywhere(call, {call.command.name: _listed(call)})
    return {}


async def kill(call: Call) -> raw.Document:
    """killSessions: one's own, with the cursors they hold open; without any, all of one's own."""
    sessions = _listed(call)
    if sessions:
        keys = [_key(session) for session in sessions]
        await _let_go(call, lambda lsid: _key(lsid) in keys)
        await _everywhere(call, {"killSessions": sessions})
    else:
        own = call.user.digest if call.user else _NOBODY
        await _let_go(call, lambda lsid: bytes(lsid["uid"]) == own)
        await _everywhere(call, {"killAllSessionsByPattern": [{"uid": own}]})
    return {}


async def kill_all(call: Call) -> raw.Document:
    """killAllSessions: everyone's, or those of the users listed."""
    users = call.command.documents("killAllSessions")
    patterns: list[dict[str, Any]] = [{}] if not users else []
    for content in users:
        user = raw.deep(content)
        digest = hashlib.sha256(raw.octets(f"{user.get('user')}@{user.get('db')}")).digest()
        patterns.append({"uid": digest})
    await _let_go(call, lambda lsid: any(_matches(pattern, lsid) for pattern in patterns))
    await _everywhere(call, {"killAllSessionsByPattern": patterns})
    return {}


async def kill_by_pattern(call: Call) -> raw.Document:
    """killAllSessionsByPattern: one's own with `lsid` or `uid`, others' with the privilege."""
    patterns = call.command.documents("killAllSessionsByPattern")
    own = call.user.digest if call.user else _NOBODY
    listed = []
    for content in patterns:
        pattern = raw.deep(content)
        lsid = pattern.get("lsid")
        named = pattern.get("uid") or (lsid.get("uid") if isinstance(lsid, dict) else None)
        if named != own:
            call.require([Need(CLUSTER, "killAnySession")])
        if pattern.keys() & {"users", "roles"}:
            call.require([Need(CLUSTER, "impersonate")])
        listed.append(pattern)
    listed = listed or [{}]
    await _everywhere(call, {"killAllSessionsByPattern": listed})
    await _let_go(call, lambda lsid: any(_matches(pattern, lsid) for pattern in listed))
    return {}


def _listed(call: Call) -> list[dict[str, Any]]:
    value = call.command.value
    if not isinstance(value, list):
        raise CommandError(14, f"'{call.command.name}' must be an array of sessions")
    return [stamped(session, call.user) for session in value]


def _key(lsid: Mapping[str, Any]) -> tuple[bytes, bytes]:
    return bytes(lsid["id"]), bytes(lsid["uid"])


def _matches(pattern: Mapping[str, Any], lsid: Mapping[str, Any]) -> bool:
    if "lsid" in pattern:
        return _key(pattern["lsid"]) == _key(lsid)
    return "uid" not in pattern or bytes(pattern["uid"]) == bytes(lsid["uid"])


async def _let_go(call: Call, chosen: Callable[[Mapping[str, Any]], bool]) -> None:
    """End what this router itself holds for sessions that are killed: cursors, transactions."""
    for cursor in call.router.cursors.opened_in(chosen):
        await call.router.kill_cursor(cursor)
    for transaction in call.router.transactions.open:
        if chosen(transaction.lsid):
            if transaction.phase is Phase.OPEN:
                await abort_everywhere(call.router, transaction)
            else:  # its commit is under way: what became of it, the shards can tell
                call.router.transactions.forget(transaction)


async def _everywhere(call: Call, command: raw.Document) -> None:
    shards = call.router.cluster.shards
    call.lsid = None  # the command is about sessions, not part of one
    results = await asyncio.gather(
        *(call.run(shard, command, db="admin") for shard in shards), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, CommandError):
            raise result
