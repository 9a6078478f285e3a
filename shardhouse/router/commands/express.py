"""The short way for the most frequent commands: a find, or a write of one statement, on one shard.

Everything the ordinary way (`dispatch`) looks up for such a command is known already most of the
time: the user, the routing, the primary, an idle connection to it. Then the command goes to its
shard in the very call that received it, put together from the bytes it came in, and so does the
reply to the client. Nothing is decided here in another way than there: whatever is not as simple as
that (an option, an error, a cursor that stays open, a lookup that would have to wait) is left to
the ordinary way, or finished by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from bson.errors import BSONError

from shardhouse.router.auth.privileges import Need, Resource
from shardhouse.router.auth.users import Allowed, User
from shardhouse.router.catalog.chunks import RoutingTable
from shardhouse.router.catalog.targeting import key_of_filter, owner_of_document, owner_of_filter
from shardhouse.router.command import Command, check_database
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.cursors import opened
from shardhouse.router.commands.outcome import Outcome, labelled
from shardhouse.router.commands.table import Handler
from shardhouse.router.errors import (
    NOT_PRIMARY_CODES,
    RETRYABLE_WRITE_CODES,
    STALE_CODES,
    WOULD_CHANGE_OWNING_SHARD,
    CommandError,
    NodeUnreachableError,
    ProtocolError,
    interrupted,
)
from shardhouse.router.router import Router
from shardhouse.router.running import Operation
from shardhouse.router.session import ClientSession
from shardhouse.router.upstream.client import INTERNAL_FIELDS, Errand
from shardhouse.router.upstream.connection import Done
from shardhouse.router.upstream.encoder import DirectCursorId, Encoded, splice
from shardhouse.router.upstream.rules import BYPASS
from shardhouse.router.wire import messages, raw
from shardhouse.router.wire.messages import Request

_STRING, _OBJECT, _ARRAY, _INT32, _INT64 = 0x02, 0x03, 0x04, 0x10, 0x12
_NEGATIVE = 0x80
_OK = raw.element("ok", 1.0)
_EMPTY = raw.encode({})
_PRIMARY = raw.element("$readPreference", {"mode": "primary"})
_GIVEN_SESSION = b"\x03lsid\0\x1e\0\0\0\x05id\0\x10\0\0\0\x04"  # {id: UUID}, up to its bytes
_GIVEN_SIZE = len(_GIVEN_SESSION) + 17
_STAMPED_SESSION = _GIVEN_SESSION.replace(b"\x1e", b"\x48")
_DIGEST = b"\x05uid\0\x20\0\0\0\0"
_LEVELS = frozenset(raw.value_of("", raw.element("", one)) for one in ("local", "majority"))
_OURS = frozenset({"admin", "config", "local"})
_DROPPED = frozenset({*INTERNAL_FIELDS, "ok"})
_AGAIN = STALE_CODES | {WOULD_CHANGE_OWNING_SHARD}
_AGAIN_IF_NUMBERED = NOT_PRIMARY_CODES | RETRYABLE_WRITE_CODES
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a command may carry here (`passed` goes on as it came), and what its user must be
    allowed, be it needed or not; which concern it states, and the field that makes that whole."""

    passed: frozenset[str]
    actions: tuple[str, ...]
    statements: str = ""
    concern: str = "writeConcern"
    made_whole_by: str = "w"
    accepted: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        extra = {"lsid", "$clusterTime", "$readPreference", self.concern}
        object.__setattr__(self, "accepted", self.passed | extra)


_ALWAYS = frozenset({"$db", "maxTimeMS", "comment"})
_QUERY = frozenset(
    {"filter", "sort", "projection", "skip", "limit", "batchSize", "singleBatch", "hint"}
)
_WRITE = _ALWAYS | {"ordered", "txnNumber"}
_KINDS: Mapping[str, _Kind] = {
    "find": _Kind(_ALWAYS | _QUERY, ("find",), "", "readConcern", "level"),
    "insert": _Kind(_WRITE | {"documents"}, ("insert",), "documents"),
    "update": _Kind(_WRITE | {"updates"}, ("update", "insert"), "updates"),
    "delete": _Kind(_WRITE | {"deletes"}, ("remove",), "deletes"),
}
_NAMES = frozenset(name.encode() for name in _KINDS)


