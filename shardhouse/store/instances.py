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

from shardhouse.domain.change import Change, Values
from shardhouse.domain.model import BackupStrategy, Group, Instance, Mode, Node, Status
from shardhouse.domain.transitions import Event, after
from shardhouse.store import backups
from shardhouse.store.assembly import assemble
from shardhouse.store.neighbours import public_ips
from shardhouse.store.tables import (
    GROUPS,
    INSTANCES,
    KILL_RULES,
    NODES,
    POLICIES,
    SECRETS,
    TAGS,
)


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
    #: Keys with the values they may have; any where there are none.
    any_tags: tuple[tuple[str, tuple[str, ...]], ...] = ()
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
            engine_build=instance.engine_build,
            port=instance.port,
            ssl=instance.ssl,
            region=instance.region,
            availability_zone=instance.availability_zone,
            vpc_id=instance.request.get("vpc_id", ""),
            subnet_id=instance.request.get("subnet_id", ""),
            **_backup_columns(instance.backup_strategy),
            maintenance_window=instance.maintenance_window,
            remark=instance.remark,
            request=instance.request,
            created_at=instance.created_at,
            updated_at=instance.updated_at,
            deleted_at=instance.deleted_at,
        )
    )
    for position, group in enumerate(instance.groups):
        _add_group(connection, group, position)
    _set_tags(connection, instance.id, instance.tags)


def apply(connection: Connection, instance_id: str, change: Change, now: datetime) -> None:
    """Write a change of an instance, its groups, nodes, tags and policies, and of what is bound to
    its nodes, and its new backups. Raises NeighbourError for a public IP that is bound to something
    else, DdsError (400) for a backup whose name is taken."""
    assert "status" not in change.instance, "events change it"
    if change.event:
        record(connection, instance_id, change.event, now)
    if change.instance:
        connection.execute(
            update(INSTANCES)
            .where(INSTANCES.c.id == instance_id)
            .values(**_columns(change.instance), updated_at=now)
        )
    for group_id, values in change.groups.items():
        connection.execute(
            update(GROUPS)
            .where(GROUPS.c.id == group_id, GROUPS.c.instance_id == instance_id)
            .values(**values)
        )
    for node_id, values in change.nodes.items():
        set_node(connection, instance_id, node_id, **values)
    for group in change.add_groups:
        alike = select(func.max(GROUPS.c.position)).where(
            GROUPS.c.instance_id == instance_id, GROUPS.c.type == group.type
        )
        _add_group(connection, group, connection.execute(alike).scalar_one() or 0)
    _add_nodes(connection, change.add_nodes)
    for address, node_id in change.bindings.items():
        public_ips.bind_node(connection, address, node_id)
    for node_id, gateway in change.gateways.items():
        public_ips.set_gateway(connection, node_id, gateway)
    public_ips.unbind_nodes(connection, change.remove_nodes)
    for table, ids in ((NODES, change.remove_nodes), (GROUPS, change.remove_groups)):
        if ids:
            connection.execute(
                delete(table).where(table.c.id.in_(ids), table.c.instance_id == instance_id)
            )
    if change.tags is not None:
        connection.execute(delete(TAGS).where(TAGS.c.instance_id == instance_id))
        _set_tags(connection, instance_id, change.tags)
    for kind, document in change.policies.items():
        connection.execute(
            delete(POLICIES).where(POLICIES.c.instance_id == instance_id, POLICIES.c.kind == kind)
        )
        if document is not None:
            connection.execute(
                insert(POLICIES).values(instance_id=instance_id, kind=kind, document=dict(document))
            )
    for backup in change.add_backups:
        backups.add(connection, backup)
    touch(connection, instance_id)


def _columns(values: Values) -> dict[str, Any]:
    """Fields of an instance as columns."""
    columns = dict(values)
    if "backup_strategy" in columns:
        columns |= _backup_columns(columns.pop("backup_strategy"))
    return columns


def _backup_columns(strategy: BackupStrategy) -> dict[str, Any]:
    return {
        "backup_start_time": strategy.start_time,
        "backup_keep_days": strategy.keep_days,
        "backup_period": strategy.period,
    }


def _add_group(connection: Connection, group: Group, position: int) -> None:
    connection.execute(
        insert(GROUPS).values(
            id=group.id,
            instance_id=group.instance_id,
            position=position,
            type=group.type,
            ordinal=group.ordinal,
            name=group.name,
            spec_code=group.spec_code,
            size=group.size,
            scale_ups=group.scale_ups,
            set_name=group.set_name,
        )
    )
    _add_nodes(connection, group.nodes)


