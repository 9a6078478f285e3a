"""Audit logs: what an instance's policy says, and which commands it is about.

Six types of what is audited, as the API names them: logins (`auth`), and commands that insert,
delete, update, query, or do anything else (`command`).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shardhouse.domain.model import Instance

KIND = "audit"
LTS_KIND = "audit_lts"
ALL = "all"
_SEPARATOR = re.compile(r"(?<!\$),")


class AuditType(StrEnum):
    """What an entry is about."""

    AUTH = "auth"
    INSERT = "insert"
    DELETE = "delete"
    UPDATE = "update"
    QUERY = "query"
    COMMAND = "command"


_OF_TYPE: Mapping[AuditType, frozenset[str]] = {
    AuditType.INSERT: frozenset({"insert"}),
    AuditType.DELETE: frozenset({"delete"}),
    AuditType.UPDATE: frozenset({"update", "findAndModify", "findandmodify"}),
    AuditType.QUERY: frozenset({"find", "getMore", "aggregate", "count", "distinct"}),
}
"""Names of commands; all others are of the type `command`."""
SILENT = frozenset(
    {
        "authenticate", "buildInfo", "buildinfo", "endSessions", "hello", "isMaster", "ismaster",
        "logout", "ping", "refreshSessions", "saslContinue", "saslStart", "whatsmyuri",
    }
)  # fmt: skip
"""Commands that drivers send by themselves, and those of logins, whose entries are others."""


@dataclass(frozen=True)
class AuditFilter:
    """Which commands are audited: those in `include` (all where it is None) that are not in
    `exclude`, in one of the databases and collections of `scope` (all where it is None); and
    whether logins are."""

    include: frozenset[str] | None
    exclude: frozenset[str]
    scope: frozenset[str] | None
    logins: bool

    @property
    def commands(self) -> bool:
        """Whether any command may be audited."""
        return self.include is None or bool(self.include)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "AuditFilter":
        """From what `document` gives."""
        include, scope = document["include"], document["scope"]
        return cls(
            None if include is None else frozenset(include),
            frozenset(document["exclude"]),
            None if scope is None else frozenset(scope),
            document["logins"],
        )

    def names(self, command: str) -> bool:
        """Whether a command of this name may be audited."""
        named = self.include is None or command in self.include
        return named and command not in self.exclude

    def covers(self, namespace: str) -> bool:
        """Whether what happens to `database.collection` is audited."""
        scope = self.scope
        return scope is None or namespace in scope or namespace.partition(".")[0] in scope

    def document(self) -> dict[str, Any]:
        """As JSON, which the router reads."""
        return {
            "include": None if self.include is None else sorted(self.include),
            "exclude": sorted(self.exclude),
            "scope": None if self.scope is None else sorted(self.scope),
            "logins": self.logins,
        }


@dataclass(frozen=True)
class AuditPolicy:
    """Days to keep audit logs, 0 where nothing is audited; `reserve`: whether those that are there
    stay then. `scope` is as the API writes it."""

    keep_days: int = 0
    reserve: bool = True
    scope: str = ALL
    types: tuple[str, ...] = tuple(AuditType)

    @property
    def filter(self) -> AuditFilter | None:
        """What is audited; None where nothing is."""
        if not self.keep_days:
            return None
        named = {kind: names for kind, names in _OF_TYPE.items() if kind in self.types}
        others = {kind: names for kind, names in _OF_TYPE.items() if kind not in self.types}
        with_rest = AuditType.COMMAND in self.types
        return AuditFilter(
            include=None if with_rest else _union(named.values()),
            exclude=SILENT | _union(others.values()) if with_rest else SILENT,
            scope=None if self.scope == ALL else frozenset(namespaces(self.scope)),
            logins=AuditType.AUTH in self.types,
        )

    def document(self) -> dict[str, Any]:
        """As the store keeps it."""
        return {
            "keep_days": self.keep_days,
            "reserve": self.reserve,
            "scope": self.scope,
            "types": list(self.types),
        }


@dataclass(frozen=True)
class LtsStream:
    """Where entries go as well: ids of a group and a stream, and whether they do."""

    group_id: str
    stream_id: str
    enabled: bool = True

    def document(self) -> dict[str, Any]:
        """As the store keeps it."""
        return vars(self)


def policy(instance: Instance) -> AuditPolicy:
    """An instance's policy; by default nothing is audited."""
    document = instance.policies.get(KIND)
    if document is None:
        return AuditPolicy()
    return AuditPolicy(
        document["keep_days"], document["reserve"], document["scope"], tuple(document["types"])
    )


def stream(instance: Instance) -> LtsStream | None:
    """Where an instance's entries go as well; None if that was never said."""
    document = instance.policies.get(LTS_KIND)
    return None if document is None else LtsStream(**document)


def namespaces(scope: str) -> list[str]:
    """Databases and collections of a scope: separated by commas, `$,` is a comma in a name."""
    return [part.replace("$,", ",") for part in _SEPARATOR.split(scope) if part]


def _union(sets: Collection[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)
