"""Bounds nodes' logs: a file that is too large is put aside, and those put aside go when they are
too old or too many. What nobody writes any more, as nodes are down, is removed as well."""

from datetime import timedelta

import structlog
from pymongo.errors import PyMongoError

from shardhouse.domain.model import GroupType, Instance, Status
from shardhouse.errors import ShardhouseError
from shardhouse.logs import files
from shardhouse.mongo import admin
from shardhouse.nodes.runtime import NodeRef
from shardhouse.store import instances
from shardhouse.workflows.context import Context, now
from shardhouse.workflows.periodic import Periodic

INTERVAL = 5.0
"""Seconds between two looks."""
TIMEOUT, PATIENCE = 2.0, 10.0
"""Seconds to find a node, and those it has to answer."""
_MIB = 1024**2
log = structlog.get_logger()


class LogRotation(Periodic):
    """Looks at all nodes."""

    def __init__(self, context: Context) -> None:
        super().__init__("log-rotation", INTERVAL, self.look)
        self._context = context
        self._limits = context.settings.logs

    def look(self) -> None:
        """Put large files aside, and remove what need not be kept."""
        with self._context.database.read() as connection:
            present = instances.live(connection, frozenset(Status))
        for instance in present:
            try:
                self._put_aside(instance)
                self._remove(instance)
            except (ShardhouseError, OSError) as error:
                log.warning("logs not rotated", instance=instance.id, reason=str(error))

    def _put_aside(self, instance: Instance) -> None:
        runtime, limit = self._context.runtime, self._limits.file_size * _MIB
        large = [
            (group, node)
            for group in instance.groups
            for node in group.nodes
            for file in files.of(runtime, NodeRef(instance.id, node.id))
            if file.name == files.NAME and file.size > limit
        ]
        if not large:
            return
        with self._context.clients(instance, timeout=TIMEOUT, patience=PATIENCE) as clients:
            for group, node in large:
                if group.type is GroupType.MONGOS:
                    runtime.rotate_log(NodeRef(instance.id, node.id))
                elif admin.accepts(node.host):
                    try:
                        admin.rotate_log(node.host, clients)
                    except PyMongoError as error:
                        log.warning("log not rotated", node=node.id, reason=str(error))

    def _remove(self, instance: Instance) -> None:
        runtime, oldest = self._context.runtime, now() - timedelta(days=self._limits.days)
        for node in instance.nodes:
            ref = NodeRef(instance.id, node.id)
            found = files.of(runtime, ref)
            for file in files.obsolete(found, self._limits.total_size * _MIB, oldest):
                runtime.remove_log(ref, file.name)
                log.info("log removed", instance=instance.id, node=node.id, file=file.name)
