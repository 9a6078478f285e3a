"""What clients run, and ending it; kill rules."""

import re
from typing import Any

from tests import slow_operations
from tests.console.conftest import Visitor, alerts
from tests.installation import until, uri
from tests.slow_operations import find, update, was_ended

Made = dict[str, Any]


def test_operations_are_shown_and_ended(visitor: Visitor, shared_replica: Made) -> None:
    place = f"/instances/{shared_replica['id']}/operations"

    def keys(**filters: str) -> list[str]:
        page = visitor.get(place, namespace="shop.orders", **filters).text
        return re.findall(r'name="session" value="([^"]+)"', page)

    with (
        slow_operations.collection(uri(shared_replica), "orders", sharded=False) as orders,
        slow_operations.running(find(orders), update(orders)) as (reading, writing),
    ):
        until("both", lambda: keys(type="query") and keys(type="update"))
        page = visitor.get(place, namespace="shop.orders").text
        assert "sleep(500)" in page
        assert "<td>rwuser</td>" in page
        (node,) = {key.split("/")[0] for key in keys(type="query")[:1]}
        assert keys(type="query", node=node)
        visitor.send(f"{place}/kill", only=keys(type="query")[0])
        until("the read to end", lambda: was_ended(reading))
        assert not writing.done()

        def writing_ended() -> bool:
            visitor.send(f"{place}/kill", session=keys(type="update"))
            return was_ended(writing)

        until("the update to end", writing_ended)
    until("nothing to run", lambda: not keys())
    page = visitor.get(place, idle="1")
    assert alerts(page) == []


def test_an_operation_that_has_ended_cannot_be_ended(
    visitor: Visitor, shared_replica: Made
) -> None:
    node = shared_replica["groups"][0]["nodes"][0]["id"]
    place = f"/instances/{shared_replica['id']}/operations"
    answer = visitor.send(f"{place}/kill", session=f"{node}/1")
    assert "cannot be killed" in answer.text
    answer = visitor.get(place, plan_summary="collscan; drop")
    assert any("plan_summary" in one for one in alerts(answer))


def test_kill_rules_are_made_switched_and_deleted(visitor: Visitor, shared_replica: Made) -> None:
    place = f"/instances/{shared_replica['id']}/operations/rules"
    answer = visitor.send(place, operation_types=["query"], node_type="replica")
    assert answer.status_code == 400
    assert "secs_running" in alerts(answer)[0]
    answer = visitor.send(
        place,
        operation_types=["query", "getmore"],
        node_type="replica",
        secs_running="600",
        namespaces="ruled.orders",
    )
    assert "The rule is made" in answer.text
    row = next(part for part in visitor.get(place).text.split("<tr>") if "ruled.orders" in part)
    rule = re.findall(r'name="rule" value="([^"]+)"', row)[0]
    assert "DISABLED" in row
    for action, word in (("enable", ">ENABLED"), ("disable", ">DISABLED")):
        assert word in visitor.send(f"{place}/change", rule=rule, action=action).text
    assert rule not in visitor.send(f"{place}/change", rule=rule, action="delete").text
    assert alerts(visitor.send(f"{place}/change", rule=rule, action="enable"))
