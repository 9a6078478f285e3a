"""Deleting an instance: no process, folder, address or secret of it stays."""

from sqlalchemy import Connection

from shardhouse.domain.model import Instance
from shardhouse.store import instances
from shardhouse.workflows.context import Context, at_once, refs
from shardhouse.workflows.operation import Operation, Step, Tell

ACTION = "DELETE_INSTANCE"
JOB = "DeleteMongoDB"


def remove(context: Context, instance: Instance, tell: Tell) -> None:
    """Processes are gone, then their volumes."""
    at_once(context.runtime.remove, refs(instance))
    tell(f"nodes that are gone: {len(instance.nodes)}")


def release(connection: Connection, instance: Instance) -> None:
    """Addresses are free again, secrets are gone; the instance's own row stays for its jobs."""
    instances.remove_parts(connection, instance.id)


def keep(_connection: Connection, _instance: Instance) -> None:
    """What could not be removed stays leased, so that nothing else takes its address; the next
    start of the service tries again."""


DELETE = Operation(
    ACTION, (Step("Remove processes and volumes", remove),), on_success=release, on_failure=keep
)
