"""Showing the addresses of shards and config servers, with a user that may read there."""

from dataclasses import dataclass, replace

from shardhouse import error_codes as codes
from shardhouse.contract.addresses import CLOSE_ADDRESSES, OPEN_ADDRESSES, CloseBody, OpenBody
from shardhouse.domain import policy
from shardhouse.domain.change import Change
from shardhouse.domain.model import Group, GroupType, Instance
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.mongo import login, member_users
from shardhouse.workflows import limits, processes
from shardhouse.workflows.context import parallel_map, set_plan
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step, writes

MAKE = "Make the user"
TRY = "Log in at the members"
DROP = "Remove the user"
_PASSWORD = "password"  # noqa: S105 - a name, not a secret
_USERS = {
    GroupType.SHARD: member_users.SHARD_USER,
    GroupType.CONFIG: member_users.CONFIG_USER,
}
_SECONDS = 60.0


@dataclass(frozen=True)
class Opening:
    """Arguments: ids of the groups that are opened or closed, which are all of one type."""

    groups: tuple[str, ...]


def plan_open(asked: Asked[OpenBody]) -> Planned[Opening]:
    """All groups of the type the first time, then one that came later. Raises DdsError: 404 for an
    unknown group, 400 without one, 403 for one that is open."""
    instance, body = asked.instance, asked.body
    kind = GroupType(body.type)
    groups, opened = instance.of_type(kind), _opened(instance, kind)
    if opened:
        groups = tuple(group for group in groups if group not in opened)
        if not groups:
            raise DdsError(codes.REFUSED_IN_STATE, f"The addresses of {kind} are shown already.")
        groups = (_later(instance, kind, body.target_id),)
        if groups[0] in opened:
            raise DdsError(
                codes.REFUSED_IN_STATE, f"The addresses of {groups[0].name} are shown already."
            )
    ids = tuple(group.id for group in groups)
    return Planned(Opening(ids), secrets={_PASSWORD: body.password})


def plan_close(asked: Asked[CloseBody]) -> Planned[Opening]:
    """Raises DdsError 403 where nothing is open."""
    opened = _opened(asked.instance, GroupType(asked.body.type))
    if not opened:
        raise DdsError(codes.REFUSED_IN_STATE, f"The addresses of {asked.body.type} are not shown.")
    return Planned(Opening(tuple(group.id for group in opened)))


def _opened(instance: Instance, kind: GroupType) -> list[Group]:
    known = policy.opened_groups(instance)
    return [group for group in instance.of_type(kind) if group.id in known]


def _later(instance: Instance, kind: GroupType, group_id: str) -> Group:
    if not group_id:
        raise bad_parameter(
            "target_id", "the id of a shard whose addresses are not shown is required"
        )
    group = instance.group(group_id)
    if group is None or group.type is not kind:
        raise DdsError(codes.NODE_NOT_FOUND, f"target_id: {group_id} is not a {kind}.")
    return group


def make(run: Run[Opening]) -> None:
    """The user is there, in each of the sets."""
    processes.ensure_all(run.context, run.instance)
    deadline = processes.deadline(run.context, run.instance, seconds=_SECONDS)
    password = run.secret(_PASSWORD)
    with run.context.clients(run.instance) as clients:
        for group in _groups(run):
            hosts = set_plan(group).electable
            member_users.ensure(hosts, _USERS[group.type], password, clients, deadline)
    run.report(f"replica sets that have the user: {len(run.arguments.groups)}")


def prove(run: Run[Opening]) -> None:
    """The user can log in at each member whose address is shown."""
    processes.ensure_all(run.context, run.instance)
    deadline = processes.deadline(run.context, run.instance, seconds=_SECONDS)
    authority, password = run.context.authority_file(run.instance), run.secret(_PASSWORD)

    def prove_at(place: tuple[str, str]) -> None:
        host, user = place
        deadline.until(
            f"{user} to log in at {host}",
            lambda: login.works(host, user, "admin", password, authority) or None,
        )

    groups = _groups(run)
    places = [(host, _USERS[group.type]) for group in groups for host in set_plan(group).visible]
    parallel_map(prove_at, places)
    run.report(f"members where the user can log in: {len(places)}")


def drop(run: Run[Opening]) -> None:
    """The user is in none of the sets."""
    processes.ensure_all(run.context, run.instance)
    deadline = processes.deadline(run.context, run.instance, seconds=_SECONDS)
    with run.context.clients(run.instance) as clients:
        for group in _groups(run):
            member_users.drop(set_plan(group).electable, _USERS[group.type], clients, deadline)
    run.report(f"replica sets that have no such user: {len(run.arguments.groups)}")


def _groups(run: Run[Opening]) -> list[Group]:
    return [group for group in run.instance.groups if group.id in run.arguments.groups]


def opened(run: Run[Opening]) -> Change:
    """The groups are open, beside those that were."""
    return _noted({*policy.opened_groups(run.instance), *run.arguments.groups})


def closed(run: Run[Opening]) -> Change:
    """The groups are closed, and others stay as they are."""
    return _noted(set(policy.opened_groups(run.instance)) - set(run.arguments.groups))


def _noted(groups: set[str]) -> Change:
    return Change(policies={policy.OPENED: {"groups": sorted(groups)} if groups else None})


OPEN_SHARDS = Operation(
    "CREATE_IP_SHARD",
    "CreateIp",
    Opening,
    (Step(MAKE, make), Step(TRY, prove)),
    call=OPEN_ADDRESSES,
    plan=plan_open,
    limit=limits.brief,
    done=writes(opened),
    roll_back=drop,
)
OPEN_CONFIG = replace(OPEN_SHARDS, action="CREATE_IP_CONFIG")
CLOSE = Operation(
    "DELETE_IP",
    "DeleteIp",
    Opening,
    (Step(DROP, drop),),
    call=CLOSE_ADDRESSES,
    plan=plan_close,
    limit=limits.brief,
    done=writes(closed),
)
