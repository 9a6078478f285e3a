"""States and events: what the table says, and what documentation says of it."""

import pytest

from shardhouse.domain.model import Status
from shardhouse.domain.transitions import SERVING, TRANSITIONS, Event, after

OF_INSTANCES = {status for status in Status if not status.at_work}


@pytest.mark.parametrize("event", Event)
def test_each_event_is_in_the_table(event: Event) -> None:
    changes = TRANSITIONS[event]
    assert set(changes) | set(changes.values()) <= OF_INSTANCES
    assert all(before is not becomes for before, becomes in changes.items())
    assert len(set(changes.values())) == 1


@pytest.mark.parametrize("event", Event)
def test_what_is_deleted_stays_deleted(event: Event) -> None:
    assert after(Status.DELETED, event) is Status.DELETED


@pytest.mark.parametrize("event", [Event.WELL, Event.BROKEN, Event.FULL])
def test_what_is_seen_changes_only_what_serves(event: Event) -> None:
    assert {after(status, event) for status in SERVING} <= SERVING
    for status in OF_INSTANCES - SERVING:
        assert after(status, event) is status


def test_a_failed_enlargement_is_seen_until_the_next_change() -> None:
    assert after(Status.NORMAL, Event.ENLARGEMENT_FAILED) is Status.ENLARGE_FAIL
    assert after(Status.ENLARGE_FAIL, Event.WELL) is Status.ENLARGE_FAIL
    assert after(Status.ENLARGE_FAIL, Event.RESIZING) is Status.NORMAL


def test_each_state_can_be_reached_and_left() -> None:
    reached = {becomes for changes in TRANSITIONS.values() for becomes in changes.values()}
    left = {before for changes in TRANSITIONS.values() for before in changes}
    assert reached == OF_INSTANCES - {Status.CREATING}
    assert left == OF_INSTANCES - {Status.DELETED}
