"""The local driver of `nodes.runtime.Runtime`: ties folders, processes and addresses together."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

import psutil
import structlog

from shardhouse.errors import MissingVolumeError, NodeError
from shardhouse.nodes.local import addresses, data, folders, logs, memory, processes
from shardhouse.nodes.local.forwarder import Forwarder
from shardhouse.nodes.local.watcher import ExitWatcher
from shardhouse.nodes.runtime import (
    Aside,
    Command,
    Connection,
    Endpoint,
    LogFile,
    NodeRef,
    ProcessState,
    ProcessUse,
    Usage,
    Volume,
)
from shardhouse.tar import DataFile

_log = structlog.get_logger()


class LocalRuntime:
    """Runs nodes as detached processes below `<data_dir>/instances`.

    `network` is where node addresses come from, as `addresses.NodeNetwork` reads it. `explain`
    picks from the last log lines of a dead process the one that says why; the driver does not know
    the programs it runs, so who does may pass a better one. Threads may share one runtime.
    """

    def __init__(
        self,
        data_dir: Path,
        network: Sequence[str],
        explain: Callable[[Sequence[str]], str] = logs.last_line,
    ) -> None:
        self._root = data_dir / "instances"
        self._network = addresses.NodeNetwork(network, str(data_dir))
        self._explain = explain
        self._children: dict[NodeRef, subprocess.Popen[bytes]] = {}
        self._watcher = ExitWatcher()
        self._forwarder = Forwarder()

    def close(self) -> None:
        """End the driver's own threads; the nodes keep running."""
        self._forwarder.close()
        self._watcher.close()

    def free_endpoints(self, count: int, port: int, taken: Collection[Endpoint]) -> list[Endpoint]:
        """See `Runtime.free_endpoints`; an endpoint is free if it can be bound now."""
        return self._network.free(count, port, taken)

    def is_free(self, endpoint: Endpoint) -> bool:
        """See `Runtime.is_free`."""
        return addresses.can_bind(endpoint)

    def offers(self, address: str) -> bool:
        """See `Runtime.offers`: `node_network` names it, and the machine has it."""
        return address in self._network

    def missing_addresses(self, leased: Iterable[str]) -> addresses.Missing | None:
        """See `NodeNetwork.missing`."""
        return self._network.missing(leased)

    def available_memory(self) -> int:
        """Bytes left for new nodes: what the machine has, or less where our cgroup allows less."""
        return memory.available()

    def available_disk(self) -> int:
        """See `Runtime.available_disk`."""
        return folders.free(self._root)

    def volume(self, node: NodeRef) -> Volume:
        """See `Runtime.volume`."""
        folder = self._folder(node)
        return Volume(data=folder / "data", log=folder / "log", conf=folder / "conf")

    def ensure_volume(self, node: NodeRef, files: Mapping[str, bytes]) -> Volume:
        """See `Runtime.ensure_volume`. Folders are 0700; a file is replaced in one move."""
        folder = self._folder(node)
        try:
            folders.make(folder)
            for name, content in files.items():
                folders.write(folder / "conf" / name, content)
        except OSError as error:
            raise NodeError(
                f"Cannot make the volume of node {node.node_id}: {error}. "
                f"Check the space and the permissions of {self._root}."
            ) from error
        return self.volume(node)

    def ensure_process(
        self, node: NodeRef, command: Command, allowed: Callable[[], bool] = lambda: True
    ) -> ProcessState:
        """See `Runtime.ensure_process`. A second call, of a thread or of another of us, adopts."""
        folder = self._folder(node)
        if not any(str(folder) in argument for argument in command.argv):
            raise NodeError(f"The command of node {node.node_id} must name a path inside {folder}.")
        with folders.locked(folder):
            if self._find(node) is None and allowed():
                self._start(node, folder, command)
                _log.info("node started", instance=node.instance_id, node=node.node_id)
        return self.state(node)

    def runs(self, node: NodeRef, command: Command) -> bool:
        """See `Runtime.runs`: compared with the command line that the kernel shows."""
        process = self._find(node)
        if process is None:
            return False
        try:
            return process.cmdline() == list(command.argv)
        except psutil.Error:
            return False

    def state(self, node: NodeRef) -> ProcessState:
        """See `Runtime.state`. A zombie counts as not running, and is reaped if it is our child."""
        process = self._find(node)
        if process is not None:
            return ProcessState(
                running=True,
                pid=process.pid,
                started_at=processes.started_at(process),
            )
        return ProcessState(running=False, exit_reason=self._exit_reason(node))

    def stop(self, node: NodeRef, grace: float) -> None:
        """See `Runtime.stop`: SIGTERM, then after `grace` seconds SIGKILL."""
        folder = self._folder(node)
        if not folder.is_dir():
            return
        with folders.locked(folder):
            self._end(node, grace)

    def remove(self, node: NodeRef) -> None:
        """See `Runtime.remove`: SIGKILL, then the folder goes; so does an emptied instance's."""
        for aside in map(node.aside, Aside):
            if self._folder(aside).is_dir():
                self.remove(aside)
        folder = self._folder(node)
        try:
            with folders.locked(folder):
                self._end(node, 0)
                try:
                    shutil.rmtree(folder)
                except OSError as error:
                    raise NodeError(f"Cannot delete {folder}: {error}.") from error
        except MissingVolumeError:  # another job may have removed it meanwhile
            self._end(node, 0)
        self._children.pop(node, None)
        folders.remove_if_empty(folder.parent)
        _log.info("node removed", instance=node.instance_id, node=node.node_id)

    def log_tail(self, node: NodeRef, lines: int) -> list[str]:
        """See `Runtime.log_tail`: of the log file written last, else of the standard output."""
        return logs.tail(self._folder(node) / "log", lines)

    def log_files(self, node: NodeRef) -> list[LogFile]:
        """See `Runtime.log_files`."""
        return logs.files(self._folder(node) / "log")

    def read_log(self, node: NodeRef, name: str, offset: int, size: int) -> bytes:
        """See `Runtime.read_log`."""
        return logs.read(self._log(node, name), offset, size)

    def rotate_log(self, node: NodeRef) -> bool:
        """See `Runtime.rotate_log`."""
        process = self._find(node)
        return process is not None and processes.send_signal(process, signal.SIGUSR1)

    def remove_log(self, node: NodeRef, name: str) -> None:
        """See `Runtime.remove_log`."""
        self._log(node, name).unlink(missing_ok=True)

    def usage(self, node: NodeRef) -> Usage:
        """See `Runtime.usage`. Files count with the blocks they occupy."""
        folder = self._folder(node)
        return Usage(folders.occupied(folder / "data"), folders.occupied(folder / "log"))

    def copy_data(self, source: NodeRef, target: NodeRef, *, durable: bool = True) -> int:
        """See `Runtime.copy_data`."""
        with self._at_rest(target), _own_errors(f"copy the data of node {source.node_id}"):
            return data.copy(self._data(source), self._data(target), durable=durable)

    def move_data(self, source: NodeRef, target: NodeRef) -> None:
        """See `Runtime.move_data`: two renames."""
        present = [node for node in (source, target) if self._folder(node).is_dir()]
        with self._at_rest(*present), _own_errors(f"move the data of node {source.node_id}"):
            data.move(self._data(source), self._data(target))

    def read_data(self, node: NodeRef) -> Iterator[DataFile]:
        """See `Runtime.read_data`."""
        with _own_errors(f"read the data of node {node.node_id}"):
            yield from data.read(self._data(node))

    def write_data(self, node: NodeRef, files: Iterable[DataFile]) -> int:
        """See `Runtime.write_data`."""
        with self._at_rest(node), _own_errors(f"write the data of node {node.node_id}"):
            return data.write(self._data(node), files)

    def process_use(self, node: NodeRef) -> ProcessUse | None:
        """See `Runtime.process_use`."""
        process = self._find(node)
        return processes.use(process) if process else None

    def connections(self, node: NodeRef | None) -> list[Connection]:
        """See `Runtime.connections`."""
        process = self._find(node) if node else psutil.Process()
        return processes.connections(process) if process else []

    def forward(self, rules: Mapping[Endpoint, Endpoint]) -> dict[Endpoint, str]:
        """See `Runtime.forward`."""
        return self._forwarder.apply(rules)

    def on_exit(self, node: NodeRef, callback: Callable[[NodeRef], None]) -> None:
        """See `Runtime.on_exit`. Where nothing runs any more, the callback comes at once."""

        def ended() -> None:
            self._reap(node)
            callback(node)

        process = self._find(node)
        self._watcher.watch(process.pid if process else None, ended)

    def _folder(self, node: NodeRef) -> Path:
        return self._root / node.instance_id / node.node_id

    def _data(self, node: NodeRef) -> Path:
        return self._folder(node) / "data"

    def _log(self, node: NodeRef, name: str) -> Path:
        if PurePath(name).name != name:
            raise NodeError(f"{name!r} is not the name of a log file.")
        return self._folder(node) / "log" / name

    @contextmanager
    def _at_rest(self, *nodes: NodeRef) -> Iterator[None]:
        """No process of these nodes runs, and none is started meanwhile."""
        with ExitStack() as locks:
            for node in sorted(nodes, key=lambda one: one.node_id):
                locks.enter_context(folders.locked(self._folder(node)))
                if self._find(node) is not None:
                    raise NodeError(f"Node {node.node_id} runs; its data cannot be replaced.")
            yield

    def _reap(self, node: NodeRef) -> int | None:
        child = self._children.get(node)
        return child.poll() if child else None

    def _find(self, node: NodeRef) -> psutil.Process | None:
        self._reap(node)
        return processes.find(self._folder(node))

    def _start(self, node: NodeRef, folder: Path, command: Command) -> None:
        try:
            child = processes.spawn(folder, command)
        except OSError as error:
            raise NodeError(
                f"Cannot start {command.argv[0]} for node {node.node_id}: {error}."
            ) from error
        self._children[node] = child

    def _end(self, node: NodeRef, grace: float) -> None:
        process = self._find(node)
        if process is None:
            return
        if not processes.end(process, grace, lambda: self._reap(node)):
            raise NodeError(
                f"Process {process.pid} of node {node.node_id} does not end, not even killed; "
                "it probably waits for a disk. Check the kernel log."
            )
        processes.forget(self._folder(node))

    def _exit_reason(self, node: NodeRef) -> str:
        code = self._reap(node)
        parts = [processes.describe(code)] if code is not None else []
        line = self._explain(self.log_tail(node, 200))
        return ": ".join(part for part in (*parts, line) if part)


@contextmanager
def _own_errors(what: str) -> Iterator[None]:
    """Errors of the system become ours."""
    try:
        yield
    except OSError as error:
        raise NodeError(f"Cannot {what}: {error}.") from error
