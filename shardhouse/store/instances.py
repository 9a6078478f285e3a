"""Instances in the store. `project_id` narrows every tenant's query, here and nowhere else.

Whatever changes an instance, or a node, tag or job of it, raises its `revision`: an answer made of
it is good as long as the revision stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from shardhouse.domain.model import Instance, Mode, Status
from shardhouse.store.assembly import assemble
from shardhouse.store.tables import GROUPS, INSTANCES, NODES, SECRETS, TAGS


@dataclass(frozen=True)
class Filter:
    """What a list call asks for; empty fields do not narrow. All given ones must match."""

    id: str = ""
    name: str = ""
    name_contains: str = ""
    mode: str = ""
    vpc_id: str = ""
    subnet_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    #: The id of the last instance of the page before (`marker` of OpenStack clients).
    after: str = ""


def add(connection: Connection, instance: Instance) -> None:
    """Insert an instance with its groups, nodes and tags."""
    connection.execute(
        insert(INSTANCES).values(
            id=instance.id,
            project_id=instance.project_id,
            name=instance.name,
            mode=instance.mode,
            status=instance.status,
            version=instance.version,
            storage_engine=instance.storage_engine,
            engine_version=instance.engine_version,
            port=instance.port,
            ssl=instance.ssl,
            region=instance.region,
            availability_zone=instance.availability_zone,
            vpc_id=instance.request.get("vpc_id", ""),
            subnet_id=instance.request.get("subnet_id", ""),
            backup_start_time=instance.backup_strategy.start_time,
            backup_keep_days=instance.backup_strategy.keep_days,
            maintenance_window=instance.maintenance_window,
            remark=instance.remark,
            request=instance.request,
            created_at=instance.created_at,
            updated_at=instance.updated_at,
        )
    )
    connection.execute(
        insert(GROUPS),
        [
            {
                "id": group.id,
                "instance_id": instance.id,
                "position": position,
                "type": group.type,
                "ordinal": group.ordinal,
                "name": group.name,
                "spec_code": group.spec_code,
                "size": group.size,
            }
            for position, group in enumerate(instance.groups)
        ],
    )
    connection.execute(
        insert(NODES),
        [
            {
                "id": node.id,
                "instance_id": instance.id,
                "group_id": node.group_id,
                "ordinal": node.ordinal,
                "name": node.name,
                "spec_code": node.spec_code,
                "availability_zone": node.availability_zone,
                "address": node.address,
                "port": node.port,
                "status": node.status,
                "role": node.role,
                "used_bytes": node.used_bytes,
            }
            for node in instance.nodes
        ],
    )
    if instance.tags:
        connection.execute(
            insert(TAGS),
            [
                {"instance_id": instance.id, "position": position, "key": key, "value": value}
                for position, (key, value) in enumerate(instance.tags)
            ],
        )


@dataclass(frozen=True)
class Head:
    """What a list needs to know of an instance whose rendering it has already."""

    id: str
    revision: int
    engine_version: str


def find(connection: Connection, project_id: str, instance_id: str) -> Instance | None:
    """A project's instance, unless it is deleted."""
    heads, _ = search(connection, project_id, Filter(id=instance_id), 0, 1)
    return load(connection, heads[0].id) if heads else None


def load(connection: Connection, instance_id: str) -> Instance | None:
    """Any project's instance, deleted ones too: for the workflows, which own all of them."""
    return next(iter(load_all(connection, [instance_id])), None)


def load_all(connection: Connection, ids: Sequence[str]) -> list[Instance]:
    """The instances of these ids, in no order; the caller has made sure whose they are."""
    if not ids:
        return []
    rows = connection.execute(select(INSTANCES).where(INSTANCES.c.id.in_(ids))).all()
    return assemble(connection, rows)


def live(connection: Connection, statuses: Iterable[Status]) -> list[Instance]:
    """Every instance of every project that has one of these statuses, oldest first."""
    query = select(INSTANCES).where(
        INSTANCES.c.deleted_at.is_(None), INSTANCES.c.status.in_(list(statuses))
    )
    return assemble(connection, connection.execute(query.order_by(INSTANCES.c.created_at)).all())


def unremoved(connection: Connection) -> list[Instance]:
    """Deleted instances that still have nodes: their removal has not succeeded yet."""
    query = select(INSTANCES).where(
        INSTANCES.c.deleted_at.is_not(None), INSTANCES.c.id.in_(select(NODES.c.instance_id))
    )
    return assemble(connection, connection.execute(query).all())


