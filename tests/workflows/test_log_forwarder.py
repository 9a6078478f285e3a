"""Entries on their way to a stream: each, in order, also while the stream takes nothing."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from shardhouse.domain import audit
from shardhouse.domain.audit import LtsStream
from shardhouse.domain.model import Status
from shardhouse.errors import StreamError
from shardhouse.settings import Settings
from shardhouse.workflows import audit_files, log_forwarder
from shardhouse.workflows.log_forwarder import LogForwarder

INSTANCE = "instance"
START = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)


class Sink:
    """Keeps what it is sent, unless it is down."""

    def __init__(self):
        self.down = False
        self.taken = []

    def send(self, stream, lines, now):
        """Take lines."""
        if self.down:
            raise StreamError("down")
        found = [json.loads(line) for line in lines.splitlines()]
        self.taken += [(one["node_id"], one["n"]) for one in found]
        assert {one["instance_id"] for one in found} == {INSTANCE}
        assert stream == LtsStream("group", "stream")


class World:
    """An instance, its audit files, and what forwards them."""

    def __init__(self, folder):
        self.settings = Settings(data_dir=folder)
        self.instance = SimpleNamespace(id=INSTANCE, status=Status.NORMAL, policies={})
        self.sink = Sink()
        self.restart()

    def restart(self):
        context = SimpleNamespace(settings=self.settings, instance=lambda _: self.instance)
        self.forwarder = LogForwarder(context, self.sink)

    def associate(self, *, enabled=True):
        stream = LtsStream("group", "stream", enabled)
        self.instance.policies = {audit.LTS_KIND: stream.document()}
        self.forwarder.refresh(INSTANCE)

    def write(self, number, node="node"):
        """An entry; each is of another hour, and so in a file of its own."""
        files = audit_files.of_node(self.settings, INSTANCE, node)
        if files.state() is None:
            files.begin({})
        moment = (START + timedelta(hours=number)).isoformat()
        files.append([json.dumps({"n": number, "ts": {"$date": moment}}).encode()], {})

    def send(self):
        """What is sent by a look at the files."""
        before = len(self.sink.taken)
        self.forwarder._try(self.instance)
        return self.sink.taken[before:]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_what_comes_after_the_association_is_sent_once(world):
    world.write(1)
    world.associate()
    world.write(2)
    world.write(3)
    world.write(4, "other")
    assert world.send() == [("node", 2), ("node", 3), ("other", 4)]
    assert world.send() == []
    world.restart()
    world.write(5)
    assert world.send() == [("node", 5)]


def test_nothing_is_lost_while_the_stream_is_down(world):
    world.associate()
    world.write(1)
    world.sink.down = True
    assert world.send() == []
    world.write(2)
    world.restart()
    world.sink.down = False
    assert world.send() == [("node", 1), ("node", 2)]


def test_a_stream_that_is_down_is_left_alone_for_a_while(world, monkeypatch):
    monkeypatch.setattr(log_forwarder.processes, "serving", lambda _: [world.instance])
    world.associate()
    world.write(1)
    world.sink.down = True
    world.forwarder._look()
    world.sink.down = False
    world.forwarder._look()
    assert world.sink.taken == []
    world.forwarder._due.clear()
    world.forwarder._look()
    assert world.sink.taken == [("node", 1)]


def test_a_file_that_is_gone_is_passed_over(world):
    world.associate()
    world.write(1)
    assert world.send() == [("node", 1)]
    audit_files.expire(world.settings, INSTANCE, START + timedelta(hours=2))
    world.write(2)
    assert world.send() == [("node", 2)]


def test_without_a_stream_nothing_is_sent(world):
    world.write(1)
    assert world.send() == []
    world.associate()
    world.associate(enabled=False)
    world.write(2)
    assert world.send() == []
    world.associate()
    world.write(3)
    assert world.send() == [("node", 3)]
