"""The differences a sharded cluster has by right: what a mongos 6.0 answers in our place, too.

Nothing else may differ. The same list, for people, is in `docs/router.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shardhouse.router.errors import code_name
from tests.router.differential.operations import Operation
from tests.router.differential.sides import SHARDED, Answer

Test = Callable[[Operation, Answer, Answer], bool]


@dataclass(frozen=True)
class Difference:
    """One lawful difference: its name, why it is, what a mongos does, and how to tell it.

    `answers` gives, by the code of the router's error (of the command or of a statement), what the
    replica set may have answered: its codes, or SUCCESS. Without `answers` the router may have no
    error which the replica set has not, and `applies` has to tell the difference.
    """

    name: str
    why: str
    mongos: str
    answers: Mapping[int, Container[int]] = field(default_factory=dict)
    applies: Test = lambda operation, here, there: True


SUCCESS = 0
"""Stands for no error at all."""

ANYTHING = range(2**31)
"""Success and every error."""


def errors(answer: Answer) -> set[int]:
    """The codes of the command's error, or of its statements' errors."""
    if answer.error is not None:
        return {answer.error[0]}
    return {item["code"] for item in answer.reply.get("writeErrors", ())}


def _of_codes(here: set[int], there: set[int]) -> dict[int, Container[int]]:
    return {code: frozenset(there) for code in here}


def _on_sharded(operation: Operation, here: Answer, there: Answer) -> bool:
    return operation.collection in SHARDED


def _target_sharded(operation: Operation, here: Answer, there: Answer) -> bool:
    return any(name in SHARDED for name in operation.changes)


def _statements(operation: Operation) -> Sequence[Mapping[str, Any]]:
    found = operation.command.get("updates", ())
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _replaces_elsewhere(operation: Operation, here: Answer, there: Answer) -> bool:
    """One document is to be replaced, and the query does not say on which shard."""
    found_there = here.reply.get("n", 0) < there.reply.get("n", 0) or bool(errors(there))
    return (
        found_there
        and _on_sharded(operation, here, there)
        and any(
            isinstance(one.get("u"), Mapping) and not str(next(iter(one["u"]), "")).startswith("$")
            for one in _statements(operation)
        )
    )


def _duplicate_there(operation: Operation, here: Answer, there: Answer) -> bool:
    wrote = operation.name in ("insert", "update", "findAndModify", "aggregate")
    return (
        wrote and _target_sharded(operation, here, there) and 11000 in errors(there) | errors(here)
    )


def _went_on(operation: Operation, here: Answer, there: Answer) -> bool:
    """An ordered batch which a duplicate ended there, and something later here."""
    ends = [answer.reply.get("writeErrors", [{}])[0] for answer in (here, there)]
    return ends[1].get("code") == 11000 and ends[0].get("index", -1) > ends[1]["index"]


def _internal_stage(operation: Operation, here: Answer, there: Answer) -> bool:
    return any(name in str(operation.command) for name in ("$mergeCursors", "$_internal"))


def _of(*names: str) -> Test:
    return lambda operation, here, there: operation.name in names


LAWFUL: Sequence[Difference] = (
    Difference(
        "a write of one document needs its shard",
        "Only one shard may carry it out, so the query has to name the shard key or an exact _id.",
        "error 61 (delete, findAndModify, upsert) or 72 (update): two-phase writes came with 7.0",
        {61: ANYTHING, 72: ANYTHING},  # the router does not come so far as to read the rest
        lambda operation, here, there: (
            _on_sharded(operation, here, there)
            and operation.name in ("update", "delete", "findAndModify")
        ),
    ),
    Difference(
        "shard key values are no arrays",
        "A document has one place.",
        "error 61 (insert, replacement), 16766 or 2 (update)",
        {61: frozenset({SUCCESS, 53, 11000}), 16766: frozenset({SUCCESS}), 2: frozenset({SUCCESS})},
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
        _of_codes({20, 31025}, {SUCCESS, 11000}),
        _on_sharded,
    ),
    Difference(
        "the shard key is fixed in writes of several documents, and is never unset",
        "A shard cannot give documents to another one in the midst of an update.",
        "error 31025, 66 or 20",
        _of_codes({31025, 66, 20}, {SUCCESS, 11000}),
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
        {5743702: frozenset({2})},
        _of("insert"),
    ),
    Difference(
        "time series on several shards are written by the metaField only",
        "Other fields do not say which shard holds a measurement.",
        "error 61 or 72, or the server's own error from each shard",
        _of_codes({61, 72, 2, 20, 31025}, {SUCCESS, 2, 20, 31025, 72}),
        lambda operation, here, there: operation.collection == "sharded_measures",
    ),
    Difference(
        "$out replaces unsharded collections only",
        "The new collection is renamed over the old one.",
        "error 28769",
        {28769: frozenset({SUCCESS})},
        _of("aggregate", "mapReduce"),
    ),
    Difference(
        "$merge into a sharded collection is by _id and shard key",
        "A document is looked for on the shard its key names; documents must have the key.",
        "errors 51132, 51185, 66 and 61; 51190, for which a server gives 51183",
        {
            51132: frozenset({SUCCESS}),
            51190: frozenset({51183}),
            51185: frozenset({SUCCESS}),
            66: frozenset({SUCCESS}),
            61: frozenset({SUCCESS}),
        },
        _of("aggregate", "mapReduce"),
    ),
    Difference(
        "distinct does not run on a sharded collection in a transaction",
        "The shards' filtering of documents they do not own is not available to it.",
        "error 263",
        {263: ANYTHING},
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
        {17276: frozenset({SUCCESS})},
        _of("explain"),
    ),
    Difference(
        "stages that only routers may send are nobody else's",
        "Shards trust what a router sends.",
        "error 40324; a server looks at the options first",
        {40324: ANYTHING},
        _internal_stage,
    ),
    Difference(
        "unique indexes of a sharded collection begin with its shard key",
        "No index spans shards.",
        "error 67",
        {67: frozenset({SUCCESS})},
        _of("createIndexes"),
    ),
)


def lawful(operation: Operation, here: Answer, there: Answer) -> Sequence[Difference]:
    """The entries that together cover the difference between these answers; none if it is not
    lawful. Every error of the router's own has to be in one of them, with what the replica set
    answered in its place, and every error of the replica set has to be told of."""
    if here.error is not None and here.error[1] != code_name(here.error[0]):
        return ()
    own, theirs = errors(here) - errors(there), errors(there) or {SUCCESS}
    applying = [one for one in LAWFUL if one.applies(operation, here, there)]
    if not own or _went_on(operation, here, there):
        return [one for one in applying if not one.answers]
    fitting = [one for one in applying if own & one.answers.keys()]
    told = [(code, one.answers[code]) for one in fitting for code in own & one.answers.keys()]
    explained = errors(here).union(
        code for code in theirs if any(code in allowed for _, allowed in told)
    )
    return fitting if own == {code for code, _ in told} and theirs <= explained else ()
