"""Creating an instance: from its row in the store to a majority write through its own URI."""

import secrets as random
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import Connection

from shardhouse.domain import uris
from shardhouse.domain.model import Group, GroupType, Instance, Mode, Role, Status
from shardhouse.domain.transitions import Event
from shardhouse.errors import MongoError, ShardhouseError, StepError
from shardhouse.mongo import administrator, probe, replica_set, sharding
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from shardhouse.operations.tasks import provision
from shardhouse.store import instances, sealed
from shardhouse.workflows import health, launch, limits, processes
from shardhouse.workflows.context import now, parallel_map, set_plan, user_group
from shardhouse.workflows.operation import NoArguments, Operation, Run, Step

ACTION = "CREATE"
_HEARTBEAT_SECONDS = 30.0
_MIB = 1024**2
log = structlog.get_logger()


def prepare(run: Run[Any]) -> None:
    """Memory and disk are there; each node has an address, its volume and its files."""
    instance = provision.nodes(run.context, run.instance)
    run.report(f"nodes that have an address and a volume: {len(instance.nodes)}")


def start(run: Run[Any]) -> None:
    """All processes run."""
    context, instance = run.context, run.instance
    processes.ensure_all(context, instance)
    run.report(f"processes that run: {len(instance.nodes)}")


def form(run: Run[Any]) -> None:
    """Each data group is a replica set whose majority acknowledges writes."""
    context, instance = run.context, run.instance
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance)
    plans = _plans(instance.groups)
    with context.clients(instance) as clients:
        parallel_map(lambda plan: replica_set.form(plan, clients, deadline), plans)
    run.report(f"replica sets that accept majority writes: {len(plans)}")


def connect(run: Run[Any]) -> None:
    """The shards belong to the cluster, and the administrator exists."""
    context, instance = run.context, run.instance
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance)
    password = context.secrets(instance.id).get(launch.PASSWORD)
    with context.clients(instance) as clients:
        user_store = set_plan(user_group(instance))
        # Without a password in the request nobody can log in until one is set.
        administrator.ensure(
            user_store.hosts, password or random.token_urlsafe(32), clients, deadline
        )
        if instance.mode is Mode.SHARDING:
            shards = _plans(instance.of_type(GroupType.SHARD))
            sharding.add_shards(user_store.hosts, shards, clients, deadline)
            run.report(f"shards of the cluster: {len(shards)}")


def verify(run: Run[Any]) -> None:
    """A majority write and read succeed through the instance's own URI: what `normal` means."""
    context, instance = run.context, run.instance
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance)
    password = context.secrets(instance.id).get(launch.PASSWORD)
    authority = context.authority_file(instance)
    for hosts, set_name in _client_endpoints(instance) if password else []:
        address = uris.uri(hosts, password=password, replica_set=set_name, authority=authority)
        probe.probe(address, deadline)
    with context.clients(instance) as clients:
        seen = deadline.until(
            "every node to be healthy", lambda: health.all_well(instance, clients)
        )
    with context.database.write() as connection:
        health.write(connection, instance, seen)
    run.report(
        "a majority write succeeds through the instance's address"
        if password
        else "all nodes are well; no password was given to log in with"
    )


def succeed(connection: Connection, run: Run[Any]) -> None:
    """From here on the instance is `normal`; its password is not needed any more."""
    instances.record(connection, run.instance.id, Event.CREATED, now())
    sealed.forget(connection, run.instance.id, launch.PASSWORD)


def fail(connection: Connection, run: Run[Any]) -> None:
    """The instance stays listed as `createfail`, explained by its job, and can be deleted."""
    instance = run.instance
    for node in instance.nodes:
        instances.set_node(
            connection, instance.id, node.id, status=Status.ABNORMAL, role=Role.UNKNOWN
        )
    instances.record(connection, instance.id, Event.CREATION_FAILED, now())
    sealed.forget(connection, instance.id, launch.PASSWORD)


def stop(run: Run[Any]) -> None:
    """Free the memory; the volumes stay, for their logs, until the instance is deleted."""
    with suppress(ShardhouseError):
        processes.stop_all(run.context, run.instance, grace=0)


def restore_heartbeat_interval(run: Run[Any]) -> None:
    """Heartbeats back to their default pace. If it does not work out now, nothing is lost."""
    context, instance = run.context, run.instance

    def check() -> None:
        if context.instance(instance.id).status is Status.DELETED:
            raise StepError("The instance was deleted.")

    with context.clients(instance) as clients:
        for plan in _plans(instance.groups):
            deadline = Deadline(_HEARTBEAT_SECONDS, check)
            try:
                replica_set.restore_heartbeat_interval(plan, clients, deadline)
            except MongoError as error:
                log.warning(
                    "heartbeat interval not restored",
                    instance=instance.id,
                    set=plan.name,
                    reason=str(error),
                )


CREATE = Operation(
    ACTION,
    "CreateMongoDB",
    NoArguments,
    (
        Step("Prepare volumes and addresses", prepare),
        Step("Start processes", start),
        Step("Form replica sets", form),
        Step("Connect shards and users", connect),
        Step("Verify a majority write", verify),
    ),
    limit=limits.creating,
    done=succeed,
    failed=fail,
    roll_back=stop,
    after_commit=restore_heartbeat_interval,
)


def _plans(groups: Iterable[Group]) -> list[SetPlan]:
    return [set_plan(group) for group in groups if group.type.holds_data]


def _client_endpoints(instance: Instance) -> list[tuple[list[str], str | None]]:
    """Hosts and replica set of each address a client may use alone: each router by itself."""
    routers = instance.of_type(GroupType.MONGOS)
    if routers:
        return [([node.host], None) for node in routers[0].nodes]
    plan = set_plan(instance.groups[0])
    return [(list(plan.visible), plan.name)]
