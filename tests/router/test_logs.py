"""What the log says: under the numbers of MongoDB's own events, and as much as it is asked for."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from shardhouse.router.log_levels import Levels
from tests.router.cluster import RouterProcess, until


def events(router: RouterProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in router.log.read_text().splitlines()]


def test_well_known_events_have_their_numbers(cluster):
    router = cluster.start_router()
    with router.client(appName="told") as client:
        client.admin.command("ping")
    with pytest.raises(OperationFailure), router.client(password="wrong") as refused:
        refused.admin.command("ping")
    assert router.stop() == 0
    by_number: dict[int, dict[str, Any]] = {}
    for event in events(router):
        by_number.setdefault(event.get("id", 0), event)
    expected = {
        23403: ("CONTROL", "mongosMain"), 21951: ("CONTROL", "mongosMain"),
        23015: ("NETWORK", "mongosMain"), 23016: ("NETWORK", "mongosMain"),
        22943: ("NETWORK", "listener"), 51800: ("NETWORK", None), 20250: ("ACCESS", None),
        20249: ("ACCESS", None), 22944: ("NETWORK", None), 23377: ("CONTROL", "SignalHandler"),
        23138: ("CONTROL", "mongosMain"),
    }  # fmt: skip
    assert expected.keys() <= by_number.keys()
    for number, (component, context) in expected.items():
        assert by_number[number]["c"] == component
        assert context is None or by_number[number]["ctx"] == context
    assert by_number[23016]["attr"] == {"port": router.port, "ssl": "off"}
    assert by_number[22943]["attr"].keys() == by_number[22944]["attr"].keys()
    assert by_number[51800]["attr"]["doc"]["driver"]["name"].startswith("PyMongo")
    assert by_number[21951]["attr"]["options"]["net"]["port"] == router.port


def test_a_listener_that_cannot_be_set_up_says_so(cluster):
    router = RouterProcess(
        cluster.directory, f"cfg/{cluster.config.address}", cluster.key_file,
        "--port", str(cluster.router.port),
    )  # fmt: skip
    assert router.process.wait(30) == 2
    told = [event for event in events(router) if event.get("id") == 22856]
    # mongodb-runner tries another port where it says this, and does not where NETWORK does.
    assert [(event["s"], event["c"]) for event in told] == [("E", "SHARDING")]


def test_levels_have_an_effect_on_their_component(cluster):
    router = cluster.start_router()

    def logged(number: int) -> list[str]:
        return [one["attr"].get("command") for one in events(router) if one.get("id") == number]

    with router.client() as client:
        admin = client.admin
        before = admin.command("setParameter", 1, logComponentVerbosity={"network": 5})["was"]
        assert before["verbosity"] == 0
        assert before["network"]["verbosity"] == -1
        client.test.command("count", "quiet")
        admin.command("setParameter", 1, logComponentVerbosity={"command": {"verbosity": 2}})
        client.test.command("count", "loud")
        admin.command("setParameter", 1, logComponentVerbosity={"command": {"verbosity": -1}})
        told = admin.command("getParameter", 1, logComponentVerbosity=1, logLevel=1)
        assert told["logLevel"] == 0
        assert told["logComponentVerbosity"]["network"]["verbosity"] == 5
        admin.command("setParameter", 1, logLevel=1)
        assert (
            admin.command("getParameter", 1, logComponentVerbosity=1)["logComponentVerbosity"][
                "verbosity"
            ]
            == 1
        )
    assert router.stop() == 0
    slow = [one for one in logged(51803) if one]
    assert any(command.get("count") == "loud" for command in slow)
    assert logged(21965).count("count") == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [(5, 14), ({"nope": {"verbosity": 1}}, 2), ({"query": {"verbosity": "x"}}, 2)],
)
def test_levels_that_are_none(root, given, code):
    with pytest.raises(OperationFailure) as refused:
        root.admin.command("setParameter", 1, logComponentVerbosity=given)
    assert refused.value.code == code


def test_a_level_of_its_own_goes_before_the_root():
    levels = Levels()
    levels.update({"verbosity": 1, "command": {"verbosity": 0}, "storage": {"wt": {"wtHS": 3}}})
    assert (levels.of("COMMAND"), levels.of("ACCESS"), levels.root) == (0, 1, 1)
    assert levels.document["storage"]["wt"]["wtHS"] == {"verbosity": 3}
    levels.update({"command": {"verbosity": -1}, "verbosity": -1})
    assert (levels.of("COMMAND"), levels.root) == (0, 0)


def test_connections_to_a_node_are_dropped(cluster):
    router = cluster.start_router()
    node = cluster.config.address
    with router.client() as client:

        def idle() -> int:
            return client.admin.command("connPoolStats")["hosts"][node]["available"]

        client.config.shards.find_one()
        assert idle() > 0
        client.admin.command("dropConnections", hostAndPort=[node, "nobody:1"])
        assert client.config.shards.find_one()
        for wrong, code in ((None, 40414), (5, 14), ([5], 14)):
            given = {} if wrong is None else {"hostAndPort": wrong}
            with pytest.raises(OperationFailure) as refused:
                client.admin.command({"dropConnections": 1, **given})
            assert refused.value.code == code
    assert router.stop() == 0


def test_a_signal_puts_the_log_aside(cluster):
    router = cluster.start_router().listening()
    before = router.log.read_text()
    router.process.send_signal(signal.SIGUSR1)
    until("a file put aside", lambda: list(router.log.parent.glob(f"{router.log.name}.*")) or None)
    (aside,) = router.log.parent.glob(f"{router.log.name}.*")
    with router.client() as client:
        client.admin.command("ping")
    assert aside.read_text().startswith(before)
    assert {event["msg"] for event in events(router)} >= {"Connection accepted"}
    assert router.stop() == 0
