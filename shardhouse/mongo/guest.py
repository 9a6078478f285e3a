"""A user that the service has for a while: at a router `__system` reaches nothing of the cluster.

It has the administrator's roles, for more is kept out of the users' collection, and a password that
is nowhere but in our memory.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shardhouse.mongo import administrator
from shardhouse.mongo.admin import Client, Clients, accepts, majority
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline

_FAREWELL = 60.0
"""Seconds in which such a user is removed: its work may have taken longer than its coming."""
MARK = {"of": "shardhouse", "for": "a job that runs"}
"""What these users are known by, should we be killed: their `customData`."""

_PREFIX = "shardhouse-"
_NAME = re.compile(f"{_PREFIX}[0-9a-f]{{16}}")


def is_guest(name: str) -> bool:
    """Whether a user of `admin` is called as these users are."""
    return _NAME.fullmatch(name) is not None


@contextmanager
def logged_in(
    config_hosts: Sequence[str], routers: Sequence[str], clients: Clients, deadline: Deadline
) -> Iterator[Client]:
    """A client of one of these routers, as a user that is removed at the end. MongoError if none
    answers before the deadline."""
    remove(config_hosts, clients, deadline)
    name, password = f"{_PREFIX}{secrets.token_hex(8)}", secrets.token_urlsafe(32)

    def make() -> bool | None:
        primary = find_primary(config_hosts, clients)
        if primary is None:
            return None
        roles = list(administrator.roles(clients[primary]))
        given: dict[str, Any] = {"pwd": password, "roles": roles, "customData": MARK}
        majority(clients[primary], "createUser", name, **given)
        return True

    deadline.until("a user of the service to be made", make)
    try:
        host = deadline.until("a router to answer", lambda: next(filter(accepts, routers), None))
        client = clients.as_user(host, name, password)
        deadline.until(f"the router {host} to serve", lambda: client.admin.command("ping"))
        yield client
    finally:
        remove(config_hosts, clients, Deadline(_FAREWELL))


def remove(config_hosts: Sequence[str], clients: Clients, deadline: Deadline) -> None:
    """No such user is there; one that was made before a crash is removed as well."""

    def removed() -> bool | None:
        primary = find_primary(config_hosts, clients)
        if primary is None:
            return None
        admin = clients[primary].admin
        for user in admin.command("usersInfo", 1)["users"]:
            if user.get("customData") == MARK:
                majority(clients[primary], "dropUser", user["user"])
        return True

    deadline.until("users of the service to be removed", removed)
