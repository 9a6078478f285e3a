"""Sends entries of audit logs to the streams that instances are associated with (LTS).

The files of the audit logs are the buffer: how far each node's have been sent is kept beside them,
so that nothing is missing after a restart, or while the stream takes nothing, as long as the policy
keeps the files. What a crash interrupts may be sent twice.
"""

import time
from collections.abc import Iterator
from threading import Lock

import structlog

from shardhouse.domain import audit
from shardhouse.domain.audit import LtsStream
from shardhouse.domain.model import Instance, Status
from shardhouse.errors import StreamError
from shardhouse.workflows import audit_files, processes
from shardhouse.workflows.audit_files import AuditFile, Sent
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.log_streams import Sink
from shardhouse.workflows.periodic import Periodic

INTERVAL = 1.0
"""Seconds between two looks at the files."""
RETRY = 10.0
"""Seconds until a stream that has taken nothing is tried again."""
MOST_PIECES = 16
"""Pieces of a node's files that are sent before others have their turn."""
log = structlog.get_logger()


class LogForwarder(Periodic):
    """Sends what is new. Threads may share it."""

    def __init__(self, context: Context, sink: Sink) -> None:
        super().__init__("log forwarder", INTERVAL, self._look)
        self._context = context
        self._sink = sink
        self._turn = Lock()
        self._due: dict[str, float] = {}

    def refresh(self, instance_id: str) -> None:
        """Act on where an instance's entries go: those that come from now on are sent, or none."""
        self._sent(self._context.instance(instance_id))

    def _look(self) -> None:
        serving = processes.serving(self._context)
        for instance in serving:
            if time.monotonic() >= self._due.get(instance.id, 0.0):
                self._try(instance)
        living = {instance.id for instance in serving}
        self._due = {key: due for key, due in self._due.items() if key in living}

    def _try(self, instance: Instance) -> None:
        """Send an instance's entries; what fails is tried again later, and logged once."""
        try:
            self._send(instance)
        except (StreamError, OSError) as error:
            if instance.id not in self._due:
                log.warning("log stream", instance=instance.id, reason=str(error))
            self._due[instance.id] = time.monotonic() + RETRY
        else:
            if self._due.pop(instance.id, None) is not None:
                log.info("log stream works again", instance=instance.id)

    def _sent(self, instance: Instance) -> tuple[LtsStream, Sent] | None:
        """Where an instance's entries go, and how far they have been sent; None where they go
        nowhere. Sending begins, or ends, with this."""
        stream = audit.stream(instance)
        wanted = stream is not None and stream.enabled and instance.status is not Status.DELETED
        with self._turn:
            settings = self._context.settings
            if stream is None or not wanted:
                audit_files.forget_sent(settings, instance.id)
                return None
            return stream, audit_files.sent(settings, instance.id)

    def _send(self, instance: Instance) -> None:
        found = self._sent(self._context.instance(instance.id))
        if found is None:
            return
        stream, sent = found
        files = audit_files.of_instance(self._context.settings, instance.id)
        for node_id in sorted({file.node_id for file in files}):
            own = [file for file in reversed(files) if file.node_id == node_id]
            for file, lines, offset in _pieces(own, sent.positions.get(node_id)):
                self._sink.send(stream, _named(lines, instance.id, node_id), now())
                sent.positions[node_id] = (file.id, offset)
                with self._turn:
                    audit_files.keep_sent(self._context.settings, instance.id, sent)


def _pieces(
    files: list[AuditFile], position: tuple[str, int] | None
) -> Iterator[tuple[AuditFile, bytes, int]]:
    """What a node's files, oldest first, have behind a position: piece by piece, with the offset
    behind it."""
    known, offset = position or ("", 0)
    for _ in range(MOST_PIECES):
        for file in files:
            if audit_files.begun(file.id) < audit_files.begun(known):
                continue
            lines, end = audit_files.lines(file, offset if file.id == known else 0)
            if lines:
                known, offset = file.id, end
                yield file, lines, end
                break
        else:
            return


def _named(lines: bytes, instance_id: str, node_id: str) -> bytes:
    """Entries with the instance and the node they are of: a stream may get those of several."""
    prefix = f'{{"instance_id":"{instance_id}","node_id":"{node_id}",'.encode()
    return b"".join(prefix + line[1:] + b"\n" for line in lines.splitlines())
