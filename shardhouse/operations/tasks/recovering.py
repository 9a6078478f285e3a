"""Recovering a backup's data aside: on processes of their own, which nobody else reaches.

Each replica set is recovered on one node, in a volume beside the node's own; the others get copies.
Every step can be repeated: it begins with the data as the step before left it.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from shardhouse import tar
from shardhouse.backups import entries, manifest, positions, slices
from shardhouse.backups.archive import Archive
from shardhouse.backups.manifest import SetBackup
from shardhouse.domain import restoring
from shardhouse.domain.backup import Backup
from shardhouse.domain.model import Group, GroupType, Instance, Node, Status
from shardhouse.errors import StepError
from shardhouse.mongo import administrator as administrators
from shardhouse.mongo import keyfile, recovery
from shardhouse.mongo.admin import Access, Client, Clients, accepts
from shardhouse.mongo.wait import Deadline
from shardhouse.nodes.runtime import Aside, Endpoint, NodeRef
from shardhouse.store import backups, instances
from shardhouse.workflows import disk, launch, processes
from shardhouse.workflows.context import Context, parallel_map, set_plan, user_group
from shardhouse.workflows.operation import Run

_BESIDE = 2
"""Replica sets that are recovered at the same time while the instance's own nodes run."""
_AT_ONCE = 16
"""Those of a new instance, which has the memory of its nodes before any of them runs."""
_START_SECONDS = 120.0
_REPLAY_SECONDS = 24 * 3600.0
_GRACE = 60.0
_ATTEMPTS = 3
_LOOK = 0.1
_RESTORING = "Restoring"
PRIVATE_PORT = 8634
"""Port of private processes, or one above it."""
_CHOOSING = threading.Lock()
_HELD: set[Endpoint] = set()
"""Where private processes listen, or are about to."""


@dataclass(frozen=True)
class Recovery:
    """What is restored: a backup of the instance `origin_id`, and what was written after it up to
    the position `upto`: from the captured slices where `by_time`, else from the backup itself.
    `groups` says which of its replica sets each group gets, by ids. What is `imported` came as a
    snapshot."""

    backup_id: str
    origin_id: str
    upto: str
    by_time: bool
    groups: Mapping[str, str]
    imported: bool = False


def of_backup(backup: Backup) -> Recovery:
    """What a backup itself holds, for an instance that is built as it was."""
    groups = {group.id: group.id for group in backup.shape}
    return Recovery(
        backup.id, backup.instance_id, backup.consistent_at, by_time=False, groups=groups
    )


def beside(
    run: Run[Any], recovery: Recovery, name: str, *, with_router: bool = False
) -> Run[Recovery]:
    """A recovery that touches no node of the instance: for an instance that has a node for each
    replica set of the backup (`restoring.stand_in`), and no group but those of the backup. Raises
    StepError where that was deleted."""
    with run.context.database.read() as connection:
        backup = backups.load(connection, recovery.backup_id)
    if backup is None:
        raise StepError(f"The backup {recovery.backup_id} was deleted.")
    instance = restoring.stand_in(run.instance, backup, name, with_router=with_router)
    return replace(run, instance=instance, arguments=recovery)


def nodes_beside(run: Run[Any], recovery: Recovery, name: str) -> list[NodeRef]:
    """The nodes that `beside` may have; its backup need not be known any more."""
    return [NodeRef(run.instance.id, f"{name}-{place}") for place in range(len(recovery.groups))]


def remove_beside(run: Run[Any], recovery: Recovery, name: str) -> None:
    """Those nodes are gone, with all that lies aside them."""
    for node in nodes_beside(run, recovery, name):
        run.context.runtime.remove(node)


def restored(group: Group) -> NodeRef:
    """Where a group's data is recovered: beside its first member's."""
    return aside(group.members[0], Aside.RESTORED)


def unpack(run: Run[Recovery]) -> None:
    """The backup's files lie aside, each as it was when it was backed up."""
    archive = run.context.archive(run.arguments.origin_id)
    made = manifest.read(archive, run.arguments.backup_id)
    _check_space(run, made.sets)
    sets = {one.group_id: one for one in made.sets}
    for done, group in enumerate(run.instance.data_groups, start=1):
        stored = sets[run.arguments.groups[group.id]]
        target = restored(group)
        run.context.runtime.stop(target, 0)
        run.context.runtime.ensure_volume(target, {})
        content = archive.read(stored.data.name, stored.data.plain_size)
        packed = manifest.verified(tar.unpack(content), stored.files)
        sparing = disk.sparing(run.context, run.instance, packed, _RESTORING)
        run.context.runtime.write_data(target, sparing)
        run.report(f"{done} of {len(sets)} replica sets")


