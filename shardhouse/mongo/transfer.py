"""Collections are copied from one server to another, as clients would copy them.

A collection is made beside the one that it replaces, under a temporary name, and gets its place by
a rename; until then nothing of the old one is lost. Documents are passed on as bytes. Of a time
series the measurements are inserted again, and as MongoDB renames none, it is copied a second time,
within the server, to its place.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.errors import BulkWriteError, PyMongoError

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import Client, majority

Report = Callable[[str], None]
COLLECTION, VIEW = "collection", "view"
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(RawBSONDocument)
_MAJORITY = WriteConcern("majority")
_BATCH = 1_000
_BATCH_BYTES = 8 * 1024**2
"""Bytes of documents that are inserted at once, as far as one document is not larger."""
_PACE = 1.0
"""Seconds between two reports."""
_SIMPLE = {"locale": "simple"}


@dataclass(frozen=True)
class ShardKey:
    """How a collection is sharded."""

    key: Mapping[str, Any]
    unique: bool


@dataclass(frozen=True)
class Collection:
    """A collection or a view on a server."""

    client: Client
    database: str
    name: str

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    def named(self, name: str) -> "Collection":
        """Another of the same database."""
        return Collection(self.client, self.database, name)

    @property
    def kind(self) -> str:
        """`collection`, `view` or `timeseries`; empty where there is none of this name."""
        found = self._listed()
        return str(found["type"]) if found else ""

    def options(self) -> dict[str, Any]:
        """What it was made with. MongoError where it does not exist."""
        found = self._listed()
        if found is None:
            raise MongoError(f"{self} does not exist.")
        return {key: value for key, value in found["options"].items() if key != "temp"}

    def _listed(self) -> RawBSONDocument | None:
        with server_errors(f"look for {self}"):
            database = self.client.get_database(self.database, codec_options=_RAW)
            command = {"listCollections": 1, "filter": {"name": self.name}}
            reply = database.command(command, codec_options=_RAW)
        found: list[RawBSONDocument] = reply["cursor"]["firstBatch"]
        return found[0] if found else None

    def indexes(self) -> list[dict[str, Any]]:
        """Its indexes, without the one that each collection has."""
        with server_errors(f"read the indexes of {self}"):
            database = self.client.get_database(self.database, codec_options=_RAW)
            reply = database.command({"listIndexes": self.name}, codec_options=_RAW)
        return [
            {key: value for key, value in index.items() if key != "ns"}
            for index in reply["cursor"]["firstBatch"]
            if index["name"] != "_id_" and not index.get("clustered")
        ]

    def drop(self) -> None:
        """It is not there."""
        with server_errors(f"drop {self}"):
            database = self.client.get_database(self.database, write_concern=_MAJORITY)
            database.drop_collection(self.name)

    def create(self, options: Mapping[str, Any]) -> None:
        """It is there, with these options and nothing in it."""
        with server_errors(f"make {self}"):
            majority(self.client, "create", self.name, database=self.database, **options)


def copy(source: Collection, target: Collection, shard_key: ShardKey | None, report: Report) -> int:
    """Make `target`, which does not exist, a copy of a collection or time series: options, indexes,
    documents. A `shard_key` has it sharded. Returns how many documents it has."""
    target.create(source.options())
    indexes = source.indexes()
    if indexes:
        with server_errors(f"make the indexes of {source}"):
            majority(
                target.client,
                "createIndexes",
                target.name,
                database=target.database,
                indexes=indexes,
            )
    if shard_key is not None:
        with server_errors(f"shard {source} again"):
            target.client.admin.command(
                "shardCollection",
                str(target),
                key=dict(shard_key.key),
                unique=shard_key.unique,
                collation=_SIMPLE,
            )
    return _copy_documents(source, target, report)


def replace(copied: Collection, name: str, report: Report) -> None:
    """A copy takes the place of what is called `name` in its database. Repeating it is harmless."""
    target = copied.named(name)
    kind = copied.kind
    if not kind:
        return  # it has its place
    if kind != COLLECTION:  # these cannot be renamed
        target.drop()
        if kind == VIEW:
            target.create(copied.options())
        else:
            copy(copied, target, None, report)
        copied.drop()
        return
    if target.kind not in ("", COLLECTION):
        target.drop()
    with server_errors(f"rename {copied} to {target}"):
        majority(copied.client, "renameCollection", str(copied), to=str(target), dropTarget=True)


def _copy_documents(source: Collection, target: Collection, report: Report) -> int:
    with server_errors(f"copy the documents of {source}"):
        found: Any = source.client[source.database].get_collection(source.name, codec_options=_RAW)
        into: Any = target.client[target.database].get_collection(
            target.name, codec_options=_RAW, write_concern=_MAJORITY
        )
        total = found.estimated_document_count()
        copied, told = 0, time.monotonic()
        for batch in _batches(found.find()):
            into.insert_many(batch, bypass_document_validation=True)
            copied += len(batch)
            if time.monotonic() - told >= _PACE:
                told = time.monotonic()
                report(f"{source}: {copied} of {max(total, copied)} documents")
    return copied


def _batches(documents: Iterable[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        if batch and (len(batch) == _BATCH or size + len(document.raw) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.raw)
    if batch:
        yield batch


@contextmanager
def server_errors(what: str) -> Iterator[None]:
    """Errors of the server become ours, without the documents that they quote."""
    try:
        yield
    except BulkWriteError as error:
        code = (error.details["writeErrors"] or [{"code": "a write concern's"}])[0]["code"]
        raise MongoError(f"Cannot {what}: the server refused a document, error {code}.") from None
    except PyMongoError as error:
        raise MongoError(f"Cannot {what}: {error}") from error
