"""The audit log: who logged in, and which commands were run for whom, with which result.

What is audited stands in a file (`--auditFilterFile`), which is read again when it changes, so that
it takes no restart; nothing is audited where there is none. Entries are as those of MongoDB
Enterprise in JSON, one per line, and go to `--auditPath`: a few times a second, so that they cost
little. A file that has grown is renamed, `<path>.<nanoseconds>`, for whoever collects them to read
and remove.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from io import FileIO
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
from typing import Any, NamedTuple

from bson import json_util
from bson.errors import BSONError

from shardhouse.router.auth import service
from shardhouse.router.auth.users import User
from shardhouse.router.errors import ProtocolError
from shardhouse.router.logs import Log
from shardhouse.router.session import ClientSession
from shardhouse.router.slow_log import without_secrets
from shardhouse.router.wire import raw

_FLUSH_AFTER, _RETRY_AFTER = 0.1, 1.0
"""Seconds that entries wait to be written, and if that was impossible."""
_MOST_WAITING = 10_000
"""Entries that wait while nothing can be written; older ones are lost."""
_LONGEST = 256 * 1024
"""Bytes that no entry exceeds."""
_ROLL = 16 * 1024**2
"""Bytes from which on a file is put aside."""
_MOST = 10 * 1024
"""Bytes of a command, and of its statements, that an entry shows; else it shows none."""
_NOISE = ("lsid", "$db", "$readPreference", "txnNumber")
_STATEMENTS = ("updates", "deletes")
"""Sequences of documents that entries show: what is inserted is no part of a log."""
_JSON = json_util.JSONOptions(json_mode=json_util.JSONMode.RELAXED)
_encoded = json.JSONEncoder(
    default=partial(json_util.default, json_options=_JSON), allow_nan=False, separators=(",", ":")
).encode
"""JSON of a command, as most are: ValueError for numbers that JSON has not."""


class _Command(NamedTuple):
    """What an entry shows of a command: nothing of its fields without a `body`, and no more than
    its `size` in bytes where it is too large."""

    name: str
    namespace: str
    body: bytes | None
    statements: Sequence[tuple[str, bytes]] = ()
    size: int = 0


class _Entry(NamedTuple):
    """An entry that waits to be written: `about` is a command, or the JSON of something else."""

    atype: str
    moment: float
    who: str
    about: str | _Command
    code: int


class Audit:
    """Writes entries. `enabled` says whether anything is audited now."""

    def __init__(self, config: str | None, path: str | None, log: Log) -> None:
        self._config = Path(config) if config is not None and path is not None else None
        self._path = Path(path or "")
        self._log = log
        self._seen: tuple[int, int, int] | None = None
        self._file: FileIO | None = None
        self._length = 0
        self._waiting: list[_Entry] = []
        self._failing = False
        self._include: frozenset[str] | None = None
        self._exclude: frozenset[str] = frozenset()
        self._scope: frozenset[str] | None = None
        self._logins = False
        self.enabled = False
        self.refresh()

    def refresh(self) -> None:
        """Read what is audited, if the file has changed."""
        if self._config is None:
            return
        try:
            status = self._config.stat()
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen == self._seen:
                return
            wanted = json.loads(self._config.read_bytes())
            self._seen = seen
            self._use(wanted)
        except FileNotFoundError:
            self.enabled, self._seen = False, None
        except (OSError, ValueError, KeyError, TypeError) as error:
            # What was audited goes on.
            self._complain("The audit filter cannot be read", error)

    def _use(self, wanted: Mapping[str, Any] | None) -> None:
        if wanted is not None:
            include, scope = wanted["include"], wanted["scope"]
            self._include = None if include is None else frozenset(include)
            self._exclude = frozenset(wanted["exclude"])
            self._scope = None if scope is None else frozenset(scope)
            self._logins = bool(wanted["logins"])
        self.enabled = wanted is not None
        self._log.note("CONTROL", "Audit filter read", enabled=self.enabled)
        # Whoever wrote the filter sees that it holds now.
        parameters = json.dumps({"config": wanted})
        self._waiting.append(_Entry("auditConfigure", time.time(), _who(None, None), parameters, 0))
        self.flush()
        if not self.enabled:
            self._close()  # whoever has read the file may remove it

    def wants(self, command: str, namespace: str) -> bool:
        """Whether a command on `database.collection` is audited."""
        if command in self._exclude or (self._include is not None and command not in self._include):
            return False
        scope = self._scope
        return scope is None or namespace in scope or namespace.partition(".")[0] in scope

    def ran(
        self,
        session: ClientSession,
        user: User | None,
        name: str,
        namespace: str,
        body: bytes | None,
        sequences: Mapping[str, bytes],
        code: int,
    ) -> None:
        """A command was run. Only its name is told where there is no `body`."""
        command = _Command(name, namespace, *_kept(body, sequences))
        self._add("authCheck", session, user, command, code)

    def logged_in(
        self,
        session: ClientSession,
        user: User | None,
        name: str,
        db: str,
        mechanism: str,
        code: int,
    ) -> None:
        """Somebody tried to log in; `user` is None where that failed."""
        if self.enabled and self._logins:
            parameters = json.dumps({"user": name, "db": db, "mechanism": mechanism})
            self._add("authenticate", session, user, parameters, code)

    def logged_out(self, session: ClientSession, user: User | None) -> None:
        """A client logged out."""
        if self.enabled and self._logins:
            self._add("logout", session, user, "{}", 0)

    def _add(
        self,
        atype: str,
        session: ClientSession,
        user: User | None,
        about: str | _Command,
        code: int,
    ) -> None:
        if user is not None and (user.database, user.name) == (service.DATABASE, service.NAME):
            return  # the service itself asks for numbers and settings, each minute
        who = session.audited
        if who is None or who[0] is not user:
            who = session.audited = (user, _who(session, user))
        if not self._waiting:
            asyncio.get_running_loop().call_later(_FLUSH_AFTER, self.flush)
        self._waiting.append(_Entry(atype, time.time(), who[1], about, code))

    def flush(self) -> None:
        """Write what waits. What cannot be written waits on, as far as it is not too much."""
        if not self._waiting:
            return
        try:
            if self._file is None:
                self._open()
            self._write("".join(map(_line, self._waiting)).encode("ascii"))
            self._waiting.clear()
            self._failing = False
            if self._length >= _ROLL:
                self._roll()
        except OSError as error:
            self._close()
            del self._waiting[:-_MOST_WAITING]
            self._complain("The audit log cannot be written", error)
            asyncio.get_running_loop().call_later(_RETRY_AFTER, self.flush)

    def close(self) -> None:
        """Write what waits, and end."""
        with contextlib.suppress(RuntimeError):  # no loop any more to try again
            self.flush()
        self._close()

    def _open(self) -> None:
        """Go on behind the last whole line of the file."""
        self._file = self._path.open("a+b", buffering=0)
        size = self._file.seek(0, os.SEEK_END)
        tail_at = max(0, size - _LONGEST)
        self._file.seek(tail_at)
        self._length = tail_at + self._file.read(_LONGEST).rfind(b"\n") + 1
        self._file.truncate(self._length)

    def _write(self, content: bytes) -> None:
        """Append to the file, all or nothing."""
        assert self._file is not None
        written = 0
        try:
            while written < len(content):
                written += self._file.write(content[written:]) or 0
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(self._length)
            raise
        self._length += written

    def _roll(self) -> None:
        self._close()
        self._path.rename(self._path.with_name(f"{self._path.name}.{time.time_ns()}"))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _complain(self, what: str, error: Exception) -> None:
        """Log a failure once, until it is over."""
        if not self._failing:
            self._failing = True
            self._log.alert("CONTROL", what, error=type(error).__name__)


def _who(session: ClientSession | None, user: User | None) -> str:
    """The fields of an entry that a connection and its user have in common."""
    users = [{"user": user.name, "db": user.database}] if user else []
    roles = [dict(role) for role in user.roles] if user else []
    known = {
        "local": _address(session.local if session else ""),
        "remote": _address(session.peer if session else ""),
        "users": users,
        "roles": roles,
    }
    return json.dumps(known, separators=(",", ":"))[1:-1]


def _address(text: str) -> dict[str, Any]:
    ip, _, port = text.rpartition(":")
    return {"ip": ip.strip("[]"), "port": int(port)} if port.isdigit() else {}


def _kept(
    body: bytes | None, sequences: Mapping[str, bytes]
) -> tuple[bytes | None, Sequence[tuple[str, bytes]], int]:
    """What of a command has to be kept until its entry is written: not much memory."""
    if body is None:
        return None, (), 0
    statements = [(field, sequences[field]) for field in _STATEMENTS if field in sequences]
    size = len(body) + sum(len(payload) for _, payload in statements)
    return (body, statements, 0) if size <= _MOST else (None, (), size)


def _line(entry: _Entry) -> str:
    """The entry as it is written. It is made only then: many at a time are cheaper."""
    seconds, milliseconds = divmod(int(entry.moment * 1000), 1000)
    moment = f"{_to_the_second(seconds)}.{milliseconds:03}+00:00"
    about = entry.about
    if isinstance(about, _Command):
        name, namespace = _quoted(about.name), _quoted(about.namespace)
        about = f'{{"command":{name},"ns":{namespace},"args":{_arguments(about)}}}'
    return (
        f'{{"atype":"{entry.atype}","ts":{{"$date":"{moment}"}},{entry.who},'
        f'"param":{about},"result":{entry.code}}}\n'
    )


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _arguments(command: _Command) -> str:
    """The command as it came, without secrets, in relaxed extended JSON."""
    if command.body is None:
        return f'{{"truncated":{command.size}}}' if command.size else "{}"
    try:
        fields = without_secrets(command.name, raw.deep(command.body))
        for field in _NOISE:
            fields.pop(field, None)
        if command.name == "insert":
            fields.pop("documents", None)
        for field, payload in command.statements:
            fields[field] = [raw.deep(document) for document in raw.documents(payload)]
        try:
            return _encoded(fields)
        except ValueError:  # a number that JSON has not
            return json_util.dumps(fields, json_options=_JSON)
    except (BSONError, TypeError, ProtocolError, RecursionError):
        return "{}"
