"""Instances that are deleted go into the recycle bin, if they have a backup."""

from datetime import timedelta

from sqlalchemy import Connection

from shardhouse.domain.model import Instance, Status
from shardhouse.store import backups, project_policies, recycle_bin
from shardhouse.store.recycle_bin import Recycled
from shardhouse.workflows.context import Context, now

DEFAULT_DAYS = 7


def days(connection: Connection, project_id: str) -> int:
    """How long what a project deletes now stays restorable."""
    policy = project_policies.load(connection, project_id, project_policies.RECYCLING)
    return int(policy["days"]) if policy else DEFAULT_DAYS


def recycle(connection: Connection, instance: Instance) -> None:
    """Keep the newest backup of a deleted instance, and what was captured since, for some days."""
    made = backups.completed(connection, instance.id)
    if made:
        until = now() + timedelta(days=days(connection, instance.project_id))
        entry = Recycled(instance.id, instance.project_id, made[-1].id, until)
        recycle_bin.add(connection, entry)


def forget(context: Context, instance_id: str) -> None:
    """Of an instance that was deleted, and its last backup as well, nothing is stored any more: no
    captured oplog, no key. Nothing is done for others. Raises BackupError."""
    with context.database.read() as connection:
        made = backups.of_instance(connection, instance_id)
    if made or context.instance(instance_id).status is not Status.DELETED:
        return
    with context.database.write() as connection:
        recycle_bin.remove(connection, instance_id)
    context.storage.delete(entry.name for entry in context.storage.list(f"{instance_id}/"))
    context.archives.forget(instance_id)
