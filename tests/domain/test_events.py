"""What is an event, and what is not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shardhouse.domain import events
from shardhouse.domain.events import MEANINGS, SEVERITIES, Kind
from shardhouse.domain.model import Instance, Node, Role, Status
from tests.contract.test_changes import SET, SINGLE

NOW = datetime(2026, 1, 31, tzinfo=UTC)
NODE = SET.nodes[0]


def kinds(owner: Instance, before: Node, status: Status, role: Role) -> list[Kind]:
    return [one.kind for one in events.of_node(owner, before, status, role, "why", NOW)]


@pytest.mark.parametrize(
    ("was", "status", "role", "wanted"),
    [
        ((Status.NORMAL, Role.PRIMARY), Status.NORMAL, Role.PRIMARY, []),
        ((Status.NORMAL, Role.PRIMARY), Status.ABNORMAL, Role.UNKNOWN, [Kind.NODE_ABNORMAL]),
        ((Status.ABNORMAL, Role.UNKNOWN), Status.NORMAL, Role.SECONDARY, [Kind.NODE_NORMAL]),
        ((Status.NORMAL, Role.SECONDARY), Status.NORMAL, Role.PRIMARY, [Kind.PRIMARY_ELECTED]),
        (
            (Status.ABNORMAL, Role.UNKNOWN),
            Status.NORMAL,
            Role.PRIMARY,
            [Kind.NODE_NORMAL, Kind.PRIMARY_ELECTED],
        ),
        # A job that restarts the node knows.
        ((Status.REBOOT, Role.SECONDARY), Status.ABNORMAL, Role.UNKNOWN, []),
        ((Status.REBOOT, Role.SECONDARY), Status.NORMAL, Role.SECONDARY, []),
    ],
)
def test_nodes(was: tuple[Status, Role], status: Status, role: Role, wanted: list[Kind]) -> None:
    assert kinds(SET, replace(NODE, status=was[0], role=was[1]), status, role) == wanted


def test_a_single_node_elects_nobody() -> None:
    before = replace(SINGLE.nodes[0], role=Role.UNKNOWN, status=Status.ABNORMAL)
    assert kinds(SINGLE, before, Status.NORMAL, Role.PRIMARY) == [Kind.NODE_NORMAL]


def test_the_message_says_why() -> None:
    (event,) = events.of_node(SET, NODE, Status.ABNORMAL, Role.UNKNOWN, "it was killed", NOW)
    assert "it was killed" in event.message
    assert (event.node_id, event.instance_id) == (NODE.id, SET.id)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (Status.NORMAL, []),
        (Status.ABNORMAL, [Kind.INSTANCE_ABNORMAL]),
        (Status.DATA_DISK_FULL, [Kind.VOLUME_FULL]),
        (Status.ENLARGE_FAIL, []),
    ],
)
def test_statuses(status: Status, wanted: list[Kind]) -> None:
    assert [one.kind for one in events.of_status(SET, status, NOW)] == wanted


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        (70, 79, []),
        (70, 81, ["80 %"]),
        (81, 89, []),
        (70, 91, ["90 %"]),
        (81, 91, ["90 %"]),
        (91, 81, []),
        (91, 100, []),
        (70, 100, []),
    ],
)
def test_volumes_that_fill(before: int, after: int, wanted: list[str]) -> None:
    found = events.of_volume(SET, replace(NODE, used_bytes=before), after, 100, NOW)
    assert [one.message.split("more than ")[1].removesuffix(" full.") for one in found] == wanted


def test_every_kind_has_a_severity_and_a_meaning() -> None:
    assert set(SEVERITIES) == set(MEANINGS) == set(Kind)
