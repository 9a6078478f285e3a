"""What slow operations looked for: filter and sort of each, and their shape without values."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from shardhouse.logs.masking import MASK, is_extended
from shardhouse.logs.operations import SlowOperation

FEW = 200
"""Values of `$in` up to which an index that goes on with the sort is merged instead of sorted
(internalQueryMaxScansToExplode)."""
_FORCED = ("hint", "collation", "min", "max")
"""Options of commands with which only certain indexes can be used."""
_FILTERS = {
    "find": "filter",
    "count": "query",
    "distinct": "query",
    "findAndModify": "query",
    "findandmodify": "query",
    "q": "q",
}
_RANGES = frozenset({"$gt", "$gte", "$lt", "$lte"})
_SPECIAL = frozenset(
    {"$near", "$nearSphere", "$geoWithin", "$geoIntersects", "$within", "$geoNear"}
)


class Bounds(IntEnum):
    """What an index can do with a predicate, the best first."""

    EQUALITY = 1
    FEW = 2
    RANGE = 3
    NONE = 4


@dataclass(frozen=True)
class Predicate:
    """One condition on one field. `condition` has a client's values: it is never shown."""

    path: str
    operator: str
    bounds: Bounds
    condition: Any = field(repr=False)


@dataclass(frozen=True)
class Query:
    """What an operation looked for. `obstacle` says why no index can be suggested for it, else it
    is empty. `filter` has a client's values, in extended JSON: it is never shown."""

    command: str
    database: str
    collection: str
    predicates: tuple[Predicate, ...] = ()
    sort: tuple[tuple[str, int], ...] = ()
    limit: int = 0
    obstacle: str = ""
    filter: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> str:
        """The filter without values; a field has each operator once."""
        fields: dict[str, dict[str, None]] = {}
        for one in self.predicates:
            fields.setdefault(one.path, {})[one.operator] = None
        parts = [f"{name}: {_operators(sorted(fields[name]))}" for name in sorted(fields)]
        return f"{{{', '.join(parts)}}}"

    @property
    def sort_shape(self) -> str:
        """The sort as MongoDB writes it; empty without one."""
        parts = ", ".join(f"{name}: {direction}" for name, direction in self.sort)
        return f"{{{parts}}}" if parts else ""


def read(entry: Mapping[str, Any], operation: SlowOperation) -> Query | None:
    """What a slow operation, given as its line's unmasked JSON, looked for; None where it looked
    for nothing, as an insert."""
    attributes = entry["attr"]
    command = _document(attributes.get("command"))
    if "getMore" in command:
        command = _document(attributes.get("originatingCommand"))
    name = next(iter(command), "")
    if not operation.collection or (name not in _FILTERS and name != "aggregate"):
        return None
    label = str(attributes.get("type", "")) if name == "q" else name
    made = Query(label, operation.database, operation.collection)
    cut = entry.get("truncated", attributes.get("truncated"))
    if isinstance(cut, Mapping) and ({"command", "originatingCommand"} & set(cut)):
        return replace(made, obstacle="the log has only a part of it")
    found: Any
    if name == "aggregate":
        found, sort, limit = _leading(command.get("pipeline"))
    else:
        found, sort, limit = command.get(_FILTERS[name]), command.get("sort"), _limit(command)
    if not isinstance(found or {}, Mapping):
        return replace(made, obstacle="its filter is not readable")
    filter_ = dict(found or {})
    obstacles: list[str] = [f"it has the option {one}" for one in _FORCED if command.get(one)]
    predicates = tuple(_predicates(filter_, obstacles))
    directions = _directions(sort, obstacles)
    return replace(
        made,
        predicates=predicates,
        sort=directions,
        limit=limit,
        obstacle=next(iter(obstacles), ""),
        filter=filter_,
    )


def _document(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _leading(pipeline: Any) -> tuple[Mapping[str, Any], Any, int]:
    """Filter, sort and limit with which a pipeline begins: what follows them is no index's."""
    matches: list[Any] = []
    sort, limit = None, 0
    for stage in pipeline if isinstance(pipeline, list) else ():
        name, value = next(iter(_document(stage).items()), ("", None))
        if name == "$match" and sort is None:
            matches.append(value)
        elif name == "$sort" and sort is None:
            sort = value
        elif name == "$geoNear":
            matches.append({"$geoNear": value})
        else:
            limit = value if name == "$limit" and isinstance(value, int) else 0
            break
    return (matches[0] if len(matches) == 1 else {"$and": matches} if matches else {}), sort, limit


def _limit(command: Mapping[str, Any]) -> int:
    limit, skip = command.get("limit", 0), command.get("skip", 0)
    if not isinstance(limit, int | float) or not isinstance(skip, int | float) or not limit:
        return 0
    return abs(int(limit)) + int(skip)


def _directions(sort: Any, obstacles: list[str]) -> tuple[tuple[str, int], ...]:
    if not sort:
        return ()
    if not isinstance(sort, Mapping) or any(
        not isinstance(one, int | float) for one in sort.values()
    ):
        obstacles.append("it does not sort by fields")
        return ()
    return tuple((name, 1 if one > 0 else -1) for name, one in sort.items())


def _predicates(document: Mapping[str, Any], obstacles: list[str]) -> Iterator[Predicate]:
    for name, value in document.items():
        if name == "$comment":
            continue
        if name == "$and" and isinstance(value, list):
            for part in value:
                if isinstance(part, Mapping):
                    yield from _predicates(part, obstacles)
        elif name.startswith("$"):
            obstacles.append(f"it has {name}")
            yield Predicate(name, "", Bounds.NONE, value)
        else:
            yield from _of_field(name, value, obstacles)


def _of_field(name: str, value: Any, obstacles: list[str]) -> Iterator[Predicate]:
    if any(not part or part.startswith("$") for part in name.split(".")):
        obstacles.append("a field has a name that no index can have")
    if not isinstance(value, Mapping) or is_extended(value) or not _is_operators(value):
        is_pattern = isinstance(value, Mapping) and "$regularExpression" in value
        yield Predicate(name, "", Bounds.NONE if is_pattern else Bounds.EQUALITY, value)
        return
    for operator, operand in value.items():
        if operator in _SPECIAL:
            obstacles.append(f"it has {operator}")
        whole = value if operator in ("$regex", "$options") else {operator: operand}
        yield Predicate(name, operator, _bounds(operator, operand), whole)


def _is_operators(value: Mapping[str, Any]) -> bool:
    return next(iter(value), "").startswith("$")


def _bounds(operator: str, operand: Any) -> Bounds:
    if operator == "$eq":
        return Bounds.EQUALITY
    if operator == "$in" and isinstance(operand, list):
        return _of_list(operand)
    return Bounds.RANGE if operator in _RANGES else Bounds.NONE


def _of_list(operand: list[Any]) -> Bounds:
    if any(isinstance(one, Mapping) and "$regularExpression" in one for one in operand):
        return Bounds.NONE
    if len(operand) == 1:
        return Bounds.EQUALITY
    return Bounds.FEW if len(operand) <= FEW else Bounds.RANGE


def _operators(operators: Iterable[str]) -> str:
    """`###` for equality with a value, else the operators."""
    found = list(operators)
    if found == [""]:
        return MASK
    parts = ", ".join(f"{one or '$eq'}: {MASK}" for one in found)
    return f"{{{parts}}}"
