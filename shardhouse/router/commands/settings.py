"""Settings: the router's own parameters, and the cluster's, which the config servers keep."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.command import truncated
from shardhouse.router.commands.call import READ_ATTEMPTS, Call
from shardhouse.router.commands.relay import to_config
from shardhouse.router.errors import CommandError, bad_value
from shardhouse.router.parameters import KNOWN
from shardhouse.router.upstream.rules import CLIENT_GENERIC
from shardhouse.router.wire import raw


async def get_parameter(call: Call) -> raw.Document:
    """getParameter: by name, or all; with `showDetails` also what may be changed."""
    values = call.router.parameters.all()
    options: raw.Document = {}
    if isinstance(call.command.value, RawBSONDocument):
        options = raw.shallow(bytes(call.command.value.raw))
    found = (
        values
        if call.command.value == "*" or options.get("allParameters")
        else {name: values[name] for name in call.body if name in values}
    )
    if not found:
        raise CommandError(72, "no option found to get")
    if not options.get("showDetails"):
        return found
    return {name: {"value": value, **_details(name)} for name, value in found.items()}


def _details(name: str) -> dict[str, Any]:
    known = KNOWN.get(name)
    return {
        "settableAtRuntime": known is not None and known.changeable,
        "settableAtStartup": True,
    }


async def set_parameter(call: Call) -> raw.Document:
    """setParameter: one at a time; the reply says what it `was`."""
    given = [name for name in list(call.body)[1:] if name not in CLIENT_GENERIC]
    if not given:
        raise CommandError(72, "no option found to set, use help:true to see options ")
    if len(given) > 1:
        raise bad_value("only one parameter can be set at a time")
    value = call.body[given[0]]
    value = raw.deep(value) if isinstance(value, RawBSONDocument) else value
    was = call.router.parameters.set(given[0], value)
    call.router.slow_log.decide()
    return {"was": was}


async def get_defaults(call: Call) -> raw.Document:
    """getDefaultRWConcern."""
    return await call.on_config(call.build("getDefaultRWConcern", 1), attempts=READ_ATTEMPTS)


async def set_defaults(call: Call) -> raw.Document:
    """setDefaultRWConcern; this router uses the new ones at once, others within seconds."""
    reply = await to_config("setDefaultRWConcern")(call)
    await call.router.refresh_defaults()
    return reply


async def profile(call: Call) -> raw.Document:
    """profile: a router has no profiler, only what of its operations it logs as slow."""
    level = call.command.get("profile", (int, float))
    if level not in (0, -1):
        raise bad_value("Profiling is not permitted on mongos: the level must be 0")
    slow_log = call.router.slow_log
    was = {"was": 0, "slowms": slow_log.milliseconds, "sampleRate": slow_log.sample_rate}
    slow = call.command.get("slowms", (int, float))
    rate = call.command.get("sampleRate", (int, float))
    if call.body.get("filter") not in (None, "unset"):
        raise CommandError(115, "This router logs slow operations by time only, not by a filter")
    if rate is not None and not 0 <= rate <= 1:
        raise bad_value("'sampleRate' must be between 0.0 and 1.0 inclusive")
    if level == 0:
        slow_log.milliseconds = slow_log.milliseconds if slow is None else truncated(slow)
        slow_log.sample_rate = slow_log.sample_rate if rate is None else float(rate)
    return was
