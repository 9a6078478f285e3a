"""Collects the audit logs of all instances that have an audit policy.

Of clusters our routers write the entries; of replica sets and single nodes they are made of what
the nodes log (`audit_sources`). What is new is written to files (`audit_files`), together with the
position up to which the log has been read: after a crash of the service, a restart of a node or a
rotation of its log it goes on where it was.

A few threads do that, one for an instance at a time: nodes that are silent, or have written much,
keep no other instance waiting.
"""

import time
from collections.abc import Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from shardhouse.domain import audit
from shardhouse.domain.audit import AuditFilter
from shardhouse.domain.model import Instance, Mode, Node
from shardhouse.errors import MongoError, ShardhouseError
from shardhouse.nodes import log_reader
from shardhouse.nodes.log_reader import Position
from shardhouse.nodes.runtime import NodeRef
from shardhouse.workflows import audit_files, processes
from shardhouse.workflows.audit_files import NodeFiles
from shardhouse.workflows.audit_sources import (
    MongodSource,
    RouterSource,
    Source,
    audited_nodes,
)
from shardhouse.workflows.connections import Connections
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.periodic import Periodic

INTERVAL = 1.0
"""Seconds between two looks at the logs."""
PATIENCE = 2.0
"""Seconds a node has to answer."""
RETRY = 10.0
"""Seconds until a node is asked again that accepts connections and does not answer."""
CONFIGURE_EVERY = 30.0
"""Seconds after which a node is configured again: somebody else may have changed it."""
EXPIRE_EVERY = 60.0
"""Seconds between two looks for files that are too old."""
ACT_WITHIN = 3.0
"""Seconds that a call waits for a router to act on a policy."""
MOST_CHUNKS = 16
"""Chunks of a log that are read before the next node has its turn."""
READERS = 4
"""Instances whose logs are read at the same time."""
_PAUSE = 0.05
log = structlog.get_logger()


@dataclass(frozen=True)
class _Configured:
    """What a node's process was configured to write, and when."""

    process: object
    wanted: AuditFilter | None
    at: float


