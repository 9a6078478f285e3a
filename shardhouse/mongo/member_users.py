"""Users that log in at the members of a shard or at config servers, and read what is there.

Users of the cluster live on its config servers, and a shard knows none of them: what logs in at its
members is a user of its own.
"""

from collections.abc import Sequence
from typing import Any

from pymongo.errors import OperationFailure

from shardhouse.mongo.admin import Clients, majority
from shardhouse.mongo.administrator import reader_roles
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline

SHARD_USER = "sharduser"
CONFIG_USER = "csuser"
_NOT_FOUND = 11
_EXISTS = 51003


def ensure(
    hosts: Sequence[str], user: str, password: str, clients: Clients, deadline: Deadline
) -> None:
    """The user is there with this password and its roles, on the set that `hosts` can lead; a
    majority has it when this returns. MongoError after the deadline."""

    def ensure_once() -> bool | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        client = clients[primary]
        given: dict[str, Any] = {
            "pwd": password,
            "roles": reader_roles(client, shard=user == SHARD_USER),
        }
        wtimeout = int(deadline.left * 1000) + 1
        try:
            majority(client, "createUser", user, wtimeout=wtimeout, **given)
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise
            majority(client, "updateUser", user, wtimeout=wtimeout, **given)
        return True

    deadline.until(f"user {user} to be made", ensure_once)


def drop(hosts: Sequence[str], user: str, clients: Clients, deadline: Deadline) -> None:
    """The user is not there. MongoError after the deadline."""

    def drop_once() -> bool | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        try:
            majority(clients[primary], "dropUser", user, wtimeout=int(deadline.left * 1000) + 1)
        except OperationFailure as error:
            if error.code != _NOT_FOUND:
                raise
        return True

    deadline.until(f"user {user} to be removed", drop_once)