def _check_space(run: Run[Recovery], sets: tuple[SetBackup, ...]) -> None:
    """Each node needs its data once more. Raises StepError without the room for that."""
    sizes = {one.group_id: sum(file.size for file in one.files) for one in sets}
    for one in sets:
        sizes[one.group_id] += one.oplog.plain_size if one.oplog else 0
    needed = sum(
        sizes[run.arguments.groups[group.id]] * len(group.nodes)
        for group in run.instance.data_groups
    )
    disk.check_room(run.context, run.instance, needed, _RESTORING)


def replay(run: Run[Recovery]) -> None:
    """MongoDB has applied what was written after the files were copied."""
    archive = run.context.archive(run.arguments.origin_id)
    made = manifest.read(archive, run.arguments.backup_id)
    sets = {one.group_id: one for one in made.sets}
    upto = positions.parse(run.arguments.upto)
    counts: dict[str, int] = {}

    def recover(group: Group) -> None:
        stored = sets[run.arguments.groups[group.id]]
        top = positions.parse(stored.top)
        with private(run, group) as client:
            since = _since(run, archive, stored)
            counts[group.name] = recovery.append(client, since, top, upto)
        with private(run, group, replay=True) as client:  # it answers when it has applied them
            if upto == top:
                recovery.check_top(client, top)
        _report(run, counts, "entries")

    parallel_map(recover, run.instance.data_groups, _at_once(run))


def verify(run: Run[Recovery]) -> None:
    """All collections and indexes are sound; nothing else is done."""
    documents: dict[str, int] = {}

    def look(group: Group) -> None:
        with private(run, group) as client:
            documents[group.name] = sum(recovery.verify(client).values())
        _report(run, documents, "documents")

    parallel_map(look, run.instance.data_groups, _at_once(run))


def _at_once(run: Run[Any]) -> int:
    """Replica sets that are recovered at the same time."""
    return _AT_ONCE if run.instance.status is Status.CREATING else _BESIDE


def _report(run: Run[Recovery], counts: dict[str, int], what: str) -> None:
    """What was found in each replica set that is done."""
    known = sorted(counts.copy().items())
    run.report("; ".join(f"{name}: {count} {what}" for name, count in known))


@contextmanager
def private(run: Run[Any], group: Group, *, replay: bool = False) -> Iterator[Client]:
    """A process that serves a group's recovered data to us alone, for as long as it is needed. Its
    key is its own. With `replay` it first applies what its oplog has beyond its data."""
    context, instance, ref = run.context, run.instance, restored(group)
    launcher = processes.launcher(context, instance)
    context.runtime.stop(ref, _GRACE)  # a step before a crash may have left one
    key = keyfile.generate()
    volume = context.runtime.ensure_volume(ref, {launch.KEY_FILE: key.encode()})
    with Clients(Access(key)) as clients, ExitStack() as held:
        for attempt in range(_ATTEMPTS):
            (endpoint,) = held.enter_context(endpoints(context, 1))
            command = launcher.private(instance, group, volume, endpoint, replay=replay)
            context.runtime.ensure_process(ref, command)
            host = f"{endpoint.address}:{endpoint.port}"
            seconds = _REPLAY_SECONDS if replay else _START_SECONDS
            try:
                _answering(context, ref, host, clients, seconds)
                break
            except StepError:
                context.runtime.stop(ref, _GRACE)
                if attempt == _ATTEMPTS - 1:
                    raise
        try:
            yield clients[host]
        finally:
            context.runtime.stop(ref, _GRACE)


@contextmanager
def endpoints(context: Context, count: int) -> Iterator[list[Endpoint]]:
    """Where processes of our own may listen for a while. Nothing else of ours gets these places
    meanwhile, whether or not somebody listens there yet."""
    with _CHOOSING:
        with context.database.read() as connection:
            leased = [Endpoint(*lease) for lease in instances.leases(connection)]
        found = context.runtime.free_endpoints(count, PRIVATE_PORT, [*leased, *_HELD])
        _HELD.update(found)
    try:
        yield found
    finally:
        with _CHOOSING:
            _HELD.difference_update(found)


def _answering(context: Context, ref: NodeRef, host: str, clients: Clients, seconds: float) -> None:
    """The process answers. Raises StepError if it ends instead, MongoError after `seconds`."""

    def check() -> None:
        state = context.runtime.state(ref)
        if not state.running:
            raise StepError(f"The process that recovers the data ended: {state.exit_reason}")

    def answer() -> Any:
        return clients[host].admin.command("ping") if accepts(host) else None

    Deadline(seconds, check).until("the recovered data to be served", answer, _LOOK)


