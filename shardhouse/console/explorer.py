"""Data of an instance, as one of its database users reads it through an ordinary driver.

Each use connects anew, at the addresses that the API tells. Errors are the server's own words.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import Any

from bson import decode, json_util
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.json_util import RELAXED_JSON_OPTIONS
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, timeout
from pymongo.errors import OperationFailure, PyMongoError

from shardhouse.console.database_login import DatabaseLogin
from shardhouse.errors import ShardhouseError

APPLICATION = "shardhouse-console"
"""How servers know these connections: they are a client's."""
SELECTION_MS = 3_000
"""How long a server is looked for."""
LONGEST = 10.0
"""Seconds that one visit's questions may take; servers are told."""
MOST_DOCUMENTS = 100
MOST_CHARACTERS = 1_000_000
"""Of all documents of an answer, as JSON, and of their bytes as they come."""
UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18
_BATCH = 20
#: What the parser raises for values that are not of their type, such as {"$date": 1e400}.
_NO_JSON = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    BSONError,
    RecursionError,
)

Json = dict[str, Any]


class ExplorerError(ShardhouseError):
    """A server refused something, with its `code`, or does not answer; or what was typed is no
    JSON."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Place:
    """Where an instance is: addresses, the replica set's name if clients give one, and with TLS the
    certificates to trust, as PEM."""

    hosts: Sequence[str]
    replica_set: str
    authority: str | None


@dataclass(frozen=True)
class Question:
    """What is asked of a collection, in Extended JSON as it was typed: a find, or an aggregation if
    there is a `pipeline`."""

    database: str
    collection: str
    filter: str = ""
    projection: str = ""
    sort: str = ""
    skip: int = 0
    pipeline: str = ""
    limit: int = 20


@dataclass(frozen=True)
class Found:
    """Documents as relaxed Extended JSON; `cut` says that the next one was too much."""

    documents: list[str] = field(default_factory=list)
    cut: bool = False


@contextmanager
def _in_words() -> Iterator[None]:
    """Raises ExplorerError for whatever a driver raises."""
    try:
        yield
    except OperationFailure as error:
        details = error.details or {}
        words = details.get("errmsg") or str(error)
        raise ExplorerError(
            f"{words} ({details.get('codeName') or error.code})", error.code
        ) from None
    except (PyMongoError, BSONError, OverflowError, ValueError, TypeError, RecursionError) as error:
        raise ExplorerError(str(error)) from None


class Explorer:
    """One connection of a database user. All methods raise ExplorerError."""

    def __init__(self, client: MongoClient[Json]) -> None:
        self._client = client

    @_in_words()
    def databases(self) -> list[tuple[str, int]]:
        """Those the user may see, and their bytes on disk."""
        found = self._client.list_databases()
        return sorted((one["name"], int(one.get("sizeOnDisk", 0))) for one in found)

    @_in_words()
    def collections(self, database: str) -> list[tuple[str, str]]:
        """Those the user may see: names and types (`collection`, `view`, `timeseries`)."""
        found = self._client[database].list_collections(nameOnly=True, authorizedCollections=True)
        return sorted((one["name"], one.get("type", "collection")) for one in found)

    @_in_words()
    def indexes(self, database: str, collection: str) -> list[tuple[str, str]]:
        """Names and keys of a collection's indexes."""
        found = self._client[database][collection].list_indexes()
        return [(one["name"], _json(one["key"])) for one in found]

    @_in_words()
    def run(self, asked: Question) -> Found:
        """The documents that answer a question, at most `MOST_DOCUMENTS`."""
        # What is too large is not decoded: a document as objects is many times its size.
        raw = CodecOptions(document_class=RawBSONDocument)
        collection = self._client[asked.database].get_collection(asked.collection, raw)
        command = _command(asked)
        if "pipeline" in command:
            cursor: Any = collection.aggregate(command["pipeline"], batchSize=_BATCH)
        else:
            cursor = collection.find(
                command["filter"],
                command.get("projection") or None,
                sort=list(command.get("sort", {}).items()) or None,
                skip=command["skip"],
                limit=command["limit"],
                batch_size=_BATCH,
            )
        documents: list[str] = []
        size = characters = 0
        with cursor:
            for one in cursor:
                size += len(one.raw)
                if size > MOST_CHARACTERS:
                    return Found(documents, cut=True)
                text = _json(decode(one.raw, self._client.codec_options), indent=2)
                characters += len(text)
                if characters > MOST_CHARACTERS:
                    return Found(documents, cut=True)
                documents.append(text)
        return Found(documents)

    @_in_words()
    def explain(self, asked: Question) -> str:
        """How a question is answered, with what that examined."""
        explained = {"explain": _command(asked), "verbosity": "executionStats"}
        answer = self._client[asked.database].command(explained)
        for name in ("$clusterTime", "operationTime", "$gleStats", "serverParameters"):
            answer.pop(name, None)
        return _json(answer, indent=2)[:MOST_CHARACTERS]

    @_in_words()
    def sizes(self, database: str, collection: str) -> list[Json]:
        """By shard (of a replica set one, without a name): documents, bytes of them and on disk."""
        pipeline: list[Mapping[str, Any]] = [{"$collStats": {"storageStats": {}}}]
        found = self._client[database][collection].aggregate(pipeline)
        return sorted(
            (
                {
                    "shard": one.get("shard", ""),
                    "documents": int(one["storageStats"].get("count", 0)),
                    "bytes": int(one["storageStats"].get("size", 0)),
                    "on_disk": int(one["storageStats"].get("storageSize", 0)),
                }
                for one in found
            ),
            key=lambda one: str(one["shard"]),
        )

    @_in_words()
    def chunks(self, database: str, collection: str) -> tuple[str, dict[str, int]] | None:
        """Of a sharded collection its key, and how many chunks each shard has; None of others."""
        config, name = self._client["config"], f"{database}.{collection}"
        known = config["collections"].find_one({"_id": name})
        if known is None or known.get("dropped") or known.get("unsplittable"):
            return None
        # Releases before 5.0 name the collection in its chunks, later ones its UUID.
        own = [{"ns": name}, {"uuid": known["uuid"]}]
        pipeline: list[Mapping[str, Any]] = [
            {"$match": {"$or": own}},
            {"$group": {"_id": "$shard", "count": {"$sum": 1}}},
        ]
        counted = config["chunks"].aggregate(pipeline)
        return _json(known["key"]), {one["_id"]: one["count"] for one in counted}


