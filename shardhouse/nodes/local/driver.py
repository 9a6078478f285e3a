"""The local driver of `nodes.runtime.Runtime`: ties folders, processes and addresses together."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
import structlog

from shardhouse.errors import NodeError
from shardhouse.nodes.local import addresses, folders, logs, memory, processes
from shardhouse.nodes.local.watcher import ExitWatcher
from shardhouse.nodes.runtime import Command, NodeRef, ProcessState, Usage, Volume

_log = structlog.get_logger()


class LocalRuntime:
    """Runs nodes as detached processes below `<data_dir>/instances`.

    `network` is where node addresses come from (CIDR, for example `127.64.0.0/10`). `explain` picks
    from the last log lines of a dead process the one that says why; the driver does not know the
    programs it runs, so who does may pass a better one. Threads may share one runtime.
    """

    def __init__(
        self,
        data_dir: Path,
        network: str,
        explain: Callable[[Sequence[str]], str] = logs.last_line,
    ) -> None:
        self._root = data_dir / "instances"
        self._network = addresses.network(network)
        self._start_at = addresses.offset(str(data_dir), self._network)
        self._explain = explain
        self._children: dict[NodeRef, subprocess.Popen[bytes]] = {}
        self._watcher = ExitWatcher()

    def close(self) -> None:
        """End the driver's own thread; the nodes keep running."""
        self._watcher.close()

    def free_addresses(self, count: int, port: int, taken: Sequence[str]) -> list[str]:
        """See `Runtime.free_addresses`; an address is free if `port` can be bound on it now."""
        return addresses.free(self._network, self._start_at, count, port, frozenset(taken))

    def available_memory(self) -> int:
        """Bytes left for new nodes: what the machine has, or less where our cgroup allows less."""
        return memory.available()

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

    def ensure_process(self, node: NodeRef, command: Command) -> ProcessState:
        """See `Runtime.ensure_process`. A second call, of a thread or of another of us, adopts."""
        folder = self._folder(node)
        if not any(str(folder) in argument for argument in command.argv):
            raise NodeError(f"The command of node {node.node_id} must name a path inside {folder}.")
        with folders.locked(folder):
            running = self._find(node)
            if running is None:
                self._start(node, folder, command)
                _log.info("node started", instance=node.instance_id, node=node.node_id)
        return self.state(node)

    def state(self, node: NodeRef) -> ProcessState:
        """See `Runtime.state`. A zombie counts as not running, and is reaped if it is our child."""
        process = self._find(node)
        if process is not None:
            return ProcessState(
                running=True,
                pid=process.pid,
                started_at=datetime.fromtimestamp(process.create_time(), UTC),
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
        folder = self._folder(node)
        if folder.is_dir():
            with folders.locked(folder):
                self._end(node, 0)
                try:
                    shutil.rmtree(folder)
                except OSError as error:
                    raise NodeError(f"Cannot delete {folder}: {error}.") from error
        else:
            self._end(node, 0)
        self._children.pop(node, None)
        folders.remove_if_empty(folder.parent)
        _log.info("node removed", instance=node.instance_id, node=node.node_id)

    def log_tail(self, node: NodeRef, lines: int) -> list[str]:
        """See `Runtime.log_tail`: of the log file written last, else of the standard output."""
        return logs.tail(self._folder(node) / "log", lines)

    def usage(self, node: NodeRef) -> Usage:
        """See `Runtime.usage`. Files count with the blocks they occupy."""
        folder = self._folder(node)
        return Usage(folders.occupied(folder / "data"), folders.occupied(folder / "log"))

    def on_exit(self, node: NodeRef, callback: Callable[[NodeRef], None]) -> None:
        """See `Runtime.on_exit`. Where nothing runs any more, the callback comes at once."""

        def ended() -> None:
            self._reap(node)
            callback(node)

        process = self._find(node)
        self._watcher.watch(process.pid if process else None, ended)

    def _folder(self, node: NodeRef) -> Path:
        return self._root / node.instance_id / node.node_id

    def _reap(self, node: NodeRef) -> int | None:
        child = self._children.get(node)
        return child.poll() if child else None

    def _find(self, node: NodeRef) -> psutil.Process | None:
        self._reap(node)
        folder = self._folder(node)
        return processes.recorded(folder) or processes.search(folder)

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
