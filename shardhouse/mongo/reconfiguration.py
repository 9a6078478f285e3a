"""Brings the configuration of a replica set to its plan, one safe step after the other.

Members join without a vote, get it one by one, and only when they have caught up; those that leave
do so one voter at a time. So every majority of one configuration meets every majority of the next,
and no election meanwhile can be won without the writes of the primary. Clients notice nothing.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from bson import Timestamp

from shardhouse.mongo.admin import Clients
from shardhouse.mongo.replica_set import (
    SETTLED,
    Leadership,
    SetPlan,
    member,
)
from shardhouse.mongo.wait import Deadline

_SETTINGS = {
    "chainingAllowed": True,
    "heartbeatTimeoutSecs": 10,
    "electionTimeoutMillis": 10_000,
    "catchUpTimeoutMillis": -1,
    "catchUpTakeoverDelayMillis": 30_000,
}
"""The server's defaults, which are ours."""
_DELAY = "secondaryDelaySecs"
_OLD_DELAY = "slaveDelay"
"""What a member's delay is called with the features of MongoDB 4.4."""
_PLAIN = {"arbiterOnly": False, "buildIndexes": True, _DELAY: 0, _OLD_DELAY: 0}
_SECONDARY = 2
_STEP_DOWN = 60
"""Seconds in which a primary that is to lead no longer does not stand for election."""
_CATCH_UP = 10


def deviations(plan: SetPlan, config: Mapping[str, Any]) -> tuple[str, ...]:
    """How one configuration differs from the plan, in words. Pure."""
    present = {one["host"]: one for one in config["members"]}
    found = [f"{host} is not a member" for host in plan.hosts if host not in present]
    for host, one in present.items():
        if host not in plan.hosts:
            found.append(f"{host} is a member and does not belong to the set")
            continue
        should = {"hidden": False, "priority": 1, "votes": 1, **_PLAIN, **member(plan, host)}
        should[_OLD_DELAY] = should[_DELAY]
        found += [
            f"{host} has {field} {one[field]:g}, should be {should[field]:g}"
            for field in ("votes", "priority", "hidden", *_PLAIN)
            if field in one and one[field] != should[field]
        ]
    settings = config.get("settings", {})
    found += [
        f"{field} is {settings[field]}, should be {value}"
        for field, value in _SETTINGS.items()
        if settings.get(field, value) != value
    ]
    if settings.get("heartbeatIntervalMillis", SETTLED) > SETTLED:
        found.append(f"heartbeatIntervalMillis is more than {SETTLED}")
    return tuple(found)


def next_configuration(
    plan: SetPlan, config: Mapping[str, Any], primary: str, ready: Collection[str]
) -> dict[str, Any] | None:
    """One step from `config` towards the plan, None where it is reached. Pure.

    Changes at most one vote, as the server demands. Members that are not `ready` (caught up) get no
    vote yet; the primary keeps being electable while it is the primary.
    """
    present = {one["host"]: one for one in config["members"]}
    number = max(one["_id"] for one in config["members"])
    members = []
    vote_changed = False
    for host, one in present.items():
        if host in plan.hosts:
            continue
        if host == primary or (one["votes"] and vote_changed):
            # It leaves later, and is not elected until then.
            members.append({**one, "priority": one["priority"] if host == primary else 0})
        else:
            vote_changed = vote_changed or bool(one["votes"])
    for host in plan.hosts:
        wanted = member(plan, host)
        old = present.get(host)
        votes = old["votes"] if old else 0
        may_vote = wanted.get("votes", 1)
        if votes != may_vote and not vote_changed and (host in ready or not may_vote):
            votes, vote_changed = may_vote, True
        if old is None:
            number += 1
        passive = wanted.get("priority", 1) == 0 and host != primary
        kept = {key: old[key] for key in ("tags",) if key in old} if old else {}
        own = {key: wanted[key] for key in ("tags", "horizons") if key in wanted}
        delay = {_DELAY: wanted[_DELAY]} if passive and _DELAY in wanted else {}
        members.append(
            {
                **kept,
                **own,
                **delay,
                "_id": old["_id"] if old else number,
                "host": host,
                "votes": votes,
                "hidden": passive and bool(wanted.get("hidden")),
                "priority": 1 if votes and not passive else 0,
            }
        )
    settings = {**config.get("settings", {}), **_SETTINGS}
    settings["heartbeatIntervalMillis"] = min(
        SETTLED, settings.get("heartbeatIntervalMillis", SETTLED)
    )
    proposed = spelled({**config, "members": members, "settings": settings}, config)
    if not deviations(plan, config) or _same(proposed, config):
        return None
    return proposed | {"version": config["version"] + 1}


def spelled(proposed: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with delays named as in a `known` one of the same set. Pure."""
    if not any(_OLD_DELAY in one for one in known["members"]):
        return proposed
    members = [
        {_OLD_DELAY if key == _DELAY else key: value for key, value in one.items()}
        for one in proposed["members"]
    ]
    return {**proposed, "members": members}


def approach(
    plan: SetPlan,
    clients: Clients,
    deadline: Deadline,
    leaving: Collection[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> int:
    """Reconfigure step by step until the plan is reached; how many steps it took. `leaving` are
    hosts beside the plan's that may lead the set yet: they hand over first. `report` shows what is
    waited for."""
    steps = 0
    waiting = ""
    target: Timestamp | None = None
    hosts = list(dict.fromkeys((*plan.hosts, *leaving)))
    leadership = Leadership(hosts, plan.electable, clients)

    def step() -> bool | None:
        nonlocal steps, target, waiting
        primary = leadership.primary()
        if primary is None:
            return None
        admin = clients[primary].admin
        config = admin.command("replSetGetConfig")["config"]
        differences = deviations(plan, config)
        if not differences:
            return True
        status = admin.command("replSetGetStatus")
        target = target or status["optimes"]["lastCommittedOpTime"]["ts"]
        ready = {
            one["name"]
            for one in status["members"]
            if one["state"] == _SECONDARY and one["optime"]["ts"] >= target
        }
        proposed = next_configuration(plan, config, primary, ready)
        if proposed is not None:
            admin.command("replSetReconfig", proposed, maxTimeMS=int(deadline.left * 1000) + 1)
            steps += 1
        elif primary not in plan.electable:
            admin.command("replSetStepDown", _STEP_DOWN, secondaryCatchUpPeriodSecs=_CATCH_UP)
        elif waiting != differences[0]:
            waiting = differences[0]
            report(waiting)
        return None

    deadline.until(f"{plan.name} to have its configuration", step)
    return steps


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two configurations have the same members and settings."""

    def members(config: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
        return {
            one["host"]: (
                one["votes"],
                one["priority"],
                one["hidden"],
                one.get(_DELAY, one.get(_OLD_DELAY, 0)),
            )
            for one in config["members"]
        }

    return members(one) == members(other) and one["settings"] == other["settings"]