class Auditor(Periodic):
    """Has nodes write what is audited, and collects it. Threads may share it."""

    def __init__(self, context: Context) -> None:
        super().__init__("auditor", INTERVAL, self._look)
        self._context = context
        self._connections = Connections(context, PATIENCE)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="auditor")
        self._reading: dict[str, Future[None]] = {}
        self._turns: dict[str, Lock] = {}
        self._refreshed: dict[str, int] = {}
        self._configured: dict[str, _Configured] = {}
        self._hanging: dict[str, float] = {}
        self._failing: dict[str, str] = {}
        self._expired: dict[str, float] = {}

    def refresh(self, instance_id: str) -> None:
        """Act on an instance's policy at once; when this returns, nodes that answer do what it
        says."""
        with self._turn(instance_id):
            instance = self._context.instance(instance_id)
            self._refreshed[instance_id] = instance.revision
            self._attend(instance, ACT_WITHIN)

    def close(self) -> None:
        """End the threads; returns when they have ended."""
        super().close()
        self._pool.shutdown(cancel_futures=True)

    def _look(self) -> None:
        serving = processes.serving(self._context)
        for instance in serving:
            reading = self._reading.get(instance.id)
            if reading is None or reading.done():
                self._reading[instance.id] = self._pool.submit(self._take_turn, instance)
        self._forget(serving)

    def _turn(self, instance_id: str) -> Lock:
        return self._turns.setdefault(instance_id, Lock())

    def _take_turn(self, instance: Instance) -> None:
        with self._turn(instance.id):
            # No policy is acted on that `refresh` has replaced meanwhile.
            if instance.revision < self._refreshed.get(instance.id, 0):
                return
            try:
                self._attend(instance)
            except Exception:
                log.exception("not audited", instance=instance.id)

    def _forget(self, serving: Sequence[Instance]) -> None:
        """Drop what is known of nodes and instances that are gone."""
        living = {node.id for instance in serving for node in instance.nodes}
        known: tuple[MutableMapping[str, Any], ...] = (
            self._configured,
            self._hanging,
            self._failing,
        )
        for of_nodes in known:
            for node_id in list(of_nodes):
                if node_id not in living:
                    of_nodes.pop(node_id, None)
        for instance_id in set(self._reading) - {instance.id for instance in serving}:
            if self._reading[instance_id].done():
                del self._reading[instance_id]
                self._connections.forget(instance_id)
                self._refreshed.pop(instance_id, None)
                self._expired.pop(instance_id, None)
                self._turns.pop(instance_id, None)

    def _attend(self, instance: Instance, patience: float = 0.0) -> None:
        settings, policy = self._context.settings, audit.policy(instance)
        wanted = policy.filter
        collected = audit_files.collected(settings, instance.id)
        nodes = audited_nodes(instance)
        for node in nodes:
            if wanted is not None or node.id in collected:
                self._try(instance, node, wanted, patience)
        for gone in collected - {node.id for node in nodes}:
            audit_files.of_node(settings, instance.id, gone).end()
        if wanted is not None:
            self._expire(instance, policy.keep_days)
        elif not policy.reserve and not audit_files.collected(settings, instance.id):
            audit_files.remove(settings, instance.id)

    def _expire(self, instance: Instance, days: int) -> None:
        if time.monotonic() >= self._expired.get(instance.id, 0.0):
            self._expired[instance.id] = time.monotonic() + EXPIRE_EVERY
            before = now() - timedelta(days=days)
            audit_files.expire(self._context.settings, instance.id, before)

    def _try(
        self, instance: Instance, node: Node, wanted: AuditFilter | None, patience: float
    ) -> None:
        """Collect a node's entries; what fails is tried again at the next look, and logged once."""
        try:
            self._collect(instance, node, wanted, patience)
        except (ShardhouseError, PyMongoError, OSError) as error:
            reason = type(error).__name__
            if self._failing.get(node.id) != reason:
                self._failing[node.id] = reason
                log.warning("not audited", instance=instance.id, node=node.id, reason=str(error))
        else:
            if self._failing.pop(node.id, None):
                log.info("audited again", instance=instance.id, node=node.id)

    def _collect(
        self, instance: Instance, node: Node, wanted: AuditFilter | None, patience: float
    ) -> None:
        """Append what the node's log has that is new, by what was wanted until now; then tell the
        node what is wanted from now on, and wait until it does that, as long as `patience` says."""
        ref = NodeRef(instance.id, node.id)
        files = audit_files.of_node(self._context.settings, instance.id, node.id)
        kept: Mapping[str, Any] | None = files.state()
        source = self._source(instance, node, ref, kept or {})
        if kept is None:
            position = self._start(ref, source)
        else:
            kept = self._read(ref, source, files, kept)
            position = _position(kept)
        if self._configure(ref, source, wanted):
            self._wait(ref, source, position, wanted, patience)
        if wanted is not None:
            state = _state(position, wanted, source)
            if kept is None:
                files.begin(state)
            elif state != kept:
                files.append((), state)
        elif kept is not None:
            self._read(ref, source, files, kept)
            files.end()
            if source.owns:
                log_reader.remove(self._context.runtime, ref, source.log)

    def _start(self, ref: NodeRef, source: Source) -> Position:
        if source.owns:
            return log_reader.START
        return log_reader.end(self._context.runtime, ref, source.log)

    def _read(
        self, ref: NodeRef, source: Source, files: NodeFiles, kept: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Append what is new; the state that is kept with it."""
        runtime, wanted = self._context.runtime, AuditFilter.of(kept["wanted"])
        for _ in range(MOST_CHUNKS):
            position = _position(kept)
            reading = log_reader.read(runtime, ref, source.log, position)
            entries = source.entries(reading.lines, wanted)
            if reading.position != position:
                kept = _state(reading.position, wanted, source)
                files.append(entries, kept)
            if source.owns:
                for name in reading.done:
                    runtime.remove_log(ref, name)
            if not reading.lines:
                break
        return kept

    def _configure(self, ref: NodeRef, source: Source, wanted: AuditFilter | None) -> bool:
        """Configure a node that has not been since it was started, or for a while; whether it can
        act on that now."""
        process = self._context.runtime.state(ref)
        configured, moment = self._configured.get(ref.node_id), time.monotonic()
        if (
            configured is not None
            and (configured.process, configured.wanted) == (process.started_at, wanted)
            and moment - configured.at < CONFIGURE_EVERY
        ):
            return False
        if process.running or not source.has_to_run:
            if moment < self._hanging.get(ref.node_id, 0.0):
                raise MongoError("It does not answer, and is asked again later.")
            try:
                source.configure(wanted)
            except PyMongoError:
                self._hanging[ref.node_id] = time.monotonic() + RETRY
                raise
            self._configured[ref.node_id] = _Configured(process.started_at, wanted, moment)
        return process.running

    def _wait(
        self,
        ref: NodeRef,
        source: Source,
        position: Position,
        wanted: AuditFilter | None,
        patience: float,
    ) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            reading = log_reader.read(self._context.runtime, ref, source.log, position)
            if source.has_acted(reading.lines, wanted):
                return
            time.sleep(_PAUSE)
        if patience:
            log.warning("router has not acted", instance=ref.instance_id, node=ref.node_id)

    def _source(
        self, instance: Instance, node: Node, ref: NodeRef, kept: Mapping[str, Any]
    ) -> Source:
        if instance.mode is Mode.SHARDING:
            return RouterSource(self._context.runtime, ref)
        return MongodSource(lambda: self._connections.of(instance)[node.host], node, kept)


def _state(position: Position, wanted: AuditFilter, source: Source) -> dict[str, Any]:
    return {
        "file": position.file,
        "offset": position.offset,
        "wanted": wanted.document(),
        **source.kept(),
    }


def _position(kept: Mapping[str, Any]) -> Position:
    return Position(kept["file"], kept["offset"])
