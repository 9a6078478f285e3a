"""Upgrading an instance to another MongoDB build, node by node, while it serves.

A patch level needs nothing but new processes. An upgrade to a release ends with the feature
compatibility version of each replica set. Until the new build is recorded, which is before that, a
failed upgrade puts the nodes back on the old one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from bson.timestamp import Timestamp

from shardhouse import error_codes as codes
from shardhouse.backups import positions
from shardhouse.contract.upgrades import QUICK, UPGRADE_DATABASE, UpgradeBody
from shardhouse.domain import schedule
from shardhouse.domain.model import Group, GroupType, Instance, Mode
from shardhouse.engines import upgrades
from shardhouse.engines.catalogue import release
from shardhouse.errors import DdsError, EngineError, StepError
from shardhouse.mongo import administrator, replica_set
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.wait import Deadline
from shardhouse.operations.tasks import verify
from shardhouse.operations.tasks.roll import Roll
from shardhouse.store import capture_gaps, instances
from shardhouse.store.capture_gaps import Cause, Gap
from shardhouse.workflows import health, limits, processes, router_users
from shardhouse.workflows.context import now, set_plan, user_group
from shardhouse.workflows.launch import Launch
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step

JOB = "UpgradeDatabaseVersion"
CHECK = "Check that the upgrade is possible"
CONFIG = "Upgrade the config servers"
DATA = "Upgrade the data nodes"
ROUTERS = "Upgrade the routers"
VERIFY = "Verify a majority write"
RECORD = "Record the new build"
FEATURES = "Raise the feature compatibility version"
NODE_SECONDS = 8
"""What the restart of a node takes, two seconds of which are for its clients to leave it."""
_SECONDS = 60.0
_ORDER = (
    *(GroupType.CONFIG, GroupType.SHARD, GroupType.REPLICA, GroupType.SINGLE),
    GroupType.MONGOS,
)
log = structlog.get_logger()


@dataclass(frozen=True)
class Upgrade:
    """Arguments: name and version of the build to come. `together` restarts all members of a set
    but its primary at the same time: the upgrade is shorter, and a set has no majority meanwhile.
    """

    build: str
    version: str
    together: bool = False


def plan(asked: Asked[UpgradeBody]) -> Planned[Upgrade]:
    """The build to upgrade to, now or in the maintenance window. Raises DdsError 403 for an
    instance that is not healthy, and where there is no such build."""
    instance, body = asked.instance, asked.body
    if not health.stored_well(instance):
        raise DdsError(
            codes.STATUS_FORBIDS,
            f"A node of instance {instance.id} is not healthy: all must be for an upgrade.",
        )
    try:
        engine = upgrades.target(
            instance.engine_version,
            asked.engines.engines,
            body.version,
            sharded=instance.mode is Mode.SHARDING,
        )
    except EngineError as error:
        raise DdsError(codes.REFUSED_IN_STATE, error.message) from None
    arguments = Upgrade(engine.name, engine.version, body.upgrade_mode == QUICK)
    start_at = schedule.opens(instance.maintenance_window, asked.now) if body.is_delayed else None
    chosen = steps(instance, arguments, named=bool(body.version))
    return Planned(arguments, steps=tuple(chosen), start_at=start_at)


def steps(instance: Instance, arguments: Upgrade, *, named: bool) -> list[str]:
    """The steps that this upgrade of this instance takes. Where the release or version was `named`,
    sets get its features, also those of the present release: an upgrade to it may have left that
    undone. A mere patch leaves them as they are."""
    names = [CHECK]
    if arguments.version != instance.engine_version:
        cluster = instance.mode is Mode.SHARDING
        names += [CONFIG, DATA, ROUTERS] if cluster else [DATA]
        names += [VERIFY, RECORD]
    return names + ([FEATURES] if named else [])


def estimate(instance: Instance, *, together: bool) -> int:
    """Minutes an upgrade takes, rounded up: one node after another, or the members of all sets
    together and then their primaries."""
    kinds = {group.type for group in instance.groups}
    restarts = 2 * len(kinds) if together else len(instance.nodes)
    return -(-restarts * NODE_SECONDS // 60)


def check(run: Run[Upgrade]) -> None:
    """Every node is healthy, and each set has the features of the release it is upgraded from."""
    instance = run.instance
    old = release(instance.engine_version)
    processes.ensure_all(run.context, instance)
    with run.context.clients(instance) as clients:
        Deadline(_SECONDS).until(
            "every node to be healthy", lambda: health.all_well(instance, clients)
        )
        if release(run.arguments.version) == old:
            return
        for group in instance.data_groups:
            features = replica_set.feature_version(set_plan(group), clients)
            if features != f"{old[0]}.{old[1]}":
                raise StepError(
                    f"The feature compatibility version of {group.replica_set} is {features}. "
                    f"Upgrade to {old[0]}.{old[1]} first (upgrading to the present release "
                    "raises it)."
                )


def config_servers(run: Run[Upgrade]) -> None:
    """Config servers come first."""
    _roll(run, run.instance.of_type(GroupType.CONFIG))


def data_nodes(run: Run[Upgrade]) -> None:
    """Shards, or the replica set."""
    _roll(run, [group for group in run.instance.data_groups if group.type is not GroupType.CONFIG])


def routers(run: Run[Upgrade]) -> None:
    """Routers come last. Our own is of no build of MongoDB and goes on running."""
    _roll(run, run.instance.of_type(GroupType.MONGOS))


def prove(run: Run[Upgrade]) -> None:
    """All nodes run the new build, whatever started them, and majority writes succeed."""
    _roll(run, _in_order(run.instance))
    verify.majority_write(run)


def record(run: Run[Upgrade]) -> None:
    """From here on every start of a node uses the new build."""
    old, new = release(run.instance.engine_version), release(run.arguments.version)
    with run.context.database.write() as connection:
        instances.set_engine(
            connection,
            run.instance.id,
            build=run.arguments.build,
            engine_version=run.arguments.version,
            version=f"{new[0]}.{new[1]}" if new != old else run.instance.version,
        )
    run.report(f"from {run.instance.engine_version} to {run.arguments.version}")


def features(run: Run[Upgrade]) -> None:
    """Each set has the features of its release, and the administrator the rights. There is no way
    back to the old one after this."""
    number = release(run.arguments.version)
    processes.ensure_all(run.context, run.instance)
    _need_backup(run)
    with run.context.clients(run.instance) as clients:
        for group in run.instance.data_groups:
            replica_set.set_feature_version(
                set_plan(group), f"{number[0]}.{number[1]}", clients, Deadline(_SECONDS)
            )
        _restrict(run, clients)
    run.report(f"{number[0]}.{number[1]}")


def _need_backup(run: Run[Upgrade]) -> None:
    """What is written from here on is restored from newer backups only."""
    position = positions.text(Timestamp(now(), 0))
    with run.context.database.write() as connection:
        for group in run.instance.data_groups:
            gap = Gap(run.instance.id, group.id, position, Cause.UPGRADED, now())
            capture_gaps.note(connection, gap)


def roll_back(run: Run[Upgrade]) -> None:
    """Nodes run the old build again, unless the new one is recorded already."""
    if run.instance.engine_build == run.arguments.build:
        return
    launch = processes.launcher(run.context, run.instance)
    processes.ensure_all(run.context, run.instance, launch)
    with run.context.clients(run.instance) as clients:
        roll = Roll(run.context, run.instance, launch, clients, together=run.arguments.together)
        if not roll.needed():  # it failed before anything was changed
            return
        roll.groups(_in_order(run.instance)[::-1], lambda _: None)
    log.info("upgrade rolled back", instance=run.instance.id, version=run.instance.engine_version)


def _restrict(run: Run[Upgrade], clients: Clients) -> None:
    """A repair, which is due then, says what stands against it."""
    hosts = [node.host for node in user_group(run.instance).nodes]

    def restrict() -> tuple[str, ...] | None:
        primary = replica_set.find_primary(hosts, clients)
        return administrator.restrict(clients[primary]) if primary else None

    Deadline(_SECONDS).until("the administrator's rights to be set", restrict)
    router_users.refresh(run.context, run.instance)


def _in_order(instance: Instance) -> list[Group]:
    """The groups in the order of an upgrade; the way back is the reverse."""
    return [group for kind in _ORDER for group in instance.of_type(kind)]


def _roll(run: Run[Upgrade], groups: Sequence[Group]) -> None:
    launch = _target(run)
    with run.context.clients(run.instance) as clients:
        roll = Roll(run.context, run.instance, launch, clients, together=run.arguments.together)
        roll.groups(groups, run.report)


def _target(run: Run[Upgrade]) -> Launch:
    """How nodes are started with the build to come."""
    build = run.context.engines.build(run.arguments.build, run.arguments.version)
    return processes.launcher(run.context, run.instance, build)


UPGRADE = Operation(
    "UPGRADE_DATABASE",
    JOB,
    Upgrade,
    (
        Step(CHECK, check),
        Step(CONFIG, config_servers),
        Step(DATA, data_nodes),
        Step(ROUTERS, routers),
        Step(VERIFY, prove),
        Step(RECORD, record),
        Step(FEATURES, features),
    ),
    call=UPGRADE_DATABASE,
    plan=plan,
    limit=limits.repeated,
    roll_back=roll_back,
)
