"""Connections to the store: SQLite by default, PostgreSQL when configured.

With a reserve, SQLite writes on a full disk too: into its allocated journal, then into what the
reserve gives back. A write that finds no space all the same is refused with DiskFullError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from shardhouse.errors import DiskFullError, StoreError
from shardhouse.store import journal
from shardhouse.store.reserve import Reserve

BUSY_SECONDS = 30
BEGIN_MODE = "shardhouse_begin"
#: Keys of writers' locks in PostgreSQL, of the store and of metrics; any numbers that nobody else
#: uses in this database.
WRITERS, METRIC_WRITERS = 0x5A4D, 0x5A4E
#: What SQLite calls a lack of space: for its pages, and for the index of its journal.
_SQLITE_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
_POSTGRESQL_FULL = "53100"


class Database:
    """One SQL database: `read()` and `write()` give connections in a transaction. `reserve` is the
    space kept for it on its own disk, if it lies on a disk of ours; `writers` is the key of the
    lock by which writers take turns in PostgreSQL."""

    def __init__(self, url: str, reserve: Reserve | None = None, writers: int = WRITERS) -> None:
        self.url = url
        self._writers = writers
        self._reserve = reserve if url.startswith("sqlite") else None
        self.engine = _engine(url, self._reserve)
        self._writing = self.engine.execution_options(**{BEGIN_MODE: "IMMEDIATE"})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; what it sees is one moment's state. Needs no space on the disk
        but for the index of SQLite's journal, once. Raises DiskFullError where that is lacking."""
        with self._refusing_if_full(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back on any exception.

        Writers take turns, from their start on, so that a read-then-write (a quota, a lease) cannot
        interleave with another's: by SQLite's write lock, or an advisory one of PostgreSQL.
        Raises DiskFullError when there is no space for it, not even in the reserve.
        """
        with self._refusing_if_full(), self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": self._writers}
                )
            yield connection

    def migrate(self) -> None:
        """Bring the schema to this package's version. Raises StoreError where a newer version of
        the package has been here."""
        config = _migrations()
        known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
        with self.write() as connection:
            heads = MigrationContext.configure(connection).get_current_heads()
            if unknown := set(heads) - known:
                raise StoreError(
                    "A newer version of Shardhouse has used this store "
                    f"({self.engine.url.render_as_string()}, schema {', '.join(sorted(unknown))}). "
                    "Install that version again, or put back a copy from before."
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def current(self) -> bool:
        """Whether the schema is of this package's version."""
        with self.read() as connection:
            heads = MigrationContext.configure(connection).get_current_heads()
        return set(heads) == set(ScriptDirectory.from_config(_migrations()).get_heads())

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()

    @contextmanager
    def _refusing_if_full(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not is_full(error.orig):
                raise
            if self._reserve:
                self._reserve.give_back()
            raise DiskFullError(
                "The disk of the service's own database is full: nothing can be written to it. "
                "Free some space on it, for example by deleting files, and try again."
            ) from error


def is_full(error: BaseException | None) -> bool:
    """Whether a database driver's error says that the database's disk is full."""
    return (
        getattr(error, "sqlite_errorname", None) in _SQLITE_FULL
        or getattr(error, "sqlstate", None) == _POSTGRESQL_FULL
    )


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _engine(url: str, reserve: Reserve | None) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=32,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # pysqlite's own transaction handling starts transactions late; we begin them ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        if reserve:
            journal.open_allocated(connection)
        else:
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # Sorting must not need a file, on whatever disk that would be.
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(BEGIN_MODE, "DEFERRED")
        if reserve and mode == "IMMEDIATE":
            journal.make_room(connection, reserve)
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine
