"""The users the router knows, loaded from the config servers, forgotten when anything changes.

Passwords are verified here rather than relayed: with the stored credentials a login costs two HMACs
and no connection of the client's own to the config servers, and a cached user logs in while they
are away. Credentials stay in memory only, and go nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bson import Int64, ObjectId
from bson.raw_bson import RawBSONDocument

from shardhouse.router.auth import administrator
from shardhouse.router.auth.privileges import CLUSTER, Need, Privileges
from shardhouse.router.auth.scram import Credential
from shardhouse.router.wire import raw

_REMEMBERED = 10_000


@dataclass(frozen=True)
class Allowed:
    """A command on this namespace is allowed."""

    namespace: str

    @cached_property
    def exhausted(self) -> bytes:
        """How the encoded cursor of a find ends if there is nothing more to get."""
        return raw.encode({"id": Int64(0), "ns": self.namespace})[4:]


@dataclass(frozen=True)
class User:
    """A user with everything inherited through its roles."""

    name: str
    database: str
    id: Any
    roles: Sequence[Mapping[str, str]]
    granted: Sequence[Mapping[str, Any]]
    privileges: Privileges
    restrictions: Sequence[Sequence[Mapping[str, Any]]]
    impersonation: RawBSONDocument
    credentials: Mapping[str, Credential] = field(repr=False)
    allowed: dict[tuple[bytes, bytes], Allowed] = field(default_factory=dict, repr=False)
    """What `express` found allowed already, by the encoded command name and `$db`."""

    @cached_property
    def digest(self) -> bytes:
        """The `uid` of the user's sessions."""
        return hashlib.sha256(raw.octets(f"{self.name}@{self.database}")).digest()

    @cached_property
    def passes_write_blocks(self) -> bool:
        """Whether the user may write while `setUserWriteBlockMode` holds others off."""
        return self.privileges.allow(Need(CLUSTER, "bypassWriteBlockingMode"))

    def may_come_from(self, client: str, server: str) -> bool:
        """Whether the authentication restrictions admit these addresses: every group, any rule."""
        return all(
            any(_admits(rule, client, server) for rule in rules) for rules in self.restrictions
        )


def _admits(rule: Mapping[str, Any], client: str, server: str) -> bool:
    from ipaddress import ip_address, ip_network  # few users are restricted

    def inside(address: str, ranges: Sequence[str]) -> bool:
        return any(ip_address(address) in ip_network(text, strict=False) for text in ranges)

    sources, targets = rule.get("clientSource"), rule.get("serverAddress")
    return (sources is None or inside(client, sources)) and (
        targets is None or inside(server, targets)
    )


class Users:
    """Users by `(database, name)`; `ask` runs a command on the config servers. `own` is one that
    they do not know."""

    def __init__(
        self,
        ask: Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]],
        own: User | None = None,
    ) -> None:
        self._ask = ask
        self._own = own
        self._known: dict[tuple[str, str], User] = {}
        self._generation: ObjectId | None = None
        self._changes = 0

    def known(self, database: str, name: str) -> User | None:
        """The user, if it need not be asked for."""
        return self._known.get((database, name))

    async def get(self, database: str, name: str) -> User | None:
        """The user, None if there is none."""
        key = (database, name)
        own = self._own
        if own is not None and key == (own.database, own.name):
            return own
        known = self._known.get(key)
        if known is not None:
            return known
        changes = self._changes
        reply = await self._ask(
            {
                "usersInfo": {"user": name, "db": database},
                "showCredentials": True,
                "showPrivileges": True,
                "showAuthenticationRestrictions": True,
            }
        )
        for document in reply["users"]:
            user = _read(document)
            if changes == self._changes:  # else this may be what was before a change
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = user
            return user
        return None

    def forget(self) -> None:
        """Something about users or roles changed."""
        self._changes += 1
        self._known.clear()

    async def poll(self) -> bool:
        """Forget all if the config servers' generation moved; whether it did."""
        reply = await self._ask({"_getUserCacheGeneration": 1})
        generation = reply["cacheGeneration"]
        moved = bool(generation != self._generation)
        if moved:
            self.forget()
        self._generation = generation
        return moved


def impersonation(document: Mapping[str, Any]) -> RawBSONDocument:
    """For whom a shard works, as cluster members tell each other (`$audit`); encoded once."""
    who = {
        "$impersonatedUsers": [{"user": document["user"], "db": document["db"]}],
        "$impersonatedRoles": list(document.get("inheritedRoles", ())),
    }
    return RawBSONDocument(raw.encode(who), raw.RAW)


def _read(document: Mapping[str, Any]) -> User:
    roles = document.get("inheritedRoles", ())
    granted = (*document.get("inheritedPrivileges", ()), *administrator.privileges(roles))
    own = document.get("authenticationRestrictions")
    inherited = document.get("inheritedAuthenticationRestrictions", [])
    return User(
        name=document["user"],
        database=document["db"],
        id=document.get("userId"),
        roles=roles,
        granted=granted,
        privileges=Privileges(granted),
        impersonation=impersonation(document),
        restrictions=[own, *inherited] if own else inherited,
        credentials={
            mechanism: Credential.read(stored)
            for mechanism, stored in document.get("credentials", {}).items()
            if mechanism.startswith("SCRAM-")
        },
    )
