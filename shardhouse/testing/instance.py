"""An instance for tests: how it is reached, and how its nodes are made to fail."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from shardhouse.testing.errors import InstallationError

if TYPE_CHECKING:
    import psutil
    from pymongo import MongoClient
    from pymongo.database import Database

    from shardhouse.testing.installation import Installation

T = TypeVar("T")
#: Databases that belong to MongoDB.
_OWN = ("admin", "config", "local")
_NO_MEMBERS = "mongos"
_HELLO_MS = 2000
_KILL_SECONDS = 10.0
_INTERVAL = 0.1


@dataclass(frozen=True)
class Node:
    """A node as the API shows it. `group` is `shard_1`, `config`, `mongos`, `replica` or
    `single`."""

    id: str
    name: str
    group: str
    role: str
    status: str
    zone: str


class Instance:
    """An instance of an `Installation`: its name, id, password of `rwuser`, and `uri`, the
    connection string with that. As a context manager it deletes the instance at the end.

    What breaks nodes is for processes of this machine: it finds them as `shardhouse serve` does,
    and touches no other. A killed one is started again by `serve`, after half a second at first; a
    paused one is not touched, but seen as `abnormal`.
    """

    def __init__(
        self, installation: "Installation", listed: Mapping[str, Any], password: str
    ) -> None:
        from shardhouse.cli import uris

        self._installation = installation
        self.id: str = listed["id"]
        self.name: str = listed["name"]
        self.mode: str = listed["mode"]
        self.password = password
        self._authority = (
            uris.authority(dict(listed), installation.data_dir) if listed["ssl"] else None
        )
        self.uri = uris.address(dict(listed), installation.data_dir, password)

    def __repr__(self) -> str:
        return f"Instance(name={self.name!r}, id={self.id!r}, mode={self.mode!r}, password='****')"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete()

    # Data

    def client(self, **options: Any) -> "MongoClient[dict[str, Any]]":
        """A new driver's client, as `rwuser`; who asks for it closes it."""
        from pymongo import MongoClient

        return MongoClient(self.uri, **options)

    @contextmanager
    def database(self) -> "Iterator[Database[dict[str, Any]]]":
        """A database of a name that nothing else has; it is dropped afterwards."""
        with self.client() as client:
            made = client[f"test_{secrets.token_hex(6)}"]
            try:
                yield made
            finally:
                client.drop_database(made)

    def reset(self) -> None:
        """Drop all databases but MongoDB's own."""
        with self.client() as client:
            for name in client.list_database_names():
                if name not in _OWN:
                    client.drop_database(name)

    # State

    def show(self) -> dict[str, Any]:
        """The instance as the API shows it now. InstallationError if it is gone."""
        found = next(self._installation.api.instances(id=self.id), None)
        if found is None:
            raise InstallationError(f"The instance {self.name} ({self.id}) is gone.")
        return found

    @property
    def nodes(self) -> list[Node]:
        """All its nodes, as the API shows them now."""
        return [
            Node(
                id=node["id"],
                name=node["name"],
                group=group.get("name") or group["type"],
                role=node["role"],
                status=node["status"],
                zone=node["availability_zone"],
            )
            for group in self.show()["groups"]
            for node in group["nodes"]
        ]

    def await_normal(self, seconds: float = 120.0) -> None:
        """Return when all nodes run and the API shows them and the instance as normal.
        InstallationError after the time."""
        from shardhouse.nodes.local import processes

        def normal() -> bool:
            nodes = self.nodes
            # First, for a node that was killed a moment ago may still be shown as normal.
            if not all(processes.find(self._folder(node)) for node in nodes):
                return False
            return {self.show()["status"], *(node.status for node in self.nodes)} == {"normal"}

        _await(f"{self.name} to be normal again", normal, seconds)

    def primary(self, group: str | None = None) -> Node | None:
        """The primary of the replica set, or of the shard (or `config`) that `group` names, as its
        members say now; None while there is none."""
        found = [
            (hello["electionId"], node)
            for node in self._members(group)
            if (hello := self._hello(node)) and hello.get("isWritablePrimary")
        ]
        # One that was paused may think for a moment that it still leads.
        return max(found, key=lambda one: one[0])[1] if found else None

    def await_primary(self, group: str | None = None, seconds: float = 60.0) -> Node:
        """The primary as soon as there is one. InstallationError after the time."""
        what = f"a primary of {group or self.name}"
        return _await(what, lambda: self.primary(group), seconds)

    def delete(self) -> None:
        """Delete the instance. Its nodes end a moment later."""
        self._installation.api.dds("DELETE", f"instances/{self.id}")

    # Failures

    def kill_primary(self, group: str | None = None) -> Node:
        """Kill (SIGKILL) the primary of the replica set, or of the shard (or `config`) that `group`
        names; which node that was. `await_primary` waits for the next one, which may be the same.
        """
        return self.kill(self.await_primary(group))

    def kill(self, node: Node) -> Node:
        """Kill (SIGKILL) a node's process; `serve` starts it again. InstallationError if it cannot
        be killed."""
        process = self._process(node)
        with _in_words(node):
            process.kill()
            process.wait(_KILL_SECONDS)
        return node

    def pause(self, node: Node) -> Node:
        """Stop a node's process (SIGSTOP): it keeps its connections and accepts new ones, and
        answers nothing. A paused primary leads again when it is resumed, if there is no other.
        InstallationError if it cannot be paused."""
        process = self._process(node)
        with _in_words(node):
            process.suspend()
        return node

    def resume(self, node: Node) -> Node:
        """Let a paused node go on (SIGCONT). One that is not paused, or has no process, is not
        changed. InstallationError if it cannot be resumed."""
        import psutil

        from shardhouse.nodes.local import processes

        process = processes.find(self._folder(node))
        if process is not None:
            with _in_words(node), suppress(psutil.NoSuchProcess):
                process.resume()
        return node

    @contextmanager
    def cut_zone(self, zone: str) -> Iterator[list[Node]]:
        """Pause all nodes of an availability zone during the block, and wait after it until all is
        normal again. The nodes that are paused, and ValueError if the zone has none."""
        nodes = [node for node in self.nodes if node.zone == zone]
        if not nodes:
            raise ValueError(f"{self.name} has no node in {zone!r}; it is in {self._zones()}.")
        with ExitStack() as paused:  # it resumes all of them, also where one fails
            for node in nodes:
                paused.callback(self.resume, node)
                self.pause(node)
            yield nodes
        self.await_normal()

    def _zones(self) -> str:
        return ", ".join(sorted({node.zone for node in self.nodes}))

    def _members(self, group: str | None) -> list[Node]:
        """The members of the one replica set, or of the named one. ValueError if there is none."""
        sets: dict[str, list[Node]] = {}
        for node in self.nodes:
            if node.group != _NO_MEMBERS:
                sets.setdefault(node.group, []).append(node)
        if group is None and len(sets) == 1:
            return next(iter(sets.values()))
        if group not in sets:
            raise ValueError(f"{self.name} has {', '.join(sets)}; one must be named, not {group}.")
        return sets[group]

    def _process(self, node: Node) -> "psutil.Process":
        """The node's process. While `serve` starts it again it is waited for."""
        from shardhouse.nodes.local import processes

        folder = self._folder(node)
        return _await(f"a process of {node.name}", lambda: processes.find(folder), 60)

    def _folder(self, node: Node) -> Path:
        return self._installation.data_dir / "instances" / self.id / node.id

    def _hello(self, node: Node) -> dict[str, Any] | None:
        """What a member says of itself; None if it does not answer."""
        import psutil
        from pymongo import MongoClient
        from pymongo.errors import PyMongoError

        from shardhouse.nodes.local import processes

        process = processes.find(self._folder(node))
        if process is None:
            return None
        with suppress(psutil.Error, PyMongoError):
            if process.status() == psutil.STATUS_STOPPED:
                return None
            # The API shows no addresses of shards.
            ports = process.net_connections("tcp")
            listening = [one.laddr for one in ports if one.status == psutil.CONN_LISTEN]
            if listening:
                options: dict[str, Any] = {"timeoutMS": _HELLO_MS}
                if self._authority:
                    options |= {"tls": True, "tlsCAFile": str(self._authority)}
                with MongoClient[dict[str, Any]](
                    *listening[0], directConnection=True, **options
                ) as client:
                    return client.admin.command("hello")
        return None


@contextmanager
def _in_words(node: Node) -> Iterator[None]:
    """What a signal to a node's process meets, as InstallationError."""
    import psutil

    try:
        yield
    except psutil.Error as error:
        raise InstallationError(
            f"The process of {node.name} could not be changed: {error}"
        ) from error


def _await(what: str, attempt: Callable[[], T | None], seconds: float) -> T:
    """What `attempt` gives, as soon as it is something. InstallationError after the time."""
    deadline = time.monotonic() + seconds
    while not (found := attempt()):
        if time.monotonic() > deadline:
            raise InstallationError(f"Waited {seconds:g} s in vain for {what}.")
        time.sleep(_INTERVAL)
    return found
