"""The transactions this router knows: one per session, the newest. Pure but for its counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from shardhouse.router.errors import CommandError
from shardhouse.router.transactions.labels import NO_SUCH_TRANSACTION, TRANSACTION_COMMITTED
from shardhouse.router.transactions.plan import CommitKind
from shardhouse.router.transactions.transaction import Phase, Transaction

FORGOTTEN_AFTER = 1800.0
"""Seconds without a statement; a session lives no longer, a shard's transaction much shorter."""


class Transactions:
    """Transactions by session."""

    def __init__(self) -> None:
        self._newest: dict[bytes, Transaction] = {}
        self.started = self.committed = self.aborted = 0
        self.contacted = self.committing = 0
        self.initiated: Counter[CommitKind] = Counter()
        self.successful: Counter[CommitKind] = Counter()

    @property
    def open(self) -> list[Transaction]:
        """Those neither committed nor aborted."""
        return [t for t in self._newest.values() if t.phase in (Phase.OPEN, Phase.COMMITTING)]

    def begin(
        self, lsid: Mapping[str, Any], number: int, concern: Mapping[str, Any]
    ) -> tuple[Transaction, Transaction | None]:
        """A new transaction, and the one it replaces if that was left open."""
        old = self._newest.get(_key(lsid))
        if old is not None and number == old.number:
            raise CommandError(117, f"txnNumber {number} was already started in this session")
        if old is not None and number < old.number:
            raise _too_old(number, old)
        new = Transaction(lsid, number, concern)
        self._newest[_key(lsid)] = new
        self.started += 1
        left = old if old is not None and old.phase is Phase.OPEN else None
        return new, left

    def current(self, lsid: Mapping[str, Any], number: int) -> Transaction:
        """The open transaction a statement belongs to; an error says why there is none."""
        known = self.find(lsid, number)
        if known is None:
            raise CommandError(
                NO_SUCH_TRANSACTION,
                f"cannot continue transaction {number}: this router did not see its start",
            )
        if known.phase is Phase.ABORTED:
            raise CommandError(NO_SUCH_TRANSACTION, f"Transaction {number} has been aborted")
        if known.phase is not Phase.OPEN:
            raise CommandError(TRANSACTION_COMMITTED, f"Transaction {number} has been committed")
        return known

    def find(self, lsid: Mapping[str, Any], number: int) -> Transaction | None:
        """The transaction of this number in any phase, None if unknown; TransactionTooOld (225)."""
        known = self._newest.get(_key(lsid))
        if known is None or number > known.number:
            return None
        if number < known.number:
            raise _too_old(number, known)
        return known

    def forget(self, known: Transaction) -> None:
        """Drop one: its session was killed."""
        self._newest.pop(_key(known.lsid), None)

    def forget_idle(self, now: float) -> None:
        """Drop what no client can continue any more."""
        for key, known in list(self._newest.items()):
            if now - known.touched > FORGOTTEN_AFTER:
                del self._newest[key]


def _key(lsid: Mapping[str, Any]) -> bytes:
    return bytes(lsid["id"]) + bytes(lsid["uid"])


def _too_old(number: int, newest: Transaction) -> CommandError:
    return CommandError(
        225, f"txnNumber {number} is lower than this session's newest, {newest.number}"
    )


def counts(known: Transactions) -> dict[str, Any]:
    """The section `transactions` of serverStatus, as far as it is counted."""
    active = sum(transaction.lock.locked() for transaction in known.open)
    kinds = {
        kind.value: {"initiated": known.initiated[kind], "successful": known.successful[kind]}
        for kind in CommitKind
    }
    return {
        "currentOpen": len(known.open),
        "currentActive": active,
        "currentInactive": len(known.open) - active,
        "totalStarted": known.started,
        "totalCommitted": known.committed,
        "totalAborted": known.aborted,
        "totalContactedParticipants": known.contacted,
        "totalParticipantsAtCommit": known.committing,
        "commitTypes": kinds,
    }
