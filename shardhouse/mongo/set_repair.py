"""Puts a damaged configuration of a replica set back to its plan, where that loses nothing.

Damage is: members dropped or added by a forced reconfiguration, votes, priorities, hidden flags or
settings changed, the stored configuration (`local.system.replset`) deleted on a member.

What keeps it safe:

- Nothing is done before every planned member answers: one that is away may hold the newest writes.
- No member's data is ever reset. One that left the set comes back only if its newest oplog entry is
  in the primary's oplog, so that it has nothing to roll back; else the difference is reported.
- A set without a primary is led by the member whose oplog contains those of all others.
- Members come back without a vote, get it one by one, and only when they have caught up. So no
  election meanwhile can be won without the writes of the primary.
- A member without a stored configuration gets it written back before it can fetch one from another
  member, which would make it copy all data anew.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from shardhouse.errors import MongoError
from shardhouse.mongo import reconfiguration
from shardhouse.mongo.admin import Client, Clients, accepts, listening
from shardhouse.mongo.reconfiguration import deviations, spelled
from shardhouse.mongo.replica_set import SETTLED, SetPlan, configuration
from shardhouse.mongo.wait import Deadline

_STARTING = 10.0
"""Seconds in which a member that accepts connections may not answer yet, or not have read its
configuration: it has just been started, or its state changes, which closes connections."""
_NOT_INITIALIZED = 94


@dataclass(frozen=True)
class Member:
    """What one planned member says. `config` is the configuration it works with, `stored` whether
    that is on its disk; `newest` is its last oplog entry, None where that cannot be read."""

    host: str
    config: Mapping[str, Any] | None
    stored: bool
    primary: bool
    leader: str
    newest: tuple[int, Timestamp] | None

    @property
    def starting(self) -> bool:
        """Whether it has not read its configuration yet, or was given one and not restarted."""
        return self.stored and self.config is None

    @property
    def age(self) -> tuple[int, int]:
        """Orders configurations: version and term, which a forced one does not have."""
        return (self.config["version"], self.config.get("term", -1)) if self.config else (0, -1)


def examine(plan: SetPlan, clients: Clients) -> tuple[Member, ...] | None:
    """What the planned members say; None unless every one of them answers."""
    if not all(map(accepts, plan.hosts)):
        return None
    try:
        return tuple(_examine_one(host, clients[host]) for host in plan.hosts)
    except PyMongoError:
        return None


def differences(plan: SetPlan, members: Sequence[Member]) -> tuple[str, ...]:
    """How the set's configuration differs from its plan, in words. Pure."""
    found = [f"{member.host} has no configuration" for member in members if not member.config]
    found += [
        f"the configuration of {member.host} is not on its disk"
        for member in members
        if member.config and not member.stored
    ]
    config = _leading(members).config
    return (*found, *(deviations(plan, config) if config else ()))


def repair(
    plan: SetPlan, clients: Clients, restart: Callable[[Sequence[str]], None], deadline: Deadline
) -> tuple[str, ...]:
    """Bring the set's configuration back to the plan; what was done, in words. `restart` ends the
    processes of members, all of them before it starts one again: a member without a configuration
    that hears from another takes the other's, and copies all data anew.

    Repeating it after any interruption continues where it stopped. Raises MongoError, before it has
    changed anything that matters, where something would or might be lost, and where a member stops
    answering.
    """
    try:
        return _repair(plan, clients, restart, deadline)
    except PyMongoError as error:
        raise MongoError(
            f"A member of {plan.name} stopped answering while its configuration was repaired: "
            f"{error}. Repeating the repair continues it."
        ) from error


def _repair(
    plan: SetPlan, clients: Clients, restart: Callable[[Sequence[str]], None], deadline: Deadline
) -> tuple[str, ...]:
    done = list(_restore_stored(plan, clients, restart, deadline))
    members = _examine(plan, clients, deadline)
    if not differences(plan, members):
        return tuple(done)
    primary = _one_primary(plan, members)
    if primary is None:
        primary = _best(plan, members, clients).host
        _check_contained(plan, clients, primary, members)
        _lead_alone(plan, clients, primary, members, deadline)
        done.append(f"{primary}, which has all writes, leads {plan.name} again")
    else:
        absent = _absent(members, clients[primary])
        _check_contained(plan, clients, primary, absent)
    steps = reconfiguration.approach(plan, clients, deadline)
    return (*done, f"{plan.name} has its configuration again, after {steps} steps")


def _examine(plan: SetPlan, clients: Clients, deadline: Deadline) -> tuple[Member, ...]:
    """What the members say once none is starting; after some seconds, what they say then."""

    def steady() -> tuple[Member, ...] | None:
        members = examine(plan, clients)
        return None if members is None or any(one.starting for one in members) else members

    if all(map(accepts, plan.hosts)):
        with suppress(MongoError):
            wait = Deadline(min(_STARTING, deadline.left))
            return wait.until(f"the members of {plan.name} to answer", steady)
    members = examine(plan, clients)
    if members is None:
        raise MongoError(
            f"Not every member of {plan.name} answers ({', '.join(plan.hosts)}). Nothing is "
            "changed before all do: one that is away may hold writes that the others lack."
        )
    return members


def _examine_one(host: str, client: Client) -> Member:
    hello = client.admin.command("hello")
    try:
        config = client.admin.command("replSetGetConfig", commitmentStatus=False)["config"]
    except OperationFailure as error:
        if error.code != _NOT_INITIALIZED:
            raise
        config = None
    stored = client.local["system.replset"].find_one({}, {"_id": 1}) is not None
    try:
        entry = client.local["oplog.rs"].find_one({}, {"ts": 1, "t": 1}, sort=[("$natural", -1)])
    except PyMongoError:
        entry = None  # not readable while it starts
    return Member(
        host=host,
        config=config,
        stored=stored,
        primary=hello["isWritablePrimary"],
        leader=hello.get("primary", ""),
        newest=(entry["t"], entry["ts"]) if entry else None,
    )


