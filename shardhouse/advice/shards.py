"""Clusters: large collections without a shard key, shards that have more to do than others."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from shardhouse.advice import suggestion
from shardhouse.contract import advice as rows
from shardhouse.domain.events import Severity
from shardhouse.domain.indexes import Collection

HOT = 2.0
"""Times the mean of the other shards, above which a shard is hot."""
BUSY = 5.0
"""Operations a second that a hot shard does at least: members have some among themselves."""


@dataclass(frozen=True)
class Load:
    """A shard: operations of its members since each was started, the same by the second, bytes of
    documents."""

    name: str
    operations: int
    per_second: float
    size: int


def unsharded(
    collections: Sequence[Collection], sharded: Container[str], bytes_: int
) -> list[rows.Finding]:
    """Collections that have more data and no shard key, the largest first."""
    found = [one for one in collections if one.namespace not in sharded and one.size > bytes_]
    return [_unsharded(one) for one in sorted(found, key=lambda one: -one.size)]


def hot(loads: Sequence[Load], least: int, bytes_: int, *, balancing: bool) -> list[rows.Finding]:
    """Shards that do more than `HOT` times what the others do, if it is as many operations as
    `least` or more, or have so much more data, if it is more than `bytes_`."""
    if len(loads) < 2:
        return []
    found = []
    for load in loads:
        others = [one for one in loads if one is not load]
        speed = sum(one.per_second for one in others) / len(others)
        size = sum(one.size for one in others) // len(others)
        busy = load.operations >= least and load.per_second > max(BUSY, HOT * speed)
        full = load.size > bytes_ and load.size > HOT * size
        if busy or full:
            found.append(_hot(load, speed, size, busy=busy, full=full, balancing=balancing))
    return sorted(found, key=lambda one: one.namespace)


def _unsharded(collection: Collection) -> rows.Finding:
    key = (("_id", "hashed"),)
    return rows.Finding(
        kind=rows.Kind.UNSHARDED_COLLECTION,
        severity=Severity.WARNING,
        namespace=collection.namespace,
        message=f"All {collection.size} bytes of {collection.namespace} lie on the shard "
        f"{', '.join(collection.shards)}. A hashed _id spreads them evenly; a field that most "
        "queries name is a better shard key.",
        command=f"sh.shardCollection({suggestion.quoted(collection.namespace)}, "
        f"{suggestion.written(key)})",
        collection=rows.CollectionSize(
            documents=collection.documents,
            size=collection.size,
            shard=", ".join(collection.shards),
        ),
    )


def _hot(
    load: Load, speed: float, size: int, *, busy: bool, full: bool, balancing: bool
) -> rows.Finding:
    said = []
    if busy:
        said.append(
            f"The shard {load.name} does {load.per_second:.1f} operations a second, the others "
            f"{speed:.1f} on average: see which collections lie only there, and whether shard keys "
            "spread what is asked for."
        )
    if full:
        said.append(
            f"The shard {load.name} has {load.size} bytes of documents, the others {size} on "
            "average" + ("." if balancing else ", and the balancer is off.")
        )
    return rows.Finding(
        kind=rows.Kind.HOT_SHARD,
        severity=Severity.WARNING,
        namespace="",
        message=" ".join(said),
        command="sh.startBalancer()" if full and not balancing else "",
        shard=rows.ShardLoad(
            name=load.name,
            operations=load.operations,
            operations_per_second=round(load.per_second, 2),
            others_per_second=round(speed, 2),
            size=load.size,
            others_size=size,
        ),
    )
