"""Backups in the store: what there is, what it is of, where it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from shardhouse import error_codes as codes
from shardhouse.domain.backup import ACTION, Backup, BackupStatus, BackupType, GroupShape
from shardhouse.domain.model import Mode
from shardhouse.errors import BusyError, DdsError
from shardhouse.store.tables import BACKUPS

_ORDERS = {"name": BACKUPS.c.name, "begin_time": BACKUPS.c.begin_time, "size": BACKUPS.c.size}


@dataclass(frozen=True)
class Filter:
    """Which backups of a project; what is empty does not matter. `name`, `description` and
    `instance_name` are parts of them."""

    instance_id: str = ""
    backup_id: str = ""
    type: str = ""
    status: str = ""
    mode: str = ""
    name: str = ""
    description: str = ""
    instance_name: str = ""
    since: datetime | None = None
    until: datetime | None = None


def add(connection: Connection, backup: Backup) -> None:
    """A new backup. Raises DdsError: 400 where the project has one of that name, 403, which clients
    retry, while another of the instance is being made."""
    taken = (BACKUPS.c.project_id == backup.project_id) & (BACKUPS.c.name == backup.name)
    if connection.execute(select(BACKUPS.c.id).where(taken)).first() is not None:
        raise DdsError(codes.BACKUP_EXISTS, f"There is a backup named {backup.name}.")
    making = (BACKUPS.c.instance_id == backup.instance_id) & (
        BACKUPS.c.status == BackupStatus.BUILDING
    )
    if other := connection.execute(select(BACKUPS.c.name).where(making)).first():
        raise BusyError(
            f"The backup {other.name} of instance {backup.instance_id} is being made; wait for its "
            "end, or stop it.",
            ACTION,
        )
    values = {one.name: getattr(backup, one.name) for one in fields(backup)}
    values["shape"] = [asdict(group) for group in backup.shape]
    values["tops"] = dict(backup.tops)
    connection.execute(insert(BACKUPS).values(values))


def change(connection: Connection, backup_id: str, **values: Any) -> None:
    """New values of some fields."""
    connection.execute(update(BACKUPS).where(BACKUPS.c.id == backup_id).values(values))


def remove(connection: Connection, backup_id: str) -> None:
    """Forget a backup that is gone."""
    connection.execute(delete(BACKUPS).where(BACKUPS.c.id == backup_id))


def find(connection: Connection, project_id: str, backup_id: str) -> Backup | None:
    """A project's backup."""
    condition = (BACKUPS.c.id == backup_id) & (BACKUPS.c.project_id == project_id)
    row = connection.execute(select(BACKUPS).where(condition)).one_or_none()
    return _backup(row) if row else None


def load(connection: Connection, backup_id: str) -> Backup | None:
    """Any project's backup: for the workflows."""
    row = connection.execute(select(BACKUPS).where(BACKUPS.c.id == backup_id)).one_or_none()
    return _backup(row) if row else None


def of_instance(connection: Connection, instance_id: str) -> list[Backup]:
    """All backups of an instance, oldest first."""
    return _listed(connection, BACKUPS.c.instance_id == instance_id)


def of_instances(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[Backup]]:
    """All backups of several instances, oldest first."""
    found: dict[str, list[Backup]] = {one: [] for one in ids}
    for backup in _listed(connection, BACKUPS.c.instance_id.in_(ids)):
        found[backup.instance_id].append(backup)
    return found


def owners(connection: Connection) -> list[str]:
    """Ids of the instances that have backups."""
    return list(connection.scalars(select(BACKUPS.c.instance_id).distinct()))


def completed(connection: Connection, instance_id: str) -> list[Backup]:
    """The backups of an instance that can be restored, oldest first."""
    condition = (BACKUPS.c.instance_id == instance_id) & (
        BACKUPS.c.status == BackupStatus.COMPLETED
    )
    return _listed(connection, condition)


def search(
    connection: Connection,
    project_id: str,
    wanted: Filter,
    *,
    offset: int,
    limit: int,
    order: str = "begin_time",
    ascending: bool = False,
) -> tuple[list[Backup], int]:
    """One page of a project's backups, and how many match in all."""
    conditions: list[ColumnElement[bool]] = [BACKUPS.c.project_id == project_id]
    exact = (
        (BACKUPS.c.instance_id, wanted.instance_id),
        (BACKUPS.c.id, wanted.backup_id),
        (BACKUPS.c.type, wanted.type),
        (BACKUPS.c.status, wanted.status),
        (BACKUPS.c.mode, wanted.mode),
    )
    conditions += [column == value for column, value in exact if value]
    parts = (
        (BACKUPS.c.name, wanted.name),
        (BACKUPS.c.description, wanted.description),
        (BACKUPS.c.instance_name, wanted.instance_name),
    )
    conditions += [column.contains(part, autoescape=True) for column, part in parts if part]
    if wanted.since is not None:
        conditions.append(BACKUPS.c.begin_time >= wanted.since)
    if wanted.until is not None:
        conditions.append(BACKUPS.c.begin_time <= wanted.until)
    column = _ORDERS[order]
    query = select(BACKUPS).where(*conditions)
    query = query.order_by(column.asc() if ascending else column.desc(), BACKUPS.c.id)
    rows = connection.execute(query.offset(offset).limit(limit)).all()
    count = select(func.count()).select_from(BACKUPS).where(*conditions)
    return [_backup(row) for row in rows], connection.execute(count).scalar_one()


def _listed(connection: Connection, condition: ColumnElement[bool]) -> list[Backup]:
    query = select(BACKUPS).where(condition).order_by(BACKUPS.c.begin_time, BACKUPS.c.id)
    return [_backup(row) for row in connection.execute(query).all()]


def _backup(row: Row[Any]) -> Backup:
    values = dict(row._mapping)
    values |= {
        "type": BackupType(row.type),
        "status": BackupStatus(row.status),
        "mode": Mode(row.mode),
        "shape": tuple(GroupShape(**group) for group in row.shape),
    }
    return Backup(**values)
