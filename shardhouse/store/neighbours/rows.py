"""Reading and writing rows by their field names, one `Rows` for each kind of record."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, RowMapping, Table, delete, insert, select, update

from shardhouse.store.neighbours import records, tables

R = TypeVar("R")


def new_row(**values: Any) -> dict[str, Any]:
    """The fields of a new row: an id, this moment as both of its times, and `values`."""
    now = datetime.now(UTC)
    return {"id": str(uuid.uuid4()), "created_at": now, "updated_at": now, **values}


@dataclass(frozen=True)
class Rows(Generic[R]):
    """The rows of a table, as records whose fields are the columns."""

    table: Table
    record: type[R]

    def add(self, connection: Connection, record: R) -> R:
        """Insert a record. Raises IntegrityError when something unique is taken."""
        connection.execute(insert(self.table), vars(record))
        return record

    def find(self, connection: Connection, **equal: Any) -> list[R]:
        """The records with these values, oldest first."""
        found = select(self.table).filter_by(**equal)
        order = (self.table.c.created_at, self.table.c.id)
        return [self._record(row) for row in connection.execute(found.order_by(*order)).mappings()]

    def first(self, connection: Connection, **equal: Any) -> R | None:
        """The oldest record with these values."""
        return next(iter(self.find(connection, **equal)), None)

    def change(self, connection: Connection, id: str, changes: Mapping[str, Any]) -> R:
        """Change a row that exists; returns it as it is then."""
        self.note(connection, id, {**changes, "updated_at": datetime.now(UTC)})
        (record,) = self.find(connection, id=id)
        return record

    def note(self, connection: Connection, id: str, values: Mapping[str, Any]) -> None:
        """Write what the service itself has found; nothing where the row is gone."""
        connection.execute(update(self.table).where(self.table.c.id == id).values(**values))

    def remove(self, connection: Connection, **equal: Any) -> None:
        """Delete the rows with these values."""
        connection.execute(delete(self.table).filter_by(**equal))

    def _record(self, row: RowMapping) -> R:
        # JSON gives lists; records are frozen to the bottom.
        values = {field.name: row[field.name] for field in fields(self.record)}  # type: ignore[arg-type]  # records are dataclasses
        return self.record(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


VPCS = Rows(tables.VPCS, records.Vpc)
NETWORKS = Rows(tables.NETWORKS, records.Network)
SUBNETS = Rows(tables.SUBNETS, records.Subnet)
PORTS = Rows(tables.PORTS, records.Port)
SECURITY_GROUPS = Rows(tables.SECURITY_GROUPS, records.SecurityGroup)
SECURITY_GROUP_RULES = Rows(tables.SECURITY_GROUP_RULES, records.SecurityGroupRule)
BANDWIDTHS = Rows(tables.BANDWIDTHS, records.Bandwidth)
PUBLIC_IPS = Rows(tables.PUBLIC_IPS, records.PublicIp)
LOG_GROUPS = Rows(tables.LOG_GROUPS, records.LogGroup)
LOG_STREAMS = Rows(tables.LOG_STREAMS, records.LogStream)
ALARMS = Rows(tables.ALARMS, records.Alarm)
ENTERPRISE_PROJECTS = Rows(tables.ENTERPRISE_PROJECTS, records.EnterpriseProject)
