"""Operations that take too long end, and leave their instance as it was."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shardhouse.errors import MongoError
from shardhouse.mongo.admin import accepts
from shardhouse.mongo.wait import Deadline, Limit, limited
from shardhouse.operations.table import OPERATIONS
from shardhouse.settings import Settings
from shardhouse.workflows import limits
from shardhouse.workflows.context import parallel_map
from tests import requests
from tests.domain.test_topology import plan
from tests.installation import Installation, until
from tests.workflows.test_changes import current, nodes
from tests.workflows.test_network import ask_node, bound, ended, new_public_ip, shows, state, works

PROGRAM = Path(__file__).with_name("limited_serve.py")
LIMITED = f"import runpy; runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"


def over() -> Limit:
    return Limit(5, time.monotonic())


def test_a_wait_ends_with_the_limit_around_it() -> None:
    with limited(over()):
        deadline = Deadline(600)
        assert deadline.left == 0
        with pytest.raises(MongoError, match=r"time limit of 5 s is over; waited for rain"):
            deadline.until("rain", lambda: None)
        assert deadline.until("what is there", lambda: 1) == 1
    assert Deadline(600).left > 0


def test_a_limit_holds_in_all_threads_of_its_step() -> None:
    with limited(over()):
        assert parallel_map(lambda _: Deadline(600).left, range(3)) == [0, 0, 0]


def test_limits_grow_with_what_is_done() -> None:
    settings = Settings.model_construct(create_timeout=300)
    small, large = plan(requests.single(), "otc"), plan(requests.cluster(), "otc")
    assert limits.brief(small, settings) == limits.brief(large, settings)
    for limit in (limits.rolling, limits.repeated, limits.copying):
        assert limit(small, settings) < limit(large, settings)
    group, node = small.groups[0], replace(small.nodes[0], used_bytes=10**12)
    full = replace(small, groups=(replace(group, nodes=(node,)),))
    assert limits.copying(full, settings) > limits.copying(small, settings) + 24 * 3600
    assert all(one.limit(small, settings) > 0 for one in OPERATIONS.values())


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    try:
        yield made
    finally:
        made.destroy()


@pytest.mark.soak
def test_a_job_over_its_limit_is_rolled_back_and_frees_its_instance(own: Installation) -> None:
    own.start()
    made = own.make(requests.single())
    (node,) = nodes(made)
    assert own.stop() == 0
    own.start(LIMITED, {"LIMIT": "6"})
    public_ip = new_public_ip(own)
    job = ended(own, ask_node(own, node, "bind-eip", public_ip))
    assert job["status"] == "Failed"
    assert "time limit of 6 s is over" in job["fail_reason"]
    until("the node to be normal", lambda: nodes(current(own, made))[0]["status"] == "normal")
    assert shows(own, made) == {node["id"]: ""}
    assert state(own, public_ip) == "DOWN"
    assert not accepts(f"{public_ip['public_ip']}:{made['port']}")
    assert works(node["host"])
    assert own.stop() == 0
    own.start()
    assert works(bound(own, made, node)[1])
