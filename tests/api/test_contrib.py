"""What is in contrib/ names only what there is."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from shardhouse.domain.metrics import METRICS

CONTRIB = Path(__file__).parents[2] / "contrib"
KNOWN = {
    *(f"shardhouse_dds_{metric.id}" for metric in METRICS),
    *("shardhouse_instances", "shardhouse_jobs", "shardhouse_node_normal"),
    "shardhouse_http_request_duration_seconds_bucket",
    "shardhouse_http_request_duration_seconds_count",
}


def names(expression: str) -> set[str]:
    return set(re.findall(r"shardhouse_\w+", expression))


def test_the_dashboard_and_the_alerts_know_the_metrics() -> None:
    board = json.loads((CONTRIB / "grafana" / "shardhouse.json").read_text())
    panels: list[dict[str, Any]] = board["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    shown += [one["definition"] for one in board["templating"]["list"] if "definition" in one]
    groups = yaml.safe_load((CONTRIB / "prometheus" / "alerts.yml").read_text())["groups"]
    rules = [rule["expr"] for group in groups for rule in group["rules"]]
    assert len(shown) > 20
    assert len(rules) > 5
    for expression in (*shown, *rules):
        assert names(expression) or expression.startswith("up{")
        assert names(expression) <= KNOWN, expression
