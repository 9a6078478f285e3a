"""Collections and their indexes, as servers describe them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

Key = tuple[tuple[str, Any], ...]
"""Fields in their order; with each 1, -1, or the kind of an index that is no ordinary one."""
_UNIMPORTANT = frozenset({"v", "ns", "key", "name", "background"})


@dataclass(frozen=True)
class Index:
    """An index; `options` is what it has beside name and key."""

    name: str
    key: Key
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ordered(self) -> bool:
        """Whether it is an ordinary one, neither text, geo, hashed nor wildcard."""
        return all(kind in (1, -1) and "$**" not in name for name, kind in self.key)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Index":
        """An index as `listIndexes` has it."""
        options = {name: value for name, value in document.items() if name not in _UNIMPORTANT}
        return cls(str(document["name"]), key_of(document["key"]), options)


@dataclass(frozen=True)
class Use:
    """How often an index was used since when."""

    operations: int
    since: datetime

    def __add__(self, other: "Use") -> "Use":
        return Use(self.operations + other.operations, max(self.since, other.since))


@dataclass(frozen=True)
class Collection:
    """A collection of users on some shards, or on a replica set, whose name is then `shards`. Sizes
    are bytes on one member of each. `uses` has indexes that all members listed."""

    database: str
    name: str
    documents: int
    size: int
    shards: tuple[str, ...]
    indexes: tuple[Index, ...]
    index_sizes: Mapping[str, int]
    uses: Mapping[str, Use]

    @property
    def namespace(self) -> str:
        """Database and collection."""
        return f"{self.database}.{self.name}"


def key_of(document: Mapping[str, Any]) -> Key:
    """A key pattern; directions may be numbers of any type."""
    return tuple(
        (name, (1 if kind > 0 else -1) if isinstance(kind, int | float) else kind)
        for name, kind in document.items()
    )


def merged(parts: Iterable[Collection]) -> list[Collection]:
    """One entry per collection by name: the parts that lie on several shards, together. An index
    has a use where it has one on each of them."""
    whole: dict[str, Collection] = {}
    for part in parts:
        other = whole.get(part.namespace)
        whole[part.namespace] = _sum(other, part) if other else part
    return [whole[name] for name in sorted(whole)]


def _sum(one: Collection, other: Collection) -> Collection:
    known = {index.name for index in one.indexes}
    new = tuple(index for index in other.indexes if index.name not in known)
    both = {index.name for index in other.indexes} & known
    sizes = {
        name: one.index_sizes.get(name, 0) + other.index_sizes.get(name, 0)
        for name in {**one.index_sizes, **other.index_sizes}
    }
    uses = {**one.uses, **other.uses}
    for name in both:
        if name in one.uses and name in other.uses:
            uses[name] = one.uses[name] + other.uses[name]
        else:
            uses.pop(name, None)
    return replace(
        one,
        documents=one.documents + other.documents,
        size=one.size + other.size,
        shards=one.shards + other.shards,
        indexes=one.indexes + new,
        index_sizes=sizes,
        uses=uses,
    )
