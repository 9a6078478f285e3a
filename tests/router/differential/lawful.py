"""The differences a sharded cluster has by right: what a mongos 6.0 answers in our place, too.

Nothing else may differ. The same list, for people, is in `docs/router.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.router.differential.operations import Operation
from tests.router.differential.sides import SHARDED, Answer

Test = Callable[[Operation, Answer, Answer], bool]


@dataclass(frozen=True)
class Difference:
    """One lawful difference: its name, why it is, what a mongos does, and how to tell it.

    It is told by what the router answered: `codes` are the errors, of the command or of one of its
    statements, that only a sharded cluster gives; `applies` narrows it down, or stands alone.
    """

    name: str
    why: str
    mongos: str
    codes: frozenset[int] = frozenset()
    applies: Test = lambda operation, here, there: True

    def covers(self, operation: Operation, here: Answer, there: Answer) -> bool:
        """Whether the answers differ in this way."""
        told = not self.codes or bool(self.codes & errors(here))
        return told and self.applies(operation, here, there)


def errors(answer: Answer) -> set[int]:
    """The codes of the command's error, or of its statements' errors."""
    if answer.error is not None:
        return {answer.error[0]}
    return {item["code"] for item in answer.reply.get("writeErrors", ())}


def _on_sharded(operation: Operation, here: Answer, there: Answer) -> bool:
    return operation.collection in SHARDED


def _target_sharded(operation: Operation, here: Answer, there: Answer) -> bool:
    return any(name in SHARDED for name in operation.changes)


def _statements(operation: Operation) -> Sequence[Mapping[str, Any]]:
    found = operation.command.get("updates", ())
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _replaces_elsewhere(operation: Operation, here: Answer, there: Answer) -> bool:
    """One document is to be replaced, and the query does not say on which shard."""
    return _on_sharded(operation, here, there) and any(
        isinstance(one.get("u"), Mapping) and not str(next(iter(one["u"]), "")).startswith("$")
        for one in _statements(operation)
    )


def _duplicate_there(operation: Operation, here: Answer, there: Answer) -> bool:
    wrote = operation.name in ("insert", "update", "findAndModify", "aggregate")
    return (
        wrote and _target_sharded(operation, here, there) and 11000 in errors(there) | errors(here)
    )


def _only_there(*codes: int) -> Test:
    return lambda operation, here, there: bool(set(codes) & errors(there))


def _of(*names: str) -> Test:
    return lambda operation, here, there: operation.name in names


LAWFUL: Sequence[Difference] = (
    Difference(
        "a write of one document needs its shard",
        "Only one shard may carry it out, so the query has to name the shard key or an exact _id.",
        "error 61 (delete, findAndModify, upsert) or 72 (update): two-phase writes came with 7.0",
        frozenset({61, 72}),
        lambda operation, here, there: (
            _on_sharded(operation, here, there)
            and operation.name in ("update", "delete", "findAndModify")
        ),
    ),
    Difference(
        "shard key values are no arrays",
        "A document has one place.",
        "error 61 (insert, replacement), 16766 or 2 (update)",
        frozenset({61, 16766, 2}),
        _target_sharded,
    ),
    Difference(
        "a replacement goes where the new document belongs",
        "If the query does not name the shard, the replacement's shard key does; a document with "
        "that _id on another shard is not found (n: 0).",
        "the same: replacements always target one shard",
        applies=_replaces_elsewhere,
    ),
    Difference(
        "documents move between shards only in a transaction or a retryable write",
        "Moving is a delete here and an insert there.",
        "error 20 for a plain write, 31025 where several documents would move",
        frozenset({20, 31025}),
        _on_sharded,
    ),
    Difference(
        "the shard key is fixed in writes of several documents, and is never unset",
        "A shard cannot give documents to another one in the midst of an update.",
        "error 31025, 66 or 20",
        frozenset({31025, 66, 20, 50}),
        _on_sharded,
    ),
    Difference(
        "_id is unique on each shard, not over all of them",
        "No index spans shards. Documents with one _id may exist on different shards.",
        "the same, unless _id is the shard key",
        applies=_duplicate_there,
    ),
    Difference(
        "time series refuse a measurement without its time before it reaches a shard",
        "The time is needed to choose the shard.",
        "error 5743702; a server gives 2",
        frozenset({5743702}),
    ),
    Difference(
        "time series on several shards are written by the metaField only",
        "Other fields do not say which shard holds a measurement.",
        "error 61 or 72, or the server's own error from each shard",
        frozenset({61, 72, 2, 20, 31025}),
        lambda operation, here, there: operation.collection == "sharded_measures",
    ),
    Difference(
        "$out replaces unsharded collections only",
        "The new collection is renamed over the old one.",
        "error 28769",
        frozenset({28769, 17017}),
        _of("aggregate", "mapReduce"),
    ),
    Difference(
        "$merge into a sharded collection is by _id and shard key",
        "A document is looked for on the shard its key names; documents must have the key.",
        "errors 51132, 51190, 51185, 66 and 61; other codes than a server's 51183 and 11000",
        frozenset({51132, 51190, 51185, 66, 61, 72, 11000, 50905}),
        _of("aggregate", "mapReduce"),
    ),
    Difference(
        "distinct does not run on a sharded collection in a transaction",
        "The shards' filtering of documents they do not own is not available to it.",
        "error 263",
        frozenset({263}),
        _of("distinct"),
    ),
    Difference(
        "dropping what is not there succeeds",
        "The drop is carried out by a coordinator that must be repeatable.",
        "ok: 1; a server gives 26",
        applies=lambda operation, here, there: (
            operation.name == "drop" and here.error is None and 26 in errors(there)
        ),
    ),
    Difference(
        "explain of a find with let on a sharded view",
        "The cluster's explain does not hand the variables on.",
        "error 17276: the code that explains is the shards' own, which is a mongos' code",
        frozenset({17276}),
        _of("explain"),
    ),
    Difference(
        "unique indexes of a sharded collection begin with its shard key",
        "No index spans shards.",
        "error 67",
        frozenset({67}),
        _of("createIndexes"),
    ),
)


def lawful(operation: Operation, here: Answer, there: Answer) -> Difference | None:
    """The entry that covers the difference between these answers, if one does."""
    return next((one for one in LAWFUL if one.covers(operation, here, there)), None)
