"""From rows to instances: the one place that knows how the tables make up the domain's data."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from shardhouse.domain.model import (
    BackupStrategy,
    Group,
    GroupType,
    Instance,
    JobStatus,
    Mode,
    Node,
    Role,
    Status,
)
from shardhouse.store.tables import GROUPS, JOBS, NODES, TAGS


def assemble(connection: Connection, rows: Sequence[Row[Any]]) -> list[Instance]:
    """Instances from their rows, with three more queries for however many there are."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    nodes: dict[str, list[Node]] = {}
    for row in connection.execute(
        select(NODES).where(NODES.c.instance_id.in_(ids)).order_by(NODES.c.ordinal)
    ):
        nodes.setdefault(row.group_id, []).append(_node(row))
    groups: dict[str, list[Group]] = {}
    for row in connection.execute(
        select(GROUPS).where(GROUPS.c.instance_id.in_(ids)).order_by(GROUPS.c.position)
    ):
        groups.setdefault(row.instance_id, []).append(_group(row, tuple(nodes.get(row.id, ()))))
    tags: dict[str, list[tuple[str, str]]] = {}
    for row in connection.execute(
        select(TAGS).where(TAGS.c.instance_id.in_(ids)).order_by(TAGS.c.position)
    ):
        tags.setdefault(row.instance_id, []).append((row.key, row.value))
    running = select(JOBS.c.instance_id, JOBS.c.action).where(
        JOBS.c.instance_id.in_(ids), JOBS.c.status == JobStatus.RUNNING
    )
    actions = {row.instance_id: row.action for row in connection.execute(running)}
    return [
        _instance(
            row,
            groups=tuple(groups.get(row.id, ())),
            tags=tuple(tags.get(row.id, ())),
            action=actions.get(row.id, ""),
        )
        for row in rows
    ]


def _instance(
    row: Row[Any], *, groups: tuple[Group, ...], tags: tuple[tuple[str, str], ...], action: str
) -> Instance:
    return Instance(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        mode=Mode(row.mode),
        status=Status(row.status),
        version=row.version,
        storage_engine=row.storage_engine,
        engine_version=row.engine_version,
        port=row.port,
        ssl=row.ssl,
        region=row.region,
        availability_zone=row.availability_zone,
        backup_strategy=BackupStrategy(row.backup_start_time, row.backup_keep_days),
        created_at=row.created_at,
        updated_at=row.updated_at,
        request=row.request,
        revision=row.revision,
        action=action,
        remark=row.remark,
        maintenance_window=row.maintenance_window,
        tags=tags,
        groups=groups,
    )


def _group(row: Row[Any], nodes: tuple[Node, ...]) -> Group:
    return Group(
        id=row.id,
        instance_id=row.instance_id,
        type=GroupType(row.type),
        ordinal=row.ordinal,
        name=row.name,
        spec_code=row.spec_code,
        size=row.size,
        nodes=nodes,
    )


def _node(row: Row[Any]) -> Node:
    return Node(
        id=row.id,
        instance_id=row.instance_id,
        group_id=row.group_id,
        ordinal=row.ordinal,
        name=row.name,
        spec_code=row.spec_code,
        availability_zone=row.availability_zone,
        address=row.address,
        port=row.port,
        status=Status(row.status),
        role=Role(row.role),
        used_bytes=row.used_bytes,
    )
