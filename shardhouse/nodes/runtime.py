"""The one interface to the place where nodes run; drivers are its implementations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Protocol


@dataclass(frozen=True)
class NodeRef:
    """Names one node of one instance; a driver needs nothing else to find it again."""

    instance_id: str
    node_id: str


@dataclass(frozen=True)
class Volume:
    """Folders of a node, as its own process sees them."""

    data: PurePath
    log: PurePath
    conf: PurePath


@dataclass(frozen=True)
class Command:
    """The process a node should run. `argv` must hold a path inside the node's volume, by which a
    process is recognised after a crash of ours; it never holds a secret."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class ProcessState:
    """What is true of a node's process now. `exit_reason` says why it is not running, if known."""

    running: bool
    pid: int | None = None
    started_at: datetime | None = None
    exit_reason: str = ""


@dataclass(frozen=True)
class Usage:
    """Measured bytes of the volume's files, by folder."""

    data: int
    log: int


class Runtime(Protocol):
    """Keeps volumes and processes of nodes. Every call looks first and then acts, so repeating it
    after a crash does no harm. All raise NodeError with a reason a person can act on."""

    def free_addresses(self, count: int, port: int, taken: Sequence[str]) -> list[str]:
        """`count` addresses nobody listens on at `port`, none of them in `taken`."""
        ...

    def available_memory(self) -> int:
        """Bytes of memory that new nodes could use."""
        ...

    def ensure_volume(self, node: NodeRef, files: Mapping[str, bytes]) -> Volume:
        """Make the node's folders and write `files` (name -> content, mode 0600) into `conf`."""
        ...

    def volume(self, node: NodeRef) -> Volume:
        """Where the node's folders are (or will be)."""
        ...

    def ensure_process(self, node: NodeRef, command: Command) -> ProcessState:
        """Adopt the node's running process, or start one detached from us. Returns at once."""
        ...

    def state(self, node: NodeRef) -> ProcessState:
        """Whether the node's process runs."""
        ...

    def stop(self, node: NodeRef, grace: float) -> None:
        """End the process: ask, wait up to `grace` seconds, then kill. Returns when it is gone."""
        ...

    def remove(self, node: NodeRef) -> None:
        """Stop the process at once and delete the node's volume."""
        ...

    def log_tail(self, node: NodeRef, lines: int) -> list[str]:
        """The last lines the process wrote to its log or its standard output."""
        ...

    def usage(self, node: NodeRef) -> Usage:
        """Measure the volume's files."""
        ...

    def on_exit(self, node: NodeRef, callback: Callable[[NodeRef], None]) -> None:
        """Call `callback` once, from a thread of the driver, when the running process ends."""
        ...
