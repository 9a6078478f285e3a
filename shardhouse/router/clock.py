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
from shardhouse.router.wire import raw

MAX_DRIFT = 365 * 24 * 3600
"""Seconds a client's time may lie ahead of ours."""

_DUMMY = {"hash": b"\0" * 20, "keyId": Int64(0)}
_DUMMY_ENCODED = raw.element("signature", _DUMMY)
_TOLD = b"\x03$clusterTime\0"
_RANGE = 0xFFFF
"""One signature proves times that differ in these bits only."""

_ZERO = Timestamp(0, 0)
_TIME_FIRST = b"\x11clusterTime\0"


class Key(NamedTuple):
    """A signing key of `admin.system.keys`; `expires` is exclusive."""

    id: int
    secret: bytes
    expires: Timestamp


class _Signature:
    """What proves all times of one range, up to `until`; the same encoded."""

    def __init__(self, until: int, content: dict[str, Any]) -> None:
        self.until = until
        self.content = content
        self.encoded = raw.element("signature", content)


_UNSIGNED = _Signature(-1, {})


class Clock:
    """The router's cluster time."""

    def __init__(self) -> None:
        self.now = _ZERO
        self._number = 0  # the same time as BSON's number
        self.config_time: Timestamp | None = None
        self._keys: list[Key] = []
        self._signed = _UNSIGNED

    def set_keys(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """The keys as `admin.system.keys` holds them."""
        keys = [
            Key(int(document["_id"]), bytes(document["key"]), document["expiresAt"])
            for document in documents
            if document.get("purpose") == "HMAC"
        ]
        self._keys = sorted(keys, key=lambda key: key.expires)
        self._signed = _UNSIGNED

    @property
    def needs_keys(self) -> bool:
        """No key can sign the present time."""
        return self._signing_key() is None

    def advance(self, time: Timestamp | None) -> None:
        """A trusted node told the time."""
        if time is not None and time > self.now:
            self._set(time)

    def gossip(self) -> dict[str, Any]:
        """`$clusterTime` for a shard, which trusts us."""
        return {"clusterTime": self.now, "signature": _DUMMY}

    def advance_config(self, time: Timestamp | None) -> None:
        """A trusted node told how new the config servers' state is that it knows of."""
        if time is not None and (self.config_time is None or time > self.config_time):
            self.config_time = time

    def covers(self, document: bytes) -> bool:
        """Whether an encoded `$clusterTime` tells nothing new, so that no proof is needed."""
        return document[4:17] == _TIME_FIRST and _number(document, 17) <= self._number

    def advance_encoded(self, document: bytes) -> None:
        """A trusted node told the time in an encoded `$clusterTime`."""
        number = _number(document, 17) if document[4:17] == _TIME_FIRST else 0
        if number > self._number:
            self._set(Timestamp(number >> 32, number & 0xFFFFFFFF))

    def gossip_encoded(self) -> bytes:
        """`gossip` as an encoded field."""
        return self._told(_DUMMY_ENCODED)

    def for_client_encoded(self) -> bytes:
        """`for_client` as an encoded field; empty if there is none."""
        if self._signed.until < self._number and self.for_client() is None:
            return b""
        return self._told(self._signed.encoded)

    def _told(self, signature: bytes) -> bytes:
        time = _TIME_FIRST + self._number.to_bytes(8, "little")
        return _TOLD + raw.assembled((time, signature))

    def for_client(self) -> dict[str, Any] | None:
        """`$clusterTime` for a client, signed; None while there is nothing to sign with."""
        if self.now == _ZERO:
            return None
        if self._signed.until < self._number:
            key = self._signing_key()
            if key is None:
                return None
            last = self._number | _RANGE
            self._signed = _Signature(last, {"hash": _sign(key, last), "keyId": Int64(key.id)})
        return {"clusterTime": self.now, "signature": self._signed.content}

    def receive(self, document: object, wall_clock: float, *, signed: bool = True) -> None:
        """Take a client's `$clusterTime`; an unsigned, forged or absurd one is refused.

        Not `signed`: whoever may do everything may set the clock. Nodes without access control
        do not sign what they tell.
        """
        if not isinstance(document, Mapping) or not isinstance(
            document.get("clusterTime"), Timestamp
        ):
            raise CommandError(14, "$clusterTime must hold a timestamp 'clusterTime'")
        time: Timestamp = document["clusterTime"]
        if time <= self.now:
            return
        if signed:
            self._verify(time, document.get("signature"))
        if time.time > wall_clock + MAX_DRIFT:
            raise CommandError(228, "new cluster time is too far from this node's wall clock time")
        self._set(time)

    def _verify(self, time: Timestamp, signature: object) -> None:
        signature = signature if isinstance(signature, Mapping) else {}
        key = self._key(signature.get("keyId"), time)
        if key is None:
            raise CommandError(
                25, "No keys found for HMAC that is valid for the given cluster time"
            )
        told = signature.get("hash")
        if not isinstance(told, bytes):
            raise CommandError(14, "$clusterTime.signature.hash must be binary data")
        if not hmac.compare_digest(_sign(key, _packed(time) | _RANGE), told):
            raise CommandError(206, "Time-proof did not match the cluster time")

    def _set(self, time: Timestamp) -> None:
        self.now, self._number = time, _packed(time)

    def _signing_key(self) -> Key | None:
        return next((key for key in self._keys if key.expires > self.now), None)

    def _key(self, key_id: object, time: Timestamp) -> Key | None:
        """The key of this id, if it may sign such a time."""
        return next((key for key in self._keys if key.id == key_id and key.expires > time), None)


def _number(document: bytes, start: int) -> int:
    return int.from_bytes(document[start : start + 8], "little")


def _packed(time: Timestamp) -> int:
    return time.time << 32 | time.inc


def _sign(key: Key, masked: int) -> bytes:
    return hmac.digest(key.secret, struct.pack("<Q", masked), "sha1")
