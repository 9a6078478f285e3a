"""Events, as the API writes them."""

from shardhouse.api.endpoint import Request
from shardhouse.contract.call import Nothing
from shardhouse.contract.events import (
    EventItem,
    EventsAnswer,
    EventsQuery,
    FollowAnswer,
    FollowQuery,
)
from shardhouse.domain.events import Kind, Severity
from shardhouse.store import events


def list_events(request: Request[EventsQuery, Nothing]) -> EventsAnswer:
    """One page of a project's events."""
    query = request.query
    with request.service.database.read() as connection:
        found, total = events.search(
            connection,
            request.project_id,
            instance_id=query.instance_id,
            node_id=query.node_id,
            kind=Kind(query.kind) if query.kind else None,
            severity=Severity(query.severity) if query.severity else None,
            since=query.start_time,
            until=query.end_time,
            offset=query.offset,
            limit=query.limit,
        )
    return EventsAnswer(events=[EventItem.of(event) for event in found], total_count=total)


def follow(request: Request[FollowQuery, Nothing]) -> FollowAnswer:
    """What came after an event."""
    query = request.query
    with request.service.database.read() as connection:
        found = events.after(connection, query.number, query.limit, request.project_id)
    return FollowAnswer(events=[EventItem.of(event) for event in found])
