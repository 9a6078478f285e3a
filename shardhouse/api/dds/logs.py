"""Logs of nodes: slow operations, warnings and errors."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from shardhouse import error_codes as codes
from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.logs import (
    BACKWARDS,
    DAYS,
    MOST,
    ErrorLine,
    ErrorLinesAnswer,
    ErrorLinesBody,
    ErrorLogAnswer,
    ErrorLogItem,
    ErrorLogQuery,
    LogQuery,
    SlowLine,
    SlowLinesAnswer,
    SlowLinesBody,
    SlowLogAnswer,
    SlowLogItem,
    SlowLogQuery,
)
from shardhouse.domain import policy, slow_operations
from shardhouse.domain.model import GroupType, Instance, Node
from shardhouse.errors import DdsError, bad_parameter
from shardhouse.logs.lines import Kind
from shardhouse.logs.operations import SlowOperation
from shardhouse.logs.search import Found, Number, Search, SearchTooLongError
from shardhouse.nodes.runtime import NodeRef
from shardhouse.workflows.context import now

T = TypeVar("T")
LEVELS = {"W": "WARNING", "E": "ERROR", "F": "ERROR"}
CLOCKS = timedelta(minutes=1)
"""By so much the clock of a client may be ahead."""
_WITHOUT_SLOW_LOG = (GroupType.MONGOS, GroupType.CONFIG)
Test = Callable[[Found], bool]


def list_slow(request: Request[SlowLogQuery, Nothing]) -> SlowLogAnswer:
    """A page of slow operations. Raises DdsError: 404, 400 for a wrong time or node."""
    query = request.query
    instance, found, total = _page(
        request, Kind.SLOW, lambda one: query.type in ("", _operation(one).type)
    )
    names = _names(instance)
    return SlowLogAnswer(
        slow_log_list=[
            SlowLogItem(
                node_name=names[one.node_id],
                query_sample=json.dumps(one.entry.shown["attr"], ensure_ascii=False),
                type=slow.type,
                time=f"{slow.took} ms",
                lock_time=f"{slow.waited} us",
                rows_sent=str(slow.returned),
                rows_examined=str(slow.examined),
                database=slow.database,
                start_time=_time(one).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            )
            for one, slow in ((one, _operation(one)) for one in found)
        ],
        total_record=total,
    )


def list_errors(request: Request[ErrorLogQuery, Nothing]) -> ErrorLogAnswer:
    """A page of warnings and errors. Raises DdsError as `list_slow` does."""
    level = request.query.type
    instance, found, total = _page(request, Kind.ERROR, lambda one: _is_level(one, level))
    names = _names(instance)
    return ErrorLogAnswer(
        error_log_list=[
            ErrorLogItem(
                node_name=names[one.node_id],
                level=LEVELS[one.entry.line.severity],
                time=_time(one).isoformat(timespec="milliseconds").replace("+00:00", "+0000"),
                content=_content(one.entry.shown),
            )
            for one in found
        ],
        total_record=total,
    )


def list_slow_lines(request: Request[Nothing, SlowLinesBody]) -> SlowLinesAnswer:
    """The slow operations behind a line. Raises DdsError as `list_slow` does, and for a number that
    no line has."""
    body, longest = request.body, request.body.max_cost_time

    def matches(one: Found) -> bool:
        slow = _operation(one)
        return (
            body.operate_type in ("", slow.type)
            and body.min_cost_time <= slow.took
            and (longest is None or slow.took <= longest)
            and _has_one(slow.database, body.database_keywords)
            and _has_one(slow.collection, body.collection_keywords)
            and _has_all(one.entry.message, body.keywords)
        )

    instance, found = _lines(request, Kind.SLOW, matches)
    names = _names(instance)
    return SlowLinesAnswer(
        slow_logs=[
            SlowLine(
                node_name=names[one.node_id],
                node_id=one.node_id,
                whole_message=one.entry.message,
                operate_type=slow.type,
                cost_time=slow.took,
                lock_time=slow.waited,
                docs_returned=slow.returned,
                docs_scanned=slow.examined,
                database=slow.database,
                collection=slow.collection,
                log_time=_time(one).strftime("%Y-%m-%dT%H:%M:%S+0000"),
                line_num=str(one.number),
                index_recommendation="",
            )
            for one, slow in ((one, _operation(one)) for one in found)
        ]
    )


def list_error_lines(request: Request[Nothing, ErrorLinesBody]) -> ErrorLinesAnswer:
    """The warnings and errors behind or before a line. Raises DdsError as `list_slow_lines`
    does."""
    body = request.body

    def matches(one: Found) -> bool:
        return _is_level(one, body.severity) and _has_all(one.entry.message, body.keywords)

    backwards = body.search_type == BACKWARDS
    instance, found = _lines(request, Kind.ERROR, matches, backwards=backwards)
    names = _names(instance)
    return ErrorLinesAnswer(
        error_logs=[
            ErrorLine(
                node_name=names[one.node_id],
                node_id=one.node_id,
                raw_message=one.entry.message,
                severity=LEVELS[one.entry.line.severity].capitalize(),
                log_time=_time(one).strftime("%Y-%m-%dT%H:%M:%S+0000"),
                line_num=str(one.number),
            )
            for one in found
        ]
    )


def _page(
    request: Request[Any, Nothing], kind: Kind, matches: Test
) -> tuple[Instance, list[Found], int]:
    """The instance, the page that the query asks for, and how many lines there are up to `MOST`."""
    query: LogQuery = request.query
    if query.offset + query.limit > MOST:
        raise bad_parameter("offset", f"with limit at most {MOST} is allowed", codes.OFFSET_INVALID)
    instance = request.instance()
    start, end = _range("start_date", query.start_date, "end_date", query.end_date)
    wanted = _search(request, instance, kind, query.node_id, start, end)

    def take(found: Iterator[Found]) -> tuple[list[Found], int]:
        page, total = [], 0
        for one in islice(filter(matches, found), MOST):
            if query.offset <= total < query.offset + query.limit:
                page.append(one)
            total += 1
        return page, total

    return instance, *_run(wanted, take)


def _lines(
    request: Request[Nothing, Any], kind: Kind, matches: Test, *, backwards: bool = False
) -> tuple[Instance, list[Found]]:
    """The instance, and the lines behind the one that the body names, or before it."""
    body: SlowLinesBody | ErrorLinesBody = request.body
    instance = request.instance()
    start, end = _range("start_time", body.start_time, "end_time", body.end_time)
    last = None
    if body.line_num:
        last = Number.parse(body.line_num)
        if last is None:
            raise bad_parameter("line_num", "it is not the number of a listed line")
        if backwards:
            start = max(start, last.milliseconds)
        else:
            end = min(end, last.milliseconds)

    def take(found: Iterator[Found]) -> list[Found]:
        if last is None:
            return list(islice(filter(matches, found), body.limit))
        if backwards:
            newer = (one for one in found if one.number > last)
            return list(deque(filter(matches, newer), body.limit))
        older = (one for one in found if one.number < last)
        return list(islice(filter(matches, older), body.limit))

    return instance, _run(_search(request, instance, kind, body.node_id, start, end), take)


def _run(wanted: Search, take: Callable[[Iterator[Found]], T]) -> T:
    try:
        return wanted.run(take)
    except SearchTooLongError:
        raise DdsError(
            codes.BAD_PARAMETER,
            "There are too many lines to look through: ask for a shorter time, or for one node.",
        ) from None


def _search(
    request: Request[Any, Any], instance: Instance, kind: Kind, node_id: str, start: int, end: int
) -> Search:
    nodes = nodes_with(instance, kind, [node_id] if node_id else [])
    return Search(
        request.service.context.runtime,
        [NodeRef(instance.id, node.id) for node in nodes],
        kind,
        start,
        end,
        masked=policy.masks_slow_log(instance),
        least=slow_operations.least(instance),
    )


def _range(start_field: str, start: datetime, end_field: str, end: datetime) -> tuple[int, int]:
    """Both ends in milliseconds since 1970."""
    today = now()
    if start < today - timedelta(days=DAYS):
        raise bad_parameter(
            start_field, f"it must be in the last {DAYS} days", codes.LOG_START_INVALID
        )
    if end > today + CLOCKS or end < start:
        raise bad_parameter(
            end_field,
            f"it must be behind {start_field} and not in the future",
            codes.LOG_END_INVALID,
        )
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


def nodes_with(instance: Instance, kind: Kind, ids: Sequence[str]) -> list[Node]:
    """The nodes with these ids, or all that have such a log. Raises DdsError: 404 for one that the
    instance does not have, 400 for one that has no such log."""
    without = _WITHOUT_SLOW_LOG if kind is Kind.SLOW else ()
    nodes = {
        node.id: node
        for group in instance.groups
        if group.type not in without
        for node in group.nodes
    }
    for node_id in ids:
        if instance.group_of(node_id) is None:
            raise DdsError(codes.NODE_NOT_FOUND, f"Instance {instance.id} has no node {node_id}.")
        if node_id not in nodes:
            raise DdsError(codes.NOT_SUPPORTED, f"Node {node_id} has no log of slow operations.")
    return [nodes[node_id] for node_id in dict.fromkeys(ids or nodes)]


def _names(instance: Instance) -> dict[str, str]:
    return {node.id: node.name for node in instance.nodes}


def _operation(one: Found) -> SlowOperation:
    """What a line of `Kind.SLOW` is about."""
    assert one.entry.operation is not None
    return one.entry.operation


def _is_level(one: Found, level: str) -> bool:
    return level in ("", LEVELS[one.entry.line.severity])


def _has_all(text: str, words: Sequence[str]) -> bool:
    lowered = text.lower()
    return all(word.lower() in lowered for word in words)


def _has_one(text: str, words: Sequence[str]) -> bool:
    lowered = text.lower()
    return not words or any(word.lower() in lowered for word in words)


def _time(one: Found) -> datetime:
    return datetime.fromtimestamp(one.number.milliseconds / 1000, UTC)


def _content(entry: dict[str, Any]) -> str:
    """A line as logs before 4.4 had it: `W NETWORK  [conn7] message`, and its attributes."""
    head = f"{entry['s']} {entry.get('c', '-'):<8} [{entry.get('ctx', '')}] {entry.get('msg', '')}"
    attributes = entry.get("attr")
    return f"{head} {json.dumps(attributes, ensure_ascii=False)}" if attributes else head
