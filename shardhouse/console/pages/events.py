"""Events: what happened to instances."""

from shardhouse.console.visit import Answer, Page, Visit
from shardhouse.contract.events import LIST_EVENTS
from shardhouse.domain.events import MEANINGS, Kind, Severity

PAGE = 100
_FILTERS = ("instance_id", "severity", "kind")


def listed(visit: Visit) -> Answer:
    """The newest events, or some before them; of one instance or severity where that is asked."""
    filters = {name: visit.query.get(name, "") for name in _FILTERS}
    wanted = {name: value for name, value in filters.items() if value}
    offset = visit.offset
    params = {**wanted, "offset": str(offset), "limit": str(PAGE)}
    found = visit.client.call(LIST_EVENTS, {}, {}, params)
    shown = {
        "events": found["events"],
        "total": found["total_count"],
        "filters": filters,
        "offset": offset,
        "page": PAGE,
        "instances": [(one["id"], one["name"]) for one in visit.client.instances()],
        "severities": ["", *Severity],
        "kinds": ["", *Kind],
        "meanings": MEANINGS,
    }
    return Page("events.html", "Events", shown)