def _since(run: Run[Recovery], archive: Archive, stored: SetBackup) -> Iterator[bytes]:
    """What a replica set wrote after its files were copied."""
    asked = run.arguments
    if asked.by_time:
        top, upto = positions.parse(stored.top), positions.parse(asked.upto)
        return slices.read(archive, stored.group_id, top, upto)
    if stored.oplog is None:
        return iter(())
    return entries.split(archive.read(stored.oplog.name, stored.oplog.plain_size))


def found(run: Run[Recovery], administrator: Mapping[str, Any] | None) -> None:
    """All collections are sound, each replica set is founded anew with the members of this
    instance, and each member has the data aside. An `administrator` that is given replaces the one
    of the backup. Raises StepError for a snapshot in which somebody has what is reserved: no client
    reaches it yet."""
    user_store = user_group(run.instance)
    documents: dict[str, int] = {}

    def settle(group: Group) -> None:
        with private(run, group) as client:
            documents[group.name] = sum(recovery.verify(client).values())
            if run.arguments.imported:
                check_holders(administrators.holders(client))
            recovery.found_anew(client, set_plan(group), **_others(run.instance, group))
            if administrator is not None and group.id == user_store.id:
                users = client.admin["system.users"]
                users.replace_one({"_id": administrator["_id"]}, administrator, upsert=True)
        _copy_to_others(run, group)
        _report(run, documents, "documents")

    parallel_map(settle, run.instance.data_groups, _at_once(run))


def check_holders(found: Sequence[str]) -> None:
    """Raises StepError where somebody holds what is reserved, or something else stands against the
    limits."""
    if found:
        raise StepError(f"The data cannot be used here: {'; '.join(found)}.")


def _copy_to_others(run: Run[Recovery], group: Group) -> None:
    """Each member of a group has the data that was recovered beside the first one."""
    runtime, source = run.context.runtime, restored(group)
    targets = [aside(node, Aside.RESTORED) for node in group.nodes]
    targets.remove(source)
    needed = runtime.usage(source).data * len(targets)
    disk.check_room(run.context, run.instance, needed, _RESTORING)

    def copy(target: NodeRef) -> None:
        runtime.ensure_volume(target, {})
        runtime.copy_data(source, target)

    parallel_map(copy, targets)


def is_in_place(run: Run[Recovery]) -> bool:
    """Whether no node's recovered data lies aside any more."""
    return not any(_holds(run, aside(node, Aside.RESTORED)) for node in _data_nodes(run.instance))


def is_replaced(run: Run[Recovery]) -> bool:
    """Whether a node's data has been replaced."""
    return any(_holds(run, aside(node, Aside.REPLACED)) for node in _data_nodes(run.instance))


def put_in_place(run: Run[Recovery]) -> None:
    """Recovered data becomes the nodes' own; what they had lies aside. Nothing may run."""
    runtime = run.context.runtime
    for node in _data_nodes(run.instance):
        own, new, old = (
            NodeRef(node.instance_id, node.id),
            aside(node, Aside.RESTORED),
            aside(node, Aside.REPLACED),
        )
        if not _holds(run, new):
            continue
        if _holds(run, own):
            runtime.ensure_volume(old, {})
            runtime.move_data(own, old)
        runtime.move_data(new, own)


def put_back(run: Run[Recovery]) -> None:
    """Nodes have the data that lies aside since it was replaced. Nothing may run."""
    for node in _data_nodes(run.instance):
        if _holds(run, aside(node, Aside.REPLACED)):
            own = NodeRef(node.instance_id, node.id)
            run.context.runtime.move_data(aside(node, Aside.REPLACED), own)


def clean_up(run: Run[Recovery]) -> None:
    """Nothing lies aside any more."""
    for node in _data_nodes(run.instance):
        for purpose in (Aside.RESTORED, Aside.REPLACED):
            run.context.runtime.remove(aside(node, purpose))


def aside(node: Node, purpose: Aside) -> NodeRef:
    """A second volume of a node."""
    return NodeRef(node.instance_id, node.id).aside(purpose)


def _data_nodes(instance: Instance) -> list[Node]:
    return [node for group in instance.data_groups for node in group.nodes]


def _holds(run: Run[Recovery], ref: NodeRef) -> bool:
    return run.context.runtime.usage(ref).data > 0


def _others(instance: Instance, group: Group) -> dict[str, Any]:
    """What a set of a cluster has to know of the other sets."""
    if group.type is GroupType.SHARD:
        (config,) = instance.of_type(GroupType.CONFIG)
        return {"config_servers": set_plan(config).connection_string}
    if group.type is GroupType.CONFIG:
        shards = instance.of_type(GroupType.SHARD)
        return {"shards": {one.name: set_plan(one).connection_string for one in shards}}
    return {}
