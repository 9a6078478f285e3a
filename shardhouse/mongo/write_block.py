"""Holds off the writes of users, of a replica set or of a cluster (`setUserWriteBlockMode`).

It came with MongoDB 6.0. Reads go on, and so does what the service itself writes. The state is
replicated: elections and restarts leave it as it is. Deleting is writing as well.
"""

from typing import Any

from pymongo.errors import OperationFailure

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, majority
from shardhouse.mongo.replica_set import SetPlan, find_primary

_NOT_OFFERED = frozenset({20, 59, 115})
"""Answers of servers before 6.0, and of 6.0 with older features."""


def hold(plan: SetPlan, clients: Clients, *, blocked: bool) -> bool:
    """Hold user writes off, or let them go on; whether the server offers that. Of a cluster, `plan`
    is that of its config servers. Raises MongoError where there is no primary, and PyMongo's
    errors."""
    client = _primary(plan, clients)
    name = "_configsvrSetUserWriteBlockMode" if plan.config_server else "setUserWriteBlockMode"
    try:
        if plan.config_server:
            fields: dict[str, Any] = {"global": blocked}
            majority(client, name, **fields)
        else:
            client.admin.command({name: 1, "global": blocked})
    except OperationFailure as error:
        if error.code in _NOT_OFFERED:
            return False
        raise
    return True


def is_held(plan: SetPlan, clients: Clients) -> bool:
    """Whether a set holds user writes off; of a cluster, any shard. Raises as `hold` does."""
    sections = _primary(plan, clients)["config"]["user_writes_critical_sections"]
    return sections.find_one() is not None


def _primary(plan: SetPlan, clients: Clients) -> Client:
    host = find_primary(plan.electable, clients)
    if host is None:
        raise MongoError(f"{plan.name} has no primary now.")
    return clients[host]
