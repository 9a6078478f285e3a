"""Restoring databases and collections into the instance itself, which goes on serving.

The instance's data of the moment is recovered aside, as a whole. What is wanted of it is copied
into the instance under temporary names, and at last takes the places of what has its names. What
fails before that leaves everything as it was.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from shardhouse import error_codes as codes
from shardhouse.backups import namespaces
from shardhouse.contract.restore_times import RESTORE_COLLECTIONS, RestoreCollectionsBody
from shardhouse.domain.model import GroupType, Mode
from shardhouse.errors import DdsError, MongoError, StepError, bad_parameter
from shardhouse.mongo import guest, transfer
from shardhouse.mongo.admin import Client
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.transfer import VIEW, Collection
from shardhouse.nodes.runtime import Aside, NodeRef
from shardhouse.operations.tasks import recovering, serving
from shardhouse.operations.tasks.recovering import Recovery
from shardhouse.operations.tasks.serving import Served
from shardhouse.workflows import limits, processes
from shardhouse.workflows.context import set_plan, user_group
from shardhouse.workflows.operation import Asked, Operation, Planned, Run, Step
from shardhouse.workflows.restorable import Point

_ENTRY_SECONDS = 120.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class Item:
    """A collection or view: its name then, and the one that it gets."""

    database: str
    old: str
    new: str


@dataclass(frozen=True)
class Part:
    """What is restored of one moment: all of it from one recovery."""

    recovery: Recovery
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Arguments:
    """The parts, one for each moment."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Wanted:
    """A call that was checked: what is restored, by the points that it is taken from."""

    parts: Sequence[tuple[Point, Sequence[Item]]]


def moments(body: RestoreCollectionsBody) -> list[int]:
    """The moments that a body names, each once. Raises DdsError 400 where it names none or two."""
    found: dict[int, None] = {}
    for number, wanted in enumerate(body.restore_collections):
        if (wanted.restore_database_time is None) == (not wanted.collections):
            raise bad_parameter(
                f"restore_collections[{number}]",
                "either restore_database_time or collections is required",
            )
        if wanted.restore_database_time is not None:
            found[wanted.restore_database_time] = None
        found |= dict.fromkeys(one.restore_collection_time for one in wanted.collections)
    return list(found)


def items(body: RestoreCollectionsBody, existing: Mapping[int, set[str]]) -> dict[int, list[Item]]:
    """What a body asks for, by moment; `existing` are the namespaces that there were. Raises
    DdsError 400 for what did not exist, and for two that get the same name."""
    found: dict[int, list[Item]] = {}
    for number, wanted in enumerate(body.restore_collections):
        field, database = f"restore_collections[{number}]", wanted.database
        if wanted.restore_database_time is not None:
            moment = wanted.restore_database_time
            names = list(namespaces.of_database(existing[moment], database))
            if not names:
                raise _unknown(f"{field}.database", f"database {database}", moment)
            found.setdefault(moment, []).extend(Item(database, name, name) for name in names)
        for place, one in enumerate(wanted.collections):
            moment, name = one.restore_collection_time, one.old_name
            if f"{database}.{name}" not in existing[moment]:
                raise _unknown(
                    f"{field}.collections[{place}].old_name",
                    f"collection {database}.{name}",
                    moment,
                )
            item = Item(database, name, one.new_name or name)
            found.setdefault(moment, []).append(item)
    counted = Counter((item.database, item.new) for part in found.values() for item in part)
    twice = [f"{database}.{name}" for (database, name), count in counted.items() if count > 1]
    if twice:
        raise bad_parameter(
            "restore_collections", f"{', '.join(sorted(twice))} would be restored more than once"
        )
    return found


def _unknown(field: str, what: str, moment: int) -> DdsError:
    return bad_parameter(field, f"there was no {what} at {moment}", codes.RESOURCE_NOT_FOUND)


def _plan(asked: Asked[Wanted]) -> Planned[Arguments]:
    parts = []
    for point, wanted in asked.body.parts:
        backup = point.backup
        groups = {group.id: group.id for group in backup.shape}
        recovery = Recovery(backup.id, backup.instance_id, point.upto, point.by_time, groups)
        parts.append(Part(recovery, tuple(wanted)))
    return Planned(Arguments(tuple(parts)))


def copy(run: Run[Arguments]) -> None:
    """All that is restored lies in the instance under temporary names."""
    with _entry(run) as live:
        _check_new_names(run, live)
    for number, part in enumerate(run.arguments.parts):
        with _entry(run) as live:
            if _is_copied(run, live, number):
                continue
            _drop(run, live, number)
        _remove_aside(run, number)
        aside = _aside(run, number)
        recovering.unpack(aside)
        recovering.replay(aside)
        with serving.recovered(aside) as source, _entry(run) as live:
            for place, item in enumerate(part.items):
                _copy_item(run, source, live, item, _temporary(run, number, place))
        _remove_aside(run, number)


