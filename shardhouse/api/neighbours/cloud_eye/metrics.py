"""Which metrics of database instances there are, and their values."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shardhouse.api.iam.wire import Fields, settings_of
from shardhouse.api.neighbours.cloud_eye.wire import (
    LEVELS,
    PATH,
    digits,
    dimensions,
    invalid,
    word,
)
from shardhouse.api.neighbours.wire import BodyIn, ReadingScopeIn, Scope
from shardhouse.domain import metric_dimensions, metric_series, metrics
from shardhouse.domain.metric_dimensions import Dimensions
from shardhouse.domain.metrics import BY_ID, NAMESPACE, Metric
from shardhouse.domain.model import Instance, Mode, Status
from shardhouse.store import instances
from shardhouse.store.metric_ring import MetricRing

router = APIRouter()

MAX_LIMIT = 1000
MAX_METRICS = 500
"""Of one query; documents say 10, and Huawei's cloudeye-exporter sends 300."""


@router.get(PATH + "/metrics")
def list_metrics(request: Request, scope: ReadingScopeIn) -> JSONResponse:
    """A page of the metrics that the project's nodes and clusters have."""
    query = request.query_params
    wanted = _queried_dimensions(request)
    names = [name for name, _ in wanted]
    vocabulary = metric_dimensions.spoken(names, settings_of(request).dialect)
    found = {
        _marker(metric, about): (metric, about)
        for instance in _instances(scope)
        for metric, about in _of_instance(instance, vocabulary)
        if set(wanted) <= set(about) and query.get("metric_name") in (None, "", metric.id)
    }
    if query.get("namespace") not in (None, "", NAMESPACE):
        found = {}
    order = word(query.get("order") or "asc", "order", ("asc", "desc"))
    markers = sorted(found, reverse=order == "desc")
    if start := query.get("start"):
        markers = [one for one in markers if (one > start if order == "asc" else one < start)]
    page = markers[: _limit(query.get("limit"))]
    items = [
        _described(metric.id, about) | {"unit": metric.unit}
        for metric, about in map(found.__getitem__, page)
    ]
    meta = {"count": len(page), "marker": page[-1] if page else "", "total": len(found)}
    return JSONResponse({"metrics": items, "meta_data": meta})


@router.get(PATH + "/metric-data")
def show_metric_data(request: Request, scope: ReadingScopeIn) -> JSONResponse:
    """The values of one metric."""
    query = request.query_params
    name = query.get("metric_name") or ""
    period = _period(query.get("period"))
    how = word(query.get("filter"), "filter", metric_series.FILTERS)
    begin, end = _span(query.get("from"), query.get("to"))
    begin = metric_series.begin_of(begin, period)
    about = _queried_dimensions(request)
    if not name or not about:
        raise invalid("metric_name, dim.0: both are required.")
    spaces = [query.get("namespace") or ""]
    (series,) = _series(request, scope, spaces, [(name, about)], begin, end)
    unit = _unit(name)
    points = [
        {how: _number(value), "timestamp": at * 1000, "unit": unit}
        for at, value in metric_series.aggregated(series, period, how)
    ]
    return JSONResponse({"datapoints": points, "metric_name": name})


@router.post(PATH + "/batch-query-metric-data")
def query_metric_data(request: Request, scope: ReadingScopeIn, body: BodyIn) -> JSONResponse:
    """The values of several metrics; of each that has none an empty list."""
    fields = Fields(body)
    asked = fields.objects("metrics")
    if not 1 <= len(asked) <= MAX_METRICS:
        raise invalid(f"metrics: 1 to {MAX_METRICS}, got {len(asked)}.")
    wanted = [(one.text("metric_name"), dimensions(one)) for one in asked]
    spaces = [one.text("namespace") for one in asked]
    period = _period(fields.value("period"))
    how = word(fields.value("filter"), "filter", metric_series.FILTERS)
    begin, end = _span(fields.value("from"), fields.value("to"))
    begin = metric_series.bounded(begin, end, period, len(wanted))
    begin = metric_series.begin_of(begin, period)
    series = _series(request, scope, spaces, wanted, begin, end)
    answer = [
        _described(name, about, space)
        | {
            "unit": _unit(name),
            "datapoints": [
                {how: _number(value), "timestamp": at * 1000}
                for at, value in metric_series.aggregated(points, period, how)
            ],
        }
        for (name, about), space, points in zip(wanted, spaces, series, strict=True)
    ]
    return JSONResponse({"metrics": answer})


def _instances(scope: Scope) -> list[Instance]:
    with scope.database.read() as connection:
        return instances.of_project(connection, scope.project_id)


def _of_instance(
    instance: Instance, vocabulary: metric_dimensions.Vocabulary
) -> Iterable[tuple[Metric, Dimensions]]:
    if instance.mode is Mode.SHARDING:
        whole = vocabulary.of(instance)
        yield from ((metric, whole) for metric in metrics.METRICS if metric.of_clusters)
    for group in instance.groups:
        for node in group.nodes:
            if node.status is not Status.CREATING:
                own = vocabulary.of(instance, (group, node))
                yield from ((one, own) for one in metrics.of_kind(metrics.kind_of(group, node)))


def _series(
    request: Request,
    scope: Scope,
    namespaces: Sequence[str],
    wanted: Sequence[tuple[str, Dimensions]],
    begin: int,
    end: int,
) -> list[list[metric_series.Point]]:
    """The raw points of each metric that is asked for; none of other services and projects."""
    own = _instances(scope)
    about = [
        metric_dimensions.resource_of(pairs, own) if namespace == NAMESPACE else None
        for namespace, (_, pairs) in zip(namespaces, wanted, strict=True)
    ]
    names: dict[str, set[str]] = {}
    for id, (name, _) in zip(about, wanted, strict=True):
        if id:
            names.setdefault(id, set()).add(name)
    found = cast(MetricRing, request.app.state.metrics).read(names, begin, end)
    return [found[id][name] if id else [] for id, (name, _) in zip(about, wanted, strict=True)]


def _described(name: str, about: Dimensions, namespace: str = NAMESPACE) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "dimensions": [{"name": key, "value": value} for key, value in about],
        "metric_name": name,
    }


def _marker(metric: Metric, about: Dimensions) -> str:
    return f"{NAMESPACE}.{metric.id}.{','.join(f'{key}:{value}' for key, value in about)}"


def _unit(name: str) -> str:
    return BY_ID[name].unit if name in BY_ID else ""


def _number(value: float) -> float:
    """As exact as it was stored."""
    return float(f"{value:.6g}")


def _queried_dimensions(request: Request) -> Dimensions:
    """`dim.0=key,value` to `dim.3`."""
    found = []
    for level in range(LEVELS):
        if text := request.query_params.get(f"dim.{level}"):
            key, comma, value = text.partition(",")
            if not (key and comma and value):
                raise invalid(f"dim.{level}: <name>,<id> is required, got {text}.")
            found.append((key, value))
    return tuple(found)


def _span(begin: Any, end: Any) -> tuple[int, int]:
    """From when to when, in seconds; clients say milliseconds."""
    first, last = (digits(value, name) for value, name in ((begin, "from"), (end, "to")))
    if first >= last:
        raise invalid("from: it must be before `to`.")
    return first // 1000, -(-last // 1000)


def _period(value: Any) -> int:
    period = digits(value, "period")
    if period not in metric_series.PERIODS:
        raise invalid(f"period: one of {metric_series.PERIODS} is required, got {value}.")
    return period


def _limit(text: str | None) -> int:
    limit = digits(text, "limit") if text else MAX_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"limit: 1 to {MAX_LIMIT}, got {text}.")
    return limit
