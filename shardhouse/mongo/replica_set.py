"""Replica sets: form one fast and safely, and settle it afterwards.

Where the time of the usual way goes, and what is done instead (measured on 6.0.5):

- An election of several fresh members waits ten seconds. So the first member starts a set of its
  own, of which it is primary at once, and the others join it.
- A member that hears of the set while its configuration is not stored yet asks again only half a
  second later. A forced reconfiguration asks nobody beforehand, so there is nothing to hear early.
- Initial sync waits one second if at its start the member had not yet heard from the others (two
  heartbeats of each), and replication waits one second if at its start nobody seemed to be ahead.
  So members join one by one, with heartbeats every few milliseconds, while notes are written: the
  second wait goes, the first goes about every other time.

What keeps it safe: one voter joins at a time, so every majority of the old configuration meets
every majority of the new one; and the next joins only after a majority acknowledged a write.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError, WTimeoutError

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, Clients, accepts, listening, majority
from shardhouse.mongo.wait import Deadline

FORMING = 5
"""Milliseconds between heartbeats until a majority has the data."""
JOINING = 100
"""Milliseconds between heartbeats while the rest catches up."""
SETTLED = 2000
"""MongoDB's default."""
_FOLLOWING = {1, 2}
"""The states PRIMARY and SECONDARY."""
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


def configuration(plan: SetPlan, size: int) -> dict[str, Any]:
    """The configuration of the set while it has `size` members."""
    members = [
        {"_id": number, "host": host}
        | ({"hidden": True, "priority": 0} if host == plan.hidden else {})
        for number, host in enumerate(plan.hosts[:size])
    ]
    pace = SETTLED if len(plan.hosts) == 1 else FORMING if size <= 2 else JOINING
    return {
        "_id": plan.name,
        **({"configsvr": True} if plan.config_server else {}),
        "members": members,
        "settings": {"heartbeatIntervalMillis": pace},
    }


def form(plan: SetPlan, clients: Clients, deadline: Deadline) -> str:
    """Bring the set to where all are its members and a majority acknowledges writes; returns the
    primary's host. A third member may still be copying then, which takes it a second or two.

    Repeating it after any interruption continues where it stopped. MongoError says what did not
    happen before the deadline, or that the members belong to another set. `settle` it later.
    """
    for host in plan.hosts:
        listening(host, deadline)
    size = deadline.until(f"the state of {plan.name}", lambda: _size(plan, clients))
    if size == 0:
        _initiate(clients[plan.hosts[0]], plan, deadline)
        size = 1
    primary = deadline.until(f"a primary of {plan.name}", lambda: _elected(plan, size, clients))
    _agree(clients[primary], plan, deadline)
    while size < len(plan.hosts):
        size += 1
        _join(clients[primary], plan, size, deadline)
        _agree(clients[primary], plan, deadline)
    return primary


def awaken(plan: SetPlan, clients: Clients, deadline: Deadline) -> None:
    """Have a primary soon in a set whose processes have just been started. Does nothing where there
    is one."""
    deadline.until(f"a primary of {plan.name}", lambda: _elected(plan, len(plan.hosts), clients))


def nominate(plan: SetPlan, clients: Clients) -> None:
    """Have the first member that is up stand for election, if the set has no primary. A candidate
    that lacks acknowledged writes loses, as in any election."""
    with suppress(PyMongoError):
        _elected(plan, len(plan.hosts), clients)


def settle(plan: SetPlan, clients: Clients, deadline: Deadline) -> None:
    """Wait until every member has caught up, then slow heartbeats down to the default.

    The server may take two seconds over it, so it is not part of `form`: do it once the user's job
    is done. Until then a failure of the first member finds a set whose third may still be copying:
    nothing acknowledged is lost, but writes wait until the first is back. Does nothing where it was
    done.
    """

    def settled() -> bool | None:
        primary = find_primary(plan.visible, clients)
        if primary is None:
            return None
        admin = clients[primary].admin
        states = {member["state"] for member in admin.command("replSetGetStatus")["members"]}
        if not states <= _FOLLOWING:
            return None
        config = admin.command("replSetGetConfig")["config"]
        if config["settings"]["heartbeatIntervalMillis"] == SETTLED:
            return True
        config["settings"]["heartbeatIntervalMillis"] = SETTLED
        config["version"] += 1
        admin.command("replSetReconfig", config, maxTimeMS=int(deadline.left * 1000) + 1)
        return True

    deadline.until(f"{plan.name} to accept its settled configuration", settled)


def find_primary(hosts: Sequence[str], clients: Clients) -> str | None:
    """The host among `hosts` that accepts writes now; members that do not answer are passed by."""
    for host in filter(accepts, hosts):
        with suppress(PyMongoError):
            if clients[host].admin.command("hello")["isWritablePrimary"]:
                return host
    return None


def _size(plan: SetPlan, clients: Clients) -> int:
    """How many members the set has, 0 before it is initiated; MongoError if it is another's.

    The first member decides: it founds the set, and has each configuration before the others.
    """
    try:
        config = clients[plan.hosts[0]].admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code == _NOT_INITIALIZED:
            return 0
        raise
    present = tuple(member["host"] for member in config["members"])
    if config["_id"] != plan.name or present != plan.hosts[: len(present)]:
        raise MongoError(
            f"{plan.hosts[0]} should belong to {plan.name} ({', '.join(plan.hosts)}), but belongs "
            f"to {config['_id']} ({', '.join(present)}). Was its address used before?"
        )
    return len(present)


def _initiate(founder: Client, plan: SetPlan, deadline: Deadline) -> None:
    def initiate() -> bool:
        try:
            founder.admin.command("replSetInitiate", configuration(plan, 1))
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise
        return True

    deadline.until(f"the initiation of {plan.name}", initiate)


def _elected(plan: SetPlan, size: int, clients: Clients) -> str | None:
    """The primary's host. Where there is none, the first member that is up must stand for election
    at once, instead of after the ten seconds of a silent set; losing is an error to wait over."""
    electable = [host for host in plan.hosts[:size] if host != plan.hidden]
    primary = find_primary(electable, clients)
    if primary is not None:
        return primary
    for host in filter(accepts, electable):
        with suppress(ConnectionFailure):  # where it is down, the next one stands
            clients[host].admin.command("replSetStepUp", 1)
            break
    return None


def _join(primary: Client, plan: SetPlan, size: int, deadline: Deadline) -> None:
    """Let the next member join. Looks at the version anew each time: repeating it is harmless."""

    def reconfigure() -> bool:
        version = primary.admin.command("replSetGetConfig")["config"]["version"]
        config = configuration(plan, size) | {"version": version + 1}
        primary.admin.command("replSetReconfig", config, force=True)
        return True

    deadline.until(f"{plan.hosts[size - 1]} to join {plan.name}", reconfigure)


def _agree(primary: Client, plan: SetPlan, deadline: Deadline) -> None:
    """Write notes to the oplog until a majority acknowledges two in a row: the first may have come
    with a member's initial copy, the second proves that it follows."""
    in_a_row = 0

    def write() -> bool | None:
        nonlocal in_a_row
        try:
            majority(
                primary,
                "appendOplogNote",
                data={"forming": plan.name},
                wtimeout=25 if in_a_row else 5,
            )
        except WTimeoutError:
            in_a_row = 0
            raise
        in_a_row += 1
        return True if in_a_row == 2 else None

    deadline.until(f"a majority of {plan.name} to acknowledge writes", write, pause=0)
