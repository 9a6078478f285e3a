"""The proof at the end of a change: majority writes succeed and every node is healthy."""

from typing import Any

from shardhouse.domain.model import Instance, Role
from shardhouse.mongo import replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.status import MemberStatus
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows import health
from shardhouse.workflows.context import set_plan
from shardhouse.workflows.operation import Run

SECONDS = 60.0


def majority_write(run: Run[Any]) -> None:
    """A majority of each replica set acknowledges a note in its oplog; all nodes are healthy."""
    deadline = Deadline(SECONDS)
    sets = [set_plan(group) for group in run.instance.data_groups]
    with run.context.clients(run.instance) as clients:
        for plan in sets:
            replica_set.acknowledge(plan, clients, deadline)
        seen = deadline.until("every node to be healthy", lambda: _well(run.instance, clients))
    with run.context.database.write() as connection:
        health.write(connection, run.instance, seen)
    run.report(f"replica sets that accept majority writes: {len(sets)}")


def _well(instance: Instance, clients: Clients) -> dict[str, MemberStatus] | None:
    """Status of every node if all are healthy. A member reports of the others what it received
    in the last two seconds, so after an election it is compared with who leads."""
    seen = health.all_well(instance, clients)
    if seen is None:
        return None
    for group in instance.data_groups:
        plan = set_plan(group)
        leading = [node.host for node in group.nodes if seen[node.id].role is Role.PRIMARY]
        if leading != [replica_set.find_primary(plan.visible, clients)]:
            return None
    return seen
