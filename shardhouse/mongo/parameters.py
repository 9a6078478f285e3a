"""Parameters of servers that run: asked for, and changed where that needs no new process."""

from collections.abc import Iterable
from typing import Any

from shardhouse.domain.parameters import DEFAULT, NodeType, Parameter, Way
from shardhouse.mongo import commandline
from shardhouse.mongo.admin import Client

_ASKED = frozenset({Way.PARAMETER, Way.START_PARAMETER})
#: Reads the profiler's settings and changes no level.
_UNCHANGED = -1


def read(client: Client, rows: Iterable[Parameter], memory: int) -> dict[str, str]:
    """What a server has now, by the parameters' names. `memory` is its node's, in bytes. PyMongo's
    errors pass through."""
    wanted = list(rows)
    ways = {one.way for one in wanted}
    admin = client.admin
    reported: dict[Way, Any] = {}
    own: dict[str, Any] = {}
    if names := [one.name for one in wanted if one.way in _ASKED]:
        own = admin.command({"getParameter": 1, **dict.fromkeys(names, 1)})
    if ways & {Way.PROFILING, Way.SLOW_THRESHOLD, Way.SLOW_SAMPLE_RATE}:
        profiler = admin.command({"profile": _UNCHANGED})
        reported[Way.PROFILING] = commandline.PROFILING[profiler["was"]]
        reported[Way.SLOW_THRESHOLD] = profiler["slowms"]
        reported[Way.SLOW_SAMPLE_RATE] = profiler["sampleRate"]
    if ways & {Way.CONNECTIONS, Way.CACHE}:
        status = admin.command("serverStatus")
        connections = status["connections"]
        reported[Way.CONNECTIONS] = connections["current"] + connections["available"]
        if "wiredTiger" in status:
            cache = status["wiredTiger"]["cache"]["maximum bytes configured"]
            reported[Way.CACHE] = round(100 * cache / memory)
    if Way.SCRIPTING in ways:
        options = admin.command("getCmdLineOpts")["parsed"]
        reported[Way.SCRIPTING] = options.get("security", {}).get("javascriptEnabled", True)
    return {
        one.name: one.as_kept(own[one.name] if one.way in _ASKED else reported[one.way])
        for one in wanted
    }


def change(
    client: Client, parameter: Parameter, value: str, node_type: NodeType, memory: int
) -> None:
    """Give a server a value that it takes while it runs. PyMongo's errors pass through."""
    admin = client.admin
    match parameter.way:
        case Way.PARAMETER:
            admin.command({"setParameter": 1, parameter.name: parameter.typed(value)})
        case Way.SLOW_THRESHOLD:
            admin.command({"profile": _level(node_type), "slowms": parameter.typed(value)})
        case Way.SLOW_SAMPLE_RATE:
            admin.command({"profile": _level(node_type), "sampleRate": parameter.typed(value)})
        case Way.CACHE:
            percent = None if value == DEFAULT else int(value)
            size = int(commandline.cache_gigabytes(memory, percent) * 1024)
            admin.command(
                {"setParameter": 1, "wiredTigerEngineRuntimeConfig": f"cache_size={size}M"}
            )
        case _:
            raise AssertionError(f"{parameter.name} needs a new process")


def effective(parameter: Parameter, value: str, *, max_connections: int, memory: int) -> str:
    """What a server reports once it has a value: of the default of a flavor, what follows from it.
    `max_connections` are the flavor's, `memory` the node's."""
    if parameter.way is Way.CACHE:
        percent = None if value == DEFAULT else int(value)
        size = commandline.cache_gigabytes(memory, percent) * commandline.GIB
        return str(round(100 * size / memory))
    return str(max_connections) if value == DEFAULT else value


def _level(node_type: NodeType) -> int:
    """A router takes other settings with its one level only."""
    return 0 if node_type is NodeType.MONGOS else _UNCHANGED
