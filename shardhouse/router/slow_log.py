"""The log of slow operations, in the layout of MongoDB 6.0's own ("Slow query", id 51803).

An operation that is fast costs one comparison, with `limit`; everything else is worked out for the
slow ones only. Secrets in commands (passwords, login payloads) are never written.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from bson import json_util
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from shardhouse.router.command import Command
from shardhouse.router.logs import Log
from shardhouse.router.session import ClientSession
from shardhouse.router.wire import messages, raw

SLOW_QUERY = 51803
_MOST = 10 * 1024
"""Bytes of a command that are logged; a server cuts at the same size (`maxLogSizeKB`)."""
NAME_SHOWN = 255
"""Characters of a name that are logged: no valid one is longer."""

_UNLOGGED = frozenset({"hello", "isMaster", "ismaster"})
_ALWAYS_HIDDEN = frozenset({"pwd"})
"""Hidden from any command: a password may have been sent with one that takes none."""
_SECRETS: Mapping[str, frozenset[str]] = {
    "authenticate": frozenset({"key", "nonce"}),
    "saslStart": frozenset({"payload"}),
    "saslContinue": frozenset({"payload"}),
}
"""Fields of commands that no log and no list of operations shows."""

_NOISE = frozenset({"$clusterTime"})
"""Signed, long, and no part of what was asked."""
_OF_WHOLE_NAMESPACES = frozenset(
    {
        "abortReshardCollection", "balancerCollectionStatus", "cleanupReshardCollection",
        "clearJumboFlag", "commitReshardCollection", "configureCollectionBalancing", "dataSize",
        "getShardVersion", "mergeChunks", "moveChunk", "moveRange", "refineCollectionShardKey",
        "renameCollection", "reshardCollection", "setAllowMigrations", "shardCollection", "split",
        "splitVector",
    }
)  # fmt: skip
"""Commands that name database and collection together."""

_JSON = json_util.JSONOptions(
    json_mode=json_util.JSONMode.RELAXED,
    datetime_representation=json_util.DatetimeRepresentation.ISO8601,
)


class SlowLog:
    """What counts as slow. `limit` is in seconds; below 0 everything is logged."""

    def __init__(self, log: Log, milliseconds: int, sample_rate: float) -> None:
        self._log = log
        self._milliseconds = milliseconds
        self.sample_rate = sample_rate
        self.decide()

    @property
    def milliseconds(self) -> int:
        """The threshold: an operation that takes longer is slow."""
        return self._milliseconds

    @milliseconds.setter
    def milliseconds(self, value: int) -> None:
        self._milliseconds = value
        self.decide()

    @property
    def _verbose(self) -> bool:
        """Whether every operation is logged, fast or slow: from level 1 of commands on."""
        return self._log.levels.of("COMMAND") > 0

    def decide(self) -> None:
        """Find the limit; to be called when a level of the log has changed."""
        everything = self._verbose or self._milliseconds < 0
        self.limit = -1.0 if everything else self._milliseconds / 1000

    def report(
        self,
        session: ClientSession,
        command: Command,
        reply: raw.Document,
        took: float,
        shards: int,
        *,
        known: bool,
    ) -> None:
        """Log one operation that took longer than `limit`, unless it falls out of the sample.

        Of a command that is not `known` only the name is written: what its fields mean is unknown.
        """
        if command.name in _UNLOGGED or (command.name == "getMore" and _waited(reply)):
            return
        if not self._verbose and self.sample_rate < 1 and random.random() >= self.sample_rate:  # noqa: S311 a sample
            return
        attributes: dict[str, Any] = {"type": "command"}
        if session.application:
            attributes["appName"] = session.application
        if known:
            attributes |= {"ns": namespace_of(command), **_shown(command)}
        else:
            attributes["command"] = {command.name[:NAME_SHOWN]: "unknown"}
        if shards:
            attributes["nShards"] = shards
        attributes |= _result(command.name, reply)
        self._log.note(
            "COMMAND", "Slow query", session.context, number=SLOW_QUERY, **attributes,
            reslen=messages.HEADER_SIZE + 5 + len(raw.encode(reply)), remote=session.peer,
            protocol="op_msg", durationMillis=int(took * 1000),
        )  # fmt: skip


def _waited(reply: raw.Document) -> bool:
    """An empty batch of a cursor still open: the operation waited for data, it was not slow."""
    cursor = _fields(reply.get("cursor"))
    return bool(cursor.get("id")) and not len(cursor.get("nextBatch", ()))


def namespace_of(command: Command) -> str:
    """What a log or a list of operations names as the command's namespace."""
    if command.name == "getMore":
        return f"{command.db}.{str(command.body.get('collection'))[:NAME_SHOWN]}"
    name = command.value[:NAME_SHOWN] if isinstance(command.value, str) else "$cmd"
    return name if command.name in _OF_WHOLE_NAMESPACES else f"{command.db}.{name}"


def without_secrets(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The command as anyone may see it, also where it is what an explain is asked about."""
    hidden = _ALWAYS_HIDDEN | _SECRETS.get(name, frozenset())
    shown = {
        field: "xxx" if field in hidden else value
        for field, value in fields.items()
        if field not in _NOISE
    }
    if name == "explain" and (inner := _fields(shown.get(name))):
        shown[name] = without_secrets(next(iter(inner), ""), inner)
    return shown


def _shown(command: Command) -> dict[str, Any]:
    """The command as it came, without secrets; fields beyond the limit are counted, not shown.

    Documents of a sequence are none of its fields, as in a server's log.
    """
    shown: dict[str, Any] = {}
    left, cut = _MOST, 0
    for name, value in without_secrets(command.name, command.body).items():
        try:
            encoded = raw.encode({name: value})
            if len(encoded) > left:
                cut += 1
                continue
            left -= len(encoded)
            shown |= json.loads(json_util.dumps(raw.deep(encoded), json_options=_JSON))
        except (BSONError, TypeError):  # the latter of what nothing decodes
            cut += 1
    return {"command": shown, **({"truncated": {"fields": cut}} if cut else {})}


def _result(name: str, reply: raw.Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    cursor = _fields(reply.get("cursor"))
    if cursor:
        batch = cursor.get("firstBatch", cursor.get("nextBatch", ()))
        if cursor.get("id"):
            found["cursorid"] = int(cursor["id"])
        else:
            found["cursorExhausted"] = True
        found["nreturned"] = len(batch)
    counted = reply.get("n")
    if isinstance(counted, int):
        upserted = len(reply.get("upserted", ()))
        if name == "insert":
            found["ninserted"] = counted
        elif name == "delete":
            found["ndeleted"] = counted
        elif name == "update":
            found |= {"nMatched": counted - upserted, "nModified": reply.get("nModified", 0)}
            if upserted:
                found["nUpserted"] = upserted
    if reply.get("ok") != 1:
        found |= {
            "ok": 0, "errMsg": str(reply.get("errmsg", ""))[:_MOST],
            "errName": reply.get("codeName"), "errCode": reply.get("code"),
        }  # fmt: skip
    if reply.get("writeErrors"):
        found["writeErrors"] = len(reply["writeErrors"])
    return found


def _fields(value: object) -> Mapping[str, Any]:
    if isinstance(value, RawBSONDocument):
        return raw.shallow(bytes(value.raw))
    return value if isinstance(value, Mapping) else {}