class _NotHereError(Exception):
    """The ordinary way has to do it."""


@dataclass(slots=True)
class Passage:
    """A command under way to its shard, and what finishing it takes."""

    request: Request
    name: str
    allowed: Allowed
    errand: Errand
    numbered: bool
    operation: Operation

    @property
    def interruptible(self) -> bool:
        """Whether it is given up when its client goes away."""
        return self.name == "find"


@dataclass(frozen=True, slots=True)
class Rest:
    """The ordinary way goes on: for `user` with a handler of its own, or from the start."""

    handler: Handler | None = None
    user: User | None = None


def start(
    router: Router,
    session: ClientSession,
    frame: bytes,
    done: Done,
    interrupt: Callable[[], object],
) -> Passage | None:
    """Send a frame's command to its shard if that can be done at once; `done` is called later,
    unless the passage was abandoned, for which `interrupt` asks.

    None if the ordinary way has to do it, and then nothing was done.
    """
    if frame[12:21] != messages.PLAIN or frame[26 : frame.find(0, 26, 40)] not in _NAMES:
        return None
    try:
        passage, command = _prepared(router, session, messages.parse(frame), interrupt)
    except Exception:
        # Whatever is the matter with it, be it even a mistake of ours, the ordinary way tells it.
        return None
    router.cluster.send(passage.errand, command, done)
    return passage


def _prepared(
    router: Router, session: ClientSession, request: Request, interrupt: Callable[[], object]
) -> tuple[Passage, Encoded]:
    user = _user(router, session)
    found = raw.pieces(request.body)
    name = next(iter(found))
    kind = _KINDS[name]
    if not kind.accepted.issuperset(islice(found, 1, None)):
        raise _NotHereError
    _check_times(router, found)
    allowed = _allowed(user, kind, name, found)
    routing = router.catalog.known(allowed.namespace)
    if routing is None or routing.database is None or routing.buckets is not None:
        raise _NotHereError
    statement = _statement(kind, request, found)
    fields = {
        field: piece for field, piece in found.items() if field == name or field in kind.passed
    }
    if routing.table is None:
        shard = routing.database.primary
        fields |= routing.database.versions_at_home
    else:
        shard = _owner(routing.table, name, statement, found)
        fields |= routing.table.version_encoded(shard)
    numbered = "txnNumber" in found
    if numbered and (found["txnNumber"][0] != _INT64 or "lsid" not in found):
        raise _NotHereError  # null is no number, for one: such a write may not be repeated
    if "lsid" in found:
        fields["lsid"] = _stamped(found["lsid"], user)
    fields[kind.concern] = _concern(router, kind, found)
    fields["$audit"] = b"\x03$audit\0" + user.impersonation.raw
    if name != "find":
        fields[BYPASS] = b"\x08%s\0%c" % (BYPASS.encode(), user.passes_write_blocks)
    if session.forwarded is not None:
        fields["$client"] = b"\x03$client\0" + session.forwarded.raw
    fields["$clusterTime"] = router.clock.gossip_encoded()
    command = splice(name, fields, tuple(request.sequences.items()))
    errand = router.cluster.at_once(shard)
    if errand is None:
        raise _NotHereError
    operation = router.operations.begin(session, request, interrupt)
    operation.user = user
    return Passage(request, name, allowed, errand, numbered, operation), command


def _user(router: Router, session: ClientSession) -> User:
    """Who asks, if a look at every command is not wanted now."""
    if session.identity is None or router.fail_points or router.stopping.is_set():
        raise _NotHereError
    user = router.users.known(*session.identity)
    if user is None or user.id != session.user_id or router.parameters["requireApiVersion"]:
        raise _NotHereError
    return user


