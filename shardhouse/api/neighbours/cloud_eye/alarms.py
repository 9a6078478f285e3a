"""Alarm rules: kept, judged by `workflows/alarms`, and reported to the webhook of the settings,
whatever topics they name."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.cloud_eye.wire import (
    PATH,
    digits,
    dimensions,
    invalid,
    milliseconds,
    text,
    word,
)
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, given, sized_text
from shardhouse.domain import alarm
from shardhouse.domain.alarm import Condition
from shardhouse.domain.metric_series import FILTERS
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours import alarm_histories
from shardhouse.store.neighbours.records import Alarm
from shardhouse.store.neighbours.rows import ALARMS, new_row

router = APIRouter()

ALARM = PATH + "/alarms/{alarm_id}"
MOST = 1000
"""Rules of a project."""
MAX_LIMIT = 100
_ACTIONS = 10
_INVALID = Reason.METRIC_INVALID


@router.post(PATH + "/alarms")
def create_alarm(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: the id of a new rule."""
    fields = Fields(body)
    metric = fields.object("metric")
    values = {
        "name": text(fields, "alarm_name", 128),
        "namespace": text(metric, "namespace", 32),
        "metric_name": text(metric, "metric_name", 64),
        "dimensions": [{"name": name, "value": id} for name, id in dimensions(metric)],
        "condition": _condition(fields.object("condition")),
        **_changes(fields),
    }
    if kind := fields.optional_text("alarm_type"):
        raise invalid(f"alarm_type: only rules of single metrics are judged here, got {kind}.")
    enabled = fields.optional_flag("alarm_enabled")
    row = new_row(project_id=scope.project_id, **values)
    row |= {"id": _new_id(), "state_at": row["created_at"], "enabled": enabled is not False}
    with scope.database.write() as connection:
        if len(ALARMS.find(connection, project_id=scope.project_id)) >= MOST:
            raise NeighbourError(
                Reason.TOO_MANY_ALARMS, f"A project has {MOST} alarm rules at most."
            )
        made = ALARMS.add(connection, Alarm(**row))
    return JSONResponse({"alarm_id": made.id}, 201)


@router.get(PATH + "/alarms")
def list_alarms(request: Request, scope: ScopeIn) -> JSONResponse:
    """A page of the project's rules, the newest first."""
    query = request.query_params
    with scope.database.read() as connection:
        found = ALARMS.find(connection, project_id=scope.project_id)
    if word(query.get("order") or "desc", "order", ("asc", "desc")) == "desc":
        found.reverse()
    ids = [one.id for one in found]
    start = query.get("start")
    if start and start not in ids:
        raise invalid(f"start: the project has no alarm rule {start}.")
    limit = digits(query.get("limit") or MAX_LIMIT, "limit")
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"limit: 1 to {MAX_LIMIT}, got {limit}.")
    begin = ids.index(start) + 1 if start else 0
    page = found[begin : begin + limit]
    meta = {"count": len(page), "marker": page[-1].id if page else "", "total": len(found)}
    return JSONResponse({"metric_alarms": [_shown(one) for one in page], "meta_data": meta})


@router.get(ALARM)
def show_alarm(scope: ScopeIn, alarm_id: str) -> JSONResponse:
    """One rule, in a list as the API has it."""
    with scope.database.read() as connection:
        found = get_alarm(connection, scope.project_id, alarm_id)
    return JSONResponse({"metric_alarms": [_shown(found)]})


@router.put(ALARM)
def change_alarm(scope: ScopeIn, body: BodyIn, alarm_id: str) -> Response:
    """204: the rule with what the body gives."""
    fields = Fields(body)
    changes = _changes(fields)
    if "alarm_name" in fields:
        changes["name"] = text(fields, "alarm_name", 128)
    with scope.database.write() as connection:
        found = get_alarm(connection, scope.project_id, alarm_id)
        if "condition" in fields:
            changes["condition"] = _condition(fields.object("condition"), found.condition)
        ALARMS.change(connection, found.id, changes)
    return Response(status_code=204)


@router.put(ALARM + "/action")
def switch_alarm(scope: ScopeIn, body: BodyIn, alarm_id: str) -> Response:
    """204: the rule is judged from now on, or is not."""
    enabled = Fields(body).optional_flag("alarm_enabled")
    if enabled is None:
        raise invalid("alarm_enabled: a boolean is required.")
    with scope.database.write() as connection:
        found = get_alarm(connection, scope.project_id, alarm_id)
        ALARMS.change(connection, found.id, {"enabled": enabled})
    return Response(status_code=204)


