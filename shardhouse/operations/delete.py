"""Deleting an instance: no process, folder, address or secret of it stays.

What could not be removed stays leased, so that nothing else takes its address; the next start of
the service tries again.
"""

from sqlalchemy import Connection

from shardhouse.contract.call import Nothing
from shardhouse.contract.instances import DELETE_INSTANCE
from shardhouse.domain.change import Change
from shardhouse.domain.transitions import Event
from shardhouse.store import instances
from shardhouse.workflows import audit_files, authorities, recycling
from shardhouse.workflows.context import parallel_map, refs
from shardhouse.workflows.operation import Asked, NoArguments, Operation, Planned, Run, Step

ACTION = "DELETE_INSTANCE"
JOB = "DeleteMongoDB"


def plan(asked: Asked[Nothing]) -> Planned[NoArguments]:
    """Every client stops seeing the instance at once."""
    gone = Change(instance={"deleted_at": asked.now}, event=Event.DELETED)
    return Planned(NoArguments(), now=gone)


def remove(run: Run[NoArguments]) -> None:
    """Processes are gone, then their volumes and what else lies on the disk."""
    parallel_map(run.context.runtime.remove, refs(run.instance))
    authorities.remove(run.context.settings, run.instance.id)
    audit_files.remove(run.context.settings, run.instance.id)
    run.report(f"nodes that are gone: {len(run.instance.nodes)}")


def release(connection: Connection, run: Run[NoArguments]) -> None:
    """Addresses are free again, secrets are gone; the instance's own row stays for its jobs."""
    recycling.recycle(connection, run.instance)
    instances.remove_parts(connection, run.instance.id)


def forget(run: Run[NoArguments]) -> None:
    """Without a backup, nothing of it stays in the storage either."""
    recycling.forget(run.context, run.instance.id)


DELETE = Operation(
    ACTION,
    JOB,
    NoArguments,
    (Step("Remove processes and volumes", remove),),
    call=DELETE_INSTANCE,
    plan=plan,
    done=release,
    after_commit=forget,
)
