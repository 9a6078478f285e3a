"""Which index a query needs: fields of equalities first, then those it sorts by, then ranges."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shardhouse.advice.shapes import Bounds, Query
from shardhouse.domain.indexes import Index, Key

MOST_FIELDS = 5
"""Fields of a suggested index: more narrow down little and cost each write."""


@dataclass(frozen=True)
class Wanted:
    """What an index must have: `points` in any order, `sort` as it is or all inverse, `ranges` in
    any order."""

    points: tuple[str, ...]
    sort: tuple[tuple[str, int], ...]
    ranges: tuple[str, ...]

    @property
    def key(self) -> Key:
        """An index that has it."""
        return (
            tuple((name, 1) for name in self.points)
            + self.sort
            + tuple((name, 1) for name in self.ranges)
        )

    def served_by(self, index: Index) -> bool:
        """Whether the beginning of an index's key has it."""
        if not index.ordered or (index.options.keys() - {"unique", "expireAfterSeconds"}):
            return False
        names = [name for name, _ in index.key]
        if index.options.get("unique") and set(names) <= set(self.points):
            return True
        first, behind = len(self.points), len(self.points) + len(self.sort)
        sorts = index.key[first:behind]
        inverse = tuple((name, -direction) for name, direction in self.sort)
        return (
            set(names[:first]) == set(self.points)
            and sorts in (self.sort, inverse)
            and set(names[behind : behind + len(self.ranges)]) == set(self.ranges)
        )


def wanted(query: Query) -> Wanted | None:
    """What an index for the query must have; None where none is known to help."""
    if query.obstacle:
        return None
    best: dict[str, Bounds] = {}
    for one in query.predicates:
        best[one.path] = min(one.bounds, best.get(one.path, one.bounds))
    equal = _named(best, Bounds.EQUALITY)
    if "_id" in equal:
        return None
    sort = tuple(one for one in query.sort if one[0] not in equal)
    few, ranges = _named(best, Bounds.FEW), _named(best, Bounds.RANGE)
    sorting = {name for name, _ in sort}
    # A list of values on the field that is sorted by is a range of the sort.
    points = (*equal, *(name for name in few if name not in sorting))
    if not points and not query.limit:
        # All of it is read anyway: an index in its order would only read it one by one.
        sort, sorting = (), set()
    if not points and not ranges and not sort:
        return None
    # A filter on _id alone, or a sort by it, has the index that each collection has.
    if not points and {*sorting, *ranges} <= {"_id"}:
        return None
    room = MOST_FIELDS - len(points) - len(sort)
    behind = tuple(name for name in ranges if name not in sorting)[: max(room, 0)]
    if len(points) + len(sort) > MOST_FIELDS:
        return None
    return Wanted(points, sort, behind)


def bounds(query: Query, key: Key) -> dict[str, Any]:
    """The part of the filter that an index narrows down, in extended JSON, with a client's
    values."""
    names = {name for name, _ in key}
    parts = [
        {one.path: one.condition}
        for one in query.predicates
        if one.path in names and one.bounds is not Bounds.NONE
    ]
    return {"$and": parts} if parts else {}


def create(database: str, collection: str, key: Key) -> str:
    """The command that makes an index."""
    return f"{of_collection(database, collection)}.createIndex({written(key)})"


def drop(database: str, collection: str, name: str) -> str:
    """The command that removes an index."""
    return f"{of_collection(database, collection)}.dropIndex({quoted(name)})"


def of_collection(database: str, collection: str) -> str:
    """A collection in mongosh, whatever it is called."""
    return f"db.getSiblingDB({quoted(database)}).getCollection({quoted(collection)})"


def quoted(text: str) -> str:
    """A string as mongosh takes it."""
    return json.dumps(text, ensure_ascii=False)


def written(key: Iterable[tuple[str, Any]]) -> str:
    """A key pattern as mongosh takes it."""
    return json.dumps(dict(key), ensure_ascii=False)


def _named(best: dict[str, Bounds], bounds: Bounds) -> list[str]:
    return sorted(name for name, one in best.items() if one is bounds)
