"""Slow operations grouped by shape, with the index that would help."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shardhouse.advice import shapes, suggestion
from shardhouse.advice.shapes import Bounds, Query
from shardhouse.advice.suggestion import Wanted
from shardhouse.contract import advice as rows
from shardhouse.domain.events import Severity
from shardhouse.domain.indexes import Collection
from shardhouse.logs.operations import SlowOperation

WASTE = 10
"""Documents examined for each one that is returned, from which on an index is missing."""
HELPS = 0.5
"""Part of a collection that an index must spare its query at least."""
_RETURNED = ("nreturned", "nMatched", "ndeleted")


@dataclass(frozen=True)
class Logged:
    """A line of the log: its unmasked JSON, and which node wrote it."""

    node_id: str
    entry: dict[str, Any]
    operation: SlowOperation


@dataclass(frozen=True)
class Group:
    """Operations of one shape; `query`, `node_id` and `plan` are the slowest one's."""

    query: Query
    node_id: str
    operations: int
    total: int
    longest: int
    examined: int
    returned: int
    sorted_in_memory: bool
    plan: str

    @property
    def wasteful(self) -> bool:
        """Whether it looks at much more than it finds, or at much that it has to sort."""
        sorts = self.sorted_in_memory and bool(self.query.sort)
        found = self.operations if sorts else max(self.returned, self.operations)
        return self.examined > WASTE * found


def grouped(lines: Iterable[Logged]) -> list[Group]:
    """The groups, by the time they took together, the longest first."""
    found: dict[tuple[str, ...], Group] = {}
    for line in lines:
        query = shapes.read(line.entry, line.operation)
        if query is None:
            continue
        key = (
            query.database, query.collection, query.command, query.shape, query.sort_shape,
            query.obstacle,
        )  # fmt: skip
        one = _group(query, line)
        found[key] = _sum(found[key], one) if key in found else one
    return sorted(found.values(), key=lambda group: (-group.total, group.query.shape))


@dataclass(frozen=True)
class Verdict:
    """What an index must have that helps, or in words why none is suggested."""

    wanted: Wanted | None
    reason: str = ""


def judged(group: Group, collection: Collection | None) -> Verdict:
    """Whether an index would help these queries, by what the log says. There is no collection where
    it was dropped, or is none of users."""
    if collection is None:
        return Verdict(None, "the collection is not there any more, or was not looked at")
    if group.query.obstacle:
        return Verdict(None, group.query.obstacle)
    if not group.wasteful:
        return Verdict(None, "it examines few documents for what it does")
    wanted = suggestion.wanted(group.query)
    if wanted is None:
        return Verdict(None, "it has too many fields for one, or none that one would narrow down")
    there = next((one.name for one in collection.indexes if wanted.served_by(one)), None)
    return Verdict(None, f"{there} has what it needs") if there else Verdict(wanted)


def tried(
    group: Group, wanted: Wanted, after: rows.Estimate, documents: int, *, parallel: bool
) -> Verdict:
    """The same, by what a sample says; `parallel` is whether two of the fields are arrays."""
    if parallel:
        return Verdict(None, "no index takes two fields that are arrays")
    if (group.sorted_in_memory and wanted.sort) or after.documents_examined <= HELPS * documents:
        return Verdict(wanted)
    return Verdict(
        None, f"with one on {_fields(wanted)}, {after.documents_examined} would still be examined"
    )


def estimate(
    query: Query, wanted: Wanted, sampled: int, matching: int, documents: int
) -> rows.Estimate:
    """What a query would examine with an index: that part of all documents that is in the bounds in
    the sample; at most as many as it asks for where the index answers it all."""
    examined = round(documents * matching / sampled)
    names = {name for name, _ in wanted.key}
    whole = all(one.path in names and one.bounds is not Bounds.NONE for one in query.predicates)
    if query.limit and whole and wanted.sort == query.sort:
        examined = min(examined, query.limit)
    return rows.Estimate(documents_examined=examined, sampled=sampled, matching=matching)


def finding(
    group: Group,
    verdict: Verdict,
    before: rows.Plan | None = None,
    after: rows.Estimate | None = None,
) -> rows.Finding:
    """What to say of a group."""
    query, wanted = group.query, verdict.wanted
    said = (
        f"{_count(group.operations, 'slow operation')} of this shape took {group.total} ms in all, "
        f"examined {_count(group.examined, 'document')} and found {group.returned}."
    )
    if wanted:
        said += f" An index on {_fields(wanted)} would help."
        if after:
            examined = _count(after.documents_examined, "document")
            said += f" With it, each would examine about {examined}."
    else:
        said += f" No index is suggested: {verdict.reason}."
    return rows.Finding(
        kind=rows.Kind.SLOW_QUERY,
        severity=Severity.WARNING if wanted else Severity.INFO,
        namespace=f"{query.database}.{query.collection}",
        message=said,
        command=suggestion.create(query.database, query.collection, wanted.key) if wanted else "",
        query=rows.SlowQuery(
            command=query.command,
            shape=query.shape,
            sort=query.sort_shape,
            operations=group.operations,
            total_milliseconds=group.total,
            longest_milliseconds=group.longest,
            documents_examined=group.examined,
            documents_returned=group.returned,
            sorted_in_memory=group.sorted_in_memory,
            plan=group.plan,
            before=before,
            after=after if wanted else None,
        ),
    )


def _group(query: Query, line: Logged) -> Group:
    attributes, operation = line.entry["attr"], line.operation
    return Group(
        query,
        line.node_id,
        1,
        operation.took,
        operation.took,
        operation.examined,
        _first(attributes, _RETURNED),
        bool(attributes.get("hasSortStage")),
        str(attributes.get("planSummary", "")),
    )


def _sum(one: Group, other: Group) -> Group:
    slowest = other if other.longest > one.longest else one
    return Group(
        slowest.query,
        slowest.node_id,
        one.operations + other.operations,
        one.total + other.total,
        slowest.longest,
        one.examined + other.examined,
        one.returned + other.returned,
        one.sorted_in_memory or other.sorted_in_memory,
        slowest.plan,
    )


def _first(attributes: dict[str, Any], names: Sequence[str]) -> int:
    return next((int(attributes[name]) for name in names if name in attributes), 0)


def _fields(wanted: Wanted) -> str:
    return ", ".join(name for name, _ in wanted.key)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
