"""Histories of alarm rules, as both versions of the API tell them: a record for each state that
values gave a rule, since when, and by which values."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shardhouse.api.neighbours.cloud_eye.wire import (
    PATH,
    PATH_V2,
    bounds,
    milliseconds,
    moments,
    notifications_v2,
    word,
)
from shardhouse.api.neighbours.wire import ScopeIn, moment
from shardhouse.domain import rules
from shardhouse.domain.alarm import LEVELS, AlarmState
from shardhouse.store.neighbours import alarm_histories
from shardhouse.store.neighbours.alarm_histories import Order
from shardhouse.store.neighbours.records import AlarmRecord

router = APIRouter()

_SPAN = timedelta(days=7)
"""What version 1 tells of without `from` and `to`."""
_STATES = (*AlarmState, "invalid", "ok_manual")
"""What clients may ask for; rules of ours are never in the last two."""


@router.get(PATH + "/alarm-histories")
def list_histories(request: Request, scope: ScopeIn) -> JSONResponse:
    """A page of the records that began in a time, the newest first."""
    query = request.query_params
    begin, end = moments(request)
    if begin is None and end is None:
        end = datetime.now(UTC)
        begin = end - _SPAN
    offset, limit = bounds(request, "start", 100)
    state = query.get("alarm_status")
    alarm_id = query.get("alarm_id")
    with scope.database.read() as connection:
        found, total = alarm_histories.search(
            connection,
            scope.project_id,
            alarm_ids=[alarm_id] if alarm_id else [],
            states=[word(state, "alarm_status", _STATES)] if state else [],
            name=query.get("alarm_name") or "",
            namespace=query.get("namespace") or "",
            level=_level(query.get("alarm_level"), "alarm_level"),
            began_from=begin,
            began_to=end,
            order=Order.BEGAN,
            offset=offset,
            limit=limit,
        )
    if query.get("group_id"):  # rules of resource groups are refused
        found, total = [], 0
    items = [_shown(one) for one in found]
    return JSONResponse({"alarm_histories": items, "meta_data": {"total": total}})


@router.get(PATH_V2 + "/alarm-histories")
def list_records(request: Request, scope: ScopeIn) -> JSONResponse:
    """A page of the records, those first that changed last."""
    query = request.query_params
    offset, limit = bounds(request, "offset", 100)
    states = [word(one, "status", _STATES) for one in _several(request, "status")]
    order = word(query.get("order_by") or "update_time", "order_by", [one.value for one in Order])
    record_id = query.get("record_id")
    times = {
        name: rules.moment(field, text) if (text := query.get(field)) else None
        for name, field in (
            ("changed_from", "from"),
            ("changed_to", "to"),
            ("began_from", "create_time_from"),
            ("began_to", "create_time_to"),
        )
    }
    with scope.database.read() as connection:
        found, total = alarm_histories.search(
            connection,
            scope.project_id,
            number=alarm_histories.number_of(record_id) if record_id else None,
            alarm_ids=_several(request, "alarm_id"),
            states=states,
            name=query.get("name") or "",
            namespace=query.get("namespace") or "",
            resource_id=query.get("resource_id") or "",
            level=_level(query.get("level"), "level"),
            **times,
            order=Order(order),
            offset=offset,
            limit=limit,
        )
    if query.get("alarm_type") == "event" or query.get("mask_status") == "MASKED":
        found, total = [], 0
    return JSONResponse({"alarm_histories": [_shown_v2(one) for one in found], "count": total})


def _several(request: Request, name: str) -> Sequence[str]:
    return [one for one in request.query_params.getlist(name) if one]


def _level(text: str | None, name: str) -> int | None:
    return int(word(text, name, map(str, LEVELS))) if text else None


def _shown(one: AlarmRecord) -> dict[str, Any]:
    began = milliseconds(one.began_at)
    return {
        "alarm_id": one.alarm_id,
        "alarm_name": one.name,
        "alarm_description": one.description,
        "metric": _metric(one),
        "condition": one.condition,
        "alarm_level": one.level,
        "alarm_type": "",
        "alarm_enabled": True,  # or it would not have been judged
        "alarm_action_enabled": one.action_enabled,
        "alarm_actions": list(one.alarm_actions),
        "ok_actions": list(one.ok_actions),
        "insufficientdata_actions": [],
        "update_time": began,
        "trigger_time": began,
        "enterprise_project_id": "0",
        "alarm_status": one.state,
        "datapoints": [{"time": at * 1000, "value": value} for at, value in one.points[::-1]],
        "additional_info": _additional(one),
    }


def _shown_v2(one: AlarmRecord) -> dict[str, Any]:
    return {
        "record_id": one.id,
        "alarm_id": one.alarm_id,
        "name": one.name,
        "status": one.state,
        "level": one.level,
        "type": "MULTI_INSTANCE",
        "action_enabled": one.action_enabled,
        "begin_time": moment(one.began_at),
        "end_time": moment(one.ended_at) if one.ended_at else None,
        "metric": _metric(one),
        "condition": one.condition,
        "additional_info": _additional(one),
        "alarm_actions": notifications_v2(one.alarm_actions),
        "ok_actions": notifications_v2(one.ok_actions),
        "data_points": [
            {"time": moment(datetime.fromtimestamp(at, UTC)), "value": value}
            for at, value in one.points[::-1]
        ],
        "mask_status": "UN_MASKED",
    }


def _metric(one: AlarmRecord) -> dict[str, Any]:
    return {
        "namespace": one.namespace,
        "metric_name": one.metric_name,
        "dimensions": list(one.dimensions),
    }


def _additional(one: AlarmRecord) -> dict[str, str]:
    return {"resource_id": one.resource_id, "resource_name": "", "event_id": ""}
