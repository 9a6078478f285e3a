"""Which label an error in a transaction bears, so that drivers know what to repeat. Pure.

Sources: the public drivers' specifications of transactions and of retryable writes, MongoDB's error
categories.
"""

from __future__ import annotations

from shardhouse.router.errors import RETRYABLE_WRITE_CODES, STALE_CODES

TRANSIENT = "TransientTransactionError"
RETRYABLE = "RetryableWriteError"

SNAPSHOT_CODES = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable: another point in time may do."""

NO_SUCH_TRANSACTION, TRANSACTION_COMMITTED = 251, 256
UNSELECTABLE = 133
_CONFLICTS = frozenset({24, 112, 267}) | SNAPSHOT_CODES | STALE_CODES
_ENDINGS = frozenset({"commitTransaction", "abortTransaction"})


def label(command: str, code: int, *, in_transaction: bool, numbered: bool) -> str | None:
    """The label for an error of a command.

    `in_transaction`: it carries `autocommit: false`; `numbered`: it carries a transaction number.
    After a commit of unknown outcome drivers add a label of their own if this one is RETRYABLE.
    """
    if command in _ENDINGS:
        if code in RETRYABLE_WRITE_CODES or code == UNSELECTABLE:
            return RETRYABLE
        if code in _CONFLICTS or code == NO_SUCH_TRANSACTION:
            return TRANSIENT
        return None
    if in_transaction:
        passing = code in RETRYABLE_WRITE_CODES or code in (NO_SUCH_TRANSACTION, UNSELECTABLE)
        return TRANSIENT if passing or code in _CONFLICTS else None
    return RETRYABLE if numbered and code in RETRYABLE_WRITE_CODES else None
