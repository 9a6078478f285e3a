"""The balancer of a cluster: `config.settings` on its config servers, and their own commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, accepts
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline

_BALANCER = {"_id": "balancer"}
_COMMANDS = {True: "_configsvrBalancerStart", False: "_configsvrBalancerStop"}


@dataclass(frozen=True)
class Balancer:
    """Whether it is on, and from when to when it works (`HH:MM`); at any time without a window."""

    on: bool
    window: tuple[str, str] | None


def read(hosts: Sequence[str], clients: Clients) -> Balancer:
    """What the config servers `hosts` have: their primary, or any of them while there is none.
    MongoError if none answers; PyMongo's errors pass through."""
    host = find_primary(hosts, clients) or next(filter(accepts, hosts), None)
    if host is None:
        raise MongoError("No config server accepts connections.")
    return _read(clients[host])


def switch(hosts: Sequence[str], on: bool, clients: Clients, deadline: Deadline) -> None:
    """Start or stop it. When it has stopped, no chunk is being moved any more. MongoError after the
    deadline."""

    def switched() -> bool | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        milliseconds = int(deadline.left * 1000) + 1
        clients[primary].admin.command(_COMMANDS[on], 1, maxTimeMS=milliseconds)
        return _read(clients[primary]).on is on or None

    deadline.until(f"the balancer to {'start' if on else 'stop'}", switched)


def set_window(
    hosts: Sequence[str], start: str, stop: str, clients: Clients, deadline: Deadline
) -> None:
    """Have it work from `start` to `stop` only. MongoError after the deadline."""

    def stored() -> bool | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        settings = clients[primary]["config"].get_collection(
            "settings", write_concern=WriteConcern("majority", wtimeout=int(deadline.left * 1000))
        )
        window = {"activeWindow": {"start": start, "stop": stop}}
        settings.update_one(_BALANCER, {"$set": window}, upsert=True)
        return True

    deadline.until("the balancer's window to be stored", stored)


def _read(client: Client) -> Balancer:
    settings = client["config"].get_collection("settings", read_concern=ReadConcern("majority"))
    document: dict[str, Any] = settings.find_one(_BALANCER) or {}
    on = not document.get("stopped") and document.get("mode") != "off"
    window = document.get("activeWindow")
    if not isinstance(window, Mapping) or not {"start", "stop"} <= window.keys():
        return Balancer(on, None)  # users write this document, too; MongoDB ignores a bad window
    return Balancer(on, (str(window["start"]), str(window["stop"])))
