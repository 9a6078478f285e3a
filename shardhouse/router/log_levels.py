"""How much is logged of which component: `logComponentVerbosity`, and `logLevel`, its root. Pure.

The components are those of a 6.0 server, so that tools find all they may set; the router itself
logs as some of them only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import Decimal128

from shardhouse.router.command import truncated
from shardhouse.router.errors import CommandError, bad_value

_TREE: Mapping[str, Any] = {
    "accessControl": {}, "assert": {}, "command": {}, "control": {}, "executor": {}, "geo": {},
    "index": {}, "network": {"asio": {}, "bridge": {}, "connectionPool": {}}, "processHealth": {},
    "query": {},
    "replication": {"election": {}, "heartbeats": {}, "initialSync": {}, "rollback": {}},
    "sharding": {"rangeDeleter": {}, "shardingCatalogRefresh": {}, "migration": {}, "reshard": {},
                 "migrationPerf": {}},
    "storage": {"recovery": {}, "journal": {}, "wt": {
        "wtBackup": {}, "wtCheckpoint": {}, "wtCompact": {}, "wtEviction": {}, "wtHS": {},
        "wtRecovery": {}, "wtRTS": {}, "wtSalvage": {}, "wtTiered": {}, "wtTimestamp": {},
        "wtTransaction": {}, "wtVerify": {}, "wtWriteLog": {}}},
    "write": {}, "ftdc": {}, "tracking": {}, "transaction": {}, "tenantMigration": {}, "test": {},
}  # fmt: skip
_LOGGED_AS = {
    "ACCESS": ("accessControl",), "COMMAND": ("command",), "CONTROL": ("control",),
    "NETWORK": ("network",), "SHARDING": ("sharding",),
}  # fmt: skip
_INHERITED = -1

Path = tuple[str, ...]


class Levels:
    """A level for all, and those of components that have one of their own."""

    def __init__(self) -> None:
        self._own: dict[Path, int] = {(): 0}

    def of(self, component: str) -> int:
        """The level of a component as log lines name it: the highest of what is still logged."""
        path = _LOGGED_AS[component]
        return self._own.get(path, self._own[()])

    @property
    def root(self) -> int:
        """The level of components without one of their own (`logLevel`)."""
        return self._own[()]

    @root.setter
    def root(self, level: int) -> None:
        self._own[()] = level

    @property
    def document(self) -> dict[str, Any]:
        """All of them, as `getParameter` tells them; -1 for a component without one of its own."""
        return self._described(_TREE, ())

    def update(self, given: object) -> None:
        """Change those given, in the same form; nothing, with BadValue (2), if one is no level."""
        if not isinstance(given, Mapping):
            raise CommandError(14, "log component verbosity is not a BSON object")
        changed = dict(_read(_TREE, (), given))
        self._own |= changed
        self._own = {path: level for path, level in self._own.items() if level >= 0}
        self._own.setdefault((), 0)

    def _described(self, tree: Mapping[str, Any], path: Path) -> dict[str, Any]:
        inner = {name: self._described(below, (*path, name)) for name, below in tree.items()}
        return {"verbosity": self._own.get(path, _INHERITED), **inner}


def _read(tree: Mapping[str, Any], path: Path, given: Mapping[str, Any]) -> list[tuple[Path, int]]:
    found = []
    for name, value in given.items():
        if name == "verbosity":
            found.append((path, _level(path, value)))
        elif name not in tree:
            raise bad_value(f"Invalid component name {'.'.join(('default', *path, name))}")
        elif isinstance(value, Mapping):
            found += _read(tree[name], (*path, name), value)
        else:
            found.append(((*path, name), _level((*path, name), value)))
    return found


def _level(path: Path, value: object) -> int:
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise bad_value(f"Expected {'.'.join(path) or 'default'}.verbosity to be a number")
    return max(_INHERITED, truncated(number))
