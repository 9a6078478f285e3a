"""Judges alarm rules by the values that were measured, records what has changed, and reports it to
a webhook.

A message that could not be delivered is sent at a later look, unless the alarm is over by then; of
one that was delivered right before a crash there may be a second one.
"""

import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import structlog

from shardhouse.domain import metric_dimensions
from shardhouse.domain.alarm import AlarmState, due
from shardhouse.domain.metric_series import Point
from shardhouse.domain.metrics import NAMESPACE
from shardhouse.store import instances
from shardhouse.store.database import Database
from shardhouse.store.metric_ring import MetricRing
from shardhouse.store.neighbours import alarm_histories
from shardhouse.store.neighbours.records import Alarm
from shardhouse.store.neighbours.rows import ALARMS
from shardhouse.workflows.context import now
from shardhouse.workflows.periodic import Periodic

INTERVAL = 30.0
"""Seconds between two looks."""
PATIENCE = 5.0
"""Seconds that the webhook has to answer."""
log = structlog.get_logger()


class Alarms(Periodic):
    """Looks at all rules that are switched on. Without a `webhook` states change and no
    message is sent."""

    def __init__(self, database: Database, ring: MetricRing, webhook: str | None) -> None:
        super().__init__("alarms", INTERVAL, lambda: self.look(time.time()))
        self._database = database
        self._ring = ring
        self._webhook = webhook

    def look(self, moment: float) -> None:
        """Judge every rule as of a moment (seconds since 1970), and send what is due."""
        with self._database.read() as connection:
            rules = ALARMS.find(connection, enabled=True)
            owners = {rule.project_id for rule in rules}
            own = {id: instances.of_project(connection, id) for id in owners}
        reachable = self._webhook is not None
        for rule in rules:
            about = None
            if rule.namespace == NAMESPACE:
                about = metric_dimensions.resource_of(rule.pairs, own[rule.project_id])
            found = self._periods(rule, about, moment)
            judged = self._judge(rule, found)
            if reachable and judged.action_enabled and self._is_due(judged):
                # Else the rest would not arrive either.
                reachable = self._send(judged, found[-1][1])
                if reachable:
                    with self._database.write() as connection:
                        changes = {"told": judged.state, "told_at": now()}
                        ALARMS.note(connection, judged.id, changes)

    def _periods(self, rule: Alarm, about: str | None, moment: float) -> list[Point]:
        if about is None:
            return []
        name = rule.metric_name
        found = self._ring.read({about: {name}}, *rule.rule.span(moment))
        return rule.rule.periods(found[about][name])

    def _judge(self, rule: Alarm, found: list[Point]) -> Alarm:
        state = rule.rule.judge([value for _, value in found])
        if state is None or state == rule.state:
            return rule
        log.info("alarm changed", alarm=rule.id, state=state, metric=rule.metric_name)
        moment = now()
        changes: dict[str, Any] = {"state": state, "state_at": moment}
        if state is not AlarmState.NO_DATA and not rule.reports(state):
            changes["told"] = state  # nobody asked for a message, and the next alarm is a new one
        changed = replace(rule, **changes)
        with self._database.write() as connection:
            if ALARMS.first(connection, id=rule.id):  # it may have been deleted meanwhile
                ALARMS.note(connection, rule.id, changes)
                alarm_histories.record(connection, changed, found, moment)
        return changed

    def _is_due(self, rule: Alarm) -> bool:
        state, told = AlarmState(rule.state), AlarmState(rule.told)
        return rule.reports(state) and due(state, told, rule.told_at, rule.rule, now())

    def _send(self, rule: Alarm, value: float) -> bool:
        assert self._webhook is not None
        try:
            answer = httpx.post(self._webhook, json=message(rule, value, now()), timeout=PATIENCE)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            # Its text has the address, which may hold a secret.
            log.warning("alarm not delivered", alarm=rule.id, reason=type(error).__name__)
            return False
        return True


def message(rule: Alarm, value: float, moment: datetime) -> dict[str, Any]:
    """What the webhook gets."""
    return {
        "alarm_id": rule.id,
        "alarm_name": rule.name,
        "alarm_description": rule.description,
        "alarm_level": rule.level,
        "alarm_state": rule.state,
        "project_id": rule.project_id,
        "time": moment.isoformat(),
        "metric": {
            "namespace": rule.namespace,
            "metric_name": rule.metric_name,
            "dimensions": list(rule.dimensions),
        },
        "condition": dict(rule.condition),
        "value": value,
        "topics": rule.topics(rule.state),
    }
