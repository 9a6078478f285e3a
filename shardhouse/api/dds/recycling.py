"""The recycle bin, as the DDS API writes it."""

from shardhouse.api.dds import wire
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.instances import Datastore
from shardhouse.contract.recycling import (
    RecycledAnswer,
    RecycledItem,
    RecycledQuery,
    RecyclePolicy,
    RecyclePolicyAnswer,
    RecyclePolicyBody,
)
from shardhouse.domain import rules
from shardhouse.domain.model import Instance
from shardhouse.store import instances, project_policies, recycle_bin
from shardhouse.store.recycle_bin import Recycled
from shardhouse.workflows import recycling
from shardhouse.workflows.context import now


def show_policy(request: Request[Nothing, Nothing]) -> RecyclePolicyAnswer:
    """The project's policy."""
    with request.service.database.read() as connection:
        days = recycling.days(connection, request.project_id)
    return RecyclePolicyAnswer(
        recycle_policy=RecyclePolicy(enabled=True, retention_period_in_days=days)
    )


def set_policy(request: Request[Nothing, RecyclePolicyBody]) -> Nothing:
    """Change the project's policy. Raises DdsError 400 for switching it off."""
    body = request.body
    if not body.enabled:
        raise rules.not_available("recycle_policy.enabled", "the bin cannot be switched off")
    document = {"days": body.retention_period_in_days}
    with request.service.database.write() as connection:
        project_policies.keep(connection, request.project_id, project_policies.RECYCLING, document)
    return Nothing()


def list_recycled(request: Request[RecycledQuery, Nothing]) -> RecycledAnswer:
    """One page of the project's bin."""
    query = request.query
    with request.service.database.read() as connection:
        entries, total = recycle_bin.listed(
            connection, request.project_id, now(), offset=query.offset, limit=query.limit
        )
        owners = instances.load_all(connection, [entry.instance_id for entry in entries])
    by_id = {instance.id: instance for instance in owners}
    items = [_item(entry, by_id[entry.instance_id]) for entry in entries]
    return RecycledAnswer(instances=items, total_count=total)


def _item(entry: Recycled, instance: Instance) -> RecycledItem:
    return RecycledItem(
        id=instance.id,
        name=instance.name,
        mode=instance.mode,
        datastore=Datastore(type=wire.DATASTORE, version=instance.version),
        pay_mode=wire.PAY_PER_USE,
        enterprise_project_id=instance.request.get("enterprise_project_id", "0"),
        backup_id=entry.backup_id,
        created_at=wire.zoned(instance.created_at),
        deleted_at=wire.zoned(instance.deleted_at),
        retained_until=wire.zoned(entry.retained_until),
        status="Active",
    )
