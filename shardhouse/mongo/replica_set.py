"""Replica sets: form one fast and safely, and settle it afterwards."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, listening
from shardhouse.mongo.wait import Deadline

FAST_HEARTBEAT = 100
"""Milliseconds between heartbeats while a set forms: its primary then learns at once who is up."""
HEARTBEAT = 2000
"""MongoDB's default."""
_NOT_INITIALIZED = 94
_ALREADY_INITIALIZED = 23


@dataclass(frozen=True)
class SetPlan:
    """A set to be: its name and its members `address:port`, the first of which will be primary.

    Of three members the last is hidden and never elected, as DDS builds them.
    """

    name: str
    hosts: tuple[str, ...]
    config_server: bool = False

    @property
    def hidden(self) -> str | None:
        """The hidden member, if there is one."""
        return self.hosts[-1] if len(self.hosts) >= 3 else None

    @property
    def visible(self) -> tuple[str, ...]:
        """The members a client may know of."""
        return tuple(host for host in self.hosts if host != self.hidden)


def initial_config(plan: SetPlan) -> dict[str, Any]:
    """The configuration to initiate with."""
    members = [
        {
            "_id": number,
            "host": host,
            **({"hidden": True, "priority": 0} if host == plan.hidden else {}),
        }
        for number, host in enumerate(plan.hosts)
    ]
    return {
        "_id": plan.name,
        **({"configsvr": True} if plan.config_server else {}),
        "members": members,
        "settings": {"heartbeatIntervalMillis": FAST_HEARTBEAT},
    }


def form(plan: SetPlan, clients: Clients, deadline: Deadline) -> str:
    """Bring the set to where its majority acknowledges writes; returns the primary's host.

    Repeating it after any interruption continues where it stopped. MongoError says what did not
    happen before the deadline, or that the members belong to another set. `settle` it later.
    """
    for host in plan.hosts:
        listening(host, deadline)
    first = clients[plan.hosts[0]]
    if not deadline.until(f"the state of {plan.name}", lambda: _initiated(plan, clients)):
        _initiate(first, plan, deadline)
    primary = deadline.until(f"a primary of {plan.name}", lambda: _elected(plan, clients))
    _majority(clients[primary], plan, deadline)
    return primary


def settle(plan: SetPlan, clients: Clients, deadline: Deadline) -> None:
    """Slow heartbeats down to the default. Takes the server two seconds, so it is not part of
    `form`: do it once the user's job is done. Does nothing where it was done."""

    def settled() -> bool | None:
        primary = find_primary(plan.visible, clients)
        if primary is None:
            return None
        client = clients[primary]
        config = client.admin.command("replSetGetConfig")["config"]
        if config["settings"]["heartbeatIntervalMillis"] == HEARTBEAT:
            return True
        config["settings"]["heartbeatIntervalMillis"] = HEARTBEAT
        config["version"] += 1
        client.admin.command("replSetReconfig", config, maxTimeMS=int(deadline.left * 1000) + 1)
        return True

    deadline.until(f"{plan.name} to accept its settled configuration", settled)


def find_primary(hosts: Sequence[str], clients: Clients) -> str | None:
    """The host among `hosts` that accepts writes now; members that do not answer are passed by."""
    for host in hosts:
        with suppress(PyMongoError):
            if clients[host].admin.command("hello")["isWritablePrimary"]:
                return host
    return None


def _initiated(plan: SetPlan, clients: Clients) -> bool | None:
    """Whether any member has a configuration; MongoError if it is not this set's."""
    for host in plan.hosts:
        try:
            config = clients[host].admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code == _NOT_INITIALIZED:
                continue
            raise
        present = {member["host"] for member in config["members"]}
        if config["_id"] != plan.name or present != set(plan.hosts):
            raise MongoError(
                f"{host} should be a member of {plan.name} ({', '.join(plan.hosts)}), but it is "
                f"one of {config['_id']} ({', '.join(sorted(present))}). Was its address reused?"
            )
        return True
    return False


def _initiate(client: Client, plan: SetPlan, deadline: Deadline) -> None:
    def initiate() -> bool:
        try:
            client.admin.command("replSetInitiate", initial_config(plan))
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise
        return True

    deadline.until(f"the initiation of {plan.name}", initiate)


def _elected(plan: SetPlan, clients: Clients) -> str | None:
    """The primary's host. Where there is none, the first member that is up must stand for election
    at once, instead of after the ten seconds of a silent set. It may lose while the others do not
    know the configuration yet; that is an error to wait over."""
    primary = find_primary(plan.visible, clients)
    if primary is not None:
        return primary
    for host in plan.visible:
        with suppress(ConnectionFailure):  # where it is down, the next one stands
            clients[host].admin.command("replSetStepUp", 1)
            break
    return None


def _majority(client: Client, plan: SetPlan, deadline: Deadline) -> None:
    """Write a note to the oplog that a majority must have; the server wakes us when it does."""

    def write() -> bool:
        concern = {"w": "majority", "wtimeout": int(deadline.left * 1000) + 1}
        client.admin.command("appendOplogNote", 1, data={"formed": plan.name}, writeConcern=concern)
        return True

    deadline.until(f"a majority of {plan.name} to acknowledge a write", write)
