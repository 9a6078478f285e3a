"""Sends events to a URL, in their order and each at least once. What a receiver does not take is
sent again until it does, after growing delays; nothing else waits for it."""

import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
import structlog

from shardhouse.contract.events import EventItem
from shardhouse.domain.events import InstanceEvent
from shardhouse.settings import EventSettings
from shardhouse.store import event_deliveries, events
from shardhouse.store.database import Database
from shardhouse.workflows.periodic import Periodic

RECEIVER = "webhook"
SIGNATURE = "X-Shardhouse-Signature"
INTERVAL = 1.0
"""Seconds between looks for new events."""
BATCH = 50
"""Events of one request."""
TIMEOUT = 10.0
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""Seconds until a failed request is made again; doubled at each further failure."""
log = structlog.get_logger()


class Webhook:
    """Delivers to the URL of the settings; does nothing where there is none. It gets what happens
    from its first start on."""

    def __init__(self, settings: EventSettings, database: Database) -> None:
        self._url = settings.webhook_url and settings.webhook_url.get_secret_value()
        self._secret = settings.webhook_secret
        self._database = database
        self._http = httpx.Client(timeout=TIMEOUT, follow_redirects=False)
        self._delay = 0.0
        self._due = 0.0
        self._periodic = Periodic("webhook", INTERVAL, self._look)

    def start(self) -> None:
        """Begin."""
        if self._url:
            self._periodic.start()

    def close(self) -> None:
        """End the thread; a request that is under way is waited for."""
        if self._url:
            self._periodic.close()
        self._http.close()

    def _look(self) -> None:
        if time.monotonic() < self._due:
            return
        while found := self._pending():
            reason = self._send(found)
            if reason:
                self._delay = min(LONGEST_DELAY, self._delay * 2 or FIRST_DELAY)
                self._due = time.monotonic() + self._delay
                log.warning("events not delivered", reason=reason, again_in=self._delay)
                return
            self._delay = 0.0
            with self._database.write() as connection:
                event_deliveries.keep(connection, RECEIVER, found[-1].number)

    def _pending(self) -> list[InstanceEvent]:
        with self._database.read() as connection:
            position = event_deliveries.position(connection, RECEIVER)
            if position is not None:
                return events.after(connection, position, BATCH)
        with self._database.write() as connection:
            event_deliveries.keep(connection, RECEIVER, events.last(connection))
        return []

    def _send(self, found: Sequence[InstanceEvent]) -> str:
        """Why the receiver has not taken them; empty if it has."""
        assert self._url
        body = json.dumps({"events": [document(event) for event in found]}).encode()
        headers = {"Content-Type": "application/json"}
        if self._secret:
            key = self._secret.get_secret_value().encode()
            headers[SIGNATURE] = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
        try:
            answer = self._http.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            return type(error).__name__  # its text has the address, which may hold a secret
        return "" if answer.is_success else f"HTTP {answer.status_code}"


def document(event: InstanceEvent) -> dict[str, Any]:
    """An event as receivers get it: as the API writes it, with its project."""
    return {"project_id": event.project_id, **EventItem.of(event).model_dump()}
