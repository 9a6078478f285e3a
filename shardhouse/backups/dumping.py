"""Makes a dump of all that users have on a server, as mongodump would.

The server is one that nobody writes to, so all of the dump is of one moment. What belongs to the
server itself is left out: users and roles, `config`, `local`.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from shardhouse.backups import dumps, namespaces
from shardhouse.backups.dumps import VIEW, DumpedCollection
from shardhouse.mongo.admin import Client
from shardhouse.mongo.transfer import server_errors

Progress = Callable[[int, int], None]
_SCRIPTS = "system.js"
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(RawBSONDocument)
_BATCH = 1_000_000
"""Documents of a batch, which 16 MiB end before."""


def archive(client: Client, progress: Progress = lambda _done, _total: None) -> Iterator[bytes]:
    """The dump as an archive, in pieces. `progress` is called with the bytes of documents that were
    read, and how many there are about. Raises MongoError."""
    with server_errors("list what is to be dumped"):
        version = client.server_info()["version"]
        names = [name for name in client.list_database_names() if name not in namespaces.INTERNAL]
        found = [item for name in sorted(names) for item in _collections(client, name)]
        total = sum(int(client[name].command("dbStats")["dataSize"]) for name in names)
    read = 0

    def documents(item: DumpedCollection) -> Iterator[bytes]:
        nonlocal read
        with server_errors(f"read the documents of {item}"):
            collection = client[item.database][item.stored]
            for batch in collection.find_raw_batches(batch_size=_BATCH):
                piece = cast("bytes", batch)
                read += len(piece)
                progress(read, max(total, read))
                yield piece

    yield from dumps.archive(found, documents, version)


def _collections(client: Client, database: str) -> Iterator[DumpedCollection]:
    """What users have in a database, by name."""
    listed = client[database].cursor_command("listCollections", codec_options=_RAW)
    for item in sorted(cast("Iterator[Any]", listed), key=lambda item: str(item["name"])):
        name, kind = item["name"], item["type"]
        if namespaces.is_user(f"{database}.{name}") or name == _SCRIPTS:
            indexes = () if kind == VIEW else tuple(_indexes(client, database, name))
            yield DumpedCollection(database, name, kind, dict(item["options"]), indexes)


def _indexes(client: Client, database: str, name: str) -> Iterator[dict[str, Any]]:
    listed = client[database].cursor_command("listIndexes", name, codec_options=_RAW)
    return (dict(index) for index in cast("Iterator[Any]", listed))
