"""Database users and roles, on the members that hold them.

They are made as `__system`, whom the server asks for no right. What nobody may have is refused
here, so that the error says so, and by the server (see `administrator`), so that it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure

from shardhouse import error_codes as codes
from shardhouse.domain.uris import ADMINISTRATOR
from shardhouse.error_codes import ErrorCode
from shardhouse.errors import DdsError, MongoError
from shardhouse.mongo import administrator, guest, member_users
from shardhouse.mongo.admin import Client, Clients, majority
from shardhouse.mongo.replica_set import find_primary
from shardhouse.mongo.wait import Deadline

_BAD_VALUE = 2
_USER_NOT_FOUND = 11
_ROLE_NOT_FOUND = 31
_INVALID_ROLE_MODIFICATION = 49
"""What MongoDB 4.4 says of built-in roles; newer releases say that the value is bad."""
_ROLE_EXISTS = 51002
_USER_EXISTS = 51003
_RESERVED = 16766
_OF_USERS = ("_id", "user", "db", "roles", "inheritedRoles", "inheritedPrivileges")
_OF_ROLES = (
    *("_id", "role", "db", "isBuiltin", "roles", "inheritedRoles"),
    *("privileges", "inheritedPrivileges"),
)


@dataclass(frozen=True)
class Account:
    """A user or a role: its name and its database."""

    name: str
    database: str

    def __str__(self) -> str:
        return f"{self.name} on database {self.database}"


@dataclass(frozen=True)
class Accounts:
    """The users and roles of one instance. `hosts` are the members that hold them. What changes
    them returns when a majority has it, and raises MongoError after the deadline."""

    hosts: Sequence[str]
    clients: Clients
    deadline: Deadline

    def create_user(self, user: Account, password: str, roles: Sequence[Account]) -> None:
        """Make a user. Raises DdsError 400: for one that exists or is the service's own, for a role
        that does not exist or that nobody may have."""
        _refuse_own_user(user)
        refusals = {
            _USER_EXISTS: codes.USER_EXISTS,
            _ROLE_NOT_FOUND: codes.ROLE_NOT_FOUND,
            _RESERVED: codes.BUILT_IN_ROLE,
            _BAD_VALUE: codes.USER_NOT_CREATED,
        }
        self._change("createUser", user, refusals, grants=roles, pwd=password, roles=_wire(roles))

    def delete_user(self, user: Account) -> None:
        """Delete a user. Raises DdsError 400 for one that does not exist or is the service's own,
        the administrator among them."""
        _refuse_own_user(user)
        self._change("dropUser", user, {_USER_NOT_FOUND: codes.USER_NOT_FOUND})

    def create_role(self, role: Account, roles: Sequence[Account]) -> None:
        """Make a role that inherits from others. Raises DdsError 400: for one that exists or is
        built in, for a role that does not exist, that nobody may have, or that is of another
        database where only `admin` may inherit from all."""
        elsewhere = [one for one in roles if role.database not in ("admin", one.database)]
        if elsewhere:
            raise DdsError(
                codes.ROLE_OF_ANOTHER_DATABASE,
                f"A role on database {role.database} inherits from roles on that database only, "
                f"not from {_list(elsewhere)}.",
            )
        _refuse_own_role(role)
        refusals = {
            _ROLE_EXISTS: codes.ROLE_EXISTS,
            _ROLE_NOT_FOUND: codes.ROLE_NOT_FOUND,
            _RESERVED: codes.BUILT_IN_ROLE,
            _BAD_VALUE: codes.BUILT_IN_ROLE,
        }
        self._change("createRole", role, refusals, grants=roles, privileges=[], roles=_wire(roles))

    def delete_role(self, role: Account) -> None:
        """Delete a role. Raises DdsError 400 for one that does not exist or is built in."""
        _refuse_own_role(role)
        refusals = {
            _ROLE_NOT_FOUND: codes.ROLE_NOT_FOUND,
            _BAD_VALUE: codes.BUILT_IN_ROLE,
            _INVALID_ROLE_MODIFICATION: codes.BUILT_IN_ROLE,
        }
        self._change("dropRole", role, refusals)

    def users(
        self, name: str, database: str, offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of the users by database and name, and how many there are; empty filters do not
        narrow. The service's users of the moment are left out. MongoError while there is no
        primary, PyMongo's errors pass through."""
        client = self._primary()
        wanted = _filter(user=name, db=database) | {"customData": {"$ne": guest.MARK}}
        page, total = _page(client, "user", wanted, offset, limit)
        return _described(client, "user", page, _OF_USERS), total

    def roles(
        self, name: str, database: str, offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of the roles by database and name, and how many there are; empty filters do not
        narrow. A built-in one is found by its name, in `admin` without a database. MongoError while
        there is no primary, PyMongo's errors pass through."""
        client = self._primary()
        if name:
            asked = {"role": name, "db": database or "admin"}
            found = _described(client, "role", [asked], _OF_ROLES)
            if found and found[0]["isBuiltin"]:
                return found[offset : offset + limit], 1
        page, total = _page(client, "role", _filter(role=name, db=database), offset, limit)
        return _described(client, "role", page, _OF_ROLES), total

    def _primary(self) -> Client:
        primary = find_primary(self.hosts, self.clients)
        if primary is None:
            raise MongoError("There is no primary of the replica set that holds users.")
        return self.clients[primary]

    def _change(
        self,
        command: str,
        account: Account,
        refusals: Mapping[int, ErrorCode],
        *,
        grants: Sequence[Account] = (),
        **fields: Any,
    ) -> None:
        """Run a command on the primary; an answer of `refusals` is final."""

        def attempt() -> bool | None:
            primary = find_primary(self.hosts, self.clients)
            if primary is None:
                return None
            client = self.clients[primary]
            _refuse_reserved(client, grants)
            wtimeout = int(self.deadline.left * 1000) + 1
            try:
                majority(
                    client,
                    command,
                    account.name,
                    database=account.database,
                    wtimeout=wtimeout,
                    **fields,
                )
            except OperationFailure as error:
                if error.code is None or error.code not in refusals:
                    raise
                reason = (error.details or {}).get("errmsg", error)
                raise DdsError(
                    refusals[error.code], f"{command} of {account} is refused: {reason}."
                ) from None
            return True

        self.deadline.until(f"{command} of {account}", attempt)


def _refuse_own_user(user: Account) -> None:
    own = {ADMINISTRATOR, member_users.SHARD_USER, member_users.CONFIG_USER}
    if user.database == "admin" and (user.name in own or guest.is_guest(user.name)):
        raise DdsError(codes.BUILT_IN_USER, f"{user.name} is one of the service's own users.")


def _refuse_own_role(role: Account) -> None:
    if role.database == "admin" and role.name in (administrator.ROLE, administrator.MONITOR):
        raise DdsError(codes.BUILT_IN_ROLE, f"{role.name} is one of the service's own roles.")


def _refuse_reserved(client: Client, roles: Sequence[Account]) -> None:
    reserved = [one for one in roles if administrator.is_reserved(client, one.name, one.database)]
    if reserved:
        raise DdsError(codes.BUILT_IN_ROLE, f"Nobody may have {_list(reserved)}.")


def _filter(**fields: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _page(
    client: Client, kind: str, wanted: Mapping[str, Any], offset: int, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """A page of what `admin.system.<kind>s` holds, and how much it is in all."""
    collection = client.admin[f"system.{kind}s"]
    found = collection.find(wanted, {"_id": 0, kind: 1, "db": 1}).sort("_id")
    return list(found.skip(offset).limit(limit)), collection.count_documents(wanted)


def _described(
    client: Client, kind: str, asked: Sequence[Mapping[str, str]], fields: Sequence[str]
) -> list[dict[str, Any]]:
    """What the server says of users or roles, in their order; those that are gone are left out.
    Their own roles are by database and name: the server keeps no order, and clients compare
    lists."""
    if not asked:
        return []
    reply = client.admin.command(f"{kind}sInfo", list(asked), showPrivileges=True)
    found = [{name: one[name] for name in fields if name in one} for one in reply[f"{kind}s"]]
    for one in found:
        one["roles"] = sorted(one["roles"], key=lambda role: (role["db"], role["role"]))
    order = {(one[kind], one["db"]): index for index, one in enumerate(asked)}
    return sorted(found, key=lambda one: order[one[kind], one["db"]])


def _list(accounts: Sequence[Account]) -> str:
    return ", ".join(map(str, accounts))


def _wire(roles: Sequence[Account]) -> list[dict[str, str]]:
    return [{"role": one.name, "db": one.database} for one in roles]
