"""What the router says of itself and of the cluster: build, status, connections, statistics."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from bson import Int64

from shardhouse.router.commands.call import READ_ATTEMPTS, Call
from shardhouse.router.errors import CommandError, missing_field, wrong_type
from shardhouse.router.wire import raw


async def ping(call: Call) -> raw.Document:
    """ping: this process is alive."""
    return {}


async def is_dbgrid(call: Call) -> raw.Document:
    """isdbgrid."""
    return {"isdbgrid": 1, "hostname": socket.gethostname()}


async def build_info(call: Call) -> raw.Document:
    """buildInfo, as the cluster's own nodes give it."""
    return await call.on_config({"buildInfo": 1}, attempts=READ_ATTEMPTS)


async def whats_my_uri(call: Call) -> raw.Document:
    """whatsmyuri."""
    return {"you": call.session.peer}


async def connection_status(call: Call) -> raw.Document:
    """connectionStatus."""
    user = call.user
    info: dict[str, Any] = {
        "authenticatedUsers": [{"user": user.name, "db": user.database}] if user else [],
        "authenticatedUserRoles": list(user.roles) if user else [],
    }
    if call.body.get("showPrivileges"):
        info["authenticatedUserPrivileges"] = list(user.granted) if user else []
    return {"authInfo": info}


async def host_info(call: Call) -> raw.Document:
    """hostInfo."""
    names = os.uname()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": {
            "currentTime": datetime.now(UTC),
            "hostname": names.nodename,
            "cpuAddrSize": 64,
            "memSizeMB": Int64(memory >> 20),
            "numCores": os.cpu_count(),
            "cpuArch": names.machine,
        },
        "os": {"type": names.sysname, "version": names.release},
    }


async def command_line(call: Call) -> raw.Document:
    """getCmdLineOpts."""
    options = call.router.options
    return {
        "argv": ["mongos", *options.argv],
        "parsed": options.parsed,
    }


async def get_log(call: Call) -> raw.Document:
    """getLog: the newest lines, or the warnings given at the start."""
    if call.command.value == "*":
        return {"names": ["global", "startupWarnings"]}
    if not isinstance(call.command.value, str):
        raise wrong_type("getLog.getLog", "string")
    if call.command.value not in ("global", "startupWarnings"):
        raise CommandError(96, f"no RamLog named: {call.command.value}")
    log = call.router.log
    if call.command.value == "startupWarnings":
        return {"totalLinesWritten": len(log.startup_warnings), "log": log.startup_warnings}
    return {"totalLinesWritten": log.written, "log": list(log.recent)}


async def rotate_log(call: Call) -> raw.Document:
    """logRotate."""
    try:
        call.router.log.rotate()
    except OSError as error:
        raise CommandError(37, f"Log rotation failed: {error.strerror}") from error
    return {}


async def drop_connections(call: Call) -> raw.Document:
    """dropConnections: the idle ones to the nodes named; what runs on others may end."""
    addresses = call.command.get("hostAndPort", list)
    if addresses is None:
        raise missing_field("dropConnections.hostAndPort")
    for position, address in enumerate(addresses):
        if not isinstance(address, str):
            raise wrong_type(f"dropConnections.hostAndPort.{position}", "string")
        pool = call.router.cluster.pools.get(address)
        if pool is not None:
            pool.clear()
    return {}


async def rotate_certificates(call: Call) -> raw.Document:
    """rotateCertificates: new connections use the files as they are now; open ones live on."""
    if call.router.tls.clients is None:
        raise CommandError(20, "TLS is not enabled: there are no certificates to rotate")
    try:
        call.router.tls.rotate()
    except OSError as error:
        raise CommandError(
            93, f"certificates cannot be used, the old ones stay: {error}"
        ) from error
    call.router.log.note(
        "NETWORK", "Certificates rotated", call.session.context, text=call.body.get("message")
    )
    return {}


def refusal(code: int, message: str) -> Callable[[Call], Awaitable[raw.Document]]:
    """A command a mongos knows but only to refuse it."""

    async def refuse(call: Call) -> raw.Document:
        raise CommandError(code, message)

    return refuse