@router.delete(ALARM)
def delete_alarm(scope: ScopeIn, alarm_id: str) -> Response:
    """204: gone."""
    with scope.database.write() as connection:
        found = get_alarm(connection, scope.project_id, alarm_id)
        ALARMS.remove(connection, id=found.id)
        alarm_histories.end(connection, found.id, datetime.now(UTC))
    return Response(status_code=204)


def get_alarm(connection: Connection, project_id: str, alarm_id: str) -> Alarm:
    """A rule of the project. Raises NeighbourError 404."""
    found = ALARMS.first(connection, project_id=project_id, id=alarm_id)
    if found is None:
        raise NeighbourError(Reason.ALARM_NOT_FOUND, f"The project has no alarm rule {alarm_id}.")
    return found


def _new_id() -> str:
    """As the API writes it: `al`, milliseconds, nine characters."""
    return f"al{time.time_ns() // 1_000_000}{secrets.token_hex(5)[:9]}"


def _changes(fields: Fields) -> dict[str, Any]:
    """What both calls take alike, as far as it is given."""
    return given(
        description=sized_text(fields, "alarm_description", _INVALID, 256),
        level=_among(fields, "alarm_level", alarm.LEVELS),
        action_enabled=fields.optional_flag("alarm_action_enabled"),
        alarm_actions=_actions(fields, "alarm_actions"),
        ok_actions=_actions(fields, "ok_actions"),
    )


def _actions(fields: Fields, name: str) -> list[dict[str, Any]] | None:
    if name not in fields:
        return None
    found = fields.objects(name)
    if len(found) > _ACTIONS:
        raise invalid(f"{name}: {_ACTIONS} at most, got {len(found)}.")
    return [
        {
            "type": word(one.text("type"), f"{name}.type", ("notification",)),
            "notificationList": list(one.texts("notificationList"))[:_ACTIONS],
        }
        for one in found
    ]


def _condition(fields: Fields, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """A condition, which has what it had `before` where the body gives nothing."""
    content = (before or {}) | given(
        period=_among(fields, "period", alarm.PERIODS),
        filter=fields.optional_text("filter"),
        comparison_operator=fields.optional_text("comparison_operator"),
        value=_threshold(fields.value("value")),
        count=_among(fields, "count", alarm.COUNTS),
        unit=sized_text(fields, "unit", _INVALID, 32),
        suppress_duration=_among(fields, "suppress_duration", alarm.SUPPRESSED),
    )
    for name in ("period", "filter", "comparison_operator", "value", "count"):
        if name not in content:
            raise invalid(f"condition.{name}: it is required.")
    word(content["filter"], "condition.filter", FILTERS)
    word(content["comparison_operator"], "condition.comparison_operator", alarm.COMPARISONS)
    if not Condition(**content).can_be_judged:
        raise invalid(
            "condition: values are kept for 12 hours; fewer or shorter periods are needed."
        )
    return content


def _threshold(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise invalid(f"condition.value: a number is required, got {value}.")
    return None if value is None else float(value)


def _among(fields: Fields, name: str, allowed: Any) -> int | None:
    if name not in fields:
        return None
    number = digits(fields.value(name), name)
    if number not in allowed:
        raise invalid(f"{name}: one of {', '.join(map(str, allowed))} is required, got {number}.")
    return number


def _shown(one: Alarm) -> dict[str, Any]:
    return {
        "alarm_id": one.id,
        "alarm_name": one.name,
        "alarm_description": one.description,
        "alarm_type": "",
        "metric": {
            "namespace": one.namespace,
            "metric_name": one.metric_name,
            "dimensions": list(one.dimensions),
            "resource_group_id": "",
        },
        "condition": {"unit": "", "suppress_duration": 0, **one.condition},
        "alarm_enabled": one.enabled,
        "alarm_action_enabled": one.action_enabled,
        "alarm_level": one.level,
        "alarm_actions": list(one.alarm_actions),
        "ok_actions": list(one.ok_actions),
        "insufficientdata_actions": [],
        "alarm_action_begin_time": "",
        "alarm_action_end_time": "",
        "alarm_state": one.state,
        "update_time": milliseconds(one.state_at),
        "enterprise_project_id": "0",
    }
