"""Indexes that nothing needs: those that no member has used, and those another one contains."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from shardhouse.advice import suggestion
from shardhouse.contract import advice as rows
from shardhouse.domain.events import Severity
from shardhouse.domain.indexes import Collection, Index, Key

_ID = "_id_"
_KEPT = frozenset({"unique", "expireAfterSeconds", "prepareUnique"})
"""Options of indexes that do something beside answering queries."""


def redundant(collection: Collection, shard_key: Key) -> list[rows.Finding]:
    """Indexes whose key is the beginning of another one's with the same options."""
    return [
        _finding(
            rows.Kind.REDUNDANT_INDEX,
            collection,
            index,
            f"The index {index.name} is the beginning of {other.name}, which can do its work.",
            other.name,
        )
        for index, other in _covered(collection.indexes, shard_key)
    ]


def unused(collection: Collection, shard_key: Key, now: datetime, days: int) -> list[rows.Finding]:
    """Indexes that no member has used for some days, all of which are known. Those that others
    contain are left to `redundant`."""
    since = now - timedelta(days=days)
    told = {index.name for index, _ in _covered(collection.indexes, shard_key)}
    found = []
    for index in collection.indexes:
        use = collection.uses.get(index.name)
        if (
            index.name not in told
            and not _is_kept(index, shard_key)
            and use is not None
            and use.operations == 0
            and use.since <= since
        ):
            said = (
                f"No query has used the index {index.name} since {use.since:%Y-%m-%d %H:%M} UTC, "
                "on any member. Each write to its fields maintains it."
            )
            found.append(_finding(rows.Kind.UNUSED_INDEX, collection, index, said, ""))
    return found


def _covered(indexes: Sequence[Index], shard_key: Key) -> Iterator[tuple[Index, Index]]:
    for index in indexes:
        if _is_kept(index, shard_key) or not index.ordered:
            continue
        other = next((one for one in indexes if _contains(one, index)), None)
        if other is not None:
            yield index, other


def _contains(longer: Index, index: Index) -> bool:
    size = len(index.key)
    inverse = tuple((name, -direction) for name, direction in index.key)
    return (
        len(longer.key) > size
        and longer.ordered
        and longer.key[:size] in (index.key, inverse)
        and longer.options == index.options
        and "sparse" not in index.options
        and "partialFilterExpression" not in index.options
    )


def _is_kept(index: Index, shard_key: Key) -> bool:
    """Whether it is there for another reason than queries, such as the shard key."""
    is_of_shard_key = bool(shard_key) and index.key[: len(shard_key)] == shard_key
    return index.name == _ID or is_of_shard_key or bool(_KEPT & index.options.keys())


def _finding(
    kind: rows.Kind, collection: Collection, index: Index, said: str, covered_by: str
) -> rows.Finding:
    use = collection.uses.get(index.name)
    return rows.Finding(
        kind=kind,
        severity=Severity.INFO,
        namespace=collection.namespace,
        message=said,
        command=suggestion.drop(collection.database, collection.name, index.name),
        index=rows.IndexUse(
            name=index.name,
            key=suggestion.written(index.key),
            size=collection.index_sizes.get(index.name, 0),
            operations=use.operations if use else None,
            since=use.since.strftime("%Y-%m-%dT%H:%M:%S+0000") if use else None,
            covered_by=covered_by,
        ),
    )