def _is_copied(run: Run[Arguments], live: Client, number: int) -> bool:
    """Whether a part was copied before a crash: what it was copied from goes last."""
    usage = run.context.runtime.usage
    for node in _nodes(run, number):
        if usage(node).data or usage(node.aside(Aside.RESTORED)).data:
            return False
    return all(copied.kind for copied in _copies(run, live, number))


def _copy_item(
    run: Run[Arguments], source: Served, live: Client, item: Item, temporary: str
) -> None:
    recovered = Collection(source.client, item.database, item.old)
    copied = Collection(live, item.database, temporary)
    if recovered.kind == VIEW:
        copied.create(recovered.options())
        return
    count = transfer.copy(recovered, copied, source.shard_key(str(recovered)), run.report)
    run.report(f"{recovered}: {count} documents")


def _check_new_names(run: Run[Arguments], live: Client) -> None:
    """What gets a name of its own takes no place of anything."""
    for part in run.arguments.parts:
        for item in part.items:
            target = Collection(live, item.database, item.new)
            if item.new != item.old and target.kind:
                raise StepError(f"{target} exists: choose another new_name, or drop it.")


def put_in_place(run: Run[Arguments]) -> None:
    """All that is restored has its name. Tried again where the primary went meanwhile: half of it
    in place would be of no moment."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _entry(run) as live:
                count = _replace_all(run, live)
        except MongoError:
            if attempt == _ATTEMPTS:
                raise
        else:
            run.report(f"collections that are restored: {count}")
            return


def _replace_all(run: Run[Arguments], live: Client) -> int:
    count = 0
    for number, part in enumerate(run.arguments.parts):
        for item, copied in zip(part.items, _copies(run, live, number), strict=True):
            transfer.replace(copied, item.new, run.report)
            count += 1
    return count


def roll_back(run: Run[Arguments]) -> None:
    """Nothing lies aside, and nothing has a temporary name."""
    numbers = range(len(run.arguments.parts))
    for number in numbers:
        _remove_aside(run, number)
    with _entry(run) as live:
        for number in numbers:
            _drop(run, live, number)


def _copies(run: Run[Arguments], live: Client, number: int) -> list[Collection]:
    """A part's items under their temporary names."""
    items = run.arguments.parts[number].items
    return [
        Collection(live, item.database, _temporary(run, number, place))
        for place, item in enumerate(items)
    ]


def _drop(run: Run[Arguments], live: Client, number: int) -> None:
    for copied in _copies(run, live, number):
        copied.drop()


def _temporary(run: Run[Arguments], number: int, place: int) -> str:
    """What an item is called until it has its place."""
    return f"restored.{run.job.id}.{number}.{place}"


@contextmanager
def _entry(run: Run[Arguments]) -> Iterator[Client]:
    """Where the instance's collections are changed: its primary, or a router of a cluster."""
    context, instance = run.context, run.instance
    user_store = set_plan(user_group(instance))
    deadline = processes.deadline(context, instance, seconds=_ENTRY_SECONDS)
    with context.clients(instance) as clients:
        if instance.mode is Mode.SHARDING:
            (routers,) = instance.of_type(GroupType.MONGOS)
            hosts = [node.host for node in routers.nodes]
            with guest.logged_in(user_store.hosts, hosts, clients, deadline) as client:
                yield client
            return
        primary = deadline.until(
            f"a primary of {user_store.name}", lambda: find_primary(user_store.electable, clients)
        )
        yield clients[primary]


def _aside(run: Run[Arguments], number: int) -> Run[Recovery]:
    """A part's recovery, with an instance that has a node for each replica set of its backup."""
    part = run.arguments.parts[number]
    return recovering.beside(run, part.recovery, _aside_name(run, number), with_router=True)


def _aside_name(run: Run[Arguments], number: int) -> str:
    return f"{run.job.id}-{number}"


def _nodes(run: Run[Arguments], number: int) -> list[NodeRef]:
    recovery = run.arguments.parts[number].recovery
    return recovering.nodes_beside(run, recovery, _aside_name(run, number))


def _remove_aside(run: Run[Arguments], number: int) -> None:
    recovery = run.arguments.parts[number].recovery
    recovering.remove_beside(run, recovery, _aside_name(run, number))


RESTORE = Operation(
    "RESTORE_TABLE",
    "MongodbRestoreTable",
    Arguments,
    (
        Step("Recover the data aside, and copy collections from it", copy),
        Step("Put the collections in their places", put_in_place),
    ),
    call=RESTORE_COLLECTIONS,
    plan=_plan,
    roll_back=roll_back,
    limit=limits.copying,
)
