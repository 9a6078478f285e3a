"""Access keys: users make and manage them, requests are signed with them."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from shardhouse.errors import IamError
from shardhouse.iam import signatures
from shardhouse.iam.caller import Caller, caller_of
from shardhouse.iam.clock import Clock
from shardhouse.iam.key_material import new_access_key, new_secret_key
from shardhouse.iam.refusals import not_found, unauthenticated
from shardhouse.iam.signatures import SignedRequest
from shardhouse.iam.temporary_keys import TemporaryKeys
from shardhouse.store.database import Database
from shardhouse.store.iam import credentials, directory
from shardhouse.store.iam.records import AccessKey
from shardhouse.store.vault import Vault

KEYS_PER_USER = 2


def seal_context(access_key: str) -> str:
    """What a key's secret is bound to in the store."""
    return f"access-key:{access_key}"


@dataclass(frozen=True)
class NewKey:
    """A key just made: the only moment its secret is shown."""

    key: AccessKey
    secret_key: str = field(repr=False)


class AccessKeys:
    """Permanent keys, and the check of signatures made with permanent or temporary ones."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        temporary: TemporaryKeys,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._temporary = temporary
        self._clock = clock

    def authenticate(
        self,
        request: SignedRequest,
        authorization: str,
        security_token: str | None,
        project_id: str | None,
    ) -> Caller:
        """Who signed the request, in the scope of the project asked for (or of the domain).

        The caller has no project when this one is not theirs; a temporary key of one project
        stays in that project. Raises IamError 401; a wrong signature is cheap and locks nobody out.
        """
        signature = signatures.parse(authorization)
        signatures.check(request, signature, self._clock())
        name = signature.access_key
        session_generation: int | None = None
        with self._database.read() as connection:
            if security_token:
                temporary = self._temporary.open(security_token, name)
                session_generation = temporary.session_generation
                user_id, secret_key = temporary.user_id, temporary.secret_key
                project_id = temporary.project_id or project_id
            else:
                user_id, secret_key = self._permanent(connection, name)
            standing = directory.standing(connection, user_id, project_id)
        if not signatures.matches(request, signature, secret_key):
            raise unauthenticated("verify aksk signature fail")
        if standing is None or not standing.user.enabled or not standing.domain.enabled:
            raise unauthenticated("the user of the access key is disabled or deleted")
        if session_generation not in (None, standing.user.session_generation):
            raise unauthenticated(
                "the security token ended when its user changed the password or was disabled"
            )
        return caller_of(standing, "temporary_key" if security_token else "access_key")

    def _permanent(self, connection: Connection, name: str) -> tuple[str, str]:
        key = credentials.access_key(connection, name)
        if key is None:
            raise unauthenticated(f"Get secretKey failed,ak:{name},err:ak not exist")
        if not key.active:
            raise unauthenticated(f"the access key {name} is inactive")
        return key.user_id, self._vault.open(key.sealed_secret, seal_context(name))

    def create(self, caller: Caller, user_id: str, description: str) -> NewKey:
        """A new key of the caller or, for an administrator, of a user of the domain.

        Raises IamError: 400 akSkNumExceed at the third, 403, 404.
        """
        with self._database.write() as connection:
            _check_user(connection, caller, user_id)
            if len(credentials.access_key_list(connection, user_id)) >= KEYS_PER_USER:
                raise IamError(
                    f"akSkNumExceed: a user can have {KEYS_PER_USER} access keys; delete one first."
                )
            name, secret_key = new_access_key(), new_secret_key()
            sealed = self._vault.seal(secret_key, seal_context(name))
            key = AccessKey(name, user_id, sealed, True, description, self._clock())
            credentials.add_access_key(connection, key)
        return NewKey(key, secret_key)

    def of_user(self, caller: Caller, user_id: str) -> list[AccessKey]:
        """A user's keys. Raises IamError 403, 404."""
        with self._database.read() as connection:
            _check_user(connection, caller, user_id)
            return credentials.access_key_list(connection, user_id)

    def show(self, caller: Caller, name: str) -> AccessKey:
        """One key. Raises IamError 403, 404."""
        with self._database.read() as connection:
            return _find(connection, caller, name)

    def change(
        self, caller: Caller, name: str, *, active: bool | None, description: str | None
    ) -> AccessKey:
        """Activate, deactivate or describe a key. Raises IamError 403, 404."""
        given = {"active": active, "description": description}
        changes = {field: value for field, value in given.items() if value is not None}
        with self._database.write() as connection:
            key = _find(connection, caller, name)
            if changes:
                credentials.change_access_key(connection, name, changes)
            return credentials.access_key(connection, name) or key

    def delete(self, caller: Caller, name: str) -> None:
        """End a key. Raises IamError 403, 404."""
        with self._database.write() as connection:
            _find(connection, caller, name)
            credentials.remove_access_key(connection, name)


def _check_user(connection: Connection, caller: Caller, user_id: str) -> None:
    caller.require_self_or_administrator(user_id)
    if directory.user(connection, caller.domain_id, user_id) is None:
        raise not_found("user", user_id)


def _find(connection: Connection, caller: Caller, name: str) -> AccessKey:
    key = credentials.access_key(connection, name)
    if key is None or directory.user(connection, caller.domain_id, key.user_id) is None:
        raise not_found("credential", name)
    caller.require_self_or_administrator(key.user_id)
    return key
