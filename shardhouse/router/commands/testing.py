"""What only a router started for tests does: fail points, and commands of no use but to be sent."""

from __future__ import annotations

import asyncio

from bson.raw_bson import RawBSONDocument

from shardhouse.router import client_metadata
from shardhouse.router.commands.call import Call
from shardhouse.router.fail_points import FAIL_COMMAND, ConnectionDroppedError, Failure
from shardhouse.router.transactions.labels import RETRYABLE, label
from shardhouse.router.wire import raw

_SET = 23829
_FAILED, _CLOSED, _BLOCKED = 20435, 20431, 20432


async def configure(call: Call) -> raw.Document:
    """configureFailPoint."""
    name, mode = str(call.command.value), call.body.get("mode")
    mode = raw.deep(mode) if isinstance(mode, RawBSONDocument) else mode
    data = call.command.get("data", RawBSONDocument)
    count = call.router.fail_points.configure(
        name, mode, raw.deep(data) if data is not None else {}
    )
    call.router.log.alert(
        "CONTROL", "Set failpoint", call.session.context, number=_SET, failPointName=name, mode=mode
    )
    return {"count": count}


async def nothing(call: Call) -> raw.Document:
    """testVersion1, testVersion2: a command of an API version that does nothing."""
    return {}


def hit(call: Call, name: str = FAIL_COMMAND) -> Failure | None:
    """What a fail point wants done to this command, named as the client named it."""
    if not call.router.fail_points:
        return None
    value = call.command.value
    namespace = f"{call.db}.{value}" if isinstance(value, str) else call.db
    return call.router.fail_points.hit(call.command.name, namespace, _application(call), name)


def _application(call: Call) -> str:
    """The application's name, which a connection's first command is just telling."""
    session = call.session
    if session.metadata is None and "client" in call.body:
        return client_metadata.application(client_metadata.read(call.body["client"]))
    return session.application


async def suffer(call: Call, failure: Failure) -> None:
    """Wait, break the connection, or fail, as the fail point wants; else go on."""
    log, context, told = call.router.log, call.session.context, {"command": call.command.name}
    if failure.delay:
        log.note(
            "COMMAND", "Blocking command via a fail point", context, number=_BLOCKED, **told,
            blockTimeMillis=int(failure.delay * 1000),
        )  # fmt: skip
        await asyncio.sleep(failure.delay)
    if failure.closes:
        log.note("COMMAND", "Closing connection via a fail point", context, number=_CLOSED, **told)
        raise ConnectionDroppedError
    error = failure.error()
    if error is not None:
        told |= {"errorCode": str(error.code)}
        log.note("COMMAND", "Failing command via a fail point", context, number=_FAILED, **told)
        raise error


def add_concern_error(call: Call, reply: raw.Document, failure: Failure) -> None:
    """The fail point's write concern error, in a reply that is otherwise as it would be."""
    error, labels = failure.write_concern_error, failure.labels
    if error is None:
        return
    reply["writeConcernError"] = error
    if labels is None:
        found = label(
            call.command.name,
            int(error.get("code", 0)),
            in_transaction="autocommit" in call.body,
            numbered="txnNumber" in call.body,
        )
        labels = [RETRYABLE] if found == RETRYABLE else []
    if labels:
        reply["errorLabels"] = labels
