"""After a restart of the service or of the machine: every instance's processes run again.

Running ones are adopted as they are, on their old addresses; the monitor then reads and writes
what is true of them.
"""

import structlog

from shardhouse.errors import ShardhouseError
from shardhouse.store import instances
from shardhouse.workflows import processes
from shardhouse.workflows.context import Context

log = structlog.get_logger()


def instance_ids(context: Context) -> list[str]:
    """Instances that should be running and that no job is working on."""
    with context.database.read() as connection:
        return [
            instance.id
            for instance in instances.live(connection)
            if instance.status in processes.SERVING and not instance.action
        ]


def adopt(context: Context, instance_id: str) -> None:
    """Start what does not run of one instance. What cannot be started is the monitor's to tell."""
    instance = context.instance(instance_id)
    if instance.status not in processes.SERVING:
        return
    try:
        processes.ensure_all(context, instance)
    except ShardhouseError as error:
        log.warning("not adopted", instance=instance_id, reason=error.message)
    else:
        log.info("adopted", instance=instance_id, nodes=len(instance.nodes))
