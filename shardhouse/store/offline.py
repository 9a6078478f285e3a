"""The store of an installation, read without its service."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import inspect

from shardhouse.domain.model import Instance, Job, Status
from shardhouse.settings import Settings
from shardhouse.store import instances, jobs
from shardhouse.store.database import Database


@contextmanager
def opened(settings: Settings) -> Iterator[Database | None]:
    """The store; None where there is none yet, or one that `serve` has not brought to this version
    yet."""
    if not _is_there(settings):
        yield None
        return
    database = Database(settings.store_url)
    try:
        made = inspect(database.engine).has_table("instances")
        yield database if made and database.current() else None
    finally:
        database.close()


def is_unread(settings: Settings) -> bool:
    """Whether there is a store that `serve` has not brought to this version yet: what it holds is
    not known."""
    with opened(settings) as database:
        return database is None and _is_there(settings)


def instances_of(settings: Settings) -> list[Instance]:
    """Instances of all projects, also those whose removal has not ended."""
    with opened(settings) as database:
        if database is None:
            return []
        with database.read() as connection:
            return [
                *instances.live(connection, list(Status)),
                *instances.pending_removal(connection),
            ]


def unended_jobs(settings: Settings) -> list[Job]:
    """Jobs of all projects that run, or wait for their time."""
    with opened(settings) as database:
        if database is None:
            return []
        with database.read() as connection:
            return [*jobs.running(connection), *jobs.pending(connection)]


def _is_there(settings: Settings) -> bool:
    return settings.database_url is not None or (settings.data_dir / "shardhouse.db").exists()
