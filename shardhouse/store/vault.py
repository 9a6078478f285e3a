"""Secrets at rest: sealed with the installation's master key, never stored in clear.

AES-256-GCM (`cryptography`). The context given at sealing (for example "access-key:AKXYZ") is
authenticated, so that a sealed value moved to another row does not open.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shardhouse.errors import ShardhouseError

KEY_NAME = "master.key"
KEY_BYTES = 32
NONCE_BYTES = 12


class Vault:
    """Seals and opens secrets with one master key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ShardhouseError(f"The master key must have {KEY_BYTES} bytes, it has {len(key)}.")
        self._cipher = AESGCM(key)
        self._key = key

    @classmethod
    def at(cls, data_dir: Path) -> "Vault":
        """The vault of an installation; makes `master.key` (0600) at the first call."""
        path = data_dir / KEY_NAME
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(path.read_bytes())
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        return cls(path.read_bytes())

    def seal(self, secret: str, context: str) -> bytes:
        """Encrypt `secret`, bound to `context`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Decrypt. Raises ShardhouseError when the key, the context or the bytes are wrong."""
        try:
            plain = self._cipher.decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode()
            )
        except InvalidTag:
            raise ShardhouseError(
                f"A stored secret ({context}) does not open with this installation's "
                f"{KEY_NAME}; was the key replaced?"
            ) from None
        return plain.decode()

    def digest(self, value: str, context: str) -> bytes:
        """A keyed hash for looking a secret up (a token, a cached password check) by value."""
        mac = hmac.HMAC(self._key, hashes.SHA256())
        mac.update(context.encode() + b"\0" + value.encode())
        return mac.finalize()
