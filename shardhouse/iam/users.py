"""Users of a domain: who may see and change them, and what ends their tokens."""

import re
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shardhouse.errors import IamError
from shardhouse.iam.caller import Caller
from shardhouse.iam.clock import Clock
from shardhouse.iam.passwords import Passwords, check_password, strength
from shardhouse.iam.projects import check_description, check_own_domain, new_id
from shardhouse.iam.refusals import not_found
from shardhouse.iam.throttle import Throttle
from shardhouse.store.database import Database
from shardhouse.store.iam import credentials, directory
from shardhouse.store.iam.records import User

#: `POST /v3/users`, and `POST /v3.0/OS-USER/users` which is more generous.
STRICT_NAME = re.compile(r"[A-Za-z._-][A-Za-z0-9._-]{4,31}")
STRICT_NAME_RULE = "5 to 32 letters, digits, hyphens, underscores and dots, no leading digit"
NAME = re.compile(r"(?!\d)(?! )[A-Za-z0-9._ -]{1,64}(?<! )")
NAME_RULE = "1 to 64 letters, digits, spaces, hyphens, underscores and dots, no leading digit"


class Users:
    """The users of the caller's domain."""

    def __init__(
        self, database: Database, passwords: Passwords, throttle: Throttle, clock: Clock
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._throttle = throttle
        self._clock = clock

    def all(self, caller: Caller) -> list[User]:
        """All users of the domain. Raises IamError 403."""
        caller.require_administrator()
        with self._database.read() as connection:
            return directory.user_list(connection, caller.domain_id)

    def show(self, caller: Caller, user_id: str) -> User:
        """One user; all users may see themselves. Raises IamError 403, 404."""
        caller.require_self_or_administrator(user_id)
        with self._database.read() as connection:
            return _require(connection, caller, user_id)

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        password: str | None,
        description: str,
        enabled: bool,
        domain_id: str | None,
        strict_name: bool,
    ) -> User:
        """A user without any role. Raises IamError 400, 403, 409."""
        caller.require_administrator()
        check_own_domain(caller, domain_id)
        _check_name(name, strict=strict_name)
        check_description(description)
        if password is not None:
            check_password(password, name)
        user = User(
            id=new_id(),
            domain_id=caller.domain_id,
            name=name,
            description=description,
            enabled=enabled,
            password_hash=self._passwords.hash(password) if password else None,
            password_strength=strength(password or ""),
            created_at=self._clock(),
        )
        try:
            with self._database.write() as connection:
                directory.add_user(connection, user)
        except IntegrityError:
            raise IamError(f"user.name: {name} exists already.", status=409) from None
        return user

    def change(
        self,
        caller: Caller,
        user_id: str,
        *,
        name: str | None,
        password: str | None,
        description: str | None,
        enabled: bool | None,
    ) -> User:
        """An administrator changes what is given; a new password or disabling ends the user's
        tokens and temporary keys. Raises IamError 400, 403, 404, 409.
        """
        caller.require_administrator()
        if enabled is False and user_id == caller.user_id:
            raise IamError("You cannot disable yourself.", status=403)
        user = self.show(caller, user_id)
        if name is not None and name != user.name:
            _check_name(name, strict=False)
        check_description(description or "")
        given: dict[str, Any] = {"name": name, "description": description, "enabled": enabled}
        changes = {field: value for field, value in given.items() if value is not None}
        if password is not None:
            check_password(password, name or user.name)
            changes |= self._password_changes(password)
        try:
            with self._database.write() as connection:
                _require(connection, caller, user_id)
                if changes:
                    directory.change_user(connection, user_id, changes)
                if password is not None or enabled is False:
                    credentials.end_sessions(connection, user_id)
        except IntegrityError:
            raise IamError(f"user.name: {name} exists already.", status=409) from None
        return replace(user, **changes)

    def change_own_password(
        self, caller: Caller, user_id: str, *, original: str, password: str, source: str
    ) -> None:
        """Users change their own passwords; all their tokens and temporary keys end.

        Raises IamError: 400 for a new password against the rule, 401 for a wrong original, 403 for
        another user's, 429 after wrong ones from this source.
        """
        if user_id != caller.user_id:
            raise IamError(
                "Users can change only their own passwords here; an administrator sets them "
                "with PATCH /v3/users/{user_id}.",
                status=403,
            )
        user = self.show(caller, user_id)
        self._throttle.check(source, user.id)
        if not self._passwords.matches(user.password_hash, original):
            self._throttle.failed(source, user.id)
            raise IamError("original_password: it is not the present password.", status=401)
        self._throttle.succeeded(source, user.id)
        check_password(password, user.name)
        if password == original:
            raise IamError("password: it must differ from the present one.")
        with self._database.write() as connection:
            directory.change_user(connection, user_id, self._password_changes(password))
            credentials.end_sessions(connection, user_id)

    def delete(self, caller: Caller, user_id: str) -> None:
        """Keys, tokens and role assignments go with the user. Raises IamError 403, 404."""
        caller.require_administrator()
        if user_id == caller.user_id:
            raise IamError("You cannot delete yourself.", status=403)
        with self._database.write() as connection:
            _require(connection, caller, user_id)
            directory.remove_user(connection, user_id)

    def _password_changes(self, password: str) -> dict[str, Any]:
        return {
            "password_hash": self._passwords.hash(password),
            "password_strength": strength(password),
        }


def _require(connection: Connection, caller: Caller, user_id: str) -> User:
    user = directory.user(connection, caller.domain_id, user_id)
    if user is None:
        raise not_found("user", user_id)
    return user


def _check_name(name: str, *, strict: bool) -> None:
    if strict and not STRICT_NAME.fullmatch(name):
        raise IamError(f"user.name: {STRICT_NAME_RULE}.")
    if not NAME.fullmatch(name):
        raise IamError(f"user.name: {NAME_RULE}.")
