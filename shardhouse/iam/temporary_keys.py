"""Temporary access keys: AK, SK and a security token, for 15 minutes to 24 hours.

The security token is the grant itself, sealed with the vault, so nothing is stored. It dies with
its time, and earlier when its user is disabled or deleted or changes his password.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shardhouse.errors import IamError, ShardhouseError
from shardhouse.iam.caller import Caller
from shardhouse.iam.clock import Clock
from shardhouse.iam.key_material import new_access_key, new_secret_key
from shardhouse.iam.refusals import unauthenticated
from shardhouse.store.database import Database
from shardhouse.store.iam import directory
from shardhouse.store.iam.records import User
from shardhouse.store.vault import Vault

DEFAULT_SECONDS = 900
SECONDS_ALLOWED = range(900, 86400 + 1)
CONTEXT = "security-token"


@dataclass(frozen=True)
class TemporaryKey:
    """A temporary key. `project_id` limits it to one project, as its token was."""

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str = field(repr=False)
    user_id: str
    project_id: str | None
    expires_at: datetime


class TemporaryKeys:
    """Makes temporary keys and opens security tokens."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    def create(self, caller: Caller, seconds: int) -> TemporaryKey:
        """A temporary key for the caller's own scope. Raises IamError 400 for a wrong duration."""
        if seconds not in SECONDS_ALLOWED:
            raise IamError(f"duration_seconds: 900 to 86400, it is {seconds}.")
        with self._database.read() as connection:
            user = directory.user(connection, caller.domain_id, caller.user_id)
        if user is None:
            raise unauthenticated("the user is deleted")
        access_key, secret_key = new_access_key(), new_secret_key()
        expires_at = self._clock() + timedelta(seconds=seconds)
        grant = {
            "access_key": access_key,
            "secret_key": secret_key,
            "user_id": user.id,
            "project_id": caller.project_id,
            "expires_at": expires_at.isoformat(),
            "stamp": self.stamp(user),
        }
        sealed = self._vault.seal(json.dumps(grant), CONTEXT)
        text = base64.urlsafe_b64encode(sealed).decode()
        return TemporaryKey(access_key, secret_key, text, user.id, caller.project_id, expires_at)

    def open(self, security_token: str, access_key: str) -> tuple[TemporaryKey, str]:
        """The key in a security token, and the stamp its user must still have.

        Raises IamError 401 when the token is not ours, not this key's, or expired.
        """
        try:
            sealed = base64.urlsafe_b64decode(security_token.encode())
            grant = json.loads(self._vault.open(sealed, CONTEXT))
        except (ShardhouseError, binascii.Error, ValueError):
            raise unauthenticated("the security token is not valid") from None
        if grant["access_key"] != access_key:
            raise unauthenticated("the security token belongs to another access key")
        expires_at = datetime.fromisoformat(grant["expires_at"])
        if expires_at <= self._clock():
            raise unauthenticated(f"security token expires, expires_at: {grant['expires_at']}")
        key = TemporaryKey(
            access_key,
            grant["secret_key"],
            security_token,
            grant["user_id"],
            grant["project_id"],
            expires_at,
        )
        return key, grant["stamp"]

    def stamp(self, user: User) -> str:
        """Changes when the user's password does."""
        return self._vault.digest(user.password_hash or "", "password-stamp").hex()
