"""What clients run at a mongod now, and ending it. All else is left out and so never ended: the
server's own work, that of the other members, and ours.

An operation is a client's if the connection it came by is a user's. What a router passes on carries
its client's user, or on secondaries only the user's session; `clientMetadata.mongos` says for which
client it is. A router of ours has a shard lead an operation that concerns several (`clusterFind`),
which sends parts of it to the others and to itself. The leading operation is the one that is as old
as the client's and whose end ends all, but only parts have an execution plan.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shardhouse.mongo import guest
from shardhouse.mongo.admin import APPLICATION, Client

NONE = "none"
_LEADING = {
    "clusterFind": ("find", "query"),
    "clusterGetMore": ("getMore", "getmore"),
    "clusterInsert": ("insert", "insert"),
    "clusterUpdate": ("update", "update"),
    "clusterDelete": ("delete", "remove"),
    "clusterAggregate": ("aggregate", "command"),
}
"""Commands by which our router has a shard lead: what clients call them, and their type."""
_NOT_SHOWN = frozenset(
    {"lsid", "txnNumber", "shardVersion", "databaseVersion", "clientOperationKey"}
    | {"runtimeConstants", "readConcern", "writeConcern"}
    | {"pwd", "payload", "speculativeAuthenticate"}
)
"""Fields of commands that drivers, routers and servers add, besides those that begin with `$`, and
what may hold a secret, which the server itself masks."""
_INTERNAL = "_"
"""How names of commands begin that only servers send."""
_SYSTEM = {"user": "__system", "db": "local"}
_SYSTEM_SESSIONS = hashlib.sha256(b"__system@local").digest()
_STAGE = re.compile(r"[A-Z][A-Z0-9_]+(?= \{|,|$)")
_LARGEST = 10_000
"""Bytes of a command that is fetched to be shown."""
_LONGEST = 1000
"""Characters of a command that are shown."""
_FIRST: Mapping[str, Any] = {
    "$let": {
        "vars": {"field": {"$arrayElemAt": [{"$objectToArray": "$command"}, 0]}},
        "in": {
            "name": "$$field.k",
            "value": {
                "$cond": [{"$eq": [{"$type": "$$field.v"}, "string"]}, "$$field.v", "$$REMOVE"]
            },
        },
    }
}
"""A command's name and what it is about."""
_FIELDS: Mapping[str, Any] = {
    **dict.fromkeys(("opid", "active", "op", "ns", "client", "desc", "appName"), 1),
    **dict.fromkeys(("effectiveUsers", "planSummary", "hasSortStage", "microsecs_running"), 1),
    **dict.fromkeys(("lsid.uid", "clientMetadata.mongos.client", "killPending"), 1),
    "first": _FIRST,
    "collection": "$command.collection",
    "skip": "$command.skip",
    "limit": "$command.limit",
}
_TEXT: Mapping[str, Any] = {
    "command": {"$cond": [{"$lte": [{"$bsonSize": "$command"}, _LARGEST]}, "$command", "$$REMOVE"]}
}


@dataclass(frozen=True)
class ClientOperation:
    """An operation of a client at a mongod, or an idle connection of one (`id` is None).

    `host` is the mongod's, `client` the address and port that the client has, at the router if it
    is `routed`. `user` is empty where the server does not say. `stages` are names of stages of the
    execution plan, as far as they can be told; `text` is the command, or the beginning of it.
    """

    host: str
    id: int | None
    connection: str
    kind: str
    namespace: str
    client: str
    routed: bool
    user: str
    microseconds: int
    plan: str
    stages: frozenset[str]
    text: str

    @property
    def database(self) -> str:
        """The database it works on."""
        return self.namespace.partition(".")[0]


def running(client: Client, host: str) -> list[ClientOperation]:
    """What clients run now at the mongod that `client` is connected to, without what is being ended
    already. PyMongo's errors pass through."""
    return _read(client, host, idle=False, fields=_FIELDS)


def sessions(client: Client, host: str) -> list[ClientOperation]:
    """The same with the commands' text, and with idle connections."""
    return _read(client, host, idle=True, fields={**_FIELDS, **_TEXT})


def kill(client: Client, operation_id: int) -> None:
    """Have an operation end. It ends where it next looks whether it should. PyMongo's errors pass
    through."""
    client.admin.command("killOp", 1, op=operation_id)


