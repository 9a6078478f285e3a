"""Where entries of audit logs come from: a router, which writes them itself, or a mongod's log."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from shardhouse.domain.audit import AuditFilter
from shardhouse.domain.model import GroupType, Instance, Mode, Node
from shardhouse.errors import MongoError
from shardhouse.logs import files
from shardhouse.mongo import audit as mongod_audit
from shardhouse.mongo.admin import Client, accepts
from shardhouse.mongo.audit import QUIET, VERBOSE, Translator
from shardhouse.nodes.runtime import AUDIT_LOG, NodeRef, Runtime
from shardhouse.workflows import launch

_CONFIGURED = b'{"atype":"auditConfigure",'


class Source(Protocol):
    """One node's entries. `log` is the name of the log they are read from; one that the source
    `owns` has nothing but entries, and its files are removed when they have been read. A source
    that `has_to_run` cannot be configured otherwise, and need not be."""

    log: str
    owns: bool
    has_to_run: bool

    def configure(self, wanted: AuditFilter | None) -> None:
        """Have the node write what is wanted. Raises ShardhouseError and pymongo's errors."""
        ...

    def has_acted(self, lines: Sequence[bytes], wanted: AuditFilter | None) -> bool:
        """Whether its configuration holds by now; `lines` are those logged since."""
        ...

    def entries(self, lines: Sequence[bytes], wanted: AuditFilter) -> list[bytes]:
        """The entries that lines of the log hold, as lines of JSON."""
        ...

    def kept(self) -> Mapping[str, Any]:
        """What it has to know again when it goes on after these lines."""
        ...


class RouterSource:
    """A router of ours: it reads what is wanted from a file, and writes finished entries."""

    log = AUDIT_LOG
    owns = True
    has_to_run = False

    def __init__(self, runtime: Runtime, ref: NodeRef) -> None:
        self._runtime = runtime
        self._ref = ref

    def configure(self, wanted: AuditFilter | None) -> None:
        """See `Source.configure`; it acts within a second, and at its next start."""
        self._runtime.ensure_volume(self._ref, launch.audit_file(wanted))

    def has_acted(self, lines: Sequence[bytes], wanted: AuditFilter | None) -> bool:
        """See `Source.has_acted`: it says so in its log."""
        found = [json.loads(line) for line in lines if line.startswith(_CONFIGURED)]
        document = None if wanted is None else wanted.document()
        return bool(found) and found[-1]["param"]["config"] == document

    def entries(self, lines: Sequence[bytes], wanted: AuditFilter) -> list[bytes]:
        """See `Source.entries`. A line that a crash has cut is left out."""
        return [
            line
            for line in lines
            if line.startswith(b"{") and line.endswith(b"}") and not line.startswith(_CONFIGURED)
        ]

    def kept(self) -> Mapping[str, Any]:
        """See `Source.kept`."""
        return {}


class MongodSource:
    """A mongod: its own log has every command, once it is configured to."""

    log = files.NAME
    owns = False
    has_to_run = True

    def __init__(self, connect: Callable[[], Client], node: Node, kept: Mapping[str, Any]) -> None:
        self._connect = connect
        self._host = node.host
        users = {name: (user[0], user[1]) for name, user in kept.get("users", {}).items()}
        self._translator = Translator({"ip": node.address, "port": node.port}, users)

    def configure(self, wanted: AuditFilter | None) -> None:
        """See `Source.configure`. Sessions that are logged in already are asked for as well."""
        if not accepts(self._host):
            raise MongoError(f"{self._host} accepts no connections.")
        client = self._connect()
        if wanted is None or not wanted.commands:
            mongod_audit.set_verbosity(client, QUIET)
            return
        mongod_audit.set_verbosity(client, VERBOSE)
        self._translator.users |= mongod_audit.logged_in(client)

    def has_acted(self, lines: Sequence[bytes], wanted: AuditFilter | None) -> bool:
        """See `Source.has_acted`: it was a command, and is done."""
        return True

    def entries(self, lines: Sequence[bytes], wanted: AuditFilter) -> list[bytes]:
        """See `Source.entries`."""
        found = self._translator.entries(lines, wanted)
        return [json.dumps(entry, separators=(",", ":")).encode() for entry in found]

    def kept(self) -> Mapping[str, Any]:
        """See `Source.kept`."""
        return {"users": {name: [*user] for name, user in self._translator.users.items()}}


def audited_nodes(instance: Instance) -> list[Node]:
    """The nodes that clients talk to: of clusters the routers, else all."""
    if instance.mode is Mode.SHARDING:
        return [node for group in instance.of_type(GroupType.MONGOS) for node in group.nodes]
    return list(instance.nodes)