def _leading(members: Sequence[Member]) -> Member:
    """The primary, else the member with the newest configuration."""
    return max(members, key=lambda member: (member.primary, member.age))


def _restore_stored(
    plan: SetPlan, clients: Clients, restart: Callable[[Sequence[str]], None], deadline: Deadline
) -> list[str]:
    """Write the configuration to the disk of members that lack it there."""
    members = _examine(plan, clients, deadline)
    document = _leading(members).config or _first_configuration(plan, clients)
    done = []
    for member in members:
        if member.stored:
            continue
        client = clients[member.host]
        client.local["system.replset"].insert_one(dict(member.config or document))
        # A member of a set acknowledges what is not replicated before it is on the disk, even with
        # `j: true`.
        client.admin.command("fsync")
        done.append(f"wrote the configuration to the disk of {member.host}")
    without = [member.host for member in members if member.config is None]
    if without:
        restart(without)
    for host in without:
        listening(host, deadline)
    deadline.until(
        f"the members of {plan.name} to have a configuration", lambda: _configured(plan, clients)
    )
    return done


def _first_configuration(plan: SetPlan, clients: Clients) -> Mapping[str, Any]:
    """For a set of which no member has a configuration. Each must have an oplog: without one it
    would wait for another's data for ever."""
    for host in plan.hosts:
        if "oplog.rs" not in clients[host].local.list_collection_names():
            raise MongoError(f"{host} has neither a configuration nor an oplog: its data is gone.")
    return {
        **configuration(plan, len(plan.hosts)),
        "version": 1,
        "settings": {"heartbeatIntervalMillis": SETTLED, "replicaSetId": ObjectId()},
    }


def _configured(plan: SetPlan, clients: Clients) -> bool | None:
    members = examine(plan, clients)
    return (members is not None and all(member.config for member in members)) or None


def _one_primary(plan: SetPlan, members: Sequence[Member]) -> str | None:
    primaries = [member.host for member in members if member.primary]
    leaders = {member.leader for member in members if member.leader}
    if len(primaries) > 1:
        raise MongoError(
            f"{plan.name} has {len(primaries)} primaries ({', '.join(primaries)}), each with "
            "writes of its own, some of which would be lost. Decide which one is to stay, copy to "
            "it what only the others hold, and empty their volumes."
        )
    strangers = leaders - set(plan.hosts)
    if strangers:
        raise MongoError(
            f"{plan.name} is led by {', '.join(strangers)}, which does not belong to it and may "
            "hold writes that its members lack. Stop that member once they have caught up."
        )
    return primaries[0] if primaries else None


def _best(plan: SetPlan, members: Sequence[Member], clients: Clients) -> Member:
    """The member to lead a set without a primary: the one with the newest entry."""
    for member in members:
        if member.newest is None:
            raise MongoError(
                f"The oplog of {member.host} cannot be read, so it is unknown which writes "
                f"it holds. {plan.name} is left as it is."
            )
    return max(members, key=lambda member: (member.newest, member.host in plan.electable))


def _absent(members: Sequence[Member], primary: Client) -> list[Member]:
    """The planned members that the primary does not replicate to now."""
    config = primary.admin.command("replSetGetConfig", commitmentStatus=False)["config"]
    present = {member["host"] for member in config["members"]}
    return [member for member in members if member.host not in present]


def _check_contained(
    plan: SetPlan, clients: Clients, primary: str, members: Sequence[Member]
) -> None:
    """Each member's newest entry is in the oplog of `primary`: it would roll back nothing."""
    for member in members:
        if member.newest is not None:
            term, time = member.newest
            oplog = clients[primary].local["oplog.rs"]
            entry = oplog.find_one({"ts": {"$gte": time}}, {"ts": 1, "t": 1})
            if entry and (entry["t"], entry["ts"]) == (term, time):
                continue
        raise MongoError(
            f"{member.host} may hold writes that {primary} lacks: its newest oplog entry is not in "
            f"the other's oplog. It is kept as it is, outside of {plan.name}; look at what it "
            "holds, then empty its volume or have it lead."
        )


def _lead_alone(
    plan: SetPlan, clients: Clients, host: str, members: Sequence[Member], deadline: Deadline
) -> None:
    """Make `host` the only voter of the whole set, and so its primary."""
    if host not in plan.electable:
        raise MongoError(
            f"{host}, a member of {plan.name} that cannot lead, has writes that the others lack. "
            "Wait until they have them, or restore its priority by hand."
        )
    nothing: Mapping[str, Any] = {"members": []}
    known = next((member.config for member in members if member.config), nothing)
    planned = spelled(configuration(plan, len(plan.hosts)), known)
    config = {
        **planned,
        "version": max(member.age[0] for member in members) + 1,
        "members": [
            member | ({} if member["host"] == host else {"votes": 0, "priority": 0})
            for member in planned["members"]
        ],
        "settings": {"heartbeatIntervalMillis": SETTLED},
    }
    clients[host].admin.command("replSetReconfig", config, force=True)

    def lead() -> bool | None:
        admin = clients[host].admin
        if not admin.command("hello")["isWritablePrimary"]:
            admin.command("replSetStepUp", 1)
        return admin.command("hello")["isWritablePrimary"] or None

    deadline.until(f"{host} to lead {plan.name}", lead)