def _read(
    client: Client, host: str, *, idle: bool, fields: Mapping[str, Any]
) -> list[ClientOperation]:
    options = {"allUsers": True, "idleConnections": idle, "idleSessions": False}
    pipeline: Sequence[Mapping[str, Any]] = [
        {"$currentOp": options},
        {"$match": {"client": {"$exists": True}, "killPending": {"$ne": True}}},
        {"$project": fields},
    ]
    return read(client.admin.aggregate(pipeline), host)


def read(documents: Iterable[Mapping[str, Any]], host: str) -> list[ClientOperation]:
    """The operations of clients among what `$currentOp` tells, as `_FIELDS` has it."""
    theirs = [one for one in documents if _is_of_client(one)]
    leading = {_client(one): _operation(one, host) for one in theirs if _leads(one)}
    found = []
    for one in (_operation(document, host) for document in theirs if not _leads(document)):
        leader = leading.get(one.client)
        if leader is None:
            found.append(one)
        else:
            stages = leader.stages | one.stages
            leading[one.client] = replace(leader, plan=one.plan or leader.plan, stages=stages)
    return [*found, *leading.values()]


def _is_of_client(document: Mapping[str, Any]) -> bool:
    if str(_first(document).get("name", "")).startswith(_INTERNAL):
        return False
    users = document.get("effectiveUsers") or ()
    if _SYSTEM not in users:
        return bool(users) and not any(_is_guest(one) for one in users)
    return (
        _routed(document)
        and document.get("appName") != APPLICATION
        and bytes(document.get("lsid", {}).get("uid", _SYSTEM_SESSIONS)) != _SYSTEM_SESSIONS
    )


def _is_guest(user: Mapping[str, Any]) -> bool:
    return user["db"] == "admin" and guest.is_guest(user["user"])


def _operation(document: Mapping[str, Any], host: str) -> ClientOperation:
    active = bool(document.get("active")) and "opid" in document
    first = _first(document)
    name = first.get("name", "")
    users = [one["user"] for one in document.get("effectiveUsers") or () if one != _SYSTEM]
    plan = document.get("planSummary", "")
    return ClientOperation(
        host=host,
        id=int(document["opid"]) if active else None,
        connection=document.get("desc", ""),
        kind=_kind(document, name) if active else NONE,
        namespace=_namespace(document) if active else "",
        client=_client(document),
        routed=_routed(document),
        user=users[0] if users else "",
        microseconds=int(document.get("microsecs_running", 0)) if active else 0,
        plan=plan,
        stages=_stages(document, plan, name) if active else frozenset(),
        text=_text(document, first) if active else "",
    )


def _first(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return document.get("first") or {}


def _leads(document: Mapping[str, Any]) -> bool:
    return _first(document).get("name") in _LEADING


def _routed(document: Mapping[str, Any]) -> bool:
    return "mongos" in document.get("clientMetadata", {})


def _client(document: Mapping[str, Any]) -> str:
    through = document.get("clientMetadata", {}).get("mongos", {})
    return str(through.get("client") or document["client"])


def _kind(document: Mapping[str, Any], name: str) -> str:
    return _LEADING[name][1] if name in _LEADING else str(document.get("op", NONE))


def _namespace(document: Mapping[str, Any]) -> str:
    namespace = str(document.get("ns", ""))
    if not _leads(document):
        return namespace
    first = _first(document)
    collection = document.get("collection") or first.get("value") or "$cmd"
    return f"{namespace.partition('.')[0]}.{collection}"


def _stages(document: Mapping[str, Any], plan: str, name: str) -> frozenset[str]:
    """Stages that the plan's summary names, which are its leaves, and those that the rest of what
    the server tells implies."""
    leaves = _STAGE.findall(plan)
    implied = {
        "OR": len(leaves) > 1,
        "SORT": document.get("hasSortStage"),
        "SORT_KEY_GENERATOR": document.get("hasSortStage"),
        "SKIP": document.get("skip"),
        "LIMIT": document.get("limit"),
        "AGGREGATE": name in ("aggregate", "clusterAggregate"),
    }
    return frozenset(leaves) | {stage for stage, present in implied.items() if present}


def _text(document: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    """The command as a client wrote it, without what others add and without secrets."""
    command = document.get("command")
    if command is None:
        command = {first.get("name", ""): first.get("value", "..."), "...": "..."}
    shown = {
        _LEADING.get(name, (name,))[0]: value
        for name, value in command.items()
        if name not in _NOT_SHOWN and not name.startswith("$")
    }
    return json.dumps(shown, default=str)[:_LONGEST]