def _check_times(router: Router, found: Mapping[str, bytes]) -> None:
    """A cluster time that is news needs its proof. A read from elsewhere is not simple,
    nor a limit that is none."""
    if "$clusterTime" in found:
        told = _document("$clusterTime", found)
        if not router.clock.covers(told):
            router.clock.receive(raw.shallow(told), time.time())
    if found.get("$readPreference", _PRIMARY) != _PRIMARY:
        raise _NotHereError
    limit = found.get("maxTimeMS")
    if limit is not None and (limit[0] != _INT32 or limit[-1] & _NEGATIVE):
        raise _NotHereError


def _text(name: str, found: Mapping[str, bytes]) -> str:
    piece = found.get(name, b"\0")
    if piece[0] != _STRING:
        raise _NotHereError
    return raw.text(piece[len(name) + 6 : -1])


def _document(name: str, found: Mapping[str, bytes]) -> bytes:
    piece = found.get(name, b"\0")
    if piece[0] != _OBJECT:
        raise _NotHereError
    return raw.value_of(name, piece)


def _allowed(user: User, kind: _Kind, name: str, found: Mapping[str, bytes]) -> Allowed:
    """That the user may do what the command could need, looked up once."""
    key = (found[name], found.get("$db", b""))
    allowed = user.allowed.get(key)
    if allowed is not None:
        return allowed
    database, collection = _text("$db", found), _text(name, found)
    check_database(database)
    resource = Resource(database, Command(name, database, {name: collection}).collection)
    if database in _OURS or collection.startswith("system."):
        raise _NotHereError
    if not all(user.privileges.allow(Need(resource, action)) for action in kind.actions):
        raise _NotHereError
    if len(user.allowed) >= _REMEMBERED:
        user.allowed.clear()
    allowed = user.allowed[key] = Allowed(f"{database}.{collection}")
    return allowed


def _owner(table: RoutingTable, name: str, statement: bytes, found: Mapping[str, bytes]) -> str:
    """The one shard the command is for."""
    collated = table.collection.has_collation
    shard: str | None = None
    if table.collection.is_timeseries:
        raise _NotHereError
    if name == "find":
        query = _document("filter", found) if "filter" in found else _EMPTY
        shard = owner_of_filter(table, query, collated=collated)
    elif name == "insert":
        if raw.find(statement, "_id") is not None:
            shard = owner_of_document(table, statement)
    else:
        parts = raw.pieces(statement)
        key = key_of_filter(table, _document("q", parts), collated=collated)
        if key is not None and "collation" not in parts:
            shard = table.owner(key)
    if shard is None:
        raise _NotHereError
    return shard


def _statement(kind: _Kind, request: Request, found: Mapping[str, bytes]) -> bytes:
    """The only statement of a write, nothing for a read."""
    name = kind.statements
    if not name:
        if request.sequences:
            raise _NotHereError
        return b""
    payload = request.sequences.get(name)
    if payload is None:
        listed = found.get(name, b"\0")
        if listed[0] != _ARRAY or request.sequences:
            raise _NotHereError
        statements = raw.pieces(raw.value_of(name, listed))
        if len(statements) == 1:
            return _document("0", statements)
    elif (
        len(request.sequences) == 1
        and name not in found
        and int.from_bytes(payload[:4], "little") == len(payload)
    ):
        return payload
    raise _NotHereError


def _stamped(piece: bytes, user: User) -> bytes:
    """A client's session with the digest of its user, as `sessions.stamped` makes it."""
    if piece[: len(_GIVEN_SESSION)] != _GIVEN_SESSION or len(piece) != _GIVEN_SIZE:
        raise _NotHereError
    return b"".join(
        (_STAMPED_SESSION, piece[len(_GIVEN_SESSION) : -1], _DIGEST, user.digest, b"\0")
    )


def _concern(router: Router, kind: _Kind, found: Mapping[str, bytes]) -> bytes:
    given = found.get(kind.concern)
    if given is None:
        return router.defaults.encoded[kind.concern]
    whole = raw.find(_document(kind.concern, found), kind.made_whole_by)
    if whole is None or (kind.concern == "readConcern" and whole.value not in _LEVELS):
        raise _NotHereError
    if kind.concern == "writeConcern" and not _acknowledges(whole):
        raise _NotHereError
    return given


