"""What every step is given: the installation's parts, made once by the server."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from shardhouse.domain.model import Group, Instance
from shardhouse.engines import Catalogue
from shardhouse.errors import StepError
from shardhouse.mongo.admin import Access, Clients
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.nodes.runtime import NodeRef, Runtime
from shardhouse.settings import Settings
from shardhouse.store import instances, sealed
from shardhouse.store.database import Database
from shardhouse.store.vault import Vault
from shardhouse.workflows import launch

T = TypeVar("T")
R = TypeVar("R")


def now() -> datetime:
    """This moment, aware, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Context:
    """The parts of an installation that operations use."""

    settings: Settings
    database: Database
    vault: Vault
    runtime: Runtime
    engines: Catalogue

    def instance(self, instance_id: str) -> Instance:
        """An instance as the store has it now. Raises StepError if there is none."""
        with self.database.read() as connection:
            instance = instances.load(connection, instance_id)
        if instance is None:
            raise StepError(f"Instance {instance_id} is not in the store.")
        return instance

    def secrets(self, instance_id: str) -> dict[str, str]:
        """An instance's secrets, opened."""
        with self.database.read() as connection:
            return sealed.load(connection, self.vault, instance_id)

    def clients(self, instance: Instance, **timeouts: float) -> Clients:
        """Connections to the instance's nodes as `__system`; the caller closes them."""
        key = self.secrets(instance.id)[launch.KEY]
        return Clients(Access(key, launch.authority_file(self.runtime, instance)), **timeouts)


def set_plan(group: Group) -> SetPlan:
    """A data group as the replica set it is."""
    return SetPlan(
        group.replica_set,
        tuple(node.host for node in group.nodes),
        config_server=group.type == "config",
    )


def refs(instance: Instance) -> list[NodeRef]:
    """The instance's nodes, as the runtime names them."""
    return [NodeRef(instance.id, node.id) for node in instance.nodes]


def at_once(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do `work` for all items in parallel; results in their order. Waits for all, then raises the
    first error, so that no work goes on behind a step that failed."""
    todo = list(items)
    if not todo:
        return []
    with ThreadPoolExecutor(max_workers=min(32, len(todo))) as pool:
        futures = [pool.submit(work, item) for item in todo]
    return [future.result() for future in futures]
