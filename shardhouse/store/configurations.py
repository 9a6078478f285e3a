"""Projects' parameter templates in the store, and what was changed in them lately."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from shardhouse import error_codes as codes
from shardhouse.domain.configuration import QUOTA, Configuration, system_by_id
from shardhouse.domain.parameters import Difference, NodeType
from shardhouse.errors import DdsError
from shardhouse.store.tables import CONFIGURATION_CHANGES, CONFIGURATIONS

KEEP_DAYS = 7
"""Days for which changes are known."""


@dataclass(frozen=True)
class Changed:
    """A change of one parameter's value in a template."""

    name: str
    old_value: str
    new_value: str
    changed_at: datetime


def add(connection: Connection, configuration: Configuration) -> None:
    """A new template. Raises DdsError 400 where the project has one of that name, or as many as it
    may have."""
    if exists(connection, configuration.project_id, configuration.name):
        raise _taken(configuration.name)
    if count(connection, configuration.project_id) >= QUOTA:
        raise DdsError(
            codes.NOT_LEGAL_HERE,
            f"The project has {QUOTA} parameter templates, which is its quota. Delete one.",
        )
    values = {one.name: getattr(configuration, one.name) for one in fields(configuration)}
    connection.execute(
        insert(CONFIGURATIONS).values(values | {"values": dict(configuration.values)})
    )


def change(
    connection: Connection,
    configuration: Configuration,
    differences: Iterable[Difference] = (),
) -> None:
    """A template is as given from its `updated_at` on; `differences` are remembered. Raises
    DdsError 400 where another one of the project has its name."""
    if exists(connection, configuration.project_id, configuration.name, but=configuration.id):
        raise _taken(configuration.name)
    connection.execute(
        update(CONFIGURATIONS)
        .where(CONFIGURATIONS.c.id == configuration.id)
        .values(
            {
                "name": configuration.name,
                "description": configuration.description,
                "values": dict(configuration.values),
                "updated_at": configuration.updated_at,
            }
        )
    )
    at = configuration.updated_at
    old = CONFIGURATION_CHANGES.c.changed_at < at - timedelta(days=KEEP_DAYS)
    connection.execute(delete(CONFIGURATION_CHANGES).where(old))
    rows = [
        {
            "configuration_id": configuration.id,
            "name": one.name,
            "old_value": one.old,
            "new_value": one.new,
            "changed_at": at,
        }
        for one in differences
    ]
    if rows:
        connection.execute(insert(CONFIGURATION_CHANGES), rows)


def remove(connection: Connection, configuration_id: str) -> None:
    """Forget a template and its changes."""
    owned = CONFIGURATION_CHANGES.c.configuration_id == configuration_id
    connection.execute(delete(CONFIGURATION_CHANGES).where(owned))
    connection.execute(delete(CONFIGURATIONS).where(CONFIGURATIONS.c.id == configuration_id))


def find(connection: Connection, project_id: str, configuration_id: str) -> Configuration:
    """A template, a project's own or one of the system. Raises DdsError 400 for an unknown one."""
    row = connection.execute(
        select(CONFIGURATIONS).where(
            CONFIGURATIONS.c.id == configuration_id, CONFIGURATIONS.c.project_id == project_id
        )
    ).one_or_none()
    found = _configuration(row) if row else system_by_id(configuration_id)
    if found is None:
        raise DdsError(
            codes.CONFIGURATION_NOT_FOUND,
            f"The parameter template {configuration_id} does not exist.",
        )
    return found


def listed(connection: Connection, project_id: str) -> list[Configuration]:
    """A project's templates, oldest first: at most `QUOTA`."""
    rows = connection.execute(
        select(CONFIGURATIONS)
        .where(CONFIGURATIONS.c.project_id == project_id)
        .order_by(CONFIGURATIONS.c.created_at, CONFIGURATIONS.c.id)
    )
    return [_configuration(row) for row in rows]


def exists(connection: Connection, project_id: str, name: str, *, but: str = "") -> bool:
    """Whether a project has a template of this name, beside the one with the id `but`."""
    query = select(CONFIGURATIONS.c.id).where(
        CONFIGURATIONS.c.project_id == project_id,
        CONFIGURATIONS.c.name == name,
        CONFIGURATIONS.c.id != but,
    )
    return connection.execute(query).first() is not None


def count(connection: Connection, project_id: str) -> int:
    """How many templates a project has."""
    query = select(func.count()).where(CONFIGURATIONS.c.project_id == project_id)
    return int(connection.execute(query).scalar_one())


def changes(connection: Connection, configuration_id: str, now: datetime) -> Sequence[Changed]:
    """What was changed in a template in the last days, the newest first."""
    rows = connection.execute(
        select(CONFIGURATION_CHANGES)
        .where(
            CONFIGURATION_CHANGES.c.configuration_id == configuration_id,
            CONFIGURATION_CHANGES.c.changed_at >= now - timedelta(days=KEEP_DAYS),
        )
        .order_by(CONFIGURATION_CHANGES.c.id.desc())
    )
    return [Changed(row.name, row.old_value, row.new_value, row.changed_at) for row in rows]


def _taken(name: str) -> DdsError:
    return DdsError(
        codes.CONFIGURATION_NAME_TAKEN, f"There is a parameter template named {name} already."
    )


def _configuration(row: Row[Any]) -> Configuration:
    found = dict(row._mapping)
    return Configuration(**found | {"node_type": NodeType(row.node_type)})
