"""To which times an instance can be restored, what it had then, and restoring
parts of that."""

from datetime import UTC, date, datetime, time
from typing import Any

from shardhouse.api.endpoint import Request
from shardhouse.backups import namespaces, ranges
from shardhouse.backups.ranges import Range
from shardhouse.contract.call import JobId, Nothing
from shardhouse.contract.restore_times import (
    RestoreCollectionsAnswer,
    RestoreCollectionsBody,
    RestoreCollectionsQuery,
    RestoreDatabasesAnswer,
    RestoreDatabasesQuery,
    RestoreTime,
    RestoreTimesAnswer,
    RestoreTimesQuery,
)
from shardhouse.operations import restore_collections
from shardhouse.workflows import restorable

DAY = 24 * 3600 * 1000


def list_times(request: Request[RestoreTimesQuery, Nothing]) -> RestoreTimesAnswer:
    """The ranges of times, of one day or all."""
    found = restorable.times(request.service.context, request.instance().id)
    if request.query.date is not None:
        found = ranges.within(found, _day(request.query.date))
    return RestoreTimesAnswer(
        restore_time=[RestoreTime(start_time=one.start, end_time=one.end) for one in found]
    )


def list_databases(request: Request[RestoreDatabasesQuery, Nothing]) -> RestoreDatabasesAnswer:
    """One page of the databases of a time. Raises DdsError 400 for a time to which the instance
    cannot be restored."""
    found = namespaces.databases(_names(request))
    return RestoreDatabasesAnswer(databases=_page(request.query, found), total_count=len(found))


def list_collections(
    request: Request[RestoreCollectionsQuery, Nothing],
) -> RestoreCollectionsAnswer:
    """One page of the collections of a time and database; raises as `list_databases`."""
    found = list(namespaces.of_database(_names(request), request.query.db_name))
    return RestoreCollectionsAnswer(collections=_page(request.query, found), total_count=len(found))


def restore(request: Request[Nothing, RestoreCollectionsBody]) -> JobId:
    """Start restoring databases and collections. Raises DdsError 400 for what there was not."""
    service, body, instance = request.service, request.body, request.instance()
    points = {
        moment: restorable.of_moment(service.context, request.project_id, instance.id, moment)
        for moment in restore_collections.moments(body)
    }
    existing = {
        moment: restorable.names(service.context, point) for moment, point in points.items()
    }
    items = restore_collections.items(body, existing)
    wanted = restore_collections.Wanted([(points[at], found) for at, found in items.items()])
    accepted = service.submit.start(restore_collections.RESTORE, request.target, wanted)
    return JobId(job_id=accepted.job.id)


def _names(request: Request[Any, Nothing]) -> set[str]:
    context, instance = request.service.context, request.instance()
    moment = request.query.restore_time
    point = restorable.of_moment(context, request.project_id, instance.id, moment)
    return restorable.names(context, point)


def _page(query: RestoreDatabasesQuery, names: list[str]) -> list[str]:
    return names[query.offset : query.offset + query.limit]


def _day(day: date) -> Range:
    start = int(datetime.combine(day, time(), UTC).timestamp()) * 1000
    return Range(start, start + DAY - 1)
