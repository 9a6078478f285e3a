"""Repairing an instance: what was damaged inside MongoDB is put back from what the store knows.

A repair is a job like any other, so that its owner sees what was found and done. It is asked for by
`Inspector`, which the monitor calls, for damaged configurations of replica sets and for rights of
the administrator that are not what they should be; those of instances made by earlier versions are
among them.
"""

from collections.abc import Callable, Sequence

from pymongo.errors import PyMongoError

from shardhouse.domain.model import Group, Instance
from shardhouse.domain.uris import ADMINISTRATOR
from shardhouse.errors import MongoError, StepError
from shardhouse.mongo import administrator, replica_set, set_repair
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import NodeRef
from shardhouse.workflows import health, inspector, processes, router_users
from shardhouse.workflows.context import Context, now, parallel_map, set_plan, user_group
from shardhouse.workflows.operation import NoArguments, Operation, Run, Step

ACTION = "REPAIR"
JOB = "RepairMongoDB"
SECONDS = 120.0
"""How long each step may take."""


def look(run: Run[NoArguments]) -> None:
    """Say what is wrong."""
    context, instance = run.context, run.instance
    processes.ensure_all(context, instance)
    with context.clients(instance) as clients:
        run.report("; ".join(inspector.find(instance, clients)) or "nothing is wrong any more")


def restore(run: Run[NoArguments]) -> None:
    """Every replica set has its configuration again."""
    context, instance = run.context, run.instance
    done: list[str] = []
    with context.clients(instance) as clients:
        for group in instance.data_groups:
            restart = _restart(context, instance, group)
            plan = set_plan(group)
            deadline = Deadline(SECONDS)
            members = set_repair.examine(plan, clients)
            if members is None:
                done.append(f"{plan.name} was not examined, because a member does not answer")
            elif set_repair.differences(plan, members):
                done += set_repair.repair(plan, clients, restart, deadline)
                replica_set.ensure_primary(plan, clients, deadline)
    run.report("; ".join(done) or "nothing had to be done")


def restrict(run: Run[NoArguments]) -> None:
    """The administrator has its rights, no more, and cannot grant itself others."""
    context, instance = run.context, run.instance
    home = user_group(instance)
    with context.clients(instance) as clients:
        primary = Deadline(SECONDS).until(
            "a primary where users live",
            lambda: replica_set.find_primary([node.host for node in home.nodes], clients),
        )
        try:
            obstacles = administrator.restrict(clients[primary])
        except PyMongoError as error:
            raise MongoError(f"The rights of the administrator were not set: {error}") from error
    router_users.refresh(context, instance)
    if obstacles:
        raise StepError(
            f"{'; '.join(obstacles)}. Accounts that manage users can get all rights through that: "
            "revoke the roles, or drop the user. The service tries again by itself."
        )
    run.report(f"{ADMINISTRATOR} has its rights, and cannot get more")


def verify(run: Run[NoArguments]) -> None:
    """All nodes are well."""
    context, instance = run.context, run.instance
    deadline = Deadline(SECONDS)
    with context.clients(instance) as clients:
        seen = deadline.until(
            "every node to be healthy", lambda: health.all_well(instance, clients)
        )
    health.write_all(context, instance, seen, now())
    run.report(f"nodes that are well: {len(seen)}")


REPAIR = Operation(
    ACTION,
    JOB,
    NoArguments,
    (
        Step("Look for damage", look),
        Step("Restore the configuration of replica sets", restore),
        Step("Restrict the administrator", restrict),
        Step("Verify that all nodes are well", verify),
    ),
)


def _restart(context: Context, instance: Instance, group: Group) -> Callable[[Sequence[str]], None]:
    """Ends members of the group, given by `address:port`, and starts them again."""
    launch = processes.launcher(context, instance)
    nodes = {node.host: node for node in group.nodes}

    def restart(hosts: Sequence[str]) -> None:
        grace = processes.STOP_GRACE
        parallel_map(
            lambda h: context.runtime.stop(NodeRef(instance.id, nodes[h].id), grace), hosts
        )
        parallel_map(
            lambda h: processes.ensure_one(context, instance, group, nodes[h], launch), hosts
        )

    return restart
