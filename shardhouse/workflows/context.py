"""What every step is given: the installation's parts, made once by the server."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from shardhouse.backups.archive import Archive, Archives
from shardhouse.backups.namespaces import KnownChanges
from shardhouse.backups.storage.interface import Storage
from shardhouse.domain.model import Group, GroupType, Instance, MemberRole
from shardhouse.engines import Builds, Catalogue
from shardhouse.errors import BackupError, MongoError, StepError
from shardhouse.mongo.admin import Access, Clients
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.nodes.runtime import NodeRef, Runtime
from shardhouse.settings import Settings
from shardhouse.store import instances, sealed
from shardhouse.store.database import Database
from shardhouse.store.reserve import Reserve
from shardhouse.store.vault import Vault
from shardhouse.workflows import authorities, launch

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
    builds: Builds
    reserve: Reserve
    storage: Storage

    @property
    def engines(self) -> Catalogue:
        """The MongoDB builds that are here now."""
        return self.builds.catalogue()

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

    @cached_property
    def archives(self) -> Archives:
        """Where instances' backups are in this storage."""
        return Archives(self.storage, self.vault)

    @cached_property
    def known_changes(self) -> KnownChanges:
        """What captured slices in this storage say of collections."""
        return KnownChanges()

    def archive(self, instance_id: str) -> Archive:
        """Where the instance's backups are. Raises BackupError, also where nothing is known of the
        instance any more: what is gone gets no new key."""
        with self.database.read() as connection:
            if instances.load(connection, instance_id) is None:
                raise BackupError(f"Nothing is stored of instance {instance_id} any more.")
        return self.archives.of(instance_id)

    def clients(self, instance: Instance, **timeouts: float) -> Clients:
        """Connections to the instance's nodes as `__system`; the caller closes them. MongoError for
        an instance whose creation has hardly begun."""
        key = self.secrets(instance.id).get(launch.KEY)
        if key is None:
            raise MongoError(f"Instance {instance.id} is being created: it has no key file yet.")
        return Clients(Access(key, self.authority_file(instance)), **timeouts)

    def authority(self, instance: Instance) -> str | None:
        """Certificates (PEM) of the authorities that clients of the instance should trust; None
        where it has no TLS."""
        return launch.trusted(self.secrets(instance.id)) if instance.ssl else None

    def authority_file(self, instance: Instance) -> Path | None:
        """The same as a file, which drivers need: it is written where it is missing or another."""
        content = self.authority(instance)
        return None if content is None else authorities.file(self.settings, instance.id, content)


def set_plan(group: Group) -> SetPlan:
    """A data group as the replica set it is."""
    return SetPlan(
        group.replica_set,
        tuple(node.host for node in group.nodes),
        config_server=group.type is GroupType.CONFIG,
        hidden=next((n.host for n in group.nodes if n.member is MemberRole.HIDDEN), None),
        read_replicas={node.host: node.delay for node in group.read_replicas},
        names=tuple(node.client_host for node in group.nodes if node.dns_name),
    )


def user_group(instance: Instance) -> Group:
    """The group that holds the instance's users."""
    configs = instance.of_type(GroupType.CONFIG)
    return configs[0] if configs else instance.groups[0]


def refs(instance: Instance) -> list[NodeRef]:
    """The instance's nodes, as the runtime names them."""
    return [NodeRef(instance.id, node.id) for node in instance.nodes]


def parallel_map(work: Callable[[T], R], items: Iterable[T], at_once: int = 32) -> list[R]:
    """Do `work` for all items in parallel, `at_once` of them at a time; results in their order.
    Waits for all, then raises the first error, so that no work goes on behind a step that
    failed."""
    todo = list(items)
    if not todo:
        return []
    with ThreadPoolExecutor(max_workers=min(at_once, len(todo))) as pool:
        # Each in a copy of our context: the limit of an operation holds in all its threads.
        futures = [pool.submit(copy_context().run, work, item) for item in todo]
    return [future.result() for future in futures]
