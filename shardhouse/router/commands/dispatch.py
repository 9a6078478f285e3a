"""From a command to its reply: find its row, check login and privileges, run it, add the time.

Whatever goes wrong becomes an error reply; an unexpected exception becomes InternalError and is
logged without the command's content.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from shardhouse.router import command as commands
from shardhouse.router.auth.users import User
from shardhouse.router.command import Command
from shardhouse.router.commands import stable_api, testing
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.sessions import stamped
from shardhouse.router.commands.table import ALIASES, TABLE, Handler, Row
from shardhouse.router.commands.transactions import within
from shardhouse.router.errors import (
    CommandError,
    interrupted,
    unauthorized,
)
from shardhouse.router.fail_points import ConnectionDroppedError, InjectedError
from shardhouse.router.router import Router
from shardhouse.router.session import ClientSession
from shardhouse.router.slow_log import NAME_SHOWN, namespace_of
from shardhouse.router.statistics import UNKNOWN
from shardhouse.router.transactions.labels import label
from shardhouse.router.wire import raw
from shardhouse.router.wire.messages import OP_QUERY, Request

_ABOUT_TO_RUN = 21965
_HELLO = frozenset({"hello", "isMaster", "ismaster"})


def read(request: Request) -> Command:
    """The command in a request; CommandError if it cannot be one."""
    try:
        if request.opcode != OP_QUERY:
            command = commands.read(request.body, request.sequences)
            command.wants_no_reply = request.wants_no_reply
            return command
        body = raw.shallow(request.body)
    except BSONError as error:
        raise CommandError(22, f"Invalid BSON: {error}") from error
    name = next(iter(body), "")
    if name not in _HELLO:
        raise CommandError(
            352, f"Unsupported OP_QUERY command: {name}. The client driver may require an upgrade."
        )
    return Command(name, request.query_namespace.partition(".")[0], body)


async def answer(
    router: Router,
    session: ClientSession,
    command: Command,
    handler: Handler | None = None,
    user: User | None = None,
) -> raw.Document:
    """The complete reply to a command. If it was allowed to `user`, and sent, already, `handler`
    makes the reply of what came back: nothing that changed meanwhile may hide what was done."""
    began = time.monotonic()
    command.name = ALIASES.get(command.name, command.name)
    router.statistics.requests += 1
    call = Call(router, session, command)
    router.log.debug(
        2, "COMMAND", "About to run the command", session.context, number=_ABOUT_TO_RUN,
        db=command.db, command=command.name if command.name in TABLE else UNKNOWN,
    )  # fmt: skip
    task = asyncio.current_task()
    assert task is not None
    operation = router.operations.begin(session, command, task.cancel)
    try:
        row = _row(router, command)
        failure = testing.hit(call) if handler is None else None
        if failure is not None:
            await testing.suffer(call, failure)
        if handler is None:
            await _authorize(call, row)
        else:
            call.user = user
            _take_session(call)
        operation.user, operation.lsid = call.user, call.lsid
        told = "autocommit" in command.body or "startTransaction" in command.body
        work = handler or row.handler
        reply = await (within(call, work) if told else work(call))
        reply["ok"] = 1.0
        if failure is not None:
            testing.add_concern_error(call, reply, failure)
    except CommandError as error:
        reply = _failed(call, error)
    except ConnectionDroppedError:
        raise
    except BSONError as error:
        reply = CommandError(22, f"Invalid BSON: {error}").document
    except RecursionError:  # only documents are followed as deep as a client likes
        reply = CommandError(15, "a document exceeds the maximum nested object depth").document
    except Exception as error:
        # One command's bug must neither end the connection nor tell the client how we are built.
        router.log.mistake("COMMAND", error, session.context, command=command.name)
        reply = CommandError(1, "an internal error occurred").document
    except asyncio.CancelledError:
        if not operation.killed or task.uncancel():
            raise  # it is the connection that ends
        reply = _failed(call, interrupted())
    finally:
        router.operations.end(operation)
    took = time.monotonic() - began
    reply = _timed(call, reply)
    known = command.name in TABLE
    code = 0 if reply["ok"] else int(reply.get("code", 1))
    router.statistics.ran(command.name if known else UNKNOWN, took, code)
    if router.audit.enabled:
        _audit(call, code, known=known)
    if took > router.slow_log.limit:
        router.slow_log.report(session, command, reply, took, len(call.shards), known=known)
    return reply


def _audit(call: Call, code: int, *, known: bool) -> None:
    command, audit = call.command, call.router.audit
    namespace = namespace_of(command)
    if not audit.wants(command.name, namespace):
        return
    body = None
    if known:  # else it is unknown what its fields mean
        with contextlib.suppress(BSONError, RecursionError):
            body = raw.encode(command.body)
    name = command.name[:NAME_SHOWN]
    audit.ran(call.session, call.user, name, namespace, body, command.sequences, code)


def _row(router: Router, command: Command) -> Row:
    row = TABLE.get(command.name)
    if row is None or (row.for_tests and not router.parameters["enableTestCommands"]):
        raise CommandError(59, f"no such command: '{command.name}'")
    return row


async def _authorize(call: Call, row: Row) -> None:
    command = call.command
    call.user = await _current_user(call)
    if row.login and not call.admitted:
        raise unauthorized(f"command {command.name} requires authentication")
    if row.admin_only and command.db != "admin":
        raise unauthorized(f"{command.name} may only be run against the admin database.")
    if call.router.stopping.is_set() and row.login and not _continues(command):
        raise CommandError(91, "the router is shutting down")
    stable_api.check(command, required=call.router.parameters["requireApiVersion"])
    if call.admitted:
        if command.body.get("$clusterTime") is not None:
            told = command.get("$clusterTime", RawBSONDocument)
            call.router.clock.receive(
                raw.shallow(bytes(told.raw)), time.time(), signed=call.access_control
            )
        _take_session(call)
    if "txnNumber" in command.body and call.lsid is None:
        raise CommandError(72, "Transaction number requires a session ID to also be specified")
    call.require(row.needs(command))
    call.read_preference()


def _take_session(call: Call) -> None:
    if "lsid" in call.body:
        call.lsid = stamped(call.body["lsid"], call.user)


def _continues(command: Command) -> bool:
    """Whether a command goes on with, or ends, a cursor or a transaction that is open; or has a
    client that cannot be told to go elsewhere."""
    if command.wants_no_reply or command.name in ("getMore", "killCursors", "endSessions"):
        return True
    return "autocommit" in command.body and "startTransaction" not in command.body


async def _current_user(call: Call) -> User | None:
    """The user of the connection as it is now: it may have been changed or dropped meanwhile."""
    identity = call.session.identity
    if identity is None:
        return None
    user = await call.router.users.get(*identity)
    if user is None or user.id != call.session.user_id:
        call.session.identity = None
        return None
    return user


def _failed(call: Call, error: CommandError) -> raw.Document:
    found = label(
        call.command.name,
        error.code,
        in_transaction="autocommit" in call.body,
        numbered="txnNumber" in call.body,
    )
    if found is not None and not isinstance(error, InjectedError):
        error.labels.append(found)
    return error.document


def _timed(call: Call, reply: raw.Document) -> raw.Document:
    clock = call.router.clock
    signed = clock.for_client()
    if signed is not None:
        reply["operationTime"] = call.operation_time or clock.now
        reply["$clusterTime"] = signed
    return reply
