"""From rows to instances: the one place that knows how the tables make up the domain's data."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from shardhouse.domain.model import (
    BackupStrategy,
    Gateway,
    Group,
    GroupType,
    Instance,
    JobStatus,
    MemberRole,
    Mode,
    Node,
    Role,
    Status,
)
from shardhouse.store.neighbours.tables import GATEWAYS, PUBLIC_IPS
from shardhouse.store.tables import GROUPS, JOBS, NODES, POLICIES, TAGS


def assemble(connection: Connection, rows: Sequence[Row[Any]]) -> list[Instance]:
    """Instances from their rows, with six more queries for however many there are."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    bound = (
        select(PUBLIC_IPS.c.node_id, PUBLIC_IPS.c.address)
        .join(NODES, NODES.c.id == PUBLIC_IPS.c.node_id)
        .where(NODES.c.instance_id.in_(ids))
    )
    public_ips = {row.node_id: row.address for row in connection.execute(bound)}
    behind = (
        select(GATEWAYS, PUBLIC_IPS.c.address)
        .join(PUBLIC_IPS, PUBLIC_IPS.c.id == GATEWAYS.c.public_ip_id)
        .join(NODES, NODES.c.id == GATEWAYS.c.node_id)
        .where(NODES.c.instance_id.in_(ids))
    )
    gateways = {row.node_id: _gateway(row) for row in connection.execute(behind)}
    nodes: dict[str, list[Node]] = {}
    for row in connection.execute(
        select(NODES).where(NODES.c.instance_id.in_(ids)).order_by(NODES.c.ordinal)
    ):
        node = _node(row, public_ips.get(row.id, ""), gateways.get(row.id))
        nodes.setdefault(row.group_id, []).append(node)
    groups: dict[str, list[Group]] = {}
    for row in connection.execute(
        select(GROUPS)
        .where(GROUPS.c.instance_id.in_(ids))
        .order_by(GROUPS.c.position, GROUPS.c.ordinal)
    ):
        groups.setdefault(row.instance_id, []).append(_group(row, tuple(nodes.get(row.id, ()))))
    tags: dict[str, list[tuple[str, str]]] = {}
    for row in connection.execute(
        select(TAGS).where(TAGS.c.instance_id.in_(ids)).order_by(TAGS.c.position)
    ):
        tags.setdefault(row.instance_id, []).append((row.key, row.value))
    policies: dict[str, dict[str, dict[str, Any]]] = {}
    for row in connection.execute(select(POLICIES).where(POLICIES.c.instance_id.in_(ids))):
        policies.setdefault(row.instance_id, {})[row.kind] = row.document
    locking = select(JOBS.c.instance_id, JOBS.c.action).where(
        JOBS.c.instance_id.in_(ids), JOBS.c.status == JobStatus.RUNNING, JOBS.c.locks.is_(True)
    )
    actions = {row.instance_id: row.action for row in connection.execute(locking)}
    return [
        _instance(
            row,
            groups=tuple(groups.get(row.id, ())),
            tags=tuple(tags.get(row.id, ())),
            policies=policies.get(row.id, {}),
            action=actions.get(row.id, ""),
        )
        for row in rows
    ]


def _instance(
    row: Row[Any],
    *,
    groups: tuple[Group, ...],
    tags: tuple[tuple[str, str], ...],
    policies: dict[str, dict[str, Any]],
    action: str,
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
        engine_build=row.engine_build,
        port=row.port,
        ssl=row.ssl,
        region=row.region,
        availability_zone=row.availability_zone,
        backup_strategy=BackupStrategy(
            row.backup_start_time, row.backup_keep_days, row.backup_period
        ),
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        request=row.request,
        revision=row.revision,
        action=action,
        remark=row.remark,
        maintenance_window=row.maintenance_window,
        tags=tags,
        groups=groups,
        policies=policies,
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
        scale_ups=row.scale_ups,
        set_name=row.set_name,
    )


def _gateway(row: Row[Any]) -> Gateway:
    return Gateway(row.nat_gateway_id, row.public_ip_id, row.port, row.address)


def _node(row: Row[Any], public_ip: str, gateway: Gateway | None) -> Node:
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
        dns_name=row.dns_name,
        member=MemberRole(row.member),
        delay=row.delay,
        size=row.size,
        public_ip=public_ip,
        gateway=gateway,
    )
