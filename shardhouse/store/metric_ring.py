"""Values of metrics, of the last hours: a ring of rows for each node and cluster, each row with the
values of all metrics at one moment.

They lie in a database of their own, for they may be lost: a full disk of the store, or its lock,
is nothing that measuring may add to. With PostgreSQL it is the store's, in a table that no
migration knows: it is made where it is missing, and its writers have a lock of their own.
"""

import math
import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)
from sqlalchemy import Row as SqlRow

from shardhouse.domain.metric_series import Point
from shardhouse.domain.metrics import METRICS, Values
from shardhouse.store.database import Database

MINUTE = 60
SECONDS = 5
STEPS: Mapping[int, int] = {MINUTE: 12 * 60, SECONDS: 12 * 60}
"""How many rows a ring has, by the seconds between them: 12 hours, and one hour."""
_TOGETHER = 20
"""Resources that are read at a time."""
_PLACES = {metric.id: place for place, metric in enumerate(METRICS)}
_KEY = ("resource_id", "step", "slot")
_METADATA = MetaData()
#: A row is found by its place in the ring, so that a newer one takes that of an older one.
_VALUES = Table(
    "metric_values",
    _METADATA,
    Column("resource_id", String(36), nullable=False),
    Column("step", Integer, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint(*_KEY),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True)
class Row:
    """Values of a node or a cluster from `at` on (seconds since 1970), for `step` seconds."""

    resource_id: str
    step: int
    at: int
    values: Values


class MetricRing:
    """The rings in one database. All raise DiskFullError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ready = False

    def _prepare(self) -> None:
        """Make the table where it is missing: at the first use, for the service starts on a full
        disk, too."""
        if not self._ready:
            with self._database.write() as connection:
                _METADATA.create_all(connection)
            self._ready = True

    def write(self, rows: Iterable[Row]) -> None:
        """Add rows, in place of the oldest ones."""
        by_place = {
            (row.resource_id, row.step, row.at // row.step % STEPS[row.step]): row for row in rows
        }
        made = [
            {**dict(zip(_KEY, place, strict=True)), "at": row.at, "packed": pack(row.values)}
            for place, row in by_place.items()
        ]
        if not made:
            return
        replaced = delete(_VALUES).where(
            *(_VALUES.c[key] == bindparam(f"of_{key}") for key in _KEY)
        )
        keys = [{f"of_{key}": row[key] for key in _KEY} for row in made]
        self._prepare()
        with self._database.write() as connection:
            connection.execute(replaced, keys)
            connection.execute(insert(_VALUES), made)

    def read(
        self, wanted: Mapping[str, Collection[str]], begin: int, end: int
    ) -> dict[str, dict[str, list[Point]]]:
        """The values of metrics, by resource and metric, with `begin <= at < end` in the order of
        time: those of seconds where there are such, those of minutes elsewhere."""
        self._prepare()
        ids = sorted(wanted)
        found: dict[str, dict[str, list[Point]]] = {}
        with self._database.read() as connection:
            for start in range(0, len(ids), _TOGETHER):
                some = ids[start : start + _TOGETHER]
                rows = connection.execute(
                    select(_VALUES).where(
                        _VALUES.c.resource_id.in_(some),
                        _VALUES.c.at >= begin - MINUTE,
                        _VALUES.c.at < end,
                    )
                )
                by_resource: dict[str, list[SqlRow[Any]]] = {id: [] for id in some}
                for row in rows:
                    by_resource[row.resource_id].append(row)
                for id, own in by_resource.items():
                    chosen = [row for row in _finest(own) if row.at >= begin]
                    found[id] = {name: _series(chosen, name) for name in wanted[id]}
        return found

    def forget(self, now: float) -> None:
        """Drop rows that nothing has replaced: those of nodes that are gone."""
        self._prepare()
        oldest = {step: int(now) - step * slots for step, slots in STEPS.items()}
        with self._database.write() as connection:
            for step, moment in oldest.items():
                gone = delete(_VALUES).where(_VALUES.c.step == step, _VALUES.c.at < moment)
                connection.execute(gone)


def _finest(rows: list[SqlRow[Any]]) -> list[SqlRow[Any]]:
    seconds = [row for row in rows if row.step == SECONDS]
    covered = {row.at // MINUTE for row in seconds}
    minutes = [row for row in rows if row.step == MINUTE and row.at // MINUTE not in covered]
    return sorted((*seconds, *minutes), key=lambda row: row.at)


def _series(rows: Iterable[SqlRow[Any]], name: str) -> list[Point]:
    found = ((row.at, value_of(row.packed, name)) for row in rows)
    return [(at, value) for at, value in found if value is not None]


def pack(values: Values) -> bytes:
    """Values by the places of the metrics in their table, four bytes each."""
    numbers = (values.get(metric.id, math.nan) for metric in METRICS)
    return struct.pack(f"<{len(METRICS)}f", *numbers)


def value_of(packed: bytes, name: str) -> float | None:
    """A value again, exact to seven digits; None where there is none, or there is no such metric.
    What another version has packed may have fewer or more values."""
    place = 4 * _PLACES[name] if name in _PLACES else len(packed)
    if place >= len(packed):
        return None
    (value,) = struct.unpack_from("<f", packed, place)
    return None if math.isnan(value) else float(value)
