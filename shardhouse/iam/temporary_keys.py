"""Temporary access keys: AK, SK and a security token, for 15 minutes to 24 hours.

The security token is the grant itself, sealed with the vault, so nothing is stored. It dies with
its time, and earlier when its user is disabled or deleted or changes the password: it belongs to
one generation of the user's sessions. It is good for DDS; in IAM it may only read, so that nothing
made with it outlives it.
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
from shardhouse.store.vault import Vault

DEFAULT_SECONDS = 900
SECONDS_ALLOWED = range(900, 86400 + 1)
#: Another one for each form of the grant: a token of an older form is simply not valid.
CONTEXT = "security-token-2"


@dataclass(frozen=True)
class TemporaryKey:
    """A temporary key. `project_id` limits it to one project, as its token was; it is good while
    its user has this `session_generation`.
    """

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str = field(repr=False)
    user_id: str
    project_id: str | None
    expires_at: datetime
    session_generation: int


class TemporaryKeys:
    """Makes temporary keys and opens security tokens."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    def create(self, caller: Caller, seconds: int) -> TemporaryKey:
        """A temporary key for the caller's own scope. Raises IamError 400 for a wrong duration."""
        if seconds not in SECONDS_ALLOWED:
            raise IamError(f"duration_seconds: 900 to 86400, it is {seconds}.")
        access_key, secret_key = new_access_key(), new_secret_key()
        expires_at = self._clock() + timedelta(seconds=seconds)
        grant = {
            "access_key": access_key,
            "secret_key": secret_key,
            "user_id": caller.user_id,
            "project_id": caller.project_id,
            "expires_at": expires_at.isoformat(),
            "session_generation": caller.session_generation,
        }
        sealed = self._vault.seal(json.dumps(grant), CONTEXT)
        text = base64.urlsafe_b64encode(sealed).decode()
        return TemporaryKey(
            access_key,
            secret_key,
            text,
            caller.user_id,
            caller.project_id,
            expires_at,
            caller.session_generation,
        )

    def open(self, security_token: str, access_key: str) -> TemporaryKey:
        """The key in a security token. Raises IamError 401 when the token is not ours, not this
        key's, or expired.
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
        return TemporaryKey(
            access_key,
            grant["secret_key"],
            security_token,
            grant["user_id"],
            grant["project_id"],
            expires_at,
            grant["session_generation"],
        )
