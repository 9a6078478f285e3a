"""LTS: log groups and their streams, which a log configuration of an instance names."""

import re
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shardhouse.api.iam.wire import Fields
from shardhouse.api.neighbours.wire import BodyIn, ScopeIn, filtered
from shardhouse.errors import NeighbourError, Reason
from shardhouse.store.neighbours.records import LogGroup, LogStream
from shardhouse.store.neighbours.rows import LOG_GROUPS, LOG_STREAMS, new_row

router = APIRouter()

PATH = "/v2/{project_id}/groups"
STREAMS = PATH + "/{group_id}/streams"
NAME = re.compile(r"[\w.-]{1,64}")
DAYS = 7
MAX_DAYS = 365


@router.post(PATH)
def create_group(scope: ScopeIn, body: BodyIn) -> JSONResponse:
    """201: the id of a new log group."""
    fields = Fields(body)
    name, days = _name(fields, "log_group_name"), _days(fields) or DAYS
    row = new_row(project_id=scope.project_id, name=name, ttl_in_days=days)
    try:
        with scope.database.write() as connection:
            made = LOG_GROUPS.add(connection, LogGroup(**row))
    except IntegrityError:
        raise NeighbourError(
            Reason.LOG_GROUP_TAKEN, f"log_group_name: the project has a log group {name}."
        ) from None
    return JSONResponse({"log_group_id": made.id}, 201)


@router.get(PATH)
def list_groups(request: Request, scope: ScopeIn) -> JSONResponse:
    """The project's log groups."""
    with scope.database.read() as connection:
        found = LOG_GROUPS.find(connection, project_id=scope.project_id)
    return JSONResponse({"log_groups": filtered(request, [_group(group) for group in found])})


@router.post(PATH + "/{group_id}")
def change_group(scope: ScopeIn, body: BodyIn, group_id: str) -> JSONResponse:
    """200: the log group with another `ttl_in_days`."""
    days = _days(Fields(body))
    with scope.database.write() as connection:
        found = _get(connection, scope.project_id, group_id)
        changes = {"ttl_in_days": days or found.ttl_in_days}
        changed = LOG_GROUPS.change(connection, found.id, changes)
    return JSONResponse(_group(changed))


@router.delete(PATH + "/{group_id}")
def delete_group(scope: ScopeIn, group_id: str) -> Response:
    """204: gone with its streams."""
    with scope.database.write() as connection:
        LOG_GROUPS.remove(connection, id=_get(connection, scope.project_id, group_id).id)
    return Response(status_code=204)


@router.post(STREAMS)
def create_stream(scope: ScopeIn, body: BodyIn, group_id: str) -> JSONResponse:
    """201: the id of a new stream."""
    fields = Fields(body)
    name, days = _name(fields, "log_stream_name"), _days(fields)
    try:
        with scope.database.write() as connection:
            group = _get(connection, scope.project_id, group_id)
            row = new_row(
                project_id=scope.project_id,
                name=name,
                log_group_id=group.id,
                ttl_in_days=days or group.ttl_in_days,
            )
            made = LOG_STREAMS.add(connection, LogStream(**row))
    except IntegrityError:
        raise NeighbourError(
            Reason.LOG_STREAM_TAKEN, f"log_stream_name: the log group has a stream {name}."
        ) from None
    return JSONResponse({"log_stream_id": made.id}, 201)


@router.get(STREAMS)
def list_streams(request: Request, scope: ScopeIn, group_id: str) -> JSONResponse:
    """The streams of a log group."""
    with scope.database.read() as connection:
        group = _get(connection, scope.project_id, group_id)
        found = LOG_STREAMS.find(connection, log_group_id=group.id)
    return JSONResponse({"log_streams": filtered(request, [_stream(one) for one in found])})


@router.delete(STREAMS + "/{stream_id}")
def delete_stream(scope: ScopeIn, group_id: str, stream_id: str) -> Response:
    """204: gone."""
    with scope.database.write() as connection:
        group = _get(connection, scope.project_id, group_id)
        if not LOG_STREAMS.first(connection, log_group_id=group.id, id=stream_id):
            raise NeighbourError(
                Reason.LOG_STREAM_NOT_FOUND, f"Log stream {stream_id} does not exist."
            )
        LOG_STREAMS.remove(connection, id=stream_id)
    return Response(status_code=204)


def _get(connection: Connection, project_id: str, group_id: str) -> LogGroup:
    found = LOG_GROUPS.first(connection, project_id=project_id, id=group_id)
    if found is None:
        raise NeighbourError(Reason.LOG_GROUP_NOT_FOUND, f"Log group {group_id} does not exist.")
    return found


def _name(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if not NAME.fullmatch(text):
        raise NeighbourError(
            Reason.LOG_INVALID,
            f"{name}: 1 to 64 letters, digits, hyphens, underscores and periods, got {text}.",
        )
    return text


def _days(fields: Fields) -> int | None:
    days = fields.optional_number("ttl_in_days")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise NeighbourError(Reason.LOG_INVALID, f"ttl_in_days: 1 to {MAX_DAYS} days, got {days}.")
    return days


def _group(group: LogGroup) -> dict[str, Any]:
    return {
        "log_group_id": group.id,
        "log_group_name": group.name,
        "log_group_name_alias": group.name,
        "ttl_in_days": group.ttl_in_days,
        "creation_time": _milliseconds(group),
        "tag": {},
    }


def _stream(stream: LogStream) -> dict[str, Any]:
    return {
        "log_stream_id": stream.id,
        "log_stream_name": stream.name,
        "log_stream_name_alias": stream.name,
        "ttl_in_days": stream.ttl_in_days,
        "creation_time": _milliseconds(stream),
        "filter_count": 0,
        "tag": {},
    }


def _milliseconds(row: LogGroup | LogStream) -> int:
    return int(row.created_at.timestamp() * 1000)
