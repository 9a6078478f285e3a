"""Connections to the nodes of instances that are asked again and again."""

from threading import Lock

from shardhouse.domain.model import Instance
from shardhouse.mongo.admin import Clients
from shardhouse.workflows.context import Context


class Connections:
    """Connections per instance, opened when first asked for. `patience` is how many seconds a node
    has to answer. Threads may share them."""

    def __init__(self, context: Context, patience: float) -> None:
        self._context = context
        self._patience = patience
        self._open: dict[str, tuple[str | None, Clients]] = {}
        self._lock = Lock()

    def of(self, instance: Instance) -> Clients:
        """Connections to the instance, made anew when its authority is another or TLS is switched:
        who trusts the old one could not connect again."""
        authority = self._context.authority(instance)
        with self._lock:
            known = self._open.get(instance.id)
            if known is not None and known[0] == authority:
                return known[1]
            clients = self._context.clients(
                instance, timeout=self._patience, patience=self._patience
            )
            self._open[instance.id] = (authority, clients)
        if known is not None:
            known[1].close()
        return clients

    def forget(self, instance_id: str) -> None:
        """Close those of an instance."""
        if known := self._open.pop(instance_id, None):
            known[1].close()
