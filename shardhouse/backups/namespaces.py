"""Which collections and views an instance had at a moment: those that a backup's copies hold, and
what the archived oplog says of them since.

What each copy holds is stored beside it, as the object `<group id>.namespaces`. Names are whole,
`database.collection`. MongoDB's own databases and collections (`system.`) are left out; the buckets
of a time series are such a collection, the series itself is a view to MongoDB.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.backups import manifest
from shardhouse.backups.archive import Archive

INTERNAL = frozenset({"admin", "config", "local"})
_SYSTEM = "system."
_VIEWS = "system.views"
#: How a command begins in an entry, and where views are written. All else is passed by undecoded.
_MARKS = (b"\x02op\0\x02\0\0\0c\0", b".system.views\0")


@dataclass
class Namespaces:
    """The namespaces of one replica set. Entries of its oplog are applied in their order."""

    collections: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)

    @property
    def all(self) -> set[str]:
        """Collections and views, time series among them."""
        return self.collections | self.views

    def apply(self, entries: Iterable[bytes]) -> None:
        """What entries of the oplog, as BSON, change."""
        for entry in entries:
            if any(mark in entry for mark in _MARKS):
                self._apply(RawBSONDocument(entry))

    def _apply(self, entry: Any) -> None:
        database, _, name = entry["ns"].partition(".")
        if entry["op"] == "c":
            self._command(database, entry["o"])
        elif name == _VIEWS:
            self._view(entry)

    def _view(self, entry: Any) -> None:
        """A view is a document, and called what its `_id` says."""
        if entry["op"] == "i":
            self._add(self.views, entry["o"]["_id"])
        elif entry["op"] == "d":
            self.views.discard(entry["o"]["_id"])

    def _command(self, database: str, command: Any) -> None:
        match next(iter(command)):
            case "create":
                # What is temporary gets its place by a rename.
                if not command.get("temp"):
                    self._add(self.collections, f"{database}.{command['create']}")
            case "drop":
                self._drop(database, command["drop"])
            case "dropDatabase":
                self.collections = _outside(database, self.collections)
                self.views = _outside(database, self.views)
            case "renameCollection":
                self.collections.discard(command["renameCollection"])
                if not command.get("stayTemp"):
                    self._add(self.collections, command["to"])
            case "applyOps":
                for operation in command["applyOps"]:
                    self._apply(operation)

    def _drop(self, database: str, name: str) -> None:
        self.collections.discard(f"{database}.{name}")
        if name == _VIEWS:
            self.views = _outside(database, self.views)

    @staticmethod
    def _add(to: set[str], name: str) -> None:
        if is_user(name):
            to.add(name)


def _outside(database: str, names: set[str]) -> set[str]:
    return {name for name in names if not name.startswith(f"{database}.")}


def is_user(name: str) -> bool:
    """Whether a namespace is one of users."""
    database, _, collection = name.partition(".")
    return database not in INTERNAL and not collection.startswith(_SYSTEM)


def write(archive: Archive, backup_id: str, group_id: str, found: Namespaces) -> None:
    """Store what a replica set's copy holds. Raises BackupError."""
    content = {"collections": sorted(found.collections), "views": sorted(found.views)}
    archive.write(_name(backup_id, group_id), [json.dumps(content).encode()])


def read(archive: Archive, backup_id: str, group_id: str) -> Namespaces:
    """What a replica set's copy holds. Raises BackupError."""
    content = json.loads(b"".join(archive.read(_name(backup_id, group_id))))
    return Namespaces(set(content["collections"]), set(content["views"]))


def _name(backup_id: str, group_id: str) -> str:
    return f"{manifest.folder(backup_id)}{group_id}.namespaces"


def databases(found: Iterable[str]) -> list[str]:
    """The databases of namespaces, in order."""
    return sorted({name.partition(".")[0] for name in found})


def of_database(found: Iterable[str], database: str) -> Iterator[str]:
    """Names in one database, in order."""
    prefix = f"{database}."
    return (name.removeprefix(prefix) for name in sorted(found) if name.startswith(prefix))
