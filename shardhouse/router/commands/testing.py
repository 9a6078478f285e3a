"""configureFailPoint, and what a fail point does to a command. Test commands must be enabled."""

from __future__ import annotations

import asyncio

from bson.raw_bson import RawBSONDocument

from shardhouse.router.commands.call import Call
from shardhouse.router.errors import CommandError
from shardhouse.router.fail_points import ConnectionDroppedError, Failure
from shardhouse.router.wire import raw


async def configure(call: Call) -> raw.Document:
    """configureFailPoint; CommandNotFound (59) unless the router was started for tests."""
    if not call.router.parameters["enableTestCommands"]:
        raise CommandError(59, f"no such command: '{call.command.name}'")
    name, mode = call.command.value, call.body.get("mode")
    data = call.command.get("data", RawBSONDocument)
    count = call.router.fail_points.configure(
        str(name),
        raw.deep(mode) if isinstance(mode, RawBSONDocument) else mode,
        raw.deep(data) if data is not None else {},
    )
    return {"count": count}


def hit(call: Call) -> Failure | None:
    """What a fail point wants done to this command, named as the client named it."""
    if not call.router.fail_points:
        return None
    value = call.command.value
    namespace = f"{call.db}.{value}" if isinstance(value, str) else call.db
    return call.router.fail_points.hit(call.command.name, namespace, call.session.application)


async def suffer(call: Call, failure: Failure) -> None:
    """Wait, break the connection, or fail, as the fail point wants; else go on."""
    if failure.delay:
        await asyncio.sleep(failure.delay)
    if failure.closes:
        raise ConnectionDroppedError
    error = failure.error(retryable="txnNumber" in call.body)
    if error is not None:
        raise error


def add_concern_error(reply: raw.Document, failure: Failure) -> None:
    """The fail point's write concern error, in a reply that is otherwise as it would be."""
    if failure.write_concern_error is not None:
        reply["writeConcernError"] = failure.write_concern_error
        if failure.labels:
            reply["errorLabels"] = failure.labels
