"""Alarm rules in the shapes of version 2 of the API, to be read: each has one policy and one
resource."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shardhouse.api.neighbours.cloud_eye.alarms import get_alarm
from shardhouse.api.neighbours.cloud_eye.wire import PATH_V2, bounds, notifications_v2
from shardhouse.api.neighbours.wire import ScopeIn
from shardhouse.store.neighbours.records import Alarm
from shardhouse.store.neighbours.rows import ALARMS

router = APIRouter()

ALARM = PATH_V2 + "/alarms/{alarm_id}"
_DEFAULT_LIMIT = 10
_OUR_ENTERPRISE_PROJECT = ("0", "all_granted_eps")


@router.get(PATH_V2 + "/alarms")
def list_rules(request: Request, scope: ScopeIn) -> JSONResponse:
    """A page of the project's rules, the newest first."""
    query = request.query_params
    offset, limit = bounds(request, "offset", _DEFAULT_LIMIT)
    fields = {"id": "alarm_id", "name": "name", "namespace": "namespace"}
    equal = {field: text for field, name in fields.items() if (text := query.get(name))}
    with scope.database.read() as connection:
        found = ALARMS.find(connection, project_id=scope.project_id, **equal)[::-1]
    if resource_id := query.get("resource_id"):
        found = [one for one in found if one.resource_id == resource_id]
    enterprise_project = query.get("enterprise_project_id") or "0"
    of_products = query.get("product_name") or query.get("resource_level") == "product"
    if of_products or enterprise_project not in _OUR_ENTERPRISE_PROJECT:
        found = []
    page = [_shown(one) for one in found[offset : offset + limit]]
    return JSONResponse({"alarms": page, "count": len(found)})


@router.get(ALARM + "/policies")
def list_policies(request: Request, scope: ScopeIn, alarm_id: str) -> JSONResponse:
    """A rule's condition, as a list of one."""
    offset, limit = bounds(request, "offset", _DEFAULT_LIMIT)
    with scope.database.read() as connection:
        found = [_policy(get_alarm(connection, scope.project_id, alarm_id))]
    return JSONResponse({"policies": found[offset : offset + limit], "count": len(found)})


@router.get(ALARM + "/resources")
def list_resources(request: Request, scope: ScopeIn, alarm_id: str) -> JSONResponse:
    """What a rule is about, as a list of one."""
    offset, limit = bounds(request, "offset", _DEFAULT_LIMIT)
    with scope.database.read() as connection:
        found = [list(get_alarm(connection, scope.project_id, alarm_id).dimensions)]
    return JSONResponse({"resources": found[offset : offset + limit], "count": len(found)})


def _shown(one: Alarm) -> dict[str, Any]:
    return {
        "alarm_id": one.id,
        "name": one.name,
        "description": one.description,
        "namespace": one.namespace,
        "policies": [_policy(one)],
        "resources": [{"dimensions": list(one.dimensions)}],
        "type": "MULTI_INSTANCE",
        "enabled": one.enabled,
        "notification_enabled": one.action_enabled,
        "alarm_notifications": notifications_v2(one.alarm_actions),
        "ok_notifications": notifications_v2(one.ok_actions),
        "notification_begin_time": "",
        "notification_end_time": "",
        "enterprise_project_id": "0",
        "alarm_template_id": "",
    }


def _policy(one: Alarm) -> dict[str, Any]:
    return {
        "metric_name": one.metric_name,
        "unit": "",
        "suppress_duration": 0,
        **one.condition,
        "type": "",
        "level": one.level,
    }
