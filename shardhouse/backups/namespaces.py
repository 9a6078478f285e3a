"""Which collections and views an instance had at a moment: those that a backup's copies hold, and
what the archived oplog says of them since.

What each copy holds is stored beside it, as the object `<group id>.namespaces`. Names are whole,
`database.collection`. MongoDB's own databases and collections (`system.`) are left out; the buckets
of a time series are such a collection, the series itself is a view to MongoDB.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from shardhouse.backups import entries, manifest, slices
from shardhouse.backups.archive import Archive
from shardhouse.backups.slices import Slice

INTERNAL = frozenset({"admin", "config", "local"})
ROOM = 100_000
"""Changes that are remembered, and slices that have some or none."""
_SYSTEM = "system."
_VIEWS = "system.views"
#: How a command begins in an entry, and where views are written. All else is passed by undecoded.
_MARKS = (b"\x02op\0\x02\0\0\0c\0", b".system.views\0")


class _Kind(Enum):
    """What an entry of the oplog does to a namespace, or to all of a database."""

    CREATED = auto()
    DROPPED = auto()
    VIEW_CREATED = auto()
    VIEW_DROPPED = auto()
    VIEWS_DROPPED = auto()
    DATABASE_DROPPED = auto()


@dataclass(frozen=True)
class Change:
    """What an entry of the oplog changes."""

    kind: _Kind
    name: str


@dataclass
class Namespaces:
    """The namespaces of one replica set. Changes are applied in their order."""

    collections: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)

    @property
    def all(self) -> set[str]:
        """Collections and views, time series among them."""
        return self.collections | self.views

    def apply(self, changes: Iterable[Change]) -> None:
        """What entries of the oplog change."""
        for change in changes:
            name = change.name
            match change.kind:
                case _Kind.CREATED:
                    self.collections.add(name)
                case _Kind.DROPPED:
                    self.collections.discard(name)
                case _Kind.VIEW_CREATED:
                    self.views.add(name)
                case _Kind.VIEW_DROPPED:
                    self.views.discard(name)
                case _Kind.VIEWS_DROPPED:
                    self.views = _outside(name, self.views)
                case _Kind.DATABASE_DROPPED:
                    self.collections = _outside(name, self.collections)
                    self.views = _outside(name, self.views)


def changes(entry: bytes) -> Iterator[Change]:
    """What an entry of the oplog, as BSON, changes: nothing, most of the time."""
    if any(mark in entry for mark in _MARKS):
        yield from _changes(RawBSONDocument(entry))


def _changes(entry: Any) -> Iterator[Change]:
    database, _, name = entry["ns"].partition(".")
    if entry["op"] == "c":
        yield from _of_command(database, entry["o"])
    elif name == _VIEWS:  # a view is a document, and called what its `_id` says
        if entry["op"] == "i":
            yield from _added(_Kind.VIEW_CREATED, entry["o"]["_id"])
        elif entry["op"] == "d":
            yield Change(_Kind.VIEW_DROPPED, entry["o"]["_id"])


def _of_command(database: str, command: Any) -> Iterator[Change]:
    match next(iter(command)):
        case "create":
            # What is temporary gets its place by a rename.
            if not command.get("temp"):
                yield from _added(_Kind.CREATED, f"{database}.{command['create']}")
        case "drop":
            yield Change(_Kind.DROPPED, f"{database}.{command['drop']}")
            if command["drop"] == _VIEWS:
                yield Change(_Kind.VIEWS_DROPPED, database)
        case "dropDatabase":
            yield Change(_Kind.DATABASE_DROPPED, database)
        case "renameCollection":
            yield Change(_Kind.DROPPED, command["renameCollection"])
            if not command.get("stayTemp"):
                yield from _added(_Kind.CREATED, command["to"])
        case "applyOps":
            for operation in command["applyOps"]:
                yield from _changes(operation)


def _added(kind: _Kind, name: str) -> Iterator[Change]:
    if is_user(name):
        yield Change(kind, name)


Dated = tuple[tuple[Timestamp, Change], ...]
"""Changes, each with the position of its entry."""


class KnownChanges:
    """What captured slices change, remembered: each is read once, as long as there is room for what
    it says. Slices never change. For several threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._left = room
        self._known: OrderedDict[str, Dated] = OrderedDict()
        self._lock = threading.Lock()

    def between(
        self, archive: Archive, group_id: str, after: Timestamp, upto: Timestamp
    ) -> Iterator[Change]:
        """The changes behind a position, up to another. Raises as `slices.read`."""

        def of(piece: Slice) -> Dated:
            return self._of(archive, group_id, piece)

        for _, reached, found in slices.chain(archive, group_id, after, upto, of):
            yield from (change for position, change in found if reached < position <= upto)

    def _of(self, archive: Archive, group_id: str, piece: Slice) -> Dated:
        name = slices.name(group_id, piece)
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return self._known[name]
        found = tuple(
            (entries.position(entry), change)
            for entry in slices.content(archive, group_id, piece)
            for change in changes(entry)
        )
        with self._lock:
            if name not in self._known:
                self._known[name] = found
                self._left -= _weight(found)
            while self._left < 0:
                _, gone = self._known.popitem(last=False)
                self._left += _weight(gone)
        return found


def _weight(found: Dated) -> int:
    return 1 + len(found)


def _outside(database: str, names: set[str]) -> set[str]:
    return {name for name in names if not name.startswith(f"{database}.")}


def is_user(name: str) -> bool:
    """Whether a namespace is one of users."""
    database, _, collection = name.partition(".")
    return database not in INTERNAL and not collection.startswith(_SYSTEM)


def write(archive: Archive, backup_id: str, group_id: str, found: Namespaces) -> None:
    """Store what a replica set's copy holds. Raises BackupError."""
    content = {"collections": sorted(found.collections), "views": sorted(found.views)}
    archive.write(name(backup_id, group_id), [json.dumps(content).encode()])


def read(archive: Archive, backup_id: str, group_id: str) -> Namespaces:
    """What a replica set's copy holds. Raises BackupError."""
    content = json.loads(b"".join(archive.read(name(backup_id, group_id))))
    return Namespaces(set(content["collections"]), set(content["views"]))


def name(backup_id: str, group_id: str) -> str:
    """Name of the object that says which namespaces a replica set's copy holds."""
    return f"{manifest.folder(backup_id)}{group_id}.namespaces"


def databases(found: Iterable[str]) -> list[str]:
    """The databases of namespaces, in order."""
    return sorted({name.partition(".")[0] for name in found})


def of_database(found: Iterable[str], database: str) -> Iterator[str]:
    """Names in one database, in order."""
    prefix = f"{database}."
    return (name.removeprefix(prefix) for name in sorted(found) if name.startswith(prefix))
