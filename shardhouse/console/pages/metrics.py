"""What was measured of an instance's nodes, as charts; Cloud Eye tells it."""

import time
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shardhouse.client.errors import RefusalError
from shardhouse.console import chart, measured, one_instance
from shardhouse.console.chart import Line
from shardhouse.console.visit import Answer, Visit
from shardhouse.contract.policies import SHOW_MONITORING
from shardhouse.domain.metrics import BY_ID, Kind

Json = dict[str, Any]
#: Hours that are shown, with the period of the values in seconds (1: as they were measured) and how
#: far apart two of them are where none is missing.
_SPANS = {"1": (1, 60), "3": (1, 60), "12": (300, 300)}
_FINE, _USUAL = 5, 60
_TOPICS = (
    ("CPU", ("mongo031_cpu_usage",)),
    ("Memory", ("mongo032_mem_usage",)),
    ("Disk", ("mongo035_disk_usage",)),
    ("Connections", ("mongo007_connections",)),
    (
        "Operations",
        (
            *("mongo001_command_ps", "mongo002_delete_ps", "mongo003_insert_ps"),
            *("mongo004_query_ps", "mongo005_update_ps", "mongo006_getmore_ps"),
        ),
    ),
    (
        "Mean latency",
        (
            *("mongo099_read_time_average", "mongo102_write_time_average"),
            "mongo105_command_time_average",
        ),
    ),
    (
        "Latency, 99th percentile",
        ("mongo100_read_time_p99", "mongo103_write_time_p99", "mongo106_command_time_p99"),
    ),
    ("Oplog window", ("mongo025_repl_oplog_win",)),
    ("Replication lag", ("mongo026_repl_lag",)),
)


@dataclass(frozen=True)
class _Measured:
    """A line of a chart, as its legend tells it; `newest` is empty where there is no value."""

    id: str
    label: str
    newest: str


@dataclass(frozen=True)
class _Chart:
    title: str
    unit: str
    drawing: Markup
    lines: list[_Measured]


def shown(visit: Visit) -> Answer:
    """Charts of one node; which one and of how many hours is the query's."""
    found = one_instance.find(visit)
    nodes = {node["id"]: (group, node) for group, node in one_instance.nodes(found)}
    if not nodes:
        raise RefusalError(404, "", f"The instance {found['name']} has no nodes yet.")
    node_id = visit.query.get("node", "")
    group, node = nodes.get(node_id) or next(iter(nodes.values()))
    hours = visit.query.get("hours", "")
    if hours not in _SPANS:
        hours = next(iter(_SPANS))
    second = visit.client.call(SHOW_MONITORING, {"instance_id": found["id"]}, {}, {})["enabled"]
    kind = _kind(group, node)
    asked = [(title, [id for id in ids if kind in BY_ID[id].objects]) for title, ids in _TOPICS]
    return one_instance.page(
        "metrics.html",
        "metrics",
        found,
        nodes=[node for _, node in nodes.values()],
        node=node,
        hours=hours,
        spans=list(_SPANS),
        second=second,
        pause=_FINE if second else _USUAL,
        charts=[_chart(visit, node["id"], title, ids, hours) for title, ids in asked if ids],
    )


def _kind(group: Json, node: Json) -> Kind:
    if group["type"] == "mongos":
        return Kind.ROUTER
    return Kind.PRIMARY if node["role"] == "Primary" else Kind.SECONDARY


def _chart(visit: Visit, node_id: str, title: str, ids: list[str], hours: str) -> _Chart:
    period, interval = _SPANS[hours]
    end = int(time.time())
    begin = end - int(hours) * 3600
    found = measured.values(visit, [(node_id, id) for id in ids], (begin, end), period)
    lines = [Line(BY_ID[id].name, points) for id, points in zip(ids, found, strict=True)]
    unit = BY_ID[ids[0]].unit
    legend = [
        _Measured(id, line.label, chart.shown(line.points[-1][1]) if line.points else "")
        for id, line in zip(ids, lines, strict=True)
    ]
    drawing = chart.draw(title, unit, lines, (begin, end), gap=2 * interval - 1)
    return _Chart(title, unit, drawing, legend)
