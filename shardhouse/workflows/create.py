"""Creating an instance: from its row in the store to a majority write through its own URI."""

import secrets as random
from collections.abc import Iterable
from contextlib import suppress

import structlog
from sqlalchemy import Connection

from shardhouse.domain.model import Group, GroupType, Instance, Mode, Role, Status
from shardhouse.errors import MongoError, ShardhouseError, StepError
from shardhouse.mongo import probe, replica_set, sharding, users
from shardhouse.mongo.commandline import GIB
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances, sealed
from shardhouse.workflows import health, launch, processes
from shardhouse.workflows.context import Context, at_once, now, set_plan
from shardhouse.workflows.operation import Operation, Step, Tell

ACTION = "CREATE"
_SETTLE_SECONDS = 30.0
_MIB = 1024**2
log = structlog.get_logger()


def prepare(context: Context, instance: Instance, tell: Tell) -> None:
    """Memory is there; each node has an address, its volume and its files."""
    _check_memory(context, instance)
    instance = _lease_addresses(context, instance)
    secrets = _keep_secrets(context, instance)
    at_once(
        lambda node: context.runtime.ensure_volume(
            NodeRef(instance.id, node.id), launch.files(instance, node, secrets)
        ),
        instance.nodes,
    )
    tell(f"nodes that have an address and a volume: {len(instance.nodes)}")


def start(context: Context, instance: Instance, tell: Tell) -> None:
    """All processes run."""
    processes.ensure_all(context, instance)
    tell(f"processes that run: {len(instance.nodes)}")


def form(context: Context, instance: Instance, tell: Tell) -> None:
    """Each data group is a replica set whose majority acknowledges writes."""
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance)
    plans = _plans(instance.groups)
    with context.clients(instance) as clients:
        at_once(lambda plan: replica_set.form(plan, clients, deadline), plans)
    tell(f"replica sets that accept majority writes: {len(plans)}")


def connect(context: Context, instance: Instance, tell: Tell) -> None:
    """The shards belong to the cluster, and the administrator exists."""
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance)
    password = context.secrets(instance.id).get(launch.PASSWORD)
    with context.clients(instance) as clients:
        home = _home(instance)
        # Without a password in the request nobody can log in until one is set.
        users.ensure_administrator(
            home.hosts, password or random.token_urlsafe(32), clients, deadline
        )
        if instance.mode is Mode.SHARDING:
            shards = _plans(instance.of_type(GroupType.SHARD))
            sharding.add_shards(home.hosts, shards, clients, deadline)
            tell(f"shards of the cluster: {len(shards)}")


def verify(context: Context, instance: Instance, tell: Tell) -> None:
    """A majority write and read succeed through the instance's own URI: what `normal` means."""
    processes.ensure_all(context, instance)
    deadline = processes.deadline(context, instance)
    password = context.secrets(instance.id).get(launch.PASSWORD)
    authority = launch.authority_file(context.runtime, instance)
    for hosts, set_name in _doors(instance) if password else []:
        address = probe.uri(hosts, password=password, replica_set=set_name, authority=authority)
        probe.probe(address, deadline)
    with context.clients(instance) as clients:
        seen = deadline.until("every node to be well", lambda: health.all_well(instance, clients))
    with context.database.write() as connection:
        health.write(connection, instance, seen)
    tell(
        "a majority write succeeds through the instance's address"
        if password
        else "all nodes are well; no password was given, so no user can log in yet"
    )


def succeed(connection: Connection, instance: Instance) -> None:
    """From here on the instance is `normal`; its password is not needed any more."""
    instances.set_status(connection, instance.id, Status.NORMAL, now())
    sealed.forget(connection, instance.id, launch.PASSWORD)


def fail(connection: Connection, instance: Instance) -> None:
    """The instance stays listed as `createfail`, explained by its job, and can be deleted."""
    for node in instance.nodes:
        instances.set_node(
            connection, instance.id, node.id, status=Status.ABNORMAL, role=Role.UNKNOWN
        )
    instances.set_status(connection, instance.id, Status.CREATE_FAIL, now())
    sealed.forget(connection, instance.id, launch.PASSWORD)


def undo(context: Context, instance: Instance) -> None:
    """Free the memory; the volumes stay, for their logs, until the instance is deleted."""
    with suppress(ShardhouseError):
        processes.stop_all(context, instance, grace=0)


def settle(context: Context, instance: Instance) -> None:
    """Heartbeats back to their default pace. If it does not work out now, nothing is lost."""

    def check() -> None:
        if context.instance(instance.id).status is Status.DELETED:
            raise StepError("The instance was deleted.")

    with context.clients(instance) as clients:
        for plan in _plans(instance.groups):
            try:
                replica_set.settle(plan, clients, Deadline(_SETTLE_SECONDS, check))
            except MongoError as error:
                log.warning("not settled", instance=instance.id, set=plan.name, reason=str(error))


CREATE = Operation(
    ACTION,
    (
        Step("Prepare volumes and addresses", prepare),
        Step("Start processes", start),
        Step("Form replica sets", form),
        Step("Connect shards and users", connect),
        Step("Verify a majority write", verify),
    ),
    on_success=succeed,
    on_failure=fail,
    undo=undo,
    afterwards=settle,
)


def _check_memory(context: Context, instance: Instance) -> None:
    scale = context.settings.memory_scale
    wanted = sum(launch.node_memory(node, scale) for node in instance.nodes)
    spare = context.runtime.available_memory() - context.settings.memory_reserve * _MIB
    if wanted > spare:
        raise StepError(
            f"Not enough free memory: the {len(instance.nodes)} nodes need "
            f"{wanted / GIB:.1f} GiB (their flavors' memory times memory_scale {scale:g}), and "
            f"{max(0, spare) / GIB:.1f} GiB can be used (memory_reserve is "
            f"{context.settings.memory_reserve} MiB). Delete instances, or lower memory_scale."
        )


def _lease_addresses(context: Context, instance: Instance) -> Instance:
    """Looking and leasing are one transaction, so no two instances take the same address."""
    with context.database.write() as connection:
        missing = [node.id for node in instance.nodes if not node.address]
        taken = instances.leased_addresses(connection)
        free = context.runtime.free_addresses(len(missing), instance.port, taken)
        for node_id, address in zip(missing, free, strict=True):
            instances.set_node(connection, instance.id, node_id, address=address)
    return context.instance(instance.id)


def _keep_secrets(context: Context, instance: Instance) -> dict[str, str]:
    with context.database.write() as connection:
        if launch.KEY not in sealed.load(connection, context.vault, instance.id):
            new = launch.new_secrets(instance)
            sealed.keep(connection, context.vault, instance.id, new)
    return context.secrets(instance.id)


def _plans(groups: Iterable[Group]) -> list[SetPlan]:
    return [set_plan(group) for group in groups if group.type.holds_data]


def _home(instance: Instance) -> SetPlan:
    """Where the instance's users live."""
    configs = instance.of_type(GroupType.CONFIG)
    return set_plan(configs[0] if configs else instance.groups[0])


def _doors(instance: Instance) -> list[tuple[list[str], str | None]]:
    """Hosts and replica set of each address a client may use alone: each router by itself."""
    routers = instance.of_type(GroupType.MONGOS)
    if routers:
        return [([node.host], None) for node in routers[0].nodes]
    plan = set_plan(instance.groups[0])
    return [(list(plan.visible), plan.name)]
