"""Users of an instance. Of a cluster they live on its config servers, else on its replica set."""

from collections.abc import Sequence
from typing import Any

from pymongo.errors import OperationFailure

from shardhouse.mongo.admin import Clients, majority
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline

ADMINISTRATOR = "rwuser"
_EXISTS = 51003


def ensure_administrator(
    hosts: Sequence[str],
    password: str,
    clients: Clients,
    deadline: Deadline,
    name: str = ADMINISTRATOR,
) -> None:
    """Make the instance's administrator: role root, this password; a user of that name gets both.

    `hosts` are the members that hold users. A majority has it when this returns.
    """
    body: dict[str, Any] = {"pwd": password, "roles": ["root"]}

    def ensure() -> bool | None:
        primary = find_primary(hosts, clients)
        if primary is None:
            return None
        try:
            majority(clients[primary], "createUser", name, **body)
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise
            majority(clients[primary], "updateUser", name, **body)
        return True

    deadline.until(f"user {name} to be made", ensure)
