"""After a restart of the service or of the machine: every instance serves again.

Processes that run are adopted as they are, on their old addresses; the others are started. What
cannot be started is reported and tried again by the monitor, as is everything on a full disk.
"""

import structlog

from shardhouse.domain.model import Group, Instance
from shardhouse.errors import ShardhouseError
from shardhouse.mongo import replica_set
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows import disk, naming, processes
from shardhouse.workflows.context import Context, parallel_map, set_plan

ELECTION_SECONDS = 60.0
log = structlog.get_logger()


def start(context: Context) -> None:
    """Every process that should run does."""

    def ensure(instance: Instance) -> None:
        try:
            launch = processes.launcher(context, instance)
            pairs = [(group, node) for group in instance.groups for node in group.nodes]
            parallel_map(lambda pair: processes.revive(context, instance, *pair, launch), pairs)
        except ShardhouseError as error:
            log.warning("not adopted", instance=instance.id, reason=error.message)
        else:
            log.info("adopted", instance=instance.id, nodes=len(instance.nodes))

    idle = _idle(context)
    parallel_map(ensure, [instance for instance in idle if not disk.is_full(context, instance)])


def elect(context: Context) -> None:
    """Every replica set has a primary, and nodes have the names that `node_domain` says. An
    instance that cannot be brought back holds up no other."""

    def bring_back(instance: Instance) -> None:
        parallel_map(lambda group: _ensure_primary(context, instance, group), instance.groups)
        _name(context, instance)

    parallel_map(bring_back, _idle(context))


def _ensure_primary(context: Context, instance: Instance, group: Group) -> None:
    """After a reboot no set has a primary, and would wait ten seconds; shards do not even answer
    before their config servers have one, so all sets are asked at once."""
    if not group.type.holds_data:
        return
    try:
        with context.clients(instance) as clients:
            replica_set.ensure_primary(set_plan(group), clients, Deadline(ELECTION_SECONDS))
    except ShardhouseError as error:
        log.warning("no primary", instance=instance.id, reason=error.message)


def _name(context: Context, instance: Instance) -> None:
    try:
        if naming.rename(context, instance):
            log.info("renamed", instance=instance.id, domain=context.settings.node_domain)
    except ShardhouseError as error:
        log.warning("not renamed", instance=instance.id, reason=error.message)


def _idle(context: Context) -> list[Instance]:
    """Instances that should serve and that no job is working on."""
    return [instance for instance in processes.serving(context) if not instance.action]
