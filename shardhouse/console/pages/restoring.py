"""Restoring a backup or a moment: to a new instance, in place, or some collections of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from shardhouse.client import orders
from shardhouse.client.errors import RefusalError
from shardhouse.console import one_instance
from shardhouse.console.forms import Field
from shardhouse.console.pages import backups
from shardhouse.console.rendering import moment
from shardhouse.console.session import PATH
from shardhouse.console.visit import Answer, Moved, Page, Visit
from shardhouse.contract.backups import RESTORE_INSTANCE
from shardhouse.contract.instances import CREATE_INSTANCE
from shardhouse.contract.reference import fields
from shardhouse.contract.restore_points import BY_BACKUP, BY_TIME
from shardhouse.contract.restore_times import (
    LIST_RESTORE_COLLECTIONS,
    LIST_RESTORE_DATABASES,
    RESTORE_COLLECTIONS,
)

Json = dict[str, Any]
PAGE = 100
_NEW_NAME = "new_name:"
"""How the field of a collection's new name begins."""


@dataclass(frozen=True)
class _Point:
    """What is restored. `source` names it as calls do, `named` as paths of the console; `origin` is
    the instance it is of, None if that is gone."""

    source: Json
    named: Mapping[str, str]
    words: str
    mode: str
    origin: Json | None


def asked(visit: Visit) -> Answer:
    """What can be made of a restore point; without one, where one is chosen."""
    if not visit.query:
        return Moved(f"{PATH}/backups")
    return _page(visit, _point(visit, visit.query))


def to_new(visit: Visit) -> Answer:
    """A new instance is asked for; the page again, with what is wrong, if it is refused."""
    point = _point(visit, visit.form)
    body = {
        "name": visit.form.get("name", ""),
        "flavor": orders.flavor_like(point.origin, point.mode, ""),
        "restore_point": point.source,
        **orders.place_like(point.origin, visit.client.region),
    }
    if password := visit.form.get("password"):
        body["password"] = password
    try:
        answer = visit.client.call(CREATE_INSTANCE, {}, body, {})
    except RefusalError as error:
        return _page(visit, point, error)
    return Moved(f"{PATH}/jobs/{answer['job_id']}")


def in_place(visit: Visit) -> Answer:
    """The data of the instance itself is replaced."""
    point = _point(visit, visit.form)
    body = {"source": point.source, "target": {"instance_id": _existing(point)["id"]}}
    answer = visit.client.call(RESTORE_INSTANCE, {}, body, {})
    return Moved(f"{PATH}/jobs/{answer['job_id']}")


def parts(visit: Visit) -> Answer:
    """The databases of a moment, or the collections of one of them; without a moment, where a
    restore point is chosen."""
    if not visit.query:
        return Moved(f"{PATH}/backups")
    return _parts(visit, _point(visit, visit.query), visit.query.get("database", ""))


def parts_restored(visit: Visit) -> Answer:
    """What was chosen of them is asked for; the page again, with what is wrong, if it is
    refused."""
    point, database = _point(visit, visit.form), visit.form.get("database", "")
    at = str(point.source["restore_time"])
    if database:
        chosen = visit.choices.get("collection", ())
        listed = [
            {
                "old_name": name,
                "new_name": visit.form.get(_NEW_NAME + name, ""),
                "restore_collection_time": at,
            }
            for name in chosen
        ]
        wanted = [{"database": database, "collections": listed}] if listed else []
    else:
        chosen = visit.choices.get("whole", ())
        wanted = [{"database": name, "restore_database_time": at} for name in chosen]
    path, body = {"instance_id": _existing(point)["id"]}, {"restore_collections": wanted}
    try:
        answer = visit.client.call(RESTORE_COLLECTIONS, path, body, {})
    except RefusalError as error:
        return _parts(visit, point, database, error)
    return Moved(f"{PATH}/jobs/{answer['job_id']}")


def _page(visit: Visit, point: _Point, error: RefusalError | None = None) -> Page:
    described = {one.name: one.description for one in fields(CREATE_INSTANCE.body)}
    name, password = visit.form.get("name", ""), "Empty: the one that the data has."
    page = {
        "point": point,
        "problem": error.message if error else "",
        "fields": [
            Field("name", "Name", "input", True, described["name"], name),
            Field("password", "Password of rwuser", "password", help=password),
        ],
    }
    return Page("restore.html", "Restore", page, error.status if error else 200)


def _parts(visit: Visit, point: _Point, database: str, error: RefusalError | None = None) -> Page:
    path = {"instance_id": _existing(point)["id"]}
    query = {"restore_time": str(point.source.get("restore_time", ""))}
    if database:
        call, what, query["db_name"] = LIST_RESTORE_COLLECTIONS, "collections", database
    else:
        call, what = LIST_RESTORE_DATABASES, "databases"
    params = {**query, "offset": str(visit.offset), "limit": str(PAGE)}
    found = visit.client.call(call, path, {}, params)
    named = dict(point.named) | ({"database": database} if database else {})
    later = {**named, "offset": str(visit.offset + PAGE)}
    page = {
        "point": point,
        "database": database,
        "names": found[what],
        "typed": visit.form,
        "chosen": visit.choices.get("collection" if database else "whole", ()),
        "problem": error.message if error else "",
        "later": f"?{urlencode(later)}" if visit.offset + PAGE < found["total_count"] else "",
    }
    title = f"Restore collections of {database}" if database else "Restore databases"
    return Page("restore_parts.html", title, page, error.status if error else 200)


def _point(visit: Visit, given: Mapping[str, str]) -> _Point:
    """The restore point that a query or a form names. Raises RefusalError 400, 404."""
    if backup_id := given.get("backup_id", ""):
        backup = backups.find(visit, backup_id)
        origin = next(visit.client.instances(id=backup["instance_id"]), None)
        begun = moment(backup["begin_time"])
        words = f"backup {backup['name']} of {backup['instance_name']}, {begun} UTC"
        by_backup = {"type": BY_BACKUP, "backup_id": backup_id}
        return _Point(by_backup, {"backup_id": backup_id}, words, backup["instance_mode"], origin)
    instance_id, at = given.get("instance_id", ""), given.get("at", "")
    origin = one_instance.of_id(visit, instance_id)
    try:
        when = datetime.fromisoformat(f"{at}+00:00")  # so that no other offset can be there
    except ValueError:
        message = f"at: a time such as 2026-03-01T12:30:00 is expected, in UTC, got {at}."
        raise RefusalError(400, "", message) from None
    source: Json = {
        "type": BY_TIME,
        "instance_id": instance_id,
        "restore_time": round(when.timestamp() * 1000),
    }
    words = f"{origin['name']} as it was at {when:%Y-%m-%d %H:%M:%S} UTC"
    return _Point(source, {"instance_id": instance_id, "at": at}, words, origin["mode"], origin)


def _existing(point: _Point) -> Json:
    """The instance that a restore point is of. Raises RefusalError 404."""
    if point.origin is None:
        raise RefusalError(404, "", "The instance is gone: restore to a new one.")
    return point.origin
