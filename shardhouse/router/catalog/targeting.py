"""From a document or a filter to the full shard key, if it has one. Pure; works on raw BSON."""

from __future__ import annotations

from collections.abc import Iterator

from shardhouse.router.catalog.chunks import RoutingTable
from shardhouse.router.catalog.values import NULL, SortKey, hashed, sort_key
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

_Value = tuple[int, bytes]
_STRING, _ARRAY, _OBJECT, _REGEX, _UNDEFINED = 0x02, 0x04, 0x03, 0x0B, 0x06
_COLLATABLE = frozenset({0x02, 0x03, 0x04, 0x0E})


def owner_of_document(table: RoutingTable, document: bytes) -> str:
    """The shard a whole document belongs to; ShardKeyNotFound (61) if arrays are in its key."""
    return table.owner(_key_of_document(table, document))


def _key_of_document(table: RoutingTable, document: bytes) -> SortKey:
    key: list[SortKey] = []
    for path, kind in table.collection.key.items():
        value = _at_path(document, path.split("."))
        key.append(_component(kind, value or (NULL, b"")))
    return tuple(key)


def _at_path(document: bytes, path: list[str]) -> _Value | None:
    element = raw.find(document, path[0])
    if element is None:
        return None
    if element.kind == _ARRAY:
        raise CommandError(61, "Shard key cannot contain array values or array descendants.")
    if len(path) == 1:
        return element.kind, element.value
    if element.kind != _OBJECT:
        return None
    return _at_path(element.value, path[1:])


def owner_of_filter(table: RoutingTable, query: bytes, *, collated: bool = False) -> str | None:
    """The shard that holds all a filter can match, None if the filter does not pin the full key.

    Only equality counts. With a collation (`collated`) strings and objects do not.
    """
    if len(table.shards) == 1:
        return table.shards[0]
    key = key_of_filter(table, query, collated=collated)
    return None if key is None else table.owner(key)


def key_of_filter(table: RoutingTable, query: bytes, *, collated: bool = False) -> SortKey | None:
    """The full shard key a filter asks for by equality, as `RoutingTable.owner` takes it."""
    key: list[SortKey] = []
    for path, kind in table.collection.key.items():
        value = _equality(query, path)
        if value is None or (collated and value[0] in _COLLATABLE):
            return None
        key.append(_component(kind, value))
    return tuple(key)


def may_change_key(table: RoutingTable, statement: bytes) -> bool:
    """Whether an update statement could give a document another shard key."""
    update = raw.find(statement, "u")
    if update is None or update.kind != _OBJECT:
        return True  # a pipeline can do anything
    if not _operators(update.value):
        query = raw.find(statement, "q")
        try:
            replaced = _key_of_document(table, update.value)
        except CommandError:
            return True
        return query is None or key_of_filter(table, query.value) != replaced
    return any(
        _overlap(changed, path)
        for kind, operator, start, end in raw.elements(update.value)
        if kind == _OBJECT
        for changed in _changed(operator, update.value[start:end])
        for path in table.collection.key
    )


def _changed(operator: str, fields: bytes) -> Iterator[str]:
    """The paths an update operator changes."""
    for kind, path, start, end in raw.elements(fields):
        yield path
        if operator == "$rename" and kind == _STRING:
            yield raw.text(fields[start + 4 : end - 1])


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def has_exact_id(query: bytes, *, collated: bool = False) -> bool:
    """Whether a filter names one `_id` by equality. With a collation that is not the collection's
    own (`collated`) strings and objects do not name one."""
    found = _equality(query, "_id")
    return found is not None and not (collated and found[0] in _COLLATABLE)


def _equality(query: bytes, path: str) -> _Value | None:
    for kind, name, start, end in raw.elements(query):
        value = query[start:end]
        if name == path:
            return _plain(kind, value)
        if name == "$and" and kind == _ARRAY:
            for inner, _, begin, stop in raw.elements(value):
                found = _equality(value[begin:stop], path) if inner == _OBJECT else None
                if found is not None:
                    return found
        elif kind == _OBJECT and path.startswith(f"{name}.") and _operators(value) is False:
            # Equality to a whole object fixes every value inside it.
            rest = path[len(name) + 1 :].split(".")
            return _plain_or_null(value, rest)
    return None


def _plain_or_null(document: bytes, path: list[str]) -> _Value | None:
    try:
        value = _at_path(document, path)
    except CommandError:
        return None
    return value or (NULL, b"")


def _plain(kind: int, value: bytes) -> _Value | None:
    if kind in (_REGEX, _ARRAY, _UNDEFINED):
        return None
    if kind == _OBJECT and _operators(value):
        for inner, name, start, end in raw.elements(value):
            if name == "$eq":
                usable = inner not in (_REGEX, _ARRAY, _UNDEFINED)
                return (inner, value[start:end]) if usable else None
        return None
    return kind, value


def _operators(document: bytes) -> bool:
    """Whether an object is made of operators (`{$gt: 5}`) rather than a value."""
    return next((name.startswith("$") for _, name, _, _ in raw.elements(document)), False)


def _component(kind: object, value: _Value) -> SortKey:
    return sort_key(*hashed(*value)) if kind == "hashed" else sort_key(*value)
