"""What happened to instances: failures, failovers, full volumes, ends of operations. All ours."""

from typing import Annotated

from pydantic import Field

from shardhouse.contract.call import Call, Method, Wire
from shardhouse.contract.fields import Limit, Moment, Offset, integer, one_of
from shardhouse.domain.events import InstanceEvent, Kind, Severity


class EventsQuery(Wire):
    """Filters; all that are given must match."""

    instance_id: str = ""
    node_id: str = ""
    kind: Annotated[str, one_of(*Kind)] = ""
    severity: Annotated[str, one_of(*Severity)] = ""
    start_time: Moment = None
    end_time: Moment = None
    offset: Offset = 0
    limit: Limit = 100


class FollowQuery(Wire):
    """Where to go on."""

    number: Annotated[
        int, integer(0, 2**31 - 1), Field(description="The last event that was seen; 0 for none.")
    ]
    limit: Limit = 100


class EventItem(Wire):
    """One event. `number` grows with each; `node_id` and `job_id` are empty where it is about
    none."""

    number: int
    kind: str
    severity: str
    instance_id: str
    instance_name: str
    node_id: str
    job_id: str
    message: str
    time: str

    @classmethod
    def of(cls, event: InstanceEvent) -> "EventItem":
        """An event as clients and receivers get it."""
        return cls(
            number=event.number,
            kind=event.kind,
            severity=event.severity,
            instance_id=event.instance_id,
            instance_name=event.instance_name,
            node_id=event.node_id,
            job_id=event.job_id,
            message=event.message,
            time=event.at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        )


class EventsAnswer(Wire):
    """One page, newest first. Events are kept for 30 days, and outlive their instances."""

    events: list[EventItem]
    total_count: int


class FollowAnswer(Wire):
    """What came after, oldest first; none if nothing did."""

    events: list[EventItem]


LIST_EVENTS = Call(
    "ListEvents",
    Method.GET,
    "/v3/{project_id}/events",
    summary="What happened to instances, newest first.",
    permission="dds:instance:list",
    query=EventsQuery,
    answer=EventsAnswer,
    addition=True,
)
FOLLOW_EVENTS = Call(
    "FollowEvents",
    Method.GET,
    "/v3/{project_id}/events/after",
    summary="Events that came after one that is known, oldest first.",
    permission="dds:instance:list",
    query=FollowQuery,
    answer=FollowAnswer,
    addition=True,
)
CALLS = (LIST_EVENTS, FOLLOW_EVENTS)
