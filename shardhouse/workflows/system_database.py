"""The workflow engine's own database on SQLite: its writes make room on a full disk, too."""

import sqlite3

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import OperationalError

from shardhouse.store import journal
from shardhouse.store.database import BUSY_SECONDS, is_full
from shardhouse.store.reserve import Reserve


def engine(url: str, reserve: Reserve) -> Engine | None:
    """An engine as DBOS would make it for SQLite, which uses the reserve; None for others."""
    if not url.startswith("sqlite"):
        return None
    made = create_engine(url, pool_size=20, max_overflow=0, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(made, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        journal.open_allocated(connection)
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        journal.make_room(connection, reserve)

    @event.listens_for(made, "handle_error")
    def _wait(context: ExceptionContext) -> None:
        """DBOS repeats a write until it succeeds if it knows the error as one that passes: of
        SQLite's, it knows this one."""
        if is_full(context.original_exception):
            reserve.give_back()
            raise OperationalError(
                context.statement,
                context.parameters,
                sqlite3.OperationalError("database is locked, because its disk is full"),
            )

    return made
