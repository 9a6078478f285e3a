"""One multi-document transaction: its participants, and what each statement must carry. Pure.

Source: the protocol between mongos and shards, tried against 6.0.5. The first statement a shard
gets starts the transaction there and brings the read concern; later ones carry neither. The first
participant coordinates a two-phase commit.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bson import Timestamp

STATEMENTS = frozenset(
    {
        "aggregate", "create", "createIndexes", "delete", "distinct", "find", "findAndModify",
        "insert", "update",
    }
)  # fmt: skip
"""Commands to shards that become part of the transaction they are sent in."""

LEVELS = frozenset({"local", "majority", "snapshot"})
"""Read concern levels a transaction may have."""


class Phase(enum.Enum):
    """How far a transaction got. From OPEN to COMMITTING to COMMITTED, or to ABORTED."""

    OPEN = "open"
    COMMITTING = "committing"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True)
class Transaction:
    """`participants` maps each shard to whether it only read so far (None: it has not said)."""

    lsid: Mapping[str, Any]
    number: Any
    read_concern: Mapping[str, Any]
    participants: dict[str, bool | None] = field(default_factory=dict)
    phase: Phase = Phase.OPEN
    recovery_shard: str | None = None
    snapshot: Timestamp | None = None
    touched: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _settled: frozenset[str] = frozenset()
    _asked: set[str] = field(default_factory=set)
    _unanswered: int = 0
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _lost: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """What every command within the transaction carries."""
        return {"lsid": self.lsid, "txnNumber": self.number, "autocommit": False}

    @property
    def recovery_token(self) -> dict[str, Any]:
        """What another router needs to learn the outcome; empty while no shard took part.

        A shard that was only read from knows of no commit, and has the transaction run again.
        (Drivers leave an empty token out, and a commit without one cannot be recovered.)
        """
        shard = self.recovery_shard or next(iter(self.participants), None)
        return {} if shard is None else {"recoveryShardId": shard}

    def begin_statement(self, now: Timestamp) -> None:
        """A client's statement starts, at cluster time `now`."""
        self.touched = time.monotonic()
        self._settled = frozenset(self.participants)
        self._asked = set()
        self._lost = False
        if not self.participants and self.read_concern.get("level") == "snapshot":
            after = self.read_concern.get("afterClusterTime", now)
            self.snapshot = self.read_concern.get("atClusterTime") or max(now, after)

    @property
    def can_start_over(self) -> bool:
        """Whether the statement touched only shards which had no part in the transaction before,
        so that it can be undone by aborting on those. One that did not answer may yet begin."""
        return self._asked.isdisjoint(self._settled) and not self._lost

    @property
    def newcomers(self) -> list[str]:
        """Shards the statement brought in."""
        return [shard for shard in self.participants if shard not in self._settled]

    def start_over(self) -> list[str]:
        """Forget the newcomers; they are to be told to abort."""
        newcomers = self.newcomers
        for shard in newcomers:
            del self.participants[shard]
        return newcomers

    def join(self, shard: str, command: Mapping[str, Any]) -> dict[str, Any]:
        """The command as this shard must be sent it, which thereby takes part."""
        joined = {
            name: value
            for name, value in command.items()
            if name not in ("readConcern", "writeConcern")
        }
        joined |= self.fields
        self._asked.add(shard)
        self._unanswered += 1
        if shard not in self.participants:
            joined["startTransaction"] = True
            joined["readConcern"] = self._concern()
            if not self.participants:
                joined["coordinator"] = True
            self.participants[shard] = None
        return joined

    def ended(self, *, lost: bool) -> None:
        """What a shard was sent has its answer; or the connection was `lost` before it came."""
        self._unanswered -= 1
        self._lost = self._lost or lost
        self._quiet.set()

    async def quiet(self) -> None:
        """Wait until no shard works for the transaction. An abort sent before that could arrive
        before the statement that begins it, which would then begin after all."""
        while self._unanswered:
            self._quiet.clear()
            await self._quiet.wait()

    def answered(self, shard: str, read_only: bool | None) -> None:
        """A participant succeeded, and said whether it only read so far."""
        if read_only is None:
            return
        self.participants[shard] = read_only
        if not read_only and self.recovery_shard is None:
            self.recovery_shard = shard

    def _concern(self) -> Mapping[str, Any]:
        if self.snapshot is None:
            return self.read_concern
        return {"level": "snapshot", "atClusterTime": self.snapshot}