def _acknowledges(w: raw.Element) -> bool:
    """Whether a write with this `w` is acknowledged: a shard would hide that it refused it."""
    return w.kind == _STRING or (w.kind == _INT32 and any(w.value))


def finish(
    router: Router, session: ClientSession, passage: Passage, result: bytes | NodeUnreachableError
) -> bytes | Rest:
    """The body of the reply to the client, or what the ordinary way has to do for it."""
    router.operations.end(passage.operation)
    try:
        if isinstance(result, NodeUnreachableError):
            raise result
        body = messages.parse(result).body
        found = raw.pieces(body)
    except CommandError as error:
        return (
            Rest() if passage.interruptible or passage.numbered else _told(passage, _raising(error))
        )
    except (BSONError, ProtocolError) as error:
        return _told(
            passage, _raising(CommandError(8, f"a shard's answer cannot be read: {error}"))
        )
    if not _is_clean(passage, found):
        return _rest(passage, body)
    router.cluster.hear_encoded(found)
    parts = [piece for name, piece in found.items() if name not in _DROPPED]
    parts.append(_OK)
    signed = router.clock.for_client_encoded()
    if signed:
        parts += (found["operationTime"], signed)
    reply = raw.assembled(parts)
    took = time.monotonic() - passage.operation.began
    statistics = router.statistics
    statistics.requests += 1
    statistics.ran(passage.name, took, 0)
    if passage.name != "find":
        statistics.statements[passage.name] += 1
    audit, namespace = router.audit, passage.allowed.namespace
    if audit.enabled and audit.wants(passage.name, namespace):
        request, user = passage.request, passage.operation.user
        audit.ran(session, user, passage.name, namespace, request.body, request.sequences, 0)
    if took > router.slow_log.limit:
        command = passage.operation.command
        router.slow_log.report(session, command, raw.shallow(reply), took, 1, known=True)
    return reply


def _is_clean(passage: Passage, found: Mapping[str, bytes]) -> bool:
    """Whether the answer is good, and all there is to tell."""
    if found.get("ok") != _OK or "operationTime" not in found:
        return False
    if passage.name == "find":
        return found.get("cursor", b"").endswith(passage.allowed.exhausted)
    return "writeErrors" not in found and "writeConcernError" not in found


def give_up(router: Router, passage: Passage) -> Rest:
    """End the work on the shard; what is left is to say so."""
    router.operations.end(passage.operation)
    passage.errand.abandon()
    return _told(passage, _raising(interrupted()))


def _rest(passage: Passage, body: bytes) -> Rest:
    """After an answer that is not simply good: begin anew if that is right, else read it."""
    fields = raw.shallow(body)
    refused = fields.get("ok") != 1
    if passage.name == "find":
        return Rest() if refused else _told(passage, _opening(passage, fields))
    codes = {fields.get("code")} if refused else set()
    codes |= {raw.shallow(bytes(one.raw)).get("code") for one in fields.get("writeErrors", ())}
    again = _AGAIN | _AGAIN_IF_NUMBERED if passage.numbered else _AGAIN
    return Rest() if codes & again else _told(passage, _counting(passage, fields))


def _told(passage: Passage, handler: Handler) -> Rest:
    return Rest(handler, passage.operation.user)


def _raising(error: CommandError) -> Handler:
    async def handler(_: Call) -> raw.Document:
        raise error

    return handler


def _opening(passage: Passage, fields: raw.Document) -> Handler:
    async def handler(call: Call) -> raw.Document:
        reply = call.take(passage.errand, passage.name, fields)
        return opened(call, reply, passage.allowed.namespace, DirectCursorId)

    return handler


def _counting(passage: Passage, fields: raw.Document) -> Handler:
    async def handler(call: Call) -> raw.Document:
        call.router.statistics.statements[passage.name] += 1
        reply = call.take(passage.errand, passage.name, fields)
        outcome = Outcome()
        outcome.add(reply.fields, [0])
        return labelled(outcome.reply(), call.transaction_number)

    return handler
