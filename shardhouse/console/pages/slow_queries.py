"""Slow operations of an instance: by shape with the indexes that would help, and one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shardhouse.client.errors import RefusalError
from shardhouse.console import one_instance
from shardhouse.console.rendering import api_time
from shardhouse.console.visit import Answer, Visit
from shardhouse.contract.advice import SHOW_ADVICE, Kind
from shardhouse.contract.logs import LIST_SLOW_LINES, OPERATIONS

Json = dict[str, Any]
HOURS = ("1", "6", "24", "168", "744")
"""Choices; the last one is all that logs keep."""
PAGE = 100


def advised(visit: Visit) -> Answer:
    """Groups of slow operations, and whatever else would make the instance faster."""
    found = one_instance.find(visit)
    hours = hours_of(visit)
    path = {"instance_id": found["id"]}
    params = {"hours": hours, "limit": str(PAGE)}
    try:
        advice, problem = visit.client.call(SHOW_ADVICE, path, {}, params), ""
    except RefusalError as error:
        advice, problem = {"findings": [], "not_judged": []}, error.message
    findings = advice["findings"]
    return one_instance.page(
        "slow_queries.html",
        "slow-queries",
        found,
        pause=60,
        hours=hours,
        choices=HOURS,
        problem=problem,
        total=advice.get("slow_operations"),
        not_judged=advice["not_judged"],
        queries=[one for one in findings if one["kind"] == Kind.SLOW_QUERY],
        others=[one for one in findings if one["kind"] != Kind.SLOW_QUERY],
    )


def listed(visit: Visit) -> Answer:
    """Each slow operation, the newest first, by what it is."""
    found = one_instance.find(visit)
    hours = hours_of(visit)
    names = ("node", "type", "database", "collection", "words", "slowest", "behind")
    filters = {name: visit.query.get(name, "") for name in names}
    body = lines_body(hours, filters["node"], filters["words"], filters["behind"]) | {
        "operate_type": filters["type"],
        "database_keywords": filters["database"].split(),
        "collection_keywords": filters["collection"].split(),
        "min_cost_time": filters["slowest"] or 0,
    }
    path = {"instance_id": found["id"]}
    try:
        lines, problem = visit.client.call(LIST_SLOW_LINES, path, body, {})["slow_logs"], ""
    except RefusalError as error:
        lines, problem = [], error.message
    return one_instance.page(
        "slow_log.html",
        "slow-queries",
        found,
        pause=60,
        hours=hours,
        choices=HOURS,
        filters=filters,
        nodes=[node for group, node in one_instance.nodes(found) if group["type"] != "mongos"],
        types=OPERATIONS,
        problem=problem,
        lines=lines,
        more={**filters, "hours": hours, "behind": lines[-1]["line_num"]}
        if len(lines) == PAGE
        else None,
    )


def hours_of(visit: Visit) -> str:
    """How far the visitor looks back, in hours: one of `HOURS`."""
    wanted = visit.query.get("hours", "24")
    return wanted if wanted in HOURS else "24"


def lines_body(hours: str, node_id: str, words: str, behind: str) -> Json:
    """What calls that read lines of logs have in common."""
    end = datetime.now(UTC) + timedelta(minutes=1)  # calls know whole seconds, this one not yet
    return {
        "start_time": api_time(end - timedelta(hours=int(hours))),
        "end_time": api_time(end),
        "limit": PAGE,
        "line_num": behind,
        "node_id": node_id,
        "keywords": words.split(),
    }
