"""From one configuration of a set to the next, as tables."""

from dataclasses import replace
from typing import Any

from shardhouse.mongo.reconfiguration import deviations, next_configuration, spelled
from shardhouse.mongo.replica_set import SetPlan, configuration

HOSTS = tuple(f"127.0.0.{number}:1" for number in range(1, 8))
THREE = SetPlan("replica", HOSTS[:3], hidden=HOSTS[2])
FIVE = replace(THREE, hosts=HOSTS[:5])
WITH_REPLICA = replace(THREE, hosts=HOSTS[:4], read_replicas={HOSTS[3]: 60})


def config_of(plan: SetPlan) -> dict[str, Any]:
    """As the server tells it: with all fields."""
    config = configuration(plan, len(plan.hosts)) | {"version": 1}
    plain = {"votes": 1, "priority": 1, "hidden": False, "secondaryDelaySecs": 0}
    config["members"] = [plain | member for member in config["members"]]
    return config


def steps(
    plan: SetPlan, config: dict[str, Any], primary: str, ready: tuple[str, ...] = HOSTS
) -> list[dict[str, Any]]:
    """All configurations until nothing changes any more."""
    found = []
    while (following := next_configuration(plan, config, primary, ready)) is not None:
        found.append(following)
        config = following
        assert len(found) < 20
    return found


def voters(config: dict[str, Any]) -> set[str]:
    return {member["host"] for member in config["members"] if member["votes"]}


def test_each_step_changes_one_vote_at_most() -> None:
    for plan, old in ((FIVE, THREE), (THREE, FIVE), (WITH_REPLICA, THREE), (THREE, WITH_REPLICA)):
        before = config_of(old)
        found = steps(plan, before, HOSTS[0])
        for config in found:
            assert len(voters(before) ^ voters(config)) <= 1
            before = config
        assert not deviations(plan, found[-1])


def test_who_has_not_caught_up_has_no_vote() -> None:
    found = steps(FIVE, config_of(THREE), HOSTS[0], ready=HOSTS[:4])
    assert voters(found[-1]) == set(HOSTS[:4])
    assert {member["host"] for member in found[-1]["members"]} == set(HOSTS[:5])


def test_a_read_replica_is_behind_and_neither_votes_nor_leads() -> None:
    (config,) = steps(WITH_REPLICA, config_of(THREE), HOSTS[0], ready=())
    (member,) = [one for one in config["members"] if one["host"] == HOSTS[3]]
    told = {key: member[key] for key in ("votes", "priority", "hidden", "secondaryDelaySecs")}
    assert told == {"votes": 0, "priority": 0, "hidden": False, "secondaryDelaySecs": 60}
    assert member["tags"] == {"member": "read_replica"}
    damaged = config_of(WITH_REPLICA)
    damaged["members"][3] |= {"votes": 1, "priority": 1, "secondaryDelaySecs": 0}
    assert len(deviations(WITH_REPLICA, damaged)) == 3


def test_a_primary_that_leaves_stays_until_it_has_handed_over() -> None:
    found = steps(THREE, config_of(FIVE), HOSTS[4])
    assert {member["host"] for member in found[-1]["members"]} == {*HOSTS[:3], HOSTS[4]}
    assert next_configuration(THREE, found[-1], HOSTS[0], HOSTS) is not None


def test_delays_are_spelled_as_the_release_does() -> None:
    known = {"members": [{"host": HOSTS[0], "slaveDelay": 0}]}
    (*_, member) = spelled(config_of(WITH_REPLICA), known)["members"]
    assert member["slaveDelay"] == 60
    assert "secondaryDelaySecs" not in member