@contextmanager
def connected(place: Place, login: DatabaseLogin) -> Iterator[Explorer]:
    """A connection as a database user. Raises ExplorerError where there is none to be had."""
    options: Json = {"replicaSet": place.replica_set} if place.replica_set else {}
    with NamedTemporaryFile("w", suffix=".pem") as authority:
        if place.authority is not None:
            authority.write(place.authority)
            authority.flush()
            options |= {"tls": True, "tlsCAFile": authority.name}
        with _in_words():
            client = MongoClient[Json](
                list(place.hosts),
                username=login.user,
                password=login.password,
                authSource=login.database,
                appName=APPLICATION,
                serverSelectionTimeoutMS=SELECTION_MS,
                retryReads=False,
                datetime_conversion="DATETIME_AUTO",
                unicode_decode_error_handler="replace",
                **options,
            )
        with client, timeout(LONGEST):
            with _in_words():
                client.admin.command("ping")
            yield Explorer(client)


def _command(asked: Question) -> Json:
    """The command of a question. Raises ExplorerError for what is no JSON."""
    limit = max(1, min(asked.limit, MOST_DOCUMENTS))
    if asked.pipeline.strip():
        stages = _parsed("pipeline", asked.pipeline, list)
        # What writes its result must be the last stage: the server refuses it here.
        pipeline = [*stages, {"$limit": limit}]
        return {"aggregate": asked.collection, "pipeline": pipeline, "cursor": {}}
    command: Json = {
        "find": asked.collection,
        "filter": _parsed("filter", asked.filter.strip() or "{}", dict),
        "skip": max(0, asked.skip),
        "limit": limit,
    }
    for name, text in (("projection", asked.projection), ("sort", asked.sort)):
        if text.strip():
            command[name] = _parsed(name, text, dict)
    return command


def _parsed(name: str, text: str, kind: type[Any]) -> Any:
    words = "a list of stages" if kind is list else "a document"
    try:
        found = json_util.loads(text, json_options=RELAXED_JSON_OPTIONS)
    except _NO_JSON as error:
        raise ExplorerError(f"{name}: {words} in Extended JSON is expected: {error}.") from None
    if not isinstance(found, kind):
        raise ExplorerError(f"{name}: {words} is expected.")
    return found


def _json(value: Any, **options: Any) -> str:
    return json_util.dumps(value, json_options=RELAXED_JSON_OPTIONS, ensure_ascii=False, **options)
