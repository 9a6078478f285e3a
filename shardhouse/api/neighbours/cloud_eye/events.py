"""What happened to instances (`domain/events`), as Cloud Eye's system events of DDS. Those that the
cloud knows have its names, the others ours."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shardhouse.api.iam.wire import settings_of
from shardhouse.api.neighbours.cloud_eye.wire import (
    PATH,
    bounds,
    invalid,
    milliseconds,
    moments,
    word,
)
from shardhouse.api.neighbours.wire import ScopeIn
from shardhouse.domain import metric_dimensions
from shardhouse.domain.events import SEVERITIES, InstanceEvent, Kind, Severity
from shardhouse.domain.metric_dimensions import Dimensions
from shardhouse.domain.metrics import NAMESPACE
from shardhouse.store import events, instances

router = APIRouter()

_NAMES: Mapping[Kind, str] = {kind: str(kind) for kind in Kind} | {
    Kind.NODE_ABNORMAL: "DDSFaultyDBNode",
    Kind.NODE_NORMAL: "DDSDBNodeRecovered",
    Kind.PRIMARY_ELECTED: "DDSPrimaryStandbySwitched",
    Kind.INSTANCE_ABNORMAL: "DDSFaultyDBInstance",
    Kind.INSTANCE_NORMAL: "DDSDBInstanceRecovered",
    Kind.VOLUME_FILLING: "DDSRiskyDataDiskUsage",
}
_KINDS = {name: kind for kind, name in _NAMES.items()}
_LEVELS = {Severity.CRITICAL: "Critical", Severity.WARNING: "Major", Severity.INFO: "Info"}
_STATES = {Severity.CRITICAL: "incident", Severity.WARNING: "warning", Severity.INFO: "normal"}
_TYPES = ("EVENT.SYS", "EVENT.CUSTOM")
_SYSTEM = _TYPES[0]
_OPERATION = "SUB_EVENT.OPS"


@router.get(PATH + "/events")
def list_events(request: Request, scope: ScopeIn) -> JSONResponse:
    """A page of the kinds of events that happened in a time, the one that happened last first."""
    query = request.query_params
    begin, end = moments(request)
    offset, limit = bounds(request, "start", 100)
    name = query.get("event_name")
    with scope.database.read() as connection:
        told = events.counted(connection, scope.project_id, begin, end)
    if not _is_system(request):
        told = []
    items = [
        {
            "event_name": _NAMES[one.kind],
            "event_type": _SYSTEM,
            "sub_event_type": _OPERATION,
            "event_count": one.count,
            "latest_occur_time": milliseconds(one.latest),
            "latest_event_source": NAMESPACE,
        }
        for one in told
        if name in (None, "", _NAMES[one.kind])
    ]
    page = items[offset : offset + limit]
    return JSONResponse({"events": page, "meta_data": {"total": len(items)}})


@router.get(PATH + "/event/{event_name}")
def show_event(request: Request, scope: ScopeIn, event_name: str) -> JSONResponse:
    """A page of the events of a kind, the newest first."""
    query = request.query_params
    if not query.get("event_type"):
        raise invalid("event_type: it is required.")
    begin, end = moments(request)
    offset, limit = bounds(request, "start", 100)
    kind = _KINDS.get(event_name)
    severities = set(Severity)
    for name, words in (("event_level", _LEVELS), ("event_state", _STATES)):
        if wanted := query.get(name):
            word(wanted, name, ("Minor", *words.values()) if words is _LEVELS else words.values())
            severities &= {one for one, told in words.items() if told == wanted}
    of_others = query.get("event_source") not in (None, "", NAMESPACE) or query.get("event_user")
    total = 0
    info: list[dict[str, Any]] = []
    if kind and SEVERITIES[kind] in severities and _is_system(request) and not of_others:
        with scope.database.read() as connection:
            found, total = events.search(
                connection,
                scope.project_id,
                kind=kind,
                since=begin,
                until=end,
                offset=offset,
                limit=limit,
            )
            own = instances.of_project(connection, scope.project_id)
        vocabulary = metric_dimensions.spoken((), settings_of(request).dialect)
        nodes = {
            node.id: vocabulary.of(instance, (group, node))
            for instance in own
            for group in instance.groups
            for node in group.nodes
        }
        for one in found:
            whole = ((vocabulary.instance, one.instance_id),)
            info.append(_shown(one, nodes.get(one.node_id, whole)))
    answer = {
        "event_name": event_name,
        "event_type": query["event_type"],
        "sub_event_type": _OPERATION,
        "event_users": [],
        "event_sources": [NAMESPACE] if info else [],
        "event_info": info,
        "meta_data": {"total": total},
    }
    return JSONResponse(answer)


def _is_system(request: Request) -> bool:
    """Whether the query is about what we have: nobody reports custom events here."""
    query = request.query_params
    kind = word(query.get("event_type") or _SYSTEM, "event_type", _TYPES)
    return kind == _SYSTEM and query.get("sub_event_type") in (None, "", _OPERATION)


def _shown(event: InstanceEvent, about: Dimensions) -> dict[str, Any]:
    moment = milliseconds(event.at)
    return {
        "event_id": f"ev{moment}{event.number:09}",
        "event_name": _NAMES[event.kind],
        "event_source": NAMESPACE,
        "time": moment,
        "detail": {
            "content": event.message,
            "group_id": "",
            "resource_id": event.instance_id,
            "resource_name": event.instance_name,
            "event_state": _STATES[event.severity],
            "event_level": _LEVELS[event.severity],
            "event_user": "",
            "event_type": _SYSTEM,
            "sub_event_type": _OPERATION,
            "dimensions": [{"name": name, "value": value} for name, value in about],
        },
    }
