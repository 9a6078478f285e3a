"""Space for the nodes: whether new ones fit on the disk, whether it is full, and whether a volume
holds as much as it may.

Full is a disk on which a node could not do its next checkpoint. It stays full until a node could be
started on it, so that none is started only to die of it again.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from shardhouse.domain.model import Group, Instance, Node, Status
from shardhouse.errors import StepError
from shardhouse.mongo.commandline import GIB
from shardhouse.settings import Settings
from shardhouse.store.reserve import Reserve
from shardhouse.tar import DataFile
from shardhouse.workflows import launch
from shardhouse.workflows.context import Context

_MIB = 1024**2
_FULL = 4
"""A disk is full with a quarter of what a node needs at least."""


def spare(settings: Settings, free: int, reserve: Reserve) -> int:
    """Bytes that new nodes may take of `free` ones; negative where the reserves are not met."""
    return free - reserve.missing - settings.disk_reserve * _MIB


def lacking(context: Context, instance: Instance, nodes: Sequence[Node]) -> str:
    """Why new nodes of an instance do not fit on the disk, in words; empty if they do."""
    ids = {node.id for node in nodes}
    wanted = sum(_needs(context, instance, ids))
    left = spare(context.settings, context.runtime.available_disk(), context.reserve)
    if wanted <= left:
        return ""
    return (
        f"Not enough free disk space: the {len(nodes)} nodes need at least "
        f"{wanted // _MIB} MiB, and {max(0, left) // _MIB} MiB can be used (disk_reserve is "
        f"{context.settings.disk_reserve} MiB). Delete instances or other files, or lower "
        "disk_reserve."
    )


def check(context: Context, instance: Instance, nodes: Sequence[Node]) -> None:
    """Raises StepError when new nodes of an instance do not fit on the disk."""
    if nodes and (reason := lacking(context, instance, nodes)):
        raise StepError(reason)


def is_full(context: Context, instance: Instance) -> bool:
    """Whether the disk is too full for the instance's nodes."""
    needed = max(_needs(context, instance, {node.id for node in instance.nodes}))
    limit = needed if instance.status is Status.DATA_DISK_FULL else needed // _FULL
    return context.runtime.available_disk() - context.reserve.missing < limit


def check_room(context: Context, instance: Instance, needed: int, what: str) -> None:
    """Raises StepError where `needed` bytes of copies would leave the disk too full for the
    instance's nodes; `what` names what needs them."""
    room = _room(context, instance)
    if needed > room:
        raise StepError(
            f"{what} needs {needed // _MIB} MiB of disk beside what the nodes need to go on, and "
            f"{max(0, room) // _MIB} MiB can be used. Free some space, or move the data directory "
            "to a larger disk."
        )


def sparing(
    context: Context, instance: Instance, files: Iterable[DataFile], what: str
) -> Iterator[DataFile]:
    """The same files, while they are copied. Raises StepError as soon as the disk gets too full for
    the instance's nodes: a copy can be made again, and a node would die."""

    def checked(chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if len(chunk) > _room(context, instance):
                raise StepError(
                    f"{what} was stopped: the disk became too full for the instance's nodes to go "
                    f"on, {context.runtime.available_disk() // _MIB} MiB were free. Free some "
                    "space, or move the data directory to a larger disk."
                )
            yield chunk

    for file in files:
        yield replace(file, chunks=checked(file.chunks))


def _room(context: Context, instance: Instance) -> int:
    needed = max(_needs(context, instance, {node.id for node in instance.nodes}))
    return context.runtime.available_disk() - context.reserve.missing - needed


def volume_limit(settings: Settings, group: Group, node: Node) -> int:
    """Bytes that a data node's volume holds."""
    return int((node.size or group.size) * GIB * settings.volume_scale)


def volumes_full(settings: Settings, instance: Instance) -> bool:
    """Whether a volume holds as much as it may, as it was measured last. Read replicas are not
    counted: what they hold is what the others do."""
    return any(share(settings, group) >= 1 for group in instance.data_groups)


def share(settings: Settings, group: Group) -> float:
    """How full the fullest volume of a data group is, as it was measured last: 1 is full."""
    return max(node.used_bytes / volume_limit(settings, group, node) for node in group.members)


def _needs(context: Context, instance: Instance, ids: Collection[str]) -> list[int]:
    scale = context.settings.memory_scale
    return [
        launch.node_disk(group, node, scale)
        for group in instance.groups
        for node in group.nodes
        if node.id in ids
    ]
