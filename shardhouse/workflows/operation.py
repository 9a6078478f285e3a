"""What an operation is: a list of named steps, and what to do when one cannot succeed."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from shardhouse.domain.model import Instance
from shardhouse.workflows.context import Context

#: Says in words what a running step did or waits for; shown as the job's progress.
Tell = Callable[[str], None]
#: Writes an instance's end state, in the transaction that ends its job.
Write = Callable[[Connection, Instance], None]


def _nothing(_context: Context, _instance: Instance) -> None:
    """The default of what an operation does around its job's end."""


@dataclass(frozen=True)
class Step:
    """One idempotent piece of an operation. `run` is given the instance as it is at its start; it
    raises a ShardhouseError when it cannot succeed."""

    name: str
    run: Callable[[Context, Instance, Tell], None]


@dataclass(frozen=True)
class Operation:
    """A durable operation. `action` is its word in an instance's `actions`, and its jobs' key.

    `on_success` and `on_failure` write the end state together with the job's end. `undo` cleans up
    before a failure is written; `afterwards` runs when the job is over and nobody waits.
    """

    action: str
    steps: tuple[Step, ...]
    on_success: Write
    on_failure: Write
    undo: Callable[[Context, Instance], None] = _nothing
    afterwards: Callable[[Context, Instance], None] = _nothing
