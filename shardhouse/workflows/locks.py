"""The lock of an instance, for a step of a job that otherwise goes on without it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shardhouse.domain.model import Status
from shardhouse.errors import StepError
from shardhouse.mongo.wait import Deadline
from shardhouse.store import jobs
from shardhouse.workflows.operation import Run

PATIENCE = 3600.0
"""Seconds that other jobs may have the lock meanwhile."""
_PAUSE = 0.5


@contextmanager
def exclusive(run: Run[Any], also: Callable[[], None]) -> Iterator[None]:
    """No other job changes the instance meanwhile; waits for one that does. Raises StepError where
    the instance was deleted, MongoError where another job does not end, and while it waits what
    `also` raises."""
    context, instance_id = run.context, run.instance.id

    def take() -> bool | None:
        with context.database.write() as connection:
            return jobs.take_lock(connection, run.job) or None

    def check() -> None:
        if context.instance(instance_id).status is Status.DELETED:
            raise StepError("The instance was deleted.")
        also()

    check()
    Deadline(PATIENCE, check).until("other changes of the instance to end", take, _PAUSE)
    try:
        check()
        yield
    finally:
        with context.database.write() as connection:
            jobs.give_lock_back(connection, run.job)
