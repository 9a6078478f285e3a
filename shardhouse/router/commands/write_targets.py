"""Which shards one write statement goes to: by shard key, by exact `_id`, or by the planner."""

from __future__ import annotations

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from shardhouse.router.catalog.chunks import RoutingTable
from shardhouse.router.catalog.targeting import has_exact_id, key_of_filter, owner_of_document
from shardhouse.router.commands.call import Call
from shardhouse.router.commands.reads import through_cluster
from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw


def with_id(statement: bytes) -> bytes:
    """A document to insert, with an `_id`: it must be there before its shard is chosen."""
    if raw.find(statement, "_id") is not None:
        return statement
    return raw.with_first(statement, b"\x07_id\0" + ObjectId().binary)


async def shards_of(call: Call, table: RoutingTable, statement: bytes) -> tuple[str, ...]:
    """The shards one statement goes to."""
    if call.command.name == "insert":
        return (owner_of_document(table, statement),)
    fields = raw.shallow(statement)
    query = _part(fields, "q")
    has_collation = "collation" in fields or table.collection.has_collation
    key = key_of_filter(table, query, collated=has_collation)
    if key is not None:
        return (table.owner(key),)
    if fields.get("upsert"):
        raise CommandError(61, "An upsert on a sharded collection must contain the shard key")
    if len(table.shards) == 1:
        return (table.shards[0],)
    many = bool(fields.get("multi")) or (call.command.name == "delete" and not fields.get("limit"))
    if many:
        return tuple(table.shards)
    exact = has_exact_id(query, collated="collation" in fields)
    replacement = _replacement(fields)
    if exact:
        whole = None if replacement is None else owner_of_document(table, replacement)
        return tuple(table.shards) if whole is None else (whole,)
    asked = await _ask_planner(call, fields)
    if len(asked) == 1:
        return (asked[0],)
    if replacement is not None:
        return (owner_of_document(table, replacement),)
    raise CommandError(
        72 if call.command.name == "update" else 61,
        f"A {call.command.name} of one document in a sharded collection needs the shard key or an"
        " exact _id (and the collection's simple collation) in its query",
    )


def _part(fields: raw.Document, name: str) -> bytes:
    part = fields.get(name)
    if not isinstance(part, RawBSONDocument):
        raise CommandError(14, f"a statement's '{name}' must be an object")
    return bytes(part.raw)


def _replacement(fields: raw.Document) -> bytes | None:
    update = fields.get("u")
    if not isinstance(update, RawBSONDocument):
        return None
    content = bytes(update.raw)
    first = next((name for _, name, _, _ in raw.elements(content)), "")
    return None if first.startswith("$") else content


async def _ask_planner(call: Call, fields: raw.Document) -> list[str]:
    """The shards a filter can match, as the server's own planner sees it."""
    inner: raw.Document = {
        "clusterFind": call.command.collection,
        "filter": fields["q"],
        "readConcern": {"level": "local"},
    }
    if "collation" in fields:
        inner["collation"] = fields["collation"]
    routing = await call.router.catalog.routing(call.command.namespace)
    reply = await through_cluster(call, routing, {"explain": inner, "verbosity": "queryPlanner"})
    plan = raw.deep(reply.fields)["queryPlanner"]["winningPlan"]
    return [shard["shardName"] for shard in plan.get("shards", ())]
