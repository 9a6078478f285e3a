"""Writes a dump of mongodump into an instance, as a client of it.

Nothing that is there is replaced unless it is asked for. Documents come first, indexes after them,
views last. What belongs to the server the dump is of is left out: users, roles, `local`, `config`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from shardhouse.backups.dumps import BUCKETS, VIEW, Dump, DumpedCollection
from shardhouse.errors import BackupError
from shardhouse.mongo.transfer import server_errors

Progress = Callable[[int], None]
_BATCH = 1_000
_BATCH_BYTES = 8 * 1024**2
_MAJORITY = WriteConcern("majority")
_OF_THE_SERVER = ("admin", "config", "local", "")
"""Databases of the server itself; the oplog of an archive is in none."""
_OPTIONS_NOT_MADE = {"uuid", "autoIndexId", "temp"}
_INDEX_FIELDS_NOT_MADE = {"ns", "background", "safe", "dropDups", "buildUUID"}


@dataclass(frozen=True)
class Imported:
    """How many collections and documents were written, and what was left out."""

    collections: int
    documents: int
    left_out: tuple[str, ...]


def load(
    dump: Dump, client: MongoClient[Any], *, drop: bool, progress: Progress = lambda _: None
) -> Imported:
    """Write the dump. `drop` has collections replaced that are there; without it BackupError names
    them before anything is written. `progress` is called with bytes of the dump that were
    written. Raises BackupError for damaged files, MongoError for what the server refuses: what was
    written until then stays."""
    wanted = [item for item in dump.collections if _is_imported(item)]
    _make_room(client, wanted, drop=drop)
    views = [item for item in wanted if item.kind == VIEW]
    others = [item for item in wanted if item.kind != VIEW]
    for item in others:
        with server_errors(f"make {item}"):
            _create(client, item)
    documents = _insert(
        dump, client, {f"{item.database}.{item.stored}" for item in others}, progress
    )
    for item in others:
        indexes = [_index(one) for one in item.indexes if not _is_of_collection(one)]
        if indexes:
            with server_errors(f"make the indexes of {item}"):
                client[item.database].command("createIndexes", item.name, indexes=indexes)
    for item in views:
        with server_errors(f"make the view {item}"):
            _create(client, item)
    left_out = tuple(
        str(item)
        for item in dump.collections
        if not _is_imported(item) and not item.name.startswith(BUCKETS)
    )
    return Imported(len(others) + len(views), documents, left_out)


def _is_imported(item: DumpedCollection) -> bool:
    return item.database not in _OF_THE_SERVER and (
        not item.name.startswith("system.") or item.name == "system.js"
    )


def _make_room(client: MongoClient[Any], wanted: Iterable[DumpedCollection], *, drop: bool) -> None:
    taken = []
    for item in wanted:
        with server_errors(f"look for {item}"):
            database = client[item.database]
            if item.name in database.list_collection_names(filter={"name": item.name}):
                taken.append(item)
    if taken and not drop:
        raise BackupError(
            f"Already there: {', '.join(map(str, taken))}. Nothing was written. Replace them with "
            "--drop."
        )
    for item in taken:
        with server_errors(f"drop {item}"):
            client[item.database].drop_collection(item.name)


def _create(client: MongoClient[Any], item: DumpedCollection) -> None:
    options = {key: value for key, value in item.options.items() if key not in _OPTIONS_NOT_MADE}
    database = client.get_database(item.database, write_concern=_MAJORITY)
    database.command("create", item.name, **options)


def _is_of_collection(index: Mapping[str, Any]) -> bool:
    """Whether an index is made with its collection."""
    return index.get("name") == "_id_" or bool(index.get("clustered"))


def _index(index: Mapping[str, Any]) -> dict[str, Any]:
    """An index as it can be made today: releases before 4.2 kept options that are none any more."""
    return {key: value for key, value in index.items() if key not in _INDEX_FIELDS_NOT_MADE}


def _insert(dump: Dump, client: MongoClient[Any], wanted: set[str], progress: Progress) -> int:
    """Documents are gathered by collection: an archive has those of several in turns."""
    gathered: dict[tuple[str, str], list[RawBSONDocument]] = {}
    sizes: dict[tuple[str, str], int] = {}
    written = 0

    def flush(place: tuple[str, str]) -> None:
        nonlocal written
        batch = gathered.pop(place)
        sizes.pop(place)
        database, name = place
        with server_errors(f"write documents of {database}.{name}"):
            into = client[database].get_collection(name, write_concern=_MAJORITY)
            # Buckets have a validator of the server's own, which clients may not bypass.
            ours = not name.startswith(BUCKETS)
            into.insert_many(batch, ordered=False, bypass_document_validation=ours or None)
        written += len(batch)

    for block in dump.blocks():
        place = (block.database, block.collection)
        if ".".join(place) in wanted:
            for document in block.documents:
                gathered.setdefault(place, []).append(document)
                sizes[place] = sizes.get(place, 0) + len(document.raw)
                if len(gathered[place]) >= _BATCH or sizes[place] >= _BATCH_BYTES:
                    flush(place)
        progress(block.read)
    for place in list(gathered):
        flush(place)
    return written
