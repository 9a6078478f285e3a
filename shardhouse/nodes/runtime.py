"""The one interface to the place where nodes run; drivers are its implementations."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePath
from typing import NamedTuple, Protocol

from shardhouse.tar import DataFile

AUDIT_LOG = "audit.log"
"""Name in a node's log folder, or the beginning of it, of files that say what clients did, and
nothing of the process itself."""


class Aside(StrEnum):
    """What a second volume of a node is for."""

    COPY = "copy"
    """A backup in the making."""
    RESTORED = "restored"
    """What is being restored, until it replaces the node's data."""
    REPLACED = "replaced"
    """The data that was replaced."""


@dataclass(frozen=True)
class NodeRef:
    """Names one node of one instance; a driver needs nothing else to find it again."""

    instance_id: str
    node_id: str

    def aside(self, purpose: Aside) -> "NodeRef":
        """A second volume of this node, with a process of its own: to a driver, another node."""
        return NodeRef(self.instance_id, f"{self.node_id}-{purpose}")


class Endpoint(NamedTuple):
    """Where a node's process listens."""

    address: str
    port: int


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
class LogFile:
    """A file of a node's log folder: its name, its size in bytes, when it was last written. `id`
    stays the same when the file is renamed, and is another for each file."""

    name: str
    size: int
    modified: datetime
    id: str


@dataclass(frozen=True)
class ProcessUse:
    """What a process uses: seconds of processor time and bytes read from and written to disks since
    its start, and now bytes of memory and of swap. `swap` is what the machine has of that."""

    cpu: float
    read: int
    written: int
    resident: int
    swapped: int
    swap: int


class Connection(NamedTuple):
    """A TCP connection of a process: its own end, and the other."""

    here: Endpoint
    there: Endpoint


@dataclass(frozen=True)
class Usage:
    """Measured bytes of the volume's files, by folder."""

    data: int
    log: int


class Runtime(Protocol):
    """Keeps volumes and processes of nodes. Every call looks first and then acts, so repeating it
    after a crash does no harm. All raise NodeError with a reason a person can act on."""

    def free_endpoints(self, count: int, port: int, taken: Collection[Endpoint]) -> list[Endpoint]:
        """`count` endpoints nobody listens on, none of them in `taken`: at `port`, and each with an
        address that no other has, as long as there are such; then at other ports too."""
        ...

    def is_free(self, endpoint: Endpoint) -> bool:
        """Whether a process could listen there now."""
        ...

    def offers(self, address: str) -> bool:
        """Whether a node may have this IPv4 address, as far as no other has it."""
        ...

    def available_memory(self) -> int:
        """Bytes of memory that new nodes could use."""
        ...

    def available_disk(self) -> int:
        """Bytes that are free where volumes are made."""
        ...

    def ensure_volume(self, node: NodeRef, files: Mapping[str, bytes]) -> Volume:
        """Make the node's folders and write `files` (name -> content, mode 0600) into `conf`."""
        ...

    def volume(self, node: NodeRef) -> Volume:
        """Where the node's folders are (or will be)."""
        ...

    def ensure_process(
        self, node: NodeRef, command: Command, allowed: Callable[[], bool] = lambda: True
    ) -> ProcessState:
        """Adopt the node's running process, or start one detached from us if that is `allowed`,
        which is asked when nothing else can start or stop the node. Returns at once."""
        ...

    def runs(self, node: NodeRef, command: Command) -> bool:
        """Whether the node's process runs and was started with the arguments of `command`."""
        ...

    def state(self, node: NodeRef) -> ProcessState:
        """Whether the node's process runs."""
        ...

    def stop(self, node: NodeRef, grace: float) -> None:
        """End the process: ask, wait up to `grace` seconds, then kill. Returns when it is gone."""
        ...

    def remove(self, node: NodeRef) -> None:
        """Stop the process at once and delete the node's volume; those aside go first."""
        ...

    def log_tail(self, node: NodeRef, lines: int) -> list[str]:
        """The last lines the process wrote to its log or its standard output."""
        ...

    def log_files(self, node: NodeRef) -> list[LogFile]:
        """The files of the node's log folder, the one written last at the end."""
        ...

    def read_log(self, node: NodeRef, name: str, offset: int, size: int) -> bytes:
        """At most `size` bytes of a file of the node's log folder from `offset` on; none behind its
        end, or where it is gone."""
        ...

    def rotate_log(self, node: NodeRef) -> bool:
        """Ask the node's process to put its log file aside and go on in a new one (SIGUSR1, as
        MongoDB's programs take it); whether one runs that would not end of that."""
        ...

    def remove_log(self, node: NodeRef, name: str) -> None:
        """Delete a file of the node's log folder."""
        ...

    def usage(self, node: NodeRef) -> Usage:
        """Measure the volume's files."""
        ...

    def copy_data(self, source: NodeRef, target: NodeRef, *, durable: bool = True) -> int:
        """Make the data of `target` a copy of that of `source`, without what belongs to the
        running process (locks, sockets, diagnostics): all of it, or none is there. Returns its
        bytes. Blocks are shared where the file system can. A power failure does not damage the
        copy, if it is to be `durable`. The files of `source` must not be removed meanwhile."""
        ...

    def move_data(self, source: NodeRef, target: NodeRef) -> None:
        """Replace the data of `target` by that of `source`, which has none then. Neither may run.
        Where `source` has none and `target` has some, it has been done."""
        ...

    def read_data(self, node: NodeRef) -> Iterator[DataFile]:
        """The files of the node's data in the order of their names, without what belongs to a
        running process. Each is read before the next is asked for."""
        ...

    def write_data(self, node: NodeRef, files: Iterable[DataFile]) -> int:
        """Replace the node's data by `files`: by all of them, or nothing is there. Returns their
        bytes. A power failure does not damage them any more. The node may not run."""
        ...

    def process_use(self, node: NodeRef) -> ProcessUse | None:
        """What the node's process uses; None where nothing runs."""
        ...

    def connections(self, node: NodeRef | None) -> list[Connection]:
        """The TCP connections that the node's process has, or our own where `node` is None; none
        where nothing runs."""
        ...

    def forward(self, rules: Mapping[Endpoint, Endpoint]) -> dict[Endpoint, str]:
        """Pass connections to the keys of `rules` on to their values, as long as we run, and to
        nothing else any more. Returns why nothing can listen there, where that is so."""
        ...

    def on_exit(self, node: NodeRef, callback: Callable[[NodeRef], None]) -> None:
        """Call `callback` once, from a thread of the driver, when the running process ends."""
        ...
