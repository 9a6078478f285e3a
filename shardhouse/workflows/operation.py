"""What an operation is: its plan, its arguments, its named steps, and how its end is written.

Operations are jobs: a plan, and steps that outlive a crash. An edit is a plan alone: its change is
written before the call returns.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Connection

from shardhouse.contract.call import Call
from shardhouse.domain.change import Change
from shardhouse.domain.model import Instance, Job
from shardhouse.domain.topology import Ids
from shardhouse.engines import Catalogue
from shardhouse.settings import Settings
from shardhouse.store import instances, sealed
from shardhouse.workflows import limits
from shardhouse.workflows.context import Context, now

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class NoArguments:
    """The arguments of an operation that needs to know nothing but its instance."""


@dataclass(frozen=True)
class Asked(Generic[B]):
    """What a plan decides on; it looks nowhere else. The call's rules hold for `instance`; `path`
    holds the variable parts of the call's path, `ids` makes those of what is new."""

    instance: Instance
    body: B
    path: Mapping[str, str]
    settings: Settings
    engines: Catalogue
    now: datetime
    ids: Ids = field(default_factory=Ids)


@dataclass(frozen=True)
class Planned(Generic[A]):
    """What a plan decided: the arguments of the steps, and what is true from now on. `steps` names
    those that are needed, all of the operation's where it is empty. `secrets` are sealed until the
    job ends. A job with `start_at` waits for that moment."""

    arguments: A
    now: Change = field(default_factory=Change)
    steps: tuple[str, ...] = ()
    job: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    start_at: datetime | None = None


@dataclass(frozen=True)
class Edit(Generic[B]):
    """An immediate change: its plan, and one transaction."""

    call: Call
    plan: Callable[[Asked[B]], Change]


@dataclass(frozen=True)
class Run(Generic[A]):
    """What a step works with. `instance` is as the store has it when the step starts, `arguments`
    are those the job was stored with; `report` shows a line as the step's progress. `since` is when
    the step began for the first time, before any crash that it is repeated after."""

    context: Context
    job: Job
    instance: Instance
    arguments: A
    report: Callable[[str], None]
    since: datetime

    def secret(self, name: str) -> str:
        """A secret the job was planned with."""
        return self.context.secrets(self.instance.id)[sealed.JOB + name]


#: Writes an end state, in the transaction that ends the job.
Write = Callable[[Connection, Run[A]], None]


def _nothing(_run: Run[Any]) -> None:
    """The default of what an operation does around its job's end."""


def unchanged(_connection: Connection, _run: Run[Any]) -> None:
    """An end state that is as it was, or that the steps have written."""


def writes(make: Callable[[Run[A]], Change]) -> Write[A]:
    """An end state given as a change."""

    def write(connection: Connection, run: Run[A]) -> None:
        instances.apply(connection, run.instance.id, make(run), now())

    return write


@dataclass(frozen=True)
class Step(Generic[A]):
    """One idempotent piece of an operation: it is repeated after a crash, so it looks first and
    then acts. It raises a ShardhouseError when it cannot succeed. Jobs refer to it by its name."""

    name: str
    run: Callable[[Run[A]], None]


@dataclass(frozen=True)
class Operation(Generic[A]):
    """A durable operation. `action` is its word in an instance's `actions`, and its jobs' key;
    `job` is the name its jobs have on the wire, unless the plan gives another.

    `call` is the call that asks for it, and `plan` decides on it; both are None where the service
    itself does, or where there is no instance yet. A job that takes more seconds than `limit` says
    fails; what it then does to clean up is not counted. `done` or `failed` write the end state
    together with the job's end. `roll_back` cleans up before a failure is written; `after_commit`
    runs when the job is over and nobody waits. An operation that does not `lock` lets others change
    the instance meanwhile; a step of it takes the lock while it needs it (`workflows.locks`).
    """

    action: str
    job: str
    arguments: type[A]
    steps: tuple[Step[A], ...]
    call: Call | None = None
    plan: Callable[[Asked[Any]], Planned[A]] | None = None
    limit: limits.TimeLimit = limits.rolling
    done: Write[A] = unchanged
    failed: Write[A] = unchanged
    roll_back: Callable[[Run[A]], None] = _nothing
    after_commit: Callable[[Run[A]], None] = _nothing
    locks: bool = True

    def step(self, name: str) -> Step[A] | None:
        """The step of this name; None if there is none."""
        return next((step for step in self.steps if step.name == name), None)

    def stored(self, arguments: A) -> dict[str, Any]:
        """Arguments as a job keeps them: JSON."""
        found = TypeAdapter(self.arguments).dump_python(arguments, mode="json")
        return dict(found)

    def loaded(self, stored: Mapping[str, Any]) -> A:
        """Arguments as a step is given them. Raises ValueError for those of another version."""
        return TypeAdapter(self.arguments).validate_python(dict(stored))
