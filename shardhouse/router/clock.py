"""Cluster time: the newest seen, signed for clients, verified when it comes from them. Pure.

Source: tried against 6.0.5. A signature is the HMAC-SHA1 of the time with its low 16 bits set, so
that one signature serves a whole range of times.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bson import Int64, Timestamp

from shardhouse.router.errors import CommandError

MAX_DRIFT = 365 * 24 * 3600
"""Seconds a client's time may lie ahead of ours."""

_DUMMY = {"hash": b"\0" * 20, "keyId": Int64(0)}
_ZERO = Timestamp(0, 0)


class Key(NamedTuple):
    """A signing key of `admin.system.keys`; `expires` is exclusive."""

    id: int
    secret: bytes
    expires: Timestamp


class Clock:
    """The router's cluster time."""

    def __init__(self) -> None:
        self.now = _ZERO
        self.config_time: Timestamp | None = None
        self._keys: list[Key] = []
        self._signed: tuple[int, int, dict[str, Any]] = (0, 0, {})

    def set_keys(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """The keys as `admin.system.keys` holds them."""
        keys = [
            Key(int(document["_id"]), bytes(document["key"]), document["expiresAt"])
            for document in documents
            if document.get("purpose") == "HMAC"
        ]
        self._keys = sorted(keys, key=lambda key: key.expires)

    @property
    def needs_keys(self) -> bool:
        """No key can sign the present time."""
        return self._signing_key() is None

    def advance(self, time: Timestamp | None) -> None:
        """A trusted node told the time."""
        if time is not None and time > self.now:
            self.now = time

    def gossip(self) -> dict[str, Any]:
        """`$clusterTime` for a shard, which trusts us."""
        return {"clusterTime": self.now, "signature": _DUMMY}

    def for_client(self) -> dict[str, Any] | None:
        """`$clusterTime` for a client, signed; None while there is nothing to sign with."""
        if self.now == _ZERO:
            return None
        key = self._signing_key()
        if key is None:
            return None
        masked = _masked(self.now)
        if self._signed[:2] != (masked, key.id):
            signature = {"hash": _sign(key, masked), "keyId": Int64(key.id)}
            self._signed = (masked, key.id, signature)
        return {"clusterTime": self.now, "signature": self._signed[2]}

    def receive(self, document: object, wall_clock: float) -> None:
        """Take a client's `$clusterTime`; an unsigned, forged or absurd one is refused."""
        if not isinstance(document, Mapping) or not isinstance(
            document.get("clusterTime"), Timestamp
        ):
            raise CommandError(14, "$clusterTime must hold a timestamp 'clusterTime'")
        time: Timestamp = document["clusterTime"]
        if time <= self.now:
            return
        signature = document.get("signature")
        signature = signature if isinstance(signature, Mapping) else {}
        key = self._key(signature.get("keyId"))
        if key is None:
            raise CommandError(
                25, "No keys found for HMAC that is valid for the given cluster time"
            )
        if not hmac.compare_digest(_sign(key, _masked(time)), bytes(signature.get("hash", b""))):
            raise CommandError(206, "Time-proof did not match the cluster time")
        if time.time > wall_clock + MAX_DRIFT:
            raise CommandError(228, "new cluster time is too far from this node's wall clock time")
        self.now = time

    def _signing_key(self) -> Key | None:
        return next((key for key in self._keys if key.expires > self.now), None)

    def _key(self, key_id: object) -> Key | None:
        return next((key for key in self._keys if key.id == key_id), None)


def _masked(time: Timestamp) -> int:
    return ((time.time << 32) | time.inc) | 0xFFFF


def _sign(key: Key, masked: int) -> bytes:
    return hmac.digest(key.secret, struct.pack("<Q", masked), "sha1")
