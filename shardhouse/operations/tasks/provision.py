"""What new nodes need before they start: memory, disk, an address, a volume, their files."""

from collections.abc import Collection, Mapping, Sequence

from shardhouse.domain.model import Instance, Node
from shardhouse.domain.names import dns_names
from shardhouse.errors import StepError
from shardhouse.mongo.commandline import GIB
from shardhouse.nodes.runtime import Endpoint, NodeRef
from shardhouse.store import instances, sealed
from shardhouse.workflows import disk, launch
from shardhouse.workflows.context import Context, parallel_map

_MIB = 1024**2


def nodes(context: Context, instance: Instance, added: Collection[str] | None = None) -> Instance:
    """Every node of the instance that has no address yet gets one, its volume and its files; the
    instance with them. `added` are the ids of the new nodes, where not all are. Raises StepError
    without enough memory or disk."""
    new = [node for node in instance.nodes if not node.address]
    check_memory(context, sum(launch.node_memory(n, context.settings.memory_scale) for n in new))
    disk.check(context, instance, new)
    instance = _lease_addresses(context, instance)
    secrets = keep_secrets(context, instance)
    wanted = [node for node in instance.nodes if added is None or node.id in added]
    write_files(context, instance, wanted, secrets)
    return instance


def write_files(
    context: Context, instance: Instance, nodes: Sequence[Node], secrets: Mapping[str, str]
) -> None:
    """Volumes of these nodes exist, and hold their key files and certificates."""
    parallel_map(
        lambda node: context.runtime.ensure_volume(
            NodeRef(instance.id, node.id), launch.files(instance, node, secrets)
        ),
        nodes,
    )


def check_memory(context: Context, wanted: int) -> None:
    """The machine has `wanted` bytes of memory to spare. Raises StepError otherwise."""
    settings = context.settings
    spare = context.runtime.available_memory() - settings.memory_reserve * _MIB
    if wanted > spare:
        raise StepError(
            f"Not enough free memory: {wanted / GIB:.1f} GiB are needed (the flavors' memory times "
            f"memory_scale {settings.memory_scale:g}), and {max(0, spare) / GIB:.1f} GiB can be "
            f"used (memory_reserve is {settings.memory_reserve} MiB). Delete instances, or lower "
            "memory_scale."
        )


def _lease_addresses(context: Context, instance: Instance) -> Instance:
    """Each node gets an address at the port it is for, or at one above it where nodes share
    addresses. Looking and leasing are one transaction, so no two nodes take the same endpoint."""
    with context.database.write() as connection:
        missing = [node for node in instance.nodes if not node.address]
        taken = [Endpoint(*lease) for lease in instances.leases(connection)]
        named = dns_names(instance, context.settings.node_domain)
        for wanted in dict.fromkeys(node.port for node in missing):
            alike = [node.id for node in missing if node.port == wanted]
            free = context.runtime.free_endpoints(len(alike), wanted, taken)
            taken += free
            for node_id, (address, port) in zip(alike, free, strict=True):
                instances.set_node(
                    connection,
                    instance.id,
                    node_id,
                    address=address,
                    port=port,
                    dns_name=named[node_id],
                )
    return context.instance(instance.id)


def keep_secrets(context: Context, instance: Instance) -> dict[str, str]:
    """The instance's secrets, made where they are missing: its authority may come later, with
    TLS."""
    with context.database.write() as connection:
        there = sealed.load(connection, context.vault, instance.id)
        if not {launch.KEY, *([launch.CA_KEY] if instance.ssl else [])} <= set(there):
            new = launch.new_secrets(instance)
            sealed.keep(connection, context.vault, instance.id, new)
    return context.secrets(instance.id)
