"""SCRAM (RFC 5802, RFC 7677) from both sides: verifying clients, logging in to shards. Pure.

MongoDB's conventions: SCRAM-SHA-1 uses the hex MD5 of `user:mongo:password` as its password;
`skipEmptyExchange` saves the last, empty step.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from shardhouse.router.errors import CommandError
from shardhouse.router.wire import raw

DIGESTS: Mapping[str, str] = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
ITERATIONS: Mapping[str, int] = {"SCRAM-SHA-256": 15000, "SCRAM-SHA-1": 10000}


@dataclass(frozen=True, slots=True)
class Credential:
    """What the server stores instead of a password."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Credential:
        """From `credentials[<mechanism>]` of a user document (Base64 texts)."""
        return cls(
            salt=base64.b64decode(str(document["salt"])),
            iterations=int(str(document["iterationCount"])),
            stored_key=base64.b64decode(str(document["storedKey"])),
            server_key=base64.b64decode(str(document["serverKey"])),
        )

    @classmethod
    def of_password(cls, password: bytes, mechanism: str, salt: bytes) -> Credential:
        """The credential of a password."""
        digest, iterations = DIGESTS[mechanism], ITERATIONS[mechanism]
        salted = hashlib.pbkdf2_hmac(digest, password, salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", digest)
        server_key = hmac.digest(salted, b"Server Key", digest)
        return cls(salt, iterations, hashlib.new(digest, client_key).digest(), server_key)

    @classmethod
    def of_nobody(cls, name: str, mechanism: str, secret: bytes) -> Credential:
        """A credential no password fits, always the same for a name: hides which users exist."""
        size = hashlib.new(DIGESTS[mechanism], b"").digest_size
        salt = hmac.digest(secret, raw.octets(f"{mechanism} {name}"), "sha256")[: size - 4]
        return cls(salt, ITERATIONS[mechanism], os.urandom(size), os.urandom(size))


def _attributes(message: str) -> dict[str, str]:
    try:
        return dict(part.split("=", 1) for part in message.split(","))
    except ValueError as error:
        raise failed() from error


def failed() -> CommandError:
    """Error 18, the same whatever was wrong."""
    return CommandError(18, "Authentication failed.")


def user_of(payload: bytes) -> str:
    """The user name in a client's first message; error 18 if there is none."""
    text = payload.decode("utf-8", "replace")
    name = _attributes(text.split(",", 2)[-1]).get("n", "")
    return name.replace("=2C", ",").replace("=3D", "=")


class ServerConversation:
    """One login of a client: after `first` and `final` it has proved its password."""

    def __init__(self, mechanism: str, credential: Credential) -> None:
        self._digest = DIGESTS[mechanism]
        self._credential = credential
        self._nonce = ""
        self._binding = ""
        self._transcript = ""

    def first(self, payload: bytes) -> bytes:
        """Answer the client's first message with nonce, salt and iterations."""
        header, _, bare = payload.decode("utf-8", "replace").partition(",,")
        client_nonce = _attributes(bare).get("r")
        if header not in ("n", "y") or not client_nonce:
            raise failed()
        self._binding = base64.b64encode(f"{header},,".encode()).decode()
        self._nonce = client_nonce + base64.b64encode(os.urandom(24)).decode()
        salt = base64.b64encode(self._credential.salt).decode()
        answer = f"r={self._nonce},s={salt},i={self._credential.iterations}"
        self._transcript = f"{bare},{answer}"
        return answer.encode()

    def final(self, payload: bytes) -> bytes:
        """Check the client's proof and answer with ours; error 18 if it does not hold."""
        text = payload.decode("utf-8", "replace")
        without_proof, _, proof = text.rpartition(",p=")
        values = _attributes(without_proof)
        if values.get("r") != self._nonce or values.get("c") != self._binding or not self._nonce:
            raise failed()
        transcript = f"{self._transcript},{without_proof}".encode()
        self._nonce = ""
        signature = hmac.digest(self._credential.stored_key, transcript, self._digest)
        try:
            client_key = _xor(base64.b64decode(proof), signature)
        except ValueError as error:
            raise failed() from error
        stored = hashlib.new(self._digest, client_key).digest()
        if not hmac.compare_digest(stored, self._credential.stored_key):
            raise failed()
        server = hmac.digest(self._credential.server_key, transcript, self._digest)
        return b"v=" + base64.b64encode(server)


class ClientConversation:
    """Our own login to a cluster member as `__system` (SCRAM-SHA-256)."""

    def __init__(self, user: str, password: bytes) -> None:
        self._password = password
        self._nonce = base64.b64encode(os.urandom(24)).decode()
        self._bare = f"n={user},r={self._nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        """The first message."""
        return f"n,,{self._bare}".encode()

    def final(self, answer: bytes) -> bytes:
        """The proof, given the server's first answer; ValueError if the answer is not usable."""
        text = answer.decode()
        values = _attributes(text)
        if not values["r"].startswith(self._nonce):
            raise ValueError("server did not keep the nonce")
        salted = _salted(self._password, base64.b64decode(values["s"]), int(values["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={values['r']}"
        transcript = f"{self._bare},{text},{without_proof}".encode()
        stored_key = hashlib.sha256(client_key).digest()
        proof = _xor(client_key, hmac.digest(stored_key, transcript, "sha256"))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self._server_signature = hmac.digest(server_key, transcript, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, answer: bytes) -> None:
        """Check that the server knows the key too; ValueError if not."""
        if not hmac.compare_digest(answer, b"v=" + base64.b64encode(self._server_signature)):
            raise ValueError("server does not know the cluster key")


@lru_cache(maxsize=256)
def _salted(password: bytes, salt: bytes, iterations: int) -> bytes:
    """Milliseconds of work, the same for every connection to one node."""
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


def _xor(left: bytes, right: bytes) -> bytes:
    if len(left) != len(right):
        raise ValueError("proof has the wrong length")
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