def search(
    connection: Connection, project_id: str, wanted: Filter, offset: int, limit: int
) -> tuple[list[Head], int]:
    """One page of a project's instances, newest first, and how many match in all."""
    columns = (INSTANCES.c.id, INSTANCES.c.revision, INSTANCES.c.engine_version)
    query = _matching(select(*columns), project_id, wanted)
    if wanted.after:
        query = query.where(_behind(wanted.after))
    order = (INSTANCES.c.created_at.desc(), INSTANCES.c.id)
    rows = connection.execute(query.order_by(*order).offset(offset).limit(limit))
    heads = [Head(*row) for row in rows]
    if offset == 0 and not wanted.after and len(heads) < limit:
        return heads, len(heads)
    count = select(func.count()).select_from(INSTANCES)
    total = connection.execute(_matching(count, project_id, wanted)).scalar_one()
    return heads, total


def count_by_mode(connection: Connection, project_id: str) -> dict[Mode, int]:
    """How many instances a project has, per mode."""
    rows = connection.execute(
        select(INSTANCES.c.mode, func.count())
        .where(INSTANCES.c.project_id == project_id, INSTANCES.c.deleted_at.is_(None))
        .group_by(INSTANCES.c.mode)
    )
    return {Mode(mode): number for mode, number in rows}


def touch(connection: Connection, instance_id: str) -> None:
    """Raise an instance's revision: something that belongs to it has changed."""
    connection.execute(
        update(INSTANCES)
        .where(INSTANCES.c.id == instance_id)
        .values(revision=INSTANCES.c.revision + 1)
    )


def set_status(connection: Connection, instance_id: str, status: Status, now: datetime) -> None:
    """Write an instance's status, if it is another one than before."""
    connection.execute(
        update(INSTANCES)
        .where(INSTANCES.c.id == instance_id, INSTANCES.c.status != status)
        .values(status=status, updated_at=now)
    )
    touch(connection, instance_id)


def mark_deleted(connection: Connection, instance_id: str, now: datetime) -> None:
    """From here on no client sees the instance."""
    connection.execute(
        update(INSTANCES)
        .where(INSTANCES.c.id == instance_id)
        .values(status=Status.DELETED, deleted_at=now, updated_at=now)
    )
    touch(connection, instance_id)


def remove_parts(connection: Connection, instance_id: str) -> None:
    """Drop a deleted instance's nodes (and so their address leases), groups, tags, secrets."""
    for table in (NODES, GROUPS, TAGS, SECRETS):
        connection.execute(delete(table).where(table.c.instance_id == instance_id))
    touch(connection, instance_id)


def leased_addresses(connection: Connection) -> list[str]:
    """Addresses that belong to a node."""
    rows = connection.execute(select(NODES.c.address).where(NODES.c.address != ""))
    return [address for (address,) in rows]


def set_node(connection: Connection, instance_id: str, node_id: str, **values: object) -> None:
    """Write columns of one node of an instance: its address, status, role, used_bytes."""
    connection.execute(
        update(NODES)
        .where(NODES.c.id == node_id, NODES.c.instance_id == instance_id)
        .values(**values)
    )
    touch(connection, instance_id)


def _matching(query: Select[Any], project_id: str, wanted: Filter) -> Select[Any]:
    query = query.where(INSTANCES.c.project_id == project_id, INSTANCES.c.deleted_at.is_(None))
    for field in ("id", "name", "mode", "vpc_id", "subnet_id"):
        if value := getattr(wanted, field):
            query = query.where(INSTANCES.c[field] == value)
    if wanted.name_contains:
        query = query.where(INSTANCES.c.name.contains(wanted.name_contains, autoescape=True))
    for key, value in wanted.tags:
        tagged = exists().where(
            TAGS.c.instance_id == INSTANCES.c.id, TAGS.c.key == key, TAGS.c.value == value
        )
        query = query.where(tagged)
    return query


def _behind(instance_id: str) -> ColumnElement[bool]:
    """Whether a row comes after the given instance in a list."""
    mark = select(INSTANCES.c.created_at).where(INSTANCES.c.id == instance_id).scalar_subquery()
    older = INSTANCES.c.created_at < mark
    return or_(older, and_(INSTANCES.c.created_at == mark, INSTANCES.c.id > instance_id))
