"""Charts of what was measured."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.console.conftest import Visitor
from tests.installation import Installation, until

Made = dict[str, Any]


@contextmanager
def by_seconds(installation: Installation, made: Made) -> Iterator[None]:
    path = f"/instances/{made['id']}/monitoring-by-seconds/switch"
    assert installation.call("PUT", path, json={"enabled": True}).status_code == 204
    try:
        yield
    finally:
        assert installation.call("PUT", path, json={"enabled": False}).status_code == 204


def drawn(page: str) -> list[str]:
    """The lines of all charts."""
    return re.findall(r'<path class="line-\d" d="(M\d+\.\d[^"]*)"', page)


def test_values_of_each_kind_of_node_are_drawn(
    installation: Installation, visitor: Visitor, shared_cluster: Made
) -> None:
    place = f"/instances/{shared_cluster['id']}/metrics"
    nodes = {
        node["role"] if group["type"] == "shard" else group["type"]: node["id"]
        for group in shared_cluster["groups"]
        for node in group["nodes"]
    }
    with by_seconds(installation, shared_cluster):
        until("values", lambda: drawn(visitor.get(place).text), 60)
        page = visitor.get(place, hours="1").text
        assert 'id="charts" data-refresh="5"' in page
        overview = visitor.get(f"/instances/{shared_cluster['id']}").text
        lag = re.compile(r"<div>\d+ s behind at \d\d:\d\d:\d\d</div>")
        behind = [len(lag.findall(part)) for part in overview.split("<section")]
        assert sorted(behind) == [0, 0, 2, 2, 2]  # the facts and the routers have none
    for name in ("mongo031_cpu_usage", "mongo007_connections", "mongo006_getmore_ps"):
        assert f"<code>{name}</code>" in page
    page = visitor.get(place, node=nodes["mongos"]).text
    assert 'id="charts" data-refresh="60"' in page
    assert "mongo035_disk_usage" not in page  # routers have no volume
    page = visitor.get(place, node=nodes["Primary"], hours="3").text
    assert "mongo025_repl_oplog_win" in page
    assert "mongo026_repl_lag" not in page
    page = visitor.get(place, node=nodes["Secondary"], hours="12").text
    assert "mongo026_repl_lag" in page
    assert "mongo099_read_time_average" in page
    titles = re.findall(r"<title>([^<]+)</title><desc>From \d\d:\d\d to", page)
    assert len(titles) == page.count('role="img"') > 5
