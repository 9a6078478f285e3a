"""Passwords of users: changed, and tried as a client would."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shardhouse import error_codes as codes
from shardhouse.errors import DdsError
from shardhouse.mongo.admin import APPLICATION, Clients, accepts, majority
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline

_PAUSE = 0.2
"""Seconds between two attempts to log in, each of which the server logs."""
_TIMEOUT = 5000
_USER_NOT_FOUND = 11
_AUTHENTICATION_FAILED = 18


def set_password(
    hosts: Sequence[str],
    user: str,
    database: str,
    password: str,
    clients: Clients,
    deadline: Deadline,
) -> None:
    """Give a user another password; a majority has it when this returns. `hosts` are the members
    that hold users. Raises DdsError 400 for an unknown user, MongoError after the deadline."""

    def change() -> bool | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        try:
            milliseconds = int(deadline.left * 1000) + 1
            majority(
                clients[primary],
                "updateUser",
                user,
                database=database,
                pwd=password,
                wtimeout=milliseconds,
            )
        except OperationFailure as error:
            if error.code == _USER_NOT_FOUND:
                raise DdsError(
                    codes.USER_NOT_FOUND, f"There is no user {user} on database {database}."
                ) from None
            raise
        return True

    deadline.until(f"the password of {user} to be changed", change)


def works(host: str, user: str, database: str, password: str, authority: Path | None) -> bool:
    """Whether a client may log in at `address:port` with this password. `authority` is the CA
    file's place where TLS is required. PyMongo's errors pass through."""
    options: dict[str, Any] = {"tls": True, "tlsCAFile": str(authority)} if authority else {}
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            host,
            directConnection=True,
            username=user,
            password=password,
            authSource=database,
            serverSelectionTimeoutMS=_TIMEOUT,
            socketTimeoutMS=_TIMEOUT,
            appName=APPLICATION,
            **options,
        )
        with client:
            client[database].command("ping")
    except OperationFailure as error:
        if error.code == _AUTHENTICATION_FAILED:
            return False
        raise
    return True


def await_routers(
    routers: Sequence[str],
    user: str,
    database: str,
    password: str,
    authority: Path | None,
    deadline: Deadline,
) -> None:
    """Wait until each router that is up takes the new password and no other: routers keep what they
    know of users, ours for a second, MongoDB's own for up to thirty. MongoError after the
    deadline."""
    for host in filter(accepts, routers):
        deadline.until(
            f"router {host} to learn the password of {user}",
            lambda host=host: works(host, user, database, password, authority) or None,  # type: ignore[misc]
            pause=_PAUSE,
        )
