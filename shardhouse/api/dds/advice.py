"""Advice: what would make an instance faster or smaller, from its logs and its servers."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from shardhouse import error_codes as codes
from shardhouse.advice import shards, slow, suggestion, unneeded
from shardhouse.advice.shards import Load
from shardhouse.advice.slow import Group as SlowGroup
from shardhouse.advice.slow import Logged, Verdict
from shardhouse.advice.suggestion import Wanted
from shardhouse.api.dds.answering import answering
from shardhouse.api.dds.logs import nodes_with
from shardhouse.api.dds.turns import Turns
from shardhouse.api.endpoint import Request
from shardhouse.contract.advice import AdviceAnswer, AdviceQuery, Estimate, Finding, Kind, Plan
from shardhouse.contract.call import Nothing
from shardhouse.domain.indexes import Collection, Key, merged
from shardhouse.domain.model import GroupType, Instance
from shardhouse.errors import DdsError
from shardhouse.logs.lines import Kind as Lines
from shardhouse.logs.search import Found as Line
from shardhouse.logs.search import Search, SearchTooLongError
from shardhouse.mongo import balancer, explain, usage
from shardhouse.mongo.admin import Clients
from shardhouse.mongo.replica_set import SetPlan
from shardhouse.nodes.runtime import NodeRef, Runtime
from shardhouse.workflows.context import now, parallel_map, set_plan, user_group

PATIENCE = 10.0
"""Seconds a node has to answer."""
MOST_LINES = 20_000
"""Slow operations that are looked at, the newest ones."""
MOST_EXPLAINED = 10
EXPLAINING = 12.0
"""Seconds for all explains and samples."""
_MEGABYTE = 1 << 20
_TURNS = Turns(
    "Advice of instance {} is being made", "Advice of {} other instances is being made", most=2
)


@dataclass(frozen=True)
class _Part:
    """A replica set of the instance: the member that is asked, what the set holds and has done."""

    plan: SetPlan
    reader: str
    found: usage.Found
    operations: usage.Operations


@dataclass(frozen=True)
class _State:
    """What servers say of the instance. `shard_keys` and `balancing` are of clusters."""

    parts: Sequence[_Part]
    collections: Sequence[Collection]
    shard_keys: dict[str, Key] = field(default_factory=dict)
    balancing: bool = True


def show(request: Request[AdviceQuery, Nothing]) -> AdviceAnswer:
    """All findings. Raises DdsError: 404, 403 where a replica set does not answer, 400 for too much
    of a log; and what `Turns.of` does."""
    instance = request.instance()
    with _TURNS.of(instance.id):
        return _advice(request, instance)


def _advice(request: Request[AdviceQuery, Nothing], instance: Instance) -> AdviceAnswer:
    query, context = request.query, request.service.context
    lines = _slow_lines(context.runtime, instance, query.hours)
    with answering(instance), context.clients(instance, patience=PATIENCE) as clients:
        state = _state(instance, clients)
        groups = slow.grouped(lines)
        queries = _slow_queries(instance, clients, state, groups[: query.limit])
    findings = [*queries, *_of_cluster(instance, state, query), *_of_indexes(state, query)]
    return AdviceAnswer(
        findings=[
            finding
            for kind in Kind
            for finding in islice((f for f in findings if f.kind is kind), query.limit)
        ],
        slow_operations=len(lines),
        not_judged=_not_judged(state, len(lines)),
    )


def _slow_lines(runtime: Runtime, instance: Instance, hours: int) -> list[Logged]:
    """The newest slow operations, with values: these are for our own queries only."""
    end = now()
    search = Search(
        runtime,
        [NodeRef(instance.id, node.id) for node in nodes_with(instance, Lines.SLOW, [])],
        Lines.SLOW,
        int((end - timedelta(hours=hours)).timestamp() * 1000),
        int(end.timestamp() * 1000),
        masked=False,
    )

    def take(found: Iterator[Line]) -> list[Logged]:
        return [
            Logged(one.node_id, one.entry.shown, one.entry.operation)
            for one in islice(found, MOST_LINES)
            if one.entry.operation is not None
        ]

    try:
        return search.run(take)
    except SearchTooLongError:
        raise DdsError(
            codes.BAD_PARAMETER,
            "There are too many lines to look through: ask for fewer hours.",
        ) from None


def _state(instance: Instance, clients: Clients) -> _State:
    def ask(plan: SetPlan) -> _Part:
        reader = usage.quietest(plan, clients)
        found = usage.collections(plan, reader, clients)
        return _Part(plan, reader, found, usage.operations(plan, clients))

    holding = [g for g in instance.data_groups if g.type is not GroupType.CONFIG]
    parts = parallel_map(ask, map(set_plan, holding))
    collections = merged(one for part in parts for one in part.found.collections)
    if not instance.of_type(GroupType.CONFIG):
        return _State(parts, collections)
    config = set_plan(user_group(instance))
    keys = usage.shard_keys(config, clients)
    return _State(parts, collections, keys, balancer.read(config.visible, clients).on)


def _slow_queries(
    instance: Instance, clients: Clients, state: _State, groups: Sequence[SlowGroup]
) -> list[Finding]:
    """Each group's finding. The most important ones are explained, while there is time; the others
    are judged by what the log says."""
    known = {one.namespace: one for one in state.collections}
    until = time.monotonic() + EXPLAINING
    findings = []
    explained = 0
    for group in groups:
        query = group.query
        collection = known.get(f"{query.database}.{query.collection}")
        verdict = slow.judged(group, collection)
        before = after = None
        is_time = explained < MOST_EXPLAINED and time.monotonic() < until
        if verdict.wanted and collection and is_time:
            explained += 1
            reader = _reader(instance, state, group.node_id)
            before = _explained(clients, reader, group)
            verdict, after = _estimated(clients, reader, group, verdict.wanted, collection)
        findings.append(slow.finding(group, verdict, before, after))
    return findings


def _reader(instance: Instance, state: _State, node_id: str) -> str:
    """The member that is asked, of the set that a node belongs to."""
    host = next(node.host for node in instance.nodes if node.id == node_id)
    return next(part.reader for part in state.parts if host in part.plan.hosts)


def _explained(clients: Clients, reader: str, group: SlowGroup) -> Plan | None:
    query = group.query
    values = explain.decoded(query.filter)
    if values is None:
        return None
    plan = explain.explain(
        clients[reader], query.database, query.collection, values, query.sort, query.limit
    )
    if plan is None:
        return None
    return Plan(
        summary=plan.summary,
        documents_examined=plan.documents,
        keys_examined=plan.keys,
        documents_returned=plan.returned,
        milliseconds=plan.milliseconds,
    )


def _estimated(
    clients: Clients, reader: str, group: SlowGroup, wanted: Wanted, collection: Collection
) -> tuple[Verdict, Estimate | None]:
    """Whether an index helps by what a sample shows, and what would be examined with it; without a
    sample it is as wanted."""
    query = group.query
    bounds = explain.decoded(suggestion.bounds(query, wanted.key))
    fields = [name for name, _ in wanted.key]
    sample = None
    if bounds is not None:
        sample = explain.sample(clients[reader], query.database, query.collection, bounds, fields)
    if sample is None or not sample.documents:
        return Verdict(wanted), None
    after = slow.estimate(query, wanted, sample.documents, sample.matching, collection.documents)
    parallel = sample.parallel > 0
    return slow.tried(group, wanted, after, collection.documents, parallel=parallel), after


def _of_cluster(instance: Instance, state: _State, query: AdviceQuery) -> list[Finding]:
    if not instance.of_type(GroupType.CONFIG):
        return []
    bytes_ = query.big_megabytes * _MEGABYTE
    loads = [
        Load(
            part.plan.name,
            part.operations.count,
            part.operations.per_second,
            sum(one.size for one in part.found.collections),
        )
        for part in state.parts
    ]
    return [
        *shards.unsharded(state.collections, state.shard_keys, bytes_),
        *shards.hot(loads, query.hot_operations, bytes_, balancing=state.balancing),
    ]


def _of_indexes(state: _State, query: AdviceQuery) -> list[Finding]:
    today = now()

    def found(judge: Callable[[Collection, Key], list[Finding]]) -> list[Finding]:
        judged = [
            finding
            for one in state.collections
            for finding in judge(one, state.shard_keys.get(one.namespace, ()))
        ]
        return sorted(judged, key=lambda finding: -(finding.index.size if finding.index else 0))

    return [
        *found(unneeded.redundant),
        *found(lambda one, key: unneeded.unused(one, key, today, query.unused_days)),
    ]


def _not_judged(state: _State, lines: int) -> list[str]:
    cut = sorted({database for part in state.parts for database in part.found.cut})
    said = [
        f"Of the database {database}, collections behind the first {usage.MOST} by name."
        for database in cut
    ]
    away = [part.plan.name for part in state.parts if not part.found.all_answered]
    if away:
        said.append(f"Which indexes are unused: not all members of {', '.join(away)} answer.")
    if lines == MOST_LINES:
        said.append(f"Slow operations before the newest {MOST_LINES}.")
    return said
