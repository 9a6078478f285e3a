"""Tokens: issued for a password or another token, validated on every request, revoked.

A token is random text that only its holder knows; the store has its keyed digest. It lives 24 h
and dies earlier with a revocation, or when its user is disabled or deleted, changes the password
or loses a role (they are removed then); roles count as they are at the moment of use.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection

from shardhouse.errors import IamError
from shardhouse.iam.caller import Caller, caller_of
from shardhouse.iam.clock import Clock
from shardhouse.iam.passwords import Passwords
from shardhouse.iam.refusals import not_found, unauthenticated
from shardhouse.iam.throttle import Throttle
from shardhouse.store.database import Database
from shardhouse.store.iam import credentials, directory
from shardhouse.store.iam.records import Domain, Standing, TokenRow
from shardhouse.store.vault import Vault

LIFETIME = timedelta(hours=24)
TOKEN_BYTES = 48
CONTEXT = "token"


@dataclass(frozen=True)
class Scope:
    """What a token is wanted for: a project or domain by id or name. A project's domain may be
    named too; without it the user's own is meant.
    """

    kind: Literal["project", "domain"]
    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


@dataclass(frozen=True)
class Login:
    """Who wants a token by password: a user by id, or by name with the domain's id or name."""

    password: str = field(repr=False)
    user_id: str | None = None
    user_name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None

    @property
    def subject(self) -> str:
        """Whose failures it adds to: the user as named here, existing or not."""
        return repr((self.user_id, self.user_name, self.domain_id, self.domain_name))


@dataclass(frozen=True)
class Token:
    """A valid token: its text, times in UTC, and who holds it."""

    text: str = field(repr=False)
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    caller: Caller


class Tokens:
    """Issues, validates and revokes tokens."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        passwords: Passwords,
        throttle: Throttle,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._passwords = passwords
        self._throttle = throttle
        self._clock = clock

    def check_pace(self, login: Login, source: str) -> None:
        """Whether a login will be looked at: cheap, to be asked before it waits for its turn.

        Raises IamError 429 after failures of this user from this source.
        """
        self._throttle.check(source, login.subject)

    def by_password(self, login: Login, scope: Scope | None, source: str) -> Token:
        """A new token for a login from `source`. Raises IamError: 401 for wrong credentials, 403
        or 404 for a scope the user has no access to, 429 as `check_pace`.

        A user who does not exist or is disabled costs the time and gets the answer of a wrong
        password.
        """
        self.check_pace(login, source)
        with self._database.read() as connection:
            user = directory.user_who_may_log_in(
                connection,
                user_id=login.user_id,
                name=login.user_name,
                domain_id=login.domain_id,
                domain_name=login.domain_name,
            )
        right = self._passwords.matches(user.password_hash if user else None, login.password)
        if user is None or not right:
            self._throttle.failed(source, login.subject)
            raise unauthenticated("the user name or password is wrong")
        self._throttle.succeeded(source, login.subject)
        expires_at = self._clock() + LIFETIME
        return self._issue(user.id, user.session_generation, scope, ("password",), expires_at)

    def by_token(self, text: str, scope: Scope | None) -> Token:
        """A new token for the holder of another, which stays valid. It expires when that one
        does, so that a stolen token cannot be renewed for ever. Raises IamError as `by_password`.
        """
        token = self.authenticate(text)
        holder = token.caller
        return self._issue(
            holder.user_id, holder.session_generation, scope, ("token",), token.expires_at
        )

    def authenticate(self, text: str) -> Token:
        """The valid token with this text. Raises IamError 401."""
        with self._database.read() as connection:
            found = credentials.token(connection, self._digest(text))
        if found is None:
            raise unauthenticated("decrypt token fail")
        row, standing = found
        if row.expires_at <= self._clock():
            raise unauthenticated(f"token expires, expires_at: {row.expires_at:%Y-%m-%dT%H:%M:%SZ}")
        if not standing.user.enabled or not standing.domain.enabled:
            raise unauthenticated(f"user {standing.user.name} is disabled")
        if row.project_id is not None and not (standing.project and standing.project.enabled):
            raise unauthenticated("the token's project is disabled")
        return _token(text, row, standing)

    def inspect(self, caller: Caller, text: str) -> Token:
        """Another token, or the caller's own. Raises IamError 404 for a token that is not valid
        in the caller's domain, 403 for another user's unless the caller is an administrator.
        """
        try:
            token = self.authenticate(text)
        except IamError as error:
            raise not_found("token", "X-Subject-Token is unknown or expired") from error
        if token.caller.domain_id != caller.domain_id:
            raise not_found("token", "X-Subject-Token is unknown or expired")
        caller.require_self_or_administrator(token.caller.user_id)
        return token

    def revoke(self, caller: Caller, text: str) -> None:
        """End a token at once. Raises IamError as `inspect`."""
        self.inspect(caller, text)
        with self._database.write() as connection:
            credentials.remove_token(connection, self._digest(text))

    def _issue(
        self,
        user_id: str,
        session_generation: int,
        scope: Scope | None,
        methods: tuple[str, ...],
        expires_at: datetime,
    ) -> Token:
        """`session_generation` is the user's at the moment the password or token was checked: what
        ended the sessions since then ends this one too.
        """
        text = secrets.token_urlsafe(TOKEN_BYTES)
        with self._database.write() as connection:
            standing = _standing_in(connection, user_id, scope)
            if standing.user.session_generation != session_generation:
                raise unauthenticated("the password or the token ended just now")
            row = TokenRow(
                digest=self._digest(text),
                user_id=user_id,
                project_id=standing.project.id if standing.project else None,
                methods=methods,
                issued_at=self._clock(),
                expires_at=expires_at,
            )
            credentials.add_token(connection, row)
        return _token(text, row, standing)

    def _digest(self, text: str) -> bytes:
        return self._vault.digest(text, CONTEXT)


def _token(text: str, row: TokenRow, standing: Standing) -> Token:
    return Token(text, row.methods, row.issued_at, row.expires_at, caller_of(standing, "token"))


def _standing_in(connection: Connection, user_id: str, scope: Scope | None) -> Standing:
    """What the user is in the scope; raises IamError without access to it."""
    own = directory.standing(connection, user_id, None)
    if own is None or not own.user.enabled or not own.domain.enabled:
        raise unauthenticated("the user is disabled or deleted")
    if scope is None or scope.kind == "domain":
        if scope and not _names(scope.id, scope.name, own.domain):
            raise IamError(
                f"scope.domain: a token of user {own.user.name} can only be scoped to its user's "
                f"own domain {own.domain.name}.",
                status=403,
            )
        return own
    wanted = scope.id or scope.name or ""
    named_domain = (scope.domain_id, scope.domain_name) != (None, None)
    if named_domain and not _names(scope.domain_id, scope.domain_name, own.domain):
        raise not_found("project", wanted)
    project_id = scope.id or directory.project_id_named(connection, own.domain.id, wanted)
    standing = directory.standing(connection, user_id, project_id) if project_id else None
    if standing is None or standing.project is None:
        raise not_found("project", wanted)
    if not standing.project.enabled:
        raise IamError(f"Project {standing.project.name} is disabled.", status=403)
    if not standing.role_ids:
        raise IamError(
            f"User {own.user.name} has no role on project {standing.project.name}; "
            "the domain's administrator can assign one.",
            status=403,
        )
    return standing


def _names(domain_id: str | None, name: str | None, domain: Domain) -> bool:
    """Whether the id, or without it the name, is the domain's."""
    return domain_id == domain.id if domain_id is not None else name == domain.name
