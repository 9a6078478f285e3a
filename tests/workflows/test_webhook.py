"""Events are sent to a URL: all of them, in order, until the receiver has taken them."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from shardhouse.domain.events import InstanceEvent, Kind
from shardhouse.settings import EventSettings
from shardhouse.store import event_deliveries, events
from shardhouse.store.database import Database
from shardhouse.workflows import webhook
from shardhouse.workflows.webhook import SIGNATURE, Webhook
from tests.installation import until
from tests.webhook import Webhook as Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def taken(receiver: Receiver) -> list[int]:
    return [one["number"] for body in receiver.heard for one in body["events"]]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(webhook, "INTERVAL", 0.05)
    monkeypatch.setattr(webhook, "FIRST_DELAY", 0.05)
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    return made


def happen(database: Database, number: int) -> None:
    at = datetime(2026, 1, 31, tzinfo=UTC)
    event = InstanceEvent("p", "i", "name", Kind.NODE_ABNORMAL, "killed", at, "n")
    with database.write() as connection:
        events.record(connection, [event] * number)


def running(receiver: Receiver, database: Database) -> Webhook:
    settings = EventSettings(webhook_url=SecretStr(receiver.url), webhook_secret=SecretStr("key"))
    made = Webhook(settings, database)
    made.start()
    return made


def position(database: Database) -> int | None:
    with database.read() as connection:
        return event_deliveries.position(connection, webhook.RECEIVER)


def test_events_are_delivered_signed_and_once(receiver: Receiver, database: Database) -> None:
    happen(database, 2)  # before anybody asked
    sender = running(receiver, database)
    try:
        until("the start", lambda: position(database) == 2)
        happen(database, 3)
        until("three events", lambda: taken(receiver) == [3, 4, 5])
    finally:
        sender.close()
    headers, body = receiver.requests[0]
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    (first, *_) = json.loads(body)["events"]
    assert first == {
        "number": 3,
        "project_id": "p",
        "kind": "NodeAbnormal",
        "severity": "warning",
        "instance_id": "i",
        "instance_name": "name",
        "node_id": "n",
        "job_id": "",
        "message": "killed",
        "time": "2026-01-31T00:00:00+0000",
    }
    happen(database, 1)
    again = running(receiver, database)  # after a restart it goes on where it was
    try:
        until("the fourth", lambda: taken(receiver) == [3, 4, 5, 6])
    finally:
        again.close()


def test_what_is_refused_is_sent_again(receiver: Receiver, database: Database) -> None:
    receiver.status = 503
    sender = running(receiver, database)
    try:
        until("the start", lambda: position(database) == 0)
        happen(database, webhook.BATCH + 1)
        until("two attempts", lambda: len(receiver.requests) > 1)
        receiver.status = 200
        wanted = list(range(1, webhook.BATCH + 2))
        until("all", lambda: taken(receiver)[-len(wanted) :] == wanted)
    finally:
        sender.close()
