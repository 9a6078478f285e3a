"""Passwords: what is allowed, hashing with argon2, and checks that are remembered for a minute.

argon2 costs tens of milliseconds on purpose. All hashes are computed by one thread of lower
priority, so that they take from the rest of the service what it leaves over. A client that logs in
again and again with a password just verified is let through by a keyed digest of (hash, password);
a changed password has another hash, so nothing old is ever remembered for it.
"""

import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shardhouse.errors import IamError
from shardhouse.iam.clock import Clock
from shardhouse.store.vault import Vault

#: OTC's default rule: 6 to 32 characters without spaces, at least two of upper-case letters,
#: lower-case letters, digits and others.
RULE_REGEX = r"^(?![A-Z]*$)(?![a-z]*$)(?!\d*$)(?![^A-Za-z\d]*$)\S{6,32}$"
RULE_TEXT = (
    "6 to 32 characters without spaces, with at least two of: upper-case letters, lower-case "
    "letters, digits, special characters; not the user name or its reverse"
)
REMEMBERED = timedelta(seconds=60)
REMEMBERED_CHECKS = 1024
#: Added to the niceness of the hashing thread (on Linux each thread has its own).
NICENESS = 5


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        # The second choice of OWASP's password storage advice: 19 MB, two passes, one lane.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        # That thread does nothing but hash, without the interpreter's lock: it must not be
        # preempted while it holds what others wait for.
        self._thread = ThreadPoolExecutor(1, "passwords", os.nice, (NICENESS,))
        self._decoy = self._hasher.hash(secrets.token_urlsafe())
        self._verified: dict[bytes, datetime] = {}

    def hash(self, password: str) -> str:
        """The password's salted hash, in argon2's own text format."""
        return self._thread.submit(self._hasher.hash, password).result()

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; takes as long when there is no hash to compare with."""
        key = self._vault.digest(f"{password_hash}\0{password}", "password-check")
        now = self._clock()
        if self._verified.get(key, now) > now:
            return True
        try:
            self._thread.submit(
                self._hasher.verify, password_hash or self._decoy, password
            ).result()
        except (VerificationError, InvalidHashError):
            return False
        if password_hash is None:
            return False
        if len(self._verified) >= REMEMBERED_CHECKS:
            self._verified.clear()
        self._verified[key] = now + REMEMBERED
        return True


def check_password(password: str, user_name: str) -> None:
    """Raises IamError 400 unless the password follows the domain's rule."""
    forbidden = (user_name.lower(), user_name.lower()[::-1])
    if not re.fullmatch(RULE_REGEX, password) or password.lower() in forbidden:
        raise IamError(f"password: {RULE_TEXT}.")


def strength(password: str) -> str:
    """`low`, `mid` or `high`, as `pwd_strength` has it."""
    kinds = sum(
        re.search(kind, password) is not None for kind in ("[A-Z]", "[a-z]", r"\d", r"[^A-Za-z\d]")
    )
    if kinds < 2 or len(password) < 8:
        return "low"
    return "high" if kinds >= 3 and len(password) >= 12 else "mid"
