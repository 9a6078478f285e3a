"""Entries of an audit log, made of what a mongod writes into its own log.

The community's mongod has no audit log. With the verbosity of its component `command` at 1 it logs
every command it has run ("Slow query", whatever it took), and it always logs logins; who ran a
command follows from its connection. Entries are as those of MongoDB Enterprise's audit log:
https://www.mongodb.com/docs/v6.0/reference/audit-message/mongo/.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from shardhouse.domain.audit import AuditFilter
from shardhouse.mongo.admin import Client

VERBOSE, QUIET = 1, -1
"""Levels of the component `command`: all commands are logged; what `logLevel` says holds."""
_COMMAND, _STARTING, _ENDED = 51803, 4615611, 22944
_LOGIN = {20250: 0, 5286306: 0, 20249: 18, 5286307: 18}
"""Numbers of events of logins, of releases up to 6.0 and later ones; and their result."""
_WANTED = re.compile(
    rb'"id":(?:%s)\b'
    % b"|".join(str(number).encode() for number in (_COMMAND, _STARTING, _ENDED, *_LOGIN))
)
_COMMAND_NAME = re.compile(rb'"command":\{"(\w+)"')
_OURS = ("local", "__system")
_NOISE = frozenset({"lsid", "$clusterTime", "$db", "$readPreference", "txnNumber"})

_ON_COLLECTIONS = frozenset(
    {
        "aggregate", "count", "delete", "distinct", "find", "findAndModify", "findandmodify",
        "getMore", "insert", "update",
    }
)  # fmt: skip
"""Commands that may be logged with the namespace of their database only: writes of several
statements, and what fails early."""

User = tuple[str, str]
"""Database and name."""


class Translator:
    """Makes entries of a mongod's log. `users` is who is logged in at which connection, as far as
    that is known; it changes with what is read."""

    def __init__(self, local: Mapping[str, Any], users: Mapping[str, User]) -> None:
        self._local = dict(local)
        self.users = dict(users)

    def entries(self, lines: Iterable[bytes], wanted: AuditFilter) -> list[dict[str, Any]]:
        """Entries of lines, as far as they are wanted."""
        found = []
        for line in lines:
            if not _WANTED.search(line):
                continue
            if (named := _COMMAND_NAME.search(line)) and not wanted.names(named[1].decode()):
                continue
            try:
                event = json.loads(line)
            except ValueError:  # cut by a crash
                continue
            entry = self._entry(event, wanted)
            if entry is not None:
                found.append(entry)
        return found

    def _entry(self, event: Mapping[str, Any], wanted: AuditFilter) -> dict[str, Any] | None:
        number, connection, told = event.get("id"), event.get("ctx", ""), event.get("attr", {})
        if number == _COMMAND:
            return self._command(event, connection, told, wanted)
        if number in _LOGIN:
            entry = self._login(event, connection, told, _LOGIN[number])
            return entry if wanted.logins else None
        if number == _ENDED:
            self.users.pop(connection, None)
        elif number == _STARTING:
            self.users.clear()
        return None

    def _login(
        self, event: Mapping[str, Any], connection: str, told: Mapping[str, Any], result: int
    ) -> dict[str, Any] | None:
        name = told.get("principalName", told.get("user", ""))
        database = told.get("authenticationDatabase", told.get("db", ""))
        if result == 0:
            self.users[connection] = (database, name)
        # A driver that tried an unknown user's login within `hello` tries it once more.
        repeated = told.get("speculative") and "UserNotFound" in str(told.get("error", ""))
        if (database, name) == _OURS or repeated:
            return None
        parameters = {"user": name, "db": database, "mechanism": told.get("mechanism", "")}
        users = [] if result else [{"user": name, "db": database}]
        remote = told.get("remote", told.get("client", ""))
        return self._made("authenticate", event, remote, users, parameters, result)

    def _command(
        self,
        event: Mapping[str, Any],
        connection: str,
        told: Mapping[str, Any],
        wanted: AuditFilter,
    ) -> dict[str, Any] | None:
        command = told.get("command")
        # Operations of the server itself have no connection; statements of a write are in its own.
        if not connection.startswith("conn") or not isinstance(command, dict) or not command:
            return None
        name = next(iter(command))
        user, result = self.users.get(connection), int(told.get("errCode", 0))
        namespace = _namespace(name, command, str(told.get("ns", "")))
        if user == _OURS or not wanted.names(name) or not wanted.covers(namespace):
            return None
        arguments = {key: value for key, value in command.items() if key not in _NOISE}
        parameters = {"command": name, "ns": namespace, "args": arguments}
        users = [{"user": user[1], "db": user[0]}] if user else []
        return self._made("authCheck", event, told.get("remote", ""), users, parameters, result)

    def _made(
        self,
        atype: str,
        event: Mapping[str, Any],
        remote: str,
        users: list[dict[str, str]],
        parameters: Mapping[str, Any],
        result: int,
    ) -> dict[str, Any]:
        return {
            "atype": atype,
            "ts": event["t"],
            "local": self._local,
            "remote": address(remote),
            "users": users,
            "roles": [],
            "param": parameters,
            "result": result,
        }


def address(text: str) -> dict[str, Any]:
    """`ip:port` as entries have it."""
    ip, _, port = text.rpartition(":")
    return {"ip": ip.strip("[]"), "port": int(port)} if port.isdigit() else {}


def set_verbosity(client: Client, level: int) -> None:
    """Have a mongod log all commands, or what it logged before. Raises pymongo's errors."""
    client.admin.command(
        {"setParameter": 1, "logComponentVerbosity": {"command": {"verbosity": level}}}
    )


def logged_in(client: Client) -> dict[str, User]:
    """Who is logged in at a mongod, by the connection's name in its log. Raises pymongo's
    errors."""
    stage = {"$currentOp": {"allUsers": True, "idleConnections": True}}
    found = {}
    for operation in client.admin.aggregate([stage]):
        for user in operation.get("effectiveUsers", ()):
            found[str(operation.get("desc", ""))] = (str(user["db"]), str(user["user"]))
    return found


def _namespace(name: str, command: Mapping[str, Any], logged: str) -> str:
    """The namespace a command is about."""
    value = command.get("collection") if name == "getMore" else command[name]
    if name in _ON_COLLECTIONS and logged.endswith(".$cmd") and isinstance(value, str):
        return f"{logged.removesuffix('.$cmd')}.{value}"
    return logged
