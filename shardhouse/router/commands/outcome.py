"""What came of a batch of writes: shards' replies put together in the client's numbering. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.raw_bson import RawBSONDocument

from shardhouse.router.errors import RETRYABLE_WRITE_CODES, STALE_CODES, CommandError
from shardhouse.router.wire import raw


@dataclass(slots=True)
class Outcome:
    """What came of the statements so far, in the numbering of the client's batch."""

    counts: dict[str, int] = field(default_factory=lambda: {"n": 0})
    upserted: list[raw.Document] = field(default_factory=list)
    errors: list[raw.Document] = field(default_factory=list)
    retried: set[int] = field(default_factory=set)
    concern_error: Any = None

    def add(self, fields: Mapping[str, Any], indexes: Sequence[int]) -> list[int]:
        """Take one shard's reply for the statements `indexes`; returns those it calls stale."""
        for name in ("n", "nModified"):
            if name in fields:
                self.counts[name] = self.counts.get(name, 0) + int(fields[name])
        for item in fields.get("upserted", ()):
            document = raw.faithful(bytes(item.raw))
            self.upserted.append({**document, "index": indexes[document["index"]]})
        stale = []
        for item in fields.get("writeErrors", ()):
            document = raw.shallow(bytes(item.raw))
            index = indexes[document["index"]]
            if document.get("code") in STALE_CODES:
                stale.append(index)
            else:
                self.errors.append({**document, "index": index})
        self.retried.update(fields.get("retriedStmtIds", ()))
        self.concern_error = self.concern_error or fields.get("writeConcernError")
        return stale

    def fail(self, index: int, error: CommandError) -> None:
        """A statement could not be sent anywhere."""
        self.errors.append({"index": index, "code": error.code, "errmsg": error.message})

    def reply(self) -> raw.Document:
        """The reply for the client."""
        fields: raw.Document = dict(self.counts)
        if self.upserted:
            fields["upserted"] = sorted(self.upserted, key=lambda item: item["index"])
        if self.errors:
            fields["writeErrors"] = _one_per_statement(self.errors)
        if self.concern_error is not None:
            fields["writeConcernError"] = self.concern_error
        if self.retried:
            fields["retriedStmtIds"] = sorted(self.retried)
        return fields


def _one_per_statement(errors: Sequence[raw.Document]) -> list[raw.Document]:
    """A statement that failed on several shards has failed once: as on all of them, or with
    MultipleErrorsOccurred (65)."""
    by_index: dict[int, raw.Document] = {}
    for error in sorted(errors, key=lambda item: item["index"]):
        index = error["index"]
        before = by_index.setdefault(index, error)
        if before["code"] != error["code"]:
            text = f"multiple errors: {before['errmsg']} :: and :: {error['errmsg']}"
            by_index[index] = {"index": index, "code": 65, "errmsg": text}
    return list(by_index.values())


def first_stale(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first statement's error that calls our routing stale."""
    for item in fields.get("writeErrors", ()):
        document = raw.shallow(bytes(item.raw))
        if document.get("code") in STALE_CODES:
            return document
    return None


def labelled(reply: raw.Document, transaction_number: object) -> raw.Document:
    """Tell the driver if its write concern failed for a passing reason: it may repeat the write."""
    concern = reply.get("writeConcernError")
    if transaction_number is not None and isinstance(concern, RawBSONDocument):
        element = raw.shallow(bytes(concern.raw)).get("code")
        if element in RETRYABLE_WRITE_CODES:
            reply["errorLabels"] = ["RetryableWriteError"]
    return reply
