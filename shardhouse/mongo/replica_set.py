"""Replica sets: form one fast and safely, with quick heartbeats until it stands.

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

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
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
READ_REPLICA_TAGS = {"member": "read_replica"}
"""By which clients can choose read replicas in their read preference."""
_HORIZON = "dns"
_FOLLOWING = {1, 2}
"""The states PRIMARY and SECONDARY."""
_STEP_DOWN_SECONDS = 60
"""How long a primary that handed over does not stand for election."""
_CATCH_UP_SECONDS = 10
_ELECTION_SECONDS = 0.5
"""How long an election that was asked for is waited for before it is asked for again."""
_NOT_INITIALIZED = 94
_ALREADY_INITIALIZED = 23


@dataclass(frozen=True)
class SetPlan:
    """A set to be: its name and its members `address:port`, the first of which will be primary.

    The `hidden` member votes and is never elected. `read_replicas` do neither; each stays the given
    seconds behind. `names` are the members' `name:port` for clients that come by name over TLS:
    `hello` then tells them names (MongoDB's split horizon), and addresses to all others. It has one
    for each host, or none.
    """

    name: str
    hosts: tuple[str, ...]
    config_server: bool = False
    names: tuple[str, ...] = ()
    hidden: str | None = None
    read_replicas: Mapping[str, int] = field(default_factory=dict)

    @property
    def visible(self) -> tuple[str, ...]:
        """The members a client may know of."""
        return tuple(host for host in self.hosts if host != self.hidden)

    @property
    def connection_string(self) -> str:
        """The set and its members that clients see, as routing tables name them."""
        return f"{self.name}/{','.join(self.visible)}"

    @property
    def electable(self) -> tuple[str, ...]:
        """The members that can be primary."""
        return tuple(host for host in self.visible if host not in self.read_replicas)


def member(plan: SetPlan, host: str) -> dict[str, Any]:
    """What the configuration says of one member, without its `_id` and what is a voter's anyway."""
    found: dict[str, Any] = {"host": host}
    if host == plan.hidden:
        found |= {"hidden": True, "priority": 0}
    if host in plan.read_replicas:
        found |= {
            "votes": 0,
            "priority": 0,
            "tags": READ_REPLICA_TAGS,
            "secondaryDelaySecs": plan.read_replicas[host],
        }
    return found | _horizons(plan).get(host, {})


def configuration(plan: SetPlan, size: int) -> dict[str, Any]:
    """The configuration of the set while it has `size` members."""
    members = [
        {"_id": number} | member(plan, host) for number, host in enumerate(plan.hosts[:size])
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
    happen before the deadline, or that the members belong to another set. Heartbeats stay quick
    until `restore_heartbeat_interval`.
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


def ensure_primary(plan: SetPlan, clients: Clients, deadline: Deadline) -> None:
    """Have a primary soon in a set whose processes have just been started. Does nothing where there
    is one."""
    deadline.until(f"a primary of {plan.name}", lambda: _elected(plan, len(plan.hosts), clients))


def request_election(plan: SetPlan, clients: Clients) -> None:
    """Have the first member that is up stand for election, if the set has no primary. A candidate
    that lacks acknowledged writes loses, as in any election."""
    with suppress(PyMongoError):
        _elected(plan, len(plan.hosts), clients)


def restore_heartbeat_interval(plan: SetPlan, clients: Clients, deadline: Deadline) -> None:
    """Wait until every member has caught up, then slow heartbeats down to the default.

    The server may take two seconds over it, so it is not part of `form`: do it once the user's job
    is done. Until then a failure of the first member finds a set whose third may still be copying:
    nothing acknowledged is lost, but writes wait until the first is back. Does nothing where it was
    done.
    """

    def settled() -> bool | None:
        primary = find_primary(plan.electable, clients)
        if primary is None:
            return None
        admin = clients[primary].admin
        states = {one["state"] for one in admin.command("replSetGetStatus")["members"]}
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


def rename(plan: SetPlan, clients: Clients, deadline: Deadline) -> None:
    """Have `hello` tell the plan's names, or none. Does nothing where it does."""

    def renamed() -> bool | None:
        primary = find_primary(plan.electable, clients)
        if primary is None:
            return None
        admin = clients[primary].admin
        config = admin.command("replSetGetConfig")["config"]
        members = [
            {key: value for key, value in one.items() if key != "horizons"}
            | _horizons(plan).get(one["host"], {})
            for one in config["members"]
        ]
        if members != config["members"]:
            config |= {"members": members, "version": config["version"] + 1}
            admin.command("replSetReconfig", config, maxTimeMS=int(deadline.left * 1000) + 1)
        return True

    deadline.until(f"{plan.name} to accept the names of its members", renamed)


class Leadership:
    """Finds the primary among `hosts`. Where there has been none for a moment, one of `candidates`
    is made to stand for election: a successor that a primary asked as it stepped down may lose, and
    a silent set waits ten seconds and more before anybody stands again."""

    def __init__(self, hosts: Sequence[str], candidates: Sequence[str], clients: Clients) -> None:
        self._hosts = hosts
        self._candidates = candidates
        self._clients = clients
        self._patience = time.monotonic() + _ELECTION_SECONDS

    def primary(self) -> str | None:
        """The primary's host, if there is one now."""
        primary = find_primary(self._hosts, self._clients)
        now = time.monotonic()
        if primary is None and now < self._patience:
            return None
        self._patience = now + _ELECTION_SECONDS
        if primary is None:
            _stand(self._candidates, self._clients)
        return primary


def hand_over(plan: SetPlan, host: str, clients: Clients, deadline: Deadline) -> None:
    """Have another member lead if `host` does: it steps down once a successor has caught up, and
    has that one elected at once. Does nothing where another leads already."""
    others = [one for one in plan.electable if one != host]
    leadership = Leadership(plan.electable, others, clients)

    def handed_over() -> str | None:
        primary = leadership.primary()
        if primary == host:
            clients[host].admin.command(
                "replSetStepDown", _STEP_DOWN_SECONDS, secondaryCatchUpPeriodSecs=_CATCH_UP_SECONDS
            )
            primary = None
        return primary

    deadline.until(f"another primary of {plan.name} than {host}", handed_over)


def readdress(plan: SetPlan, old: str, new: str, clients: Clients, deadline: Deadline) -> None:
    """Have the configuration name a member by its host `new`, where its process is by now, instead
    of `old`. Heartbeats are quick from then on, until `restore_heartbeat_interval`. Does nothing
    where it is so.

    The member is out of its set until then, and comes back with all it has: it keeps its number, so
    no majority of members changes. A set of one has nobody to lead it meanwhile, and is forced."""
    alone = len(plan.hosts) == 1

    def readdressed() -> bool | None:
        leader = new if alone else find_primary(plan.visible, clients)
        if leader is None:
            return None
        admin = clients[leader].admin
        config = admin.command("replSetGetConfig")["config"]
        if old in {member["host"] for member in config["members"]}:
            config["members"] = [
                member | {"host": new} | _horizons(plan).get(new, {})
                if member["host"] == old
                else member
                for member in config["members"]
            ]
            config["settings"]["heartbeatIntervalMillis"] = SETTLED if alone else JOINING
            config["version"] += 1
            limit = int(deadline.left * 1000) + 1
            admin.command("replSetReconfig", config, force=alone, maxTimeMS=limit)
        return True

    def back() -> bool | None:
        hello = clients[new].admin.command("hello")
        return hello.get("secondary") or hello["isWritablePrimary"] or None

    deadline.until(f"{plan.name} to know {old} as {new}", readdressed)
    deadline.until(f"{new} to be back in {plan.name}", back)


def promote(plan: SetPlan, host: str, clients: Clients, deadline: Deadline) -> None:
    """Have `host` lead. The primary steps down once a successor has caught up; the other members
    do not stand for election meanwhile, and `host` is elected at once. Does nothing where it
    leads."""
    others = [one for one in plan.visible if one != host]
    stands = 0.0

    def promoted() -> bool | None:
        nonlocal stands
        primary = find_primary(plan.visible, clients)
        if primary == host:
            return True
        if primary is None:  # perhaps because `host` is being elected: standing again delays that
            if time.monotonic() > stands:
                stands = time.monotonic() + _ELECTION_SECONDS
                clients[host].admin.command("replSetStepUp", 1)
            return None
        _freeze(clients[host], 0)  # it may have stepped down a moment ago
        rivals = [other for other in others if other != primary and accepts(other)]
        for rival in rivals:
            _freeze(clients[rival], _STEP_DOWN_SECONDS)
        clients[primary].admin.command(
            "replSetStepDown", _STEP_DOWN_SECONDS, secondaryCatchUpPeriodSecs=_CATCH_UP_SECONDS
        )
        stands = time.monotonic() + _ELECTION_SECONDS
        if rivals:  # else it has `host` elected itself
            clients[host].admin.command("replSetStepUp", 1)
        return None

    try:
        deadline.until(f"{host} to lead {plan.name}", promoted)
    finally:
        for other in filter(accepts, others):
            with suppress(PyMongoError):
                _freeze(clients[other], 0)


def lag(plan: SetPlan, host: str, clients: Clients) -> float:
    """Seconds that `host` is behind the primary, as the primary knows it. MongoError without a
    primary, or where it does not see `host` follow."""
    primary = find_primary(plan.visible, clients)
    if primary is None:
        raise MongoError(f"{plan.name} has no primary.")
    members = clients[primary].admin.command("replSetGetStatus")["members"]
    member = next((one for one in members if one["name"] == host), None)
    if member is None or member["state"] not in _FOLLOWING:
        raise MongoError(f"{host} does not follow the primary of {plan.name}.")
    leader = next(one for one in members if one["name"] == primary)
    behind: float = (leader["optimeDate"] - member["optimeDate"]).total_seconds()
    return max(0.0, behind)


def catch_up(plan: SetPlan, host: str, clients: Clients, deadline: Deadline) -> None:
    """Wait until `host` has what the primary had when the wait began, and follows it or leads: a
    member that was restarted may have been elected meanwhile. The primary must see that too, and
    its word alone is not enough: it may be that of the last heartbeat before the restart. A delayed
    read replica need only follow."""
    delayed = plan.read_replicas.get(host, 0) > 0
    leadership = Leadership(plan.electable, plan.electable, clients)
    goal: Any = None

    def caught_up() -> bool | None:
        nonlocal goal
        primary = leadership.primary()
        if primary is None:
            return None
        leader = clients[primary].admin.command("replSetGetStatus")
        goal = goal or leader["optimes"]["appliedOpTime"]["ts"]
        seen = {one["name"]: one["state"] for one in leader["members"]}
        own = clients[host].admin.command("replSetGetStatus")
        has = delayed or own["optimes"]["appliedOpTime"]["ts"] >= goal
        return ({seen.get(host), own["myState"]} <= _FOLLOWING and has) or None

    deadline.until(f"{host} to catch up with {plan.name}", caught_up)


def acknowledge(plan: SetPlan, clients: Clients, deadline: Deadline) -> None:
    """Wait until a majority acknowledges a write: a note in the oplog, which no client sees."""

    def write() -> bool | None:
        primary = find_primary(plan.electable, clients)
        if primary is None:
            return None
        milliseconds = int(deadline.left * 1000) + 1
        note = {"verified": plan.name}
        majority(clients[primary], "appendOplogNote", data=note, wtimeout=milliseconds)
        return True

    deadline.until(f"a majority of {plan.name} to acknowledge a write", write)


def feature_version(plan: SetPlan, clients: Clients) -> str:
    """The set's feature compatibility version, such as `5.0`. MongoError if it has no primary."""
    primary = find_primary(plan.electable, clients)
    if primary is None:
        raise MongoError(f"{plan.name} has no primary to read its feature version from.")
    parameter = "featureCompatibilityVersion"
    answer = clients[primary].admin.command({"getParameter": 1, parameter: 1})
    return str(answer[parameter]["version"])


def set_feature_version(plan: SetPlan, version: str, clients: Clients, deadline: Deadline) -> None:
    """Raise the set's feature compatibility version; a majority has it when this returns."""

    def set_version() -> bool | None:
        if feature_version(plan, clients) == version:
            return True
        primary = find_primary(plan.electable, clients)
        if primary is None:
            return None
        confirmed: dict[str, Any] = {"confirm": True} if int(version.partition(".")[0]) >= 7 else {}
        milliseconds = int(deadline.left * 1000) + 1
        majority(
            clients[primary],
            "setFeatureCompatibilityVersion",
            version,
            wtimeout=milliseconds,
            **confirmed,
        )
        return True

    deadline.until(f"{plan.name} to have the features of {version}", set_version)


def find_primary(hosts: Sequence[str], clients: Clients) -> str | None:
    """The host among `hosts` that accepts writes now; members that do not answer are passed by."""
    for host in filter(accepts, hosts):
        with suppress(PyMongoError):
            if clients[host].admin.command("hello")["isWritablePrimary"]:
                return host
    return None


def _freeze(client: Client, seconds: int) -> None:
    """Have a secondary not stand for election for some seconds, or do so again (0). A primary is
    left as it is."""
    with suppress(OperationFailure):
        client.admin.command("replSetFreeze", seconds)


def _horizons(plan: SetPlan) -> dict[str, dict[str, Any]]:
    """What the configuration says of each member's name, by its host; nothing without names."""
    named = zip(plan.hosts, plan.names, strict=bool(plan.names))
    return {host: {"horizons": {_HORIZON: name}} for host, name in named}


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
    present = tuple(one["host"] for one in config["members"])
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
    electable = [host for host in plan.hosts[:size] if host in plan.electable]
    primary = find_primary(electable, clients)
    if primary is None:
        _stand(electable, clients)
    return primary


def _stand(candidates: Sequence[str], clients: Clients) -> None:
    """Have the first of them that is up stand for election. OperationFailure where it cannot."""
    for host in filter(accepts, candidates):
        with suppress(ConnectionFailure):  # where it is down, the next one stands
            clients[host].admin.command("replSetStepUp", 1)
            return


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
