"""After a restart of the service or of the machine: every instance serves again.

Processes that run are adopted as they are, on their old addresses; the others are started. What
cannot be started is the monitor's to tell and to try again.
"""

import structlog

from shardhouse.domain.model import Group, Instance
from shardhouse.errors import ShardhouseError
from shardhouse.mongo import replica_set
from shardhouse.mongo.wait import Deadline
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context, at_once, set_plan

ELECTION_SECONDS = 60.0
log = structlog.get_logger()


def start(context: Context) -> None:
    """Every process that should run does."""

    def ensure(instance: Instance) -> None:
        try:
            processes.ensure_all(context, instance)
        except ShardhouseError as error:
            log.warning("not adopted", instance=instance.id, reason=error.message)
        else:
            log.info("adopted", instance=instance.id, nodes=len(instance.nodes))

    at_once(ensure, _idle(context))


def elect(context: Context) -> None:
    """Every replica set has a primary. After a reboot none has, and would wait ten seconds; shards
    do not even answer before their config servers have one, so all sets are asked at once."""

    def awaken(pair: tuple[Instance, Group]) -> None:
        instance, group = pair
        try:
            with context.clients(instance) as clients:
                replica_set.awaken(set_plan(group), clients, Deadline(ELECTION_SECONDS))
        except ShardhouseError as error:
            log.warning("no primary", instance=instance.id, reason=error.message)

    at_once(
        awaken,
        [
            (instance, group)
            for instance in _idle(context)
            for group in instance.groups
            if group.type.holds_data
        ],
    )


def _idle(context: Context) -> list[Instance]:
    """Instances that should serve and that no job is working on."""
    return [instance for instance in processes.serving(context) if not instance.action]
