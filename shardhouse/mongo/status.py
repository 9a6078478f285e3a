"""What the members of a replica set, and routers, are now. Read from the servers, never assumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from shardhouse.domain.model import Role
from shardhouse.mongo.admin import Clients, accepts

_PRIMARY, _SECONDARY = 1, 2


@dataclass(frozen=True)
class MemberStatus:
    """What is true of one node; `detail` is MongoDB's own word, or why there is no answer."""

    host: str
    role: Role
    healthy: bool
    detail: str = ""


def members(hosts: Sequence[str], clients: Clients) -> tuple[MemberStatus, ...]:
    """Role and health of each of `hosts` (members of one replica set, `address:port`), in their
    order, as the first that answers sees them. Never raises for servers that are away: then all
    are unknown, and say why. One answer costs two short commands on an open connection."""
    reason = "no member accepts connections"
    for host in filter(accepts, hosts):
        try:
            admin = clients[host].admin
            answer = admin.command("replSetGetStatus")
            config = admin.command("replSetGetConfig", commitmentStatus=False)["config"]
        except OperationFailure as error:
            reason = f"{host}: {error.details['codeName'] if error.details else error}"
        except PyMongoError as error:
            reason = f"{host}: {error}"
        else:
            return judge(hosts, answer, config)
    return tuple(MemberStatus(host, Role.UNKNOWN, False, reason) for host in hosts)


def router(host: str, clients: Clients) -> MemberStatus:
    """Whether the router at `address:port` answers. Users of a router are the cluster's; asking for
    a ping needs none."""
    if not accepts(host):
        return MemberStatus(host, Role.UNKNOWN, False, "it accepts no connections")
    try:
        clients.anonymous(host).admin.command("ping")
    except PyMongoError as error:
        return MemberStatus(host, Role.UNKNOWN, False, str(error))
    return MemberStatus(host, Role.MASTER, True)


def judge(
    hosts: Sequence[str], answer: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[MemberStatus, ...]:
    """From `replSetGetStatus` and the configuration to roles: pure, in the order of `hosts`."""
    hidden = {member["host"] for member in config["members"] if member.get("hidden")}
    seen = {member["name"]: member for member in answer["members"]}
    return tuple(_judge_one(host, host in hidden, seen.get(host)) for host in hosts)


def _judge_one(host: str, hidden: bool, member: Mapping[str, Any] | None) -> MemberStatus:
    if member is None:
        return MemberStatus(host, Role.UNKNOWN, False, "not a member of its set")
    state = member["state"]
    healthy = bool(member["health"]) and state in (_PRIMARY, _SECONDARY)
    detail = str(member["stateStr"])
    if not healthy:
        return MemberStatus(host, Role.UNKNOWN, False, member.get("lastHeartbeatMessage") or detail)
    if state == _PRIMARY:
        return MemberStatus(host, Role.PRIMARY, True, detail)
    return MemberStatus(host, Role.HIDDEN if hidden else Role.SECONDARY, True, detail)