def _add_nodes(connection: Connection, nodes: Sequence[Node]) -> None:
    if nodes:
        columns = [column.name for column in NODES.columns]
        rows = [{name: getattr(node, name) for name in columns} for node in nodes]
        connection.execute(insert(NODES), rows)


def _set_tags(connection: Connection, instance_id: str, tags: Sequence[tuple[str, str]]) -> None:
    if tags:
        connection.execute(
            insert(TAGS),
            [
                {"instance_id": instance_id, "position": position, "key": key, "value": value}
                for position, (key, value) in enumerate(tags)
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


def find_by_prefix(connection: Connection, project_id: str, prefix: str) -> Instance | None:
    """A project's instance whose id begins so, unless it is deleted."""
    wanted = select(INSTANCES.c.id).where(
        INSTANCES.c.project_id == project_id,
        INSTANCES.c.id.startswith(prefix, autoescape=True),
        INSTANCES.c.deleted_at.is_(None),
    )
    found = connection.scalars(wanted).first()
    return load(connection, found) if found else None


def find_by_node(connection: Connection, project_id: str, node_id: str) -> str | None:
    """The id of a project's instance that has this node, unless it is deleted."""
    wanted = (
        select(INSTANCES.c.id)
        .join(NODES, NODES.c.instance_id == INSTANCES.c.id)
        .where(NODES.c.id == node_id, INSTANCES.c.project_id == project_id)
        .where(INSTANCES.c.deleted_at.is_(None))
    )
    return connection.scalars(wanted).one_or_none()


def find_by_part(connection: Connection, project_id: str, part_id: str) -> Instance | None:
    """A project's instance that has this id, or a group or node that has it, unless it is
    deleted."""
    wanted = (
        select(INSTANCES.c.id)
        .where(INSTANCES.c.project_id == project_id, INSTANCES.c.deleted_at.is_(None))
        .where(
            or_(
                INSTANCES.c.id == part_id,
                INSTANCES.c.id.in_(select(GROUPS.c.instance_id).where(GROUPS.c.id == part_id)),
                INSTANCES.c.id.in_(select(NODES.c.instance_id).where(NODES.c.id == part_id)),
            )
        )
    )
    found = connection.scalars(wanted).one_or_none()
    return load(connection, found) if found else None


def of_project(connection: Connection, project_id: str) -> list[Instance]:
    """A project's instances that are not deleted, oldest first."""
    query = (
        select(INSTANCES)
        .where(INSTANCES.c.project_id == project_id, INSTANCES.c.deleted_at.is_(None))
        .order_by(INSTANCES.c.created_at, INSTANCES.c.id)
    )
    return assemble(connection, connection.execute(query).all())


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


def with_policy(connection: Connection, kind: str) -> list[Instance]:
    """Every instance of every project that has a document of this kind, deleted ones too."""
    wanted = select(POLICIES.c.instance_id).where(POLICIES.c.kind == kind)
    return load_all(connection, connection.scalars(wanted).all())


def pending_removal(connection: Connection) -> list[Instance]:
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
        query = query.where(_behind(project_id, wanted.after))
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


def tags(connection: Connection, project_id: str) -> dict[str, list[str]]:
    """Keys of the tags of a project's instances, each with its values, both in order."""
    rows = connection.execute(
        select(TAGS.c.key, TAGS.c.value)
        .join(INSTANCES, INSTANCES.c.id == TAGS.c.instance_id)
        .where(INSTANCES.c.project_id == project_id, INSTANCES.c.deleted_at.is_(None))
        .distinct()
    )
    found: dict[str, list[str]] = {}
    for key, value in sorted((key, value) for key, value in rows):
        found.setdefault(key, []).append(value)
    return found


def using(
    connection: Connection,
    project_id: str,
    *,
    vpc_id: str | None = None,
    subnet_id: str | None = None,
    security_group_id: str | None = None,
) -> list[str]:
    """Names of the project's instances that were created with this network or security group."""
    group = INSTANCES.c.request["security_group_id"].as_string()
    wanted = ((INSTANCES.c.vpc_id, vpc_id), (INSTANCES.c.subnet_id, subnet_id))
    found = (
        select(INSTANCES.c.name)
        .where(INSTANCES.c.project_id == project_id, INSTANCES.c.deleted_at.is_(None))
        .where(*(column == id for column, id in (*wanted, (group, security_group_id)) if id))
        .order_by(INSTANCES.c.name)
    )
    return list(connection.scalars(found))


def touch(connection: Connection, instance_id: str) -> None:
    """Raise an instance's revision: something that belongs to it has changed."""
    connection.execute(
        update(INSTANCES)
        .where(INSTANCES.c.id == instance_id)
        .values(revision=INSTANCES.c.revision + 1)
    )


def record(connection: Connection, instance_id: str, event: Event, now: datetime) -> None:
    """Write what an event makes of an instance's status."""
    known = select(INSTANCES.c.status).where(INSTANCES.c.id == instance_id)
    before = Status(connection.execute(known).scalar_one())
    status = after(before, event)
    if status is not before:
        connection.execute(
            update(INSTANCES)
            .where(INSTANCES.c.id == instance_id)
            .values(status=status, updated_at=now)
        )
    touch(connection, instance_id)


def set_engine(
    connection: Connection, instance_id: str, *, build: str, engine_version: str, version: str
) -> None:
    """Write the build an instance runs on, and the version a client sees."""
    connection.execute(
        update(INSTANCES)
        .where(INSTANCES.c.id == instance_id)
        .values(engine_build=build, engine_version=engine_version, version=version)
    )
    touch(connection, instance_id)


def remove_parts(connection: Connection, instance_id: str) -> None:
    """Drop a deleted instance's nodes (and so their address leases), groups, tags, policies,
    secrets, kill rules; public IPs that were bound to its nodes are unbound."""
    gone = select(NODES.c.id).where(NODES.c.instance_id == instance_id)
    public_ips.unbind_nodes(connection, set(connection.scalars(gone)))
    for table in (NODES, GROUPS, TAGS, POLICIES, SECRETS, KILL_RULES):
        connection.execute(delete(table).where(table.c.instance_id == instance_id))
    touch(connection, instance_id)


def erase(connection: Connection, instance_id: str) -> None:
    """Nothing is known of an instance any more."""
    remove_parts(connection, instance_id)
    connection.execute(delete(INSTANCES).where(INSTANCES.c.id == instance_id))


def leases(connection: Connection) -> list[tuple[str, int]]:
    """Address and port of every node that has them."""
    rows = connection.execute(select(NODES.c.address, NODES.c.port).where(NODES.c.address != ""))
    return [(address, port) for address, port in rows]


def set_node(connection: Connection, instance_id: str, node_id: str, **values: object) -> None:
    """Write columns of one node of an instance: its address, port, status, role, used_bytes."""
    connection.execute(
        update(NODES)
        .where(NODES.c.id == node_id, NODES.c.instance_id == instance_id)
        .values(**values)
    )
    if "address" in values:
        public_ips.follow_node(connection, node_id)
    touch(connection, instance_id)


def _matching(query: Select[Any], project_id: str, wanted: Filter) -> Select[Any]:
    query = query.where(INSTANCES.c.project_id == project_id, INSTANCES.c.deleted_at.is_(None))
    for field in ("id", "name", "mode", "vpc_id", "subnet_id"):
        if value := getattr(wanted, field):
            query = query.where(INSTANCES.c[field] == value)
    if wanted.name_contains:
        query = query.where(INSTANCES.c.name.contains(wanted.name_contains, autoescape=True))
    conditions = [(key, (value,)) for key, value in wanted.tags]
    for key, values in (*conditions, *wanted.any_tags):
        tagged = exists().where(TAGS.c.instance_id == INSTANCES.c.id, TAGS.c.key == key)
        query = query.where(tagged.where(TAGS.c.value.in_(values)) if values else tagged)
    return query


def _behind(project_id: str, instance_id: str) -> ColumnElement[bool]:
    """Whether a row comes after the given instance in its project's list; none does where the
    project has no such instance. One that was deleted meanwhile still has its place."""
    mark = (
        select(INSTANCES.c.created_at)
        .where(INSTANCES.c.id == instance_id, INSTANCES.c.project_id == project_id)
        .scalar_subquery()
    )
    older = INSTANCES.c.created_at < mark
    return or_(older, and_(INSTANCES.c.created_at == mark, INSTANCES.c.id > instance_id))
