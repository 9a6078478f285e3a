"""Random commands against a live cluster: nothing dies or leaks, all replies are well-formed."""

from __future__ import annotations

import json

import pytest

from shardhouse.router.commands.table import TABLE
from tests.router.cluster import TestCluster
from tests.router.fuzz import census, runs
from tests.router.fuzz.grammar import EXAMPLES


def complaints(cluster: TestCluster) -> list[str]:
    """What the router logged as a mistake of its own, before `logRotate` too."""
    log = cluster.router.log
    lines = [
        line for one in log.parent.glob(f"{log.name}*") for line in one.read_text().splitlines()
    ]
    return [line for line in lines if not line.startswith("{") or json.loads(line)["s"] in "EF"]


def test_every_example_is_of_a_command_that_exists():
    assert EXAMPLES.keys() <= TABLE.keys()


def attack(cluster, root, seeds: range, seconds: float) -> None:
    runs.prepare(root)
    before = census.take(cluster, root)
    done = runs.many(cluster, seeds, 1_000_000, seconds)
    print(f"seeds {seeds}:", *(f"{run.number} commands," for run in done))
    findings = [finding for run in done for finding in run.findings]
    if findings:  # whole: an assertion's message is cut
        pytest.fail("\n".join((*findings, *complaints(cluster))))
    assert all(run.number for run in done)
    runs.clean_up(root, done)
    census.returns_to(before, cluster, root)
    assert complaints(cluster) == []


def test_random_commands_do_no_harm(fuzzed, fuzzed_root):
    attack(fuzzed, fuzzed_root, range(1000, 1002), 15)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(0, 120, 4))
def test_many_random_commands_do_no_harm(fuzzed, fuzzed_root, seed):
    attack(fuzzed, fuzzed_root, range(seed, seed + 4), 120)
